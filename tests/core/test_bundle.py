import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import safetensors.torch
import torch

from core.bundle import MANIFEST, WEIGHTS, _digest, find_model, list_models, load_bundle, save_bundle
from core.disk import digest_file
from core.errors import BundleError
from core.models.ensemble import MarketEnsemble
from core.training.trainer import build_model
from tests.conftest import small_config, untrained_bundle


@pytest.fixture
def folder(walk_bundle, tmp_path):
    save_bundle(walk_bundle, tmp_path / "bundle")
    return tmp_path / "bundle"


def test_a_loaded_bundle_is_the_saved_one(walk_bundle, folder):
    loaded = load_bundle(folder)
    assert loaded.version == walk_bundle.version
    assert loaded.config == walk_bundle.config
    assert loaded.feature_names == walk_bundle.feature_names
    assert loaded.thresholds == walk_bundle.thresholds
    assert loaded.borders == walk_bundle.borders
    np.testing.assert_array_equal(loaded.scaler.low, walk_bundle.scaler.low)
    for name, tensor in walk_bundle.model.state_dict().items():
        assert torch.equal(loaded.model.state_dict()[name], tensor)


def test_a_bundle_of_the_first_format_loads_with_frozen_borders_and_without_direct_paths(walk_data, tmp_path):
    """Format 1 knew one kind of border, no direct paths, no scales and no members."""
    config = small_config()
    tasks = [task.model_copy(update={"direct": []}) for task in config.tasks]
    bundle = untrained_bundle(walk_data, config.model_copy(update={"tasks": tasks}), tmp_path / "old")
    folder = tmp_path / "old"
    manifest = json.loads((folder / MANIFEST).read_text())
    weights = safetensors.torch.load_file(folder / WEIGHTS)
    kept = {name: tensor for name, tensor in weights.items() if not name.endswith(".scale")}
    assert len(kept) < len(weights)
    safetensors.torch.save_file(kept, folder / WEIGHTS)
    manifest["format_version"] = 1
    del manifest["peers"]
    for key in ("reference", "reference_bars", "reference_minimum"):
        del manifest["config"]["labels"][key]
    del manifest["config"]["model"]["members"]
    for task in manifest["config"]["tasks"]:
        del task["direct"]
    manifest["files"][WEIGHTS] = digest_file(folder / WEIGHTS)
    manifest["digest"] = _digest(manifest)
    (folder / MANIFEST).write_text(json.dumps(manifest))
    old = load_bundle(folder)
    assert old.config.labels.reference == "frozen"
    assert old.peers == old.instruments
    x = torch.rand(2, 300, len(old.feature_names)) * 100
    index = torch.ones(2, dtype=torch.int64)
    with torch.inference_mode():
        before, after = bundle.model(x, index, index), old.model(x, index, index)
    for task in before.tasks:
        assert torch.equal(before.tasks[task].logits, after.tasks[task].logits)
        assert after.tasks[task].direct is None


def test_a_bundle_of_several_members_loads_as_it_was_saved(walk_data, tmp_path):
    config = small_config(model={"members": 3})
    torch.manual_seed(0)
    members = [build_model(walk_data, config) for _ in range(3)]
    single = untrained_bundle(walk_data, small_config(), tmp_path / "single")
    model = MarketEnsemble(members).eval()
    saved = save_bundle(replace(single, config=config, model=model), tmp_path / "several")
    x = torch.rand(2, 300, len(saved.feature_names)) * 100
    index = torch.ones(2, dtype=torch.int64)
    with torch.inference_mode():
        before, after = model(x, index, index), load_bundle(tmp_path / "several").model(x, index, index)
    for task, head in before.tasks.items():
        assert torch.equal(head.logits, after.tasks[task].logits)
        assert torch.equal(head.direct, after.tasks[task].direct)


def test_the_version_follows_the_content(walk_bundle, folder, tmp_path):
    with torch.no_grad():
        walk_bundle.model.projection.bias[0] += 1
    try:
        changed = save_bundle(walk_bundle, tmp_path / "changed")
    finally:
        with torch.no_grad():
            walk_bundle.model.projection.bias[0] -= 1
    assert changed.version != load_bundle(folder).version


def test_saving_over_a_bundle_replaces_all_of_it(walk_bundle, folder):
    (folder / "stray").write_text("x")
    save_bundle(walk_bundle, folder)
    assert not (folder / "stray").exists()
    assert [path.name for path in folder.parent.iterdir()] == ["bundle"]


def test_a_readme_in_the_folder_changes_no_version_and_outlives_a_new_bundle(walk_bundle, folder):
    (folder / "README.md").write_text("Mine.")
    assert load_bundle(folder).version == walk_bundle.version
    assert save_bundle(walk_bundle, folder).version == walk_bundle.version
    assert (folder / "README.md").read_text() == "Mine."


def _truncate(folder):
    path = folder / WEIGHTS
    path.write_bytes(path.read_bytes()[:-100])


def _alter_manifest(folder):
    path = folder / MANIFEST
    manifest = json.loads(path.read_text())
    manifest["scaler"]["low"][0] += 1
    path.write_text(json.dumps(manifest))


def _break_json(folder):
    (folder / MANIFEST).write_text('{"format_version": 1,')


def _newer(folder):
    path = folder / MANIFEST
    manifest = json.loads(path.read_text())
    manifest["format_version"] = 99
    path.write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (_truncate, "SHA-256"),
        (_alter_manifest, "as it was written"),
        (_break_json, "readable JSON"),
        (_newer, "format 99"),
        (lambda folder: (folder / WEIGHTS).unlink(), "the file model.safetensors"),
        (lambda folder: (folder / MANIFEST).write_text("[1]"), "other JSON"),
        (shutil.rmtree, "none in"),
    ],
)
def test_a_damaged_bundle_is_refused_in_one_sentence(folder, damage, said):
    damage(folder)
    with pytest.raises(BundleError, match=said) as refusal:
        load_bundle(folder)
    assert str(refusal.value).count("\n") == 0


def test_parts_of_two_models_do_not_load_together(folder):
    path = folder / MANIFEST
    manifest = json.loads(path.read_text())
    manifest["config"]["model"]["d_model"] = 32
    manifest["digest"] = _digest(manifest)
    path.write_text(json.dumps(manifest))
    with pytest.raises(BundleError, match="fit together"):
        load_bundle(folder)


def test_models_are_found_by_name_and_an_unknown_name_lists_the_known(walk_bundle, tmp_path):
    save_bundle(walk_bundle, tmp_path / "models" / "small")
    assert "small" in [entry.name for entry in list_models(tmp_path)]
    assert find_model(tmp_path, "small") == tmp_path / "models" / "small"
    with pytest.raises(BundleError, match="small"):
        find_model(tmp_path, "smal")


@pytest.mark.parametrize("name", ["../evil", "", "a/b", ".hidden", "x" * 65])
def test_a_name_that_could_leave_the_folder_is_refused(tmp_path, name):
    with pytest.raises(BundleError, match="model name"):
        find_model(tmp_path, name)
