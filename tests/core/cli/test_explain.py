"""Explanations on the command line: what machines get, what people read, how bad input ends."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from core.__main__ import main
from core.bundle import save_bundle
from core.explain.causes import AGAINST, COUNT
from core.explain.evidence import run as evidence_run
from core.explain.evidence.store import evidence_folder, write_evidence
from tests.core.command_line import refuse, run

ROOT = Path(__file__).resolve().parents[3]
EXPLAIN = ["explain", "--instrument", "AAA", "--timeframe", "1d", "--at", "2009-06-06", "--model", "small"]
QUICK = ["--method", "gradient_times_input"]


def test_json_holds_the_attribution_its_axes_and_its_check(home, capsys):
    found = run(capsys, *EXPLAIN, "--task", "direction", "--class", "bullish", "--method", "ig")
    assert np.shape(found["attribution"]) == (300, len(found["feature_names"]))
    assert len(found["bar_times"]) == 300
    assert found["ts"] == "2009-06-05T00:00:00+00:00"
    assert (found["class"], found["method"]) == ("Bullish", "ig")
    reference = found["reference"]
    assert (reference["name"], reference["windows"]) == ("ordinary_windows", 16)
    assert 0 < reference["probability"] < 1
    assert reference["out_of_distribution"] == (reference["distance"] > 1)
    assert found["random_orders"] == 20
    assert 0 <= found["deletion_rank"] <= 20
    change = found["output"] - found["reference_output"]
    assert abs(np.sum(found["attribution"]) - change) <= 0.011 * max(abs(change), 0.01)
    assert found["completeness_error"] <= 0.01
    for name in ("deletion", "insertion", "random_deletion", "random_insertion"):
        assert np.isfinite(found[f"{name}_area"])
    assert found["planted_auprc"] is None
    assert found["settings"]["grouping"] == "feature"
    assert {"removal", "causes", "data_fingerprint", "model_version"} <= set(found)
    assert found["segment"] in ("train", "calibrate", "test")
    assert found["out_of_distribution"] == (found["distance"] > 1)


def test_the_second_time_comes_from_disk(home, capsys):
    first = run(capsys, *EXPLAIN, *QUICK)
    assert list((home / "explanations").iterdir())
    second = run(capsys, *EXPLAIN, *QUICK)
    assert second["seconds"] == first["seconds"]
    assert second["attribution"] == first["attribution"]


def test_the_class_called_and_the_best_planted_method_are_the_defaults(home, capsys, walk_bundle):
    scores = {
        "gradient_times_input": {"typical_window": {"auprc": 0.7}},
        "ig": {"window_mean": {"auprc": 0.6}},
    }
    content = {
        "architecture": walk_bundle.config.model.model_dump(mode="json"),
        "generators": {"one": {"scores": scores}},
    }
    write_evidence(evidence_folder(home, walk_bundle), walk_bundle, "planted", content)
    found = run(capsys, *EXPLAIN)
    assert (found["method"], found["reference"]["name"]) == ("gradient_times_input", "typical_window")
    assert found["planted_auprc"] == 0.7
    assert found["class"] == found["prediction"]["direction"]["call"]


def test_people_read_prediction_causes_check_and_completeness(home, capsys):
    assert main([*EXPLAIN, *QUICK, "--class", "Bearish"]) == 0
    said = capsys.readouterr().out
    assert "Why Bearish?" in said
    assert said.count("without it P(Bearish)") == COUNT + AGAINST
    assert "Reference: 16 ordinary windows of AAA, P(Bearish) 0." in said
    assert "of 20 random orders at removing" in said
    assert "does not promise that its values add up" in said
    assert "python -m core evidence" in said
    assert len(said.splitlines()) < 25


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (["--task", "weather"], "a task out of direction, volatility, regime"),
        (["--class", "up"], "a class out of Bullish, Bearish, Sideways"),
        (["--method", "deeplift"], "a method out of ig"),
        (["--reference", "zero"], "a reference out of ordinary_windows"),
        (["--instrument", "ZZZ"], "a stored series, got ZZZ 1d"),
        (["--timeframe", "5m"], "a stored series, got AAA 5m"),
        (["--at", "someday"], "a time such as"),
        (["--at", "2005-02-01"], "300 bars of AAA 1d"),
        (["--html", "/nowhere/at/all.html"], "a folder to write the report to"),
    ],
)
def test_what_cannot_be_explained_ends_in_one_sentence(home, capsys, wrong, said):
    assert said in refuse(capsys, *EXPLAIN, *wrong)


def test_the_reference_is_still_understood_as_a_baseline(home, capsys):
    found = run(capsys, *EXPLAIN, *QUICK, "--baseline", "window_mean")
    assert found["reference"]["name"] == "window_mean"
    with pytest.raises(SystemExit):
        main(["explain", "--help"])
    said = capsys.readouterr().out
    assert "--reference" in said
    assert "--baseline" not in said


def test_html_writes_the_report_of_the_same_explanation(home, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    file = tmp_path / "with space.html"
    found = run(capsys, *EXPLAIN, *QUICK, "--class", "sideways", "--html", str(file))
    page = file.read_text(encoding="utf-8")
    assert found["report"] == {"file": str(file), "bytes": len(page.encode())}
    assert "Why Sideways, in words" in page
    assert found["data_fingerprint"] in page


def test_a_report_that_cannot_be_written_ends_in_one_sentence(home, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    (tmp_path / "taken").mkdir()
    said = refuse(capsys, *EXPLAIN, *QUICK, "--html", str(tmp_path / "taken"))
    assert "Cannot write" in said


def test_core_does_not_import_the_workbench_to_explain(home):
    script = (
        "import sys; from core.__main__ import main; code = main(sys.argv[1:]);"
        "assert not {'app', 'streamlit', 'plotly'} & set(sys.modules); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *EXPLAIN, *QUICK, "--json"],
        cwd=ROOT, env=os.environ | {"LOOKBACK_HOME": str(home)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["instrument"] == "AAA"
    # Nothing but the answer: neither progress on a pipe nor complaints at exit.
    assert "leaked" not in done.stderr


def test_evidence_measures_the_parts_asked_for(home, capsys, monkeypatch):
    monkeypatch.setattr(evidence_run, "measure_routing", lambda *a, **named: {"windows": named["windows"]})
    found = run(capsys, "evidence", "--model", "small", "--parts", "routing", "--windows", "3")
    assert list(found["parts"]) == ["routing"]
    written = json.loads(Path(found["parts"]["routing"]["file"]).read_text())
    assert written["windows"] == 3
    assert written["model"] == found["fingerprint"]
    assert "parts out of planted" in refuse(capsys, "evidence", "--model", "small", "--parts", "weather")


def test_features_are_selected_by_evidence_alone(home, capsys, walk_bundle):
    assert "a measured importance" in refuse(capsys, "select-features", "--model", "small")
    write_evidence(evidence_folder(home, walk_bundle), walk_bundle, "importance", {"removable": []})
    found = run(capsys, "select-features", "--model", "small")
    assert (found["removed"], found["arms"]) == ([], [])
    assert main(["select-features", "--model", "small"]) == 0
    assert "No feature of small may go" in capsys.readouterr().out


def test_one_member_is_explained_with_its_own_probability_beside_that_of_all(home, capsys, pair_bundle):
    save_bundle(pair_bundle, home / "models" / "pair")
    asked = [*EXPLAIN[:-1], "pair", *QUICK, "--class", "bullish"]
    own = run(capsys, *asked, "--member", "2")
    together = run(capsys, *asked)
    assert (own["member"], own["members"], together["member"]) == (2, 2, None)
    assert own["probability_of_all"] == pytest.approx(together["probability"], abs=1e-5)
    assert own["probability"] != pytest.approx(together["probability"], abs=1e-5)
    main([*asked, "--member", "2"])
    assert "Member 2 of 2 alone: it says P(Bullish)" in capsys.readouterr().out
    assert "a member from 1 to 2" in refuse(capsys, *asked, "--member", "3")
