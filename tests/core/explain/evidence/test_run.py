import json

import numpy as np
import pytest

from core.errors import InputError
from core.explain.evidence import run as evidence_run
from core.explain.evidence import store as evidence_store
from core.explain.evidence.run import EvidenceSettings, measure_parts
from core.explain.evidence.store import read_evidence
from core.explain.similar.index import load_index
from core.predictor import Predictor
from core.progress import Stopped


@pytest.fixture
def predictor(walk_bundle, walk_store):
    return Predictor(walk_bundle, walk_store)


@pytest.fixture
def measured(monkeypatch, predictor):
    """Which parts were really measured; the two slow ones are stood in for."""
    calls = []

    def stand_in(part, content):
        def measure(*arguments, **named):
            calls.append((part, named.get("windows")))
            return content

        return measure

    architecture = predictor.bundle.config.model.model_dump(mode="json")
    monkeypatch.setattr(evidence_run, "run_planted", stand_in("planted", {"architecture": architecture}))
    monkeypatch.setattr(evidence_run, "measure_routing", stand_in("routing", {"windows": 3}))
    monkeypatch.setattr(evidence_run, "measure_importance", stand_in("importance", {"windows": 3}))
    return calls


def test_parts_are_written_where_their_readers_look(predictor, measured):
    home = predictor.store.home
    out = evidence_store.evidence_path
    folder = home / "evidence" / evidence_store.model_fingerprint(predictor.bundle)
    found = measure_parts(predictor, folder, ["routing", "moments", "planted"])
    assert [part for part, _ in measured] == ["planted", "routing"]
    assert list(found) == ["planted", "routing", "moments"]
    assert read_evidence(home, predictor.bundle, "routing")["windows"] == 3
    assert read_evidence(home, predictor.bundle, "planted") is not None
    index = load_index(home, predictor.bundle)
    assert len(index.ts) > 100
    assert np.isfinite(index.representations).all()
    assert found["moments"]["file"] == str(out(folder, "moments"))


def test_an_interrupted_run_goes_on_with_the_next_part(predictor, measured, monkeypatch, tmp_path):
    whole = evidence_run.measure_importance

    def interrupted(*arguments, **named):
        raise Stopped

    monkeypatch.setattr(evidence_run, "measure_importance", interrupted)
    settings = EvidenceSettings(windows=4)
    with pytest.raises(Stopped):
        measure_parts(predictor, tmp_path, ["routing", "importance"], settings)
    monkeypatch.setattr(evidence_run, "measure_importance", whole)
    found = measure_parts(predictor, tmp_path, ["routing", "importance"], settings)
    assert measured == [("routing", 4), ("importance", 4)]
    assert [entry["kept"] for entry in found.values()] == [True, False]


def test_every_part_is_measured_with_somebody_watching(predictor, measured, tmp_path):
    said = []
    found = measure_parts(predictor, tmp_path, progress=lambda *stage: said.append(stage))
    assert list(found) == list(evidence_run.PARTS)
    assert "index of similar moments" in {stage for stage, _, _ in said}


def test_a_finished_run_is_not_gone_on_with(predictor, measured, tmp_path):
    for _ in range(2):
        found = measure_parts(predictor, tmp_path, ["routing"])
    assert measured == [("routing", None)] * 2
    assert not found["routing"]["kept"]


def test_other_settings_do_not_take_over_an_interrupted_run(predictor, measured, monkeypatch, tmp_path):
    monkeypatch.setattr(evidence_run, "measure_importance", lambda *a, **k: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        measure_parts(predictor, tmp_path, ["routing", "importance"], EvidenceSettings(windows=4))
    measure_parts(predictor, tmp_path, ["routing"], EvidenceSettings(windows=5))
    assert measured == [("routing", 4), ("routing", 5)]


def test_a_damaged_record_of_an_interrupted_run_costs_time_only(predictor, measured, monkeypatch, tmp_path):
    monkeypatch.setattr(evidence_run, "measure_importance", lambda *a, **k: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        measure_parts(predictor, tmp_path, ["routing", "importance"])
    (record,) = (predictor.store.home / "evidence" / "work").glob("*.json")
    assert json.loads(record.read_text())
    record.write_text("{")
    monkeypatch.setattr(evidence_run, "measure_importance", lambda *a, **k: {"windows": 3})
    measure_parts(predictor, tmp_path, ["routing", "importance"])
    assert [part for part, _ in measured] == ["routing", "routing"]


@pytest.mark.parametrize("wrong", [["weather"], [], ["planted", "Routing"]])
def test_an_unknown_part_is_refused(predictor, tmp_path, wrong):
    with pytest.raises(InputError, match="parts out of planted, routing, importance, moments"):
        measure_parts(predictor, tmp_path, wrong)


def test_no_window_is_refused(predictor, tmp_path):
    with pytest.raises(InputError, match="at least one window"):
        measure_parts(predictor, tmp_path, ["routing"], EvidenceSettings(windows=0))
