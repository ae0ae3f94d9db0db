import json

import pytest

from core.__main__ import main
from core.data.store import BarStore
from core.experiments import challengers
from core.operations import stances
from core.trading.stance import Thresholds
from tests.conftest import random_walk
from tests.core.command_line import refuse, run
from tests.core.review.synthetic_review import write_synthetic

PLAIN = {"direction": ("logistic",), "volatility": ("har",), "regime": ("logistic",)}


def test_challengers_are_fitted_and_kept_by_the_models_version(home, capsys, monkeypatch):
    monkeypatch.setattr(challengers, "name_challengers", lambda task: PLAIN[task.name])
    found = run(capsys, "challengers", "--model", "small")
    assert found["fitted"] == ["direction logistic", "volatility har", "regime logistic"]
    assert found["file"] == str(home / "challengers" / f"{found['version']}.json")
    assert (
        json.loads((home / "challengers" / f"{found['version']}.json").read_text())["rows"] == found["rows"]
    )


def test_predict_all_predicts_what_is_new_alone_and_says_why_a_series_is_silent(home, capsys):
    BarStore().upsert(random_walk("SHORT", 90, 4))
    first = run(capsys, "predict-all", "--model", "small")
    assert first["predicted"] == len(first["series"]) == 3
    assert first["thresholds"] == {}
    silent = next(one for one in first["series"] if one["instrument"] == "SHORT")
    assert "210 bars short" in silent["refused"]
    assert run(capsys, "predict-all", "--model", "small")["predicted"] == 0
    assert run(capsys, "predict-all", "--model", "small", "--again")["predicted"] == 3
    assert main(["predict-all", "--model", "small"]) == 0
    said = capsys.readouterr().out
    assert "210 bars short" in said
    assert "0 of 3 series predicted anew" in said
    assert "no thresholds: run python -m core walk-forward" in said


@pytest.mark.usefixtures("home")
def test_predict_all_of_no_model_is_refused(capsys):
    assert "'none'" in refuse(capsys, "predict-all", "--model", "none")


def test_predict_all_chooses_thresholds_where_a_walk_forward_keeps_its_calibrate_rows(
    home, capsys, monkeypatch
):
    write_synthetic(home / "walk_forward" / "small", bars=60)
    found = run(capsys, "predict-all", "--model", "small")
    assert found["thresholds"]["1d"].startswith("Expected")
    monkeypatch.setattr(stances, "latest", lambda *asked: Thresholds(1, 0.51, 0.55, 0.7, 40, 90, 0.2))
    assert run(capsys, "predict-all", "--model", "small")["thresholds"]["1d"]["confidence"] == 0.55
    assert main(["predict-all", "--model", "small"]) == 0
    assert "thresholds of 1d: probability 51%, sure 55%" in capsys.readouterr().out
