import json
import shutil

import numpy as np
import pytest
import torch

from core.bundle import MANIFEST, WEIGHTS, find_model, list_models, load_bundle, save_bundle
from core.errors import BundleError


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
    from core.bundle import _digest

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
