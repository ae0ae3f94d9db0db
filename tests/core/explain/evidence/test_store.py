import json
from dataclasses import replace

import pytest
import torch

from core.bundle import load_bundle, save_bundle
from core.config import ModelConfig
from core.explain.evidence import store as evidence_store
from core.explain.evidence.store import (
    FORMATS,
    PARTS,
    EvidenceError,
    evidence_folder,
    evidence_path,
    find_evidence,
    model_fingerprint,
    read_evidence,
    write_evidence,
)


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setattr(evidence_store, "SHIPPED", tmp_path / "shipped")
    return tmp_path / "home"


@pytest.fixture
def rival(walk_bundle, tmp_path):
    """The same bundle with one weight moved."""
    other = load_bundle(save_bundle_copy(walk_bundle, tmp_path))
    with torch.no_grad():
        next(other.model.parameters()).add_(1e-3)
    return other


def save_bundle_copy(bundle, tmp_path):
    save_bundle(bundle, tmp_path / "copy")
    return tmp_path / "copy"


def test_what_was_measured_is_read_back(home, walk_bundle):
    path = write_evidence(evidence_folder(home, walk_bundle), walk_bundle, "routing", {"windows": 50})
    assert path == find_evidence(home, walk_bundle, "routing")
    found = read_evidence(home, walk_bundle, "routing")
    assert found == {"model": model_fingerprint(walk_bundle), "model_name": "small", "windows": 50}


def test_nothing_measured_is_nothing(home, walk_bundle):
    assert read_evidence(home, walk_bundle, "routing") is None


def test_a_readme_is_no_evidence_and_stands_in_the_way_of_none(home, walk_bundle):
    evidence_store.SHIPPED.mkdir()
    (evidence_store.SHIPPED / "README.md").write_text("Mine.")
    assert [find_evidence(home, walk_bundle, part) for part in PARTS] == [None] * len(PARTS)
    write_evidence(evidence_store.SHIPPED, walk_bundle, "routing", {"windows": 50})
    assert read_evidence(home, walk_bundle, "routing") is not None
    assert (evidence_store.SHIPPED / "README.md").read_text() == "Mine."


def test_the_fingerprint_follows_weights_and_not_calibrators(walk_bundle, rival):
    assert model_fingerprint(rival) != model_fingerprint(walk_bundle)
    assert model_fingerprint(replace(walk_bundle, confidence={})) == model_fingerprint(walk_bundle)
    fewer = replace(walk_bundle, instruments=walk_bundle.instruments[:1])
    assert model_fingerprint(fewer) != model_fingerprint(walk_bundle)


def test_evidence_of_another_model_is_not_shown(home, walk_bundle, rival):
    content = {"windows": 50}
    write_evidence(evidence_store.SHIPPED, rival, "routing", content)
    assert read_evidence(home, rival, "routing") is not None
    assert read_evidence(home, walk_bundle, "routing") is None


def test_planted_evidence_speaks_of_every_model_of_its_architecture(home, walk_bundle, rival):
    architecture = walk_bundle.config.model.model_dump(mode="json")
    write_evidence(evidence_store.SHIPPED, walk_bundle, "planted", {"architecture": architecture})
    assert read_evidence(home, rival, "planted") is not None
    other = ModelConfig.model_validate(architecture | {"ffn_dim": 48})
    wider = replace(rival, config=rival.config.model_copy(update={"model": other}))
    assert read_evidence(home, wider, "planted") is None


@pytest.mark.parametrize("part", ["planted", "importance"])
def test_evidence_of_an_older_form_counts_as_not_measured(home, walk_bundle, part):
    architecture = walk_bundle.config.model.model_dump(mode="json")
    path = write_evidence(
        evidence_folder(home, walk_bundle), walk_bundle, part, {"architecture": architecture}
    )
    assert read_evidence(home, walk_bundle, part)["format"] == FORMATS[part]
    older = json.loads(path.read_text())
    path.write_text(json.dumps(older | {"format": 1}))
    assert read_evidence(home, walk_bundle, part) is None
    del older["format"]
    path.write_text(json.dumps(older))
    assert read_evidence(home, walk_bundle, part) is None


def test_what_was_measured_here_comes_before_what_shipped(home, walk_bundle):
    write_evidence(evidence_store.SHIPPED, walk_bundle, "routing", {"windows": 1})
    write_evidence(evidence_folder(home, walk_bundle), walk_bundle, "routing", {"windows": 2})
    assert read_evidence(home, walk_bundle, "routing")["windows"] == 2


@pytest.mark.parametrize("text", ["", "{", "[1, 2]", "{}", "null", "\udcff"])
def test_damaged_evidence_is_refused_in_one_sentence(home, walk_bundle, text):
    path = evidence_path(evidence_folder(home, walk_bundle), "routing")
    path.parent.mkdir(parents=True)
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(EvidenceError) as refused:
        read_evidence(home, walk_bundle, "routing")
    said = str(refused.value)
    assert str(path) in said
    assert "python -m core evidence" in said
    assert "\n" not in said
