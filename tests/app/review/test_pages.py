"""The review pages without a browser: filters in the link, old results, empty filters."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import core.bundle
from core.experiments.walk_forward.results import fold_path
from tests.app.workbench import assert_no_fault, open_page, said
from tests.core.review.synthetic_review import write_synthetic


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder that holds a walk-forward and nothing else."""
    monkeypatch.setenv("LOOKBACK_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(core.bundle, "SHIPPED", tmp_path / "no model" / "model")
    monkeypatch.setattr("app.review.cached.SHIPPED", tmp_path / "no model" / "model")
    write_synthetic(tmp_path / "home" / "walk_forward" / "synthetic", bars=400, folds=2)
    return tmp_path / "home"


@pytest.mark.usefixtures("home")
def test_a_link_brings_filters_source_line_level_and_period() -> None:
    app = open_page(
        "calibration",
        review_instrument="BBB",
        review_regime="Ranging",
        review_source="raw",
        review_line="40",
        review_level="0.8",
        review_from="2015-03-01",
        review_to="2015-12-31",
    )
    assert_no_fault(app)
    assert app.selectbox(key="review_instrument").value == "BBB"
    assert app.selectbox(key="review_regime").value == "Ranging"
    assert app.selectbox(key="review_source").value == "raw"
    assert app.slider(key="review_line").value == 40
    assert [day.isoformat() for day in app.date_input[0].value] == ["2015-03-01", "2015-12-31"]
    assert "Above 40% it would have acted" in said(app)
    assert "Promised 80%" in said(app)
    assert app.query_params["review_from"] == "2015-03-01"


@pytest.mark.usefixtures("home")
def test_choices_are_written_to_the_link_and_defaults_left_out() -> None:
    app = open_page("calibration")
    assert not [name for name in app.query_params if name.startswith("review_")]
    app.selectbox(key="review_instrument").select("AAA").run()
    app.slider(key="review_line").set_value(61).run()
    assert app.query_params["review_instrument"] == "AAA"
    assert app.query_params["review_line"] == "61"
    app.selectbox(key="review_instrument").select("all").run()
    assert "review_instrument" not in app.query_params
    assert app.query_params["review_line"] == "61"
    assert_no_fault(app)


@pytest.mark.usefixtures("home")
def test_a_link_to_what_is_not_there_is_said_and_shows_everything() -> None:
    app = open_page("calibration", review_instrument="nowhere", review_line="999", review_source="tarot")
    assert_no_fault(app)
    assert "review_source, review_line cannot be read" in said(app)
    assert app.selectbox(key="review_instrument").value == "all"
    assert "Instrument nowhere is not in this walk-forward, which has AAA and BBB" in said(app)
    assert "of 800)" in said(app)


@pytest.mark.usefixtures("home")
def test_filters_that_leave_nothing_say_so() -> None:
    app = open_page("selective", review_from="2015-01-01", review_to="2015-01-05")
    assert_no_fault(app)
    assert "fewer than 30 say nothing" in said(app)


@pytest.mark.usefixtures("home")
def test_performance_scores_the_filtered_rows() -> None:
    app = open_page("performance", review_instrument="BBB")
    assert_no_fault(app)
    titles = [json.loads(chart.proto.spec)["layout"]["title"]["text"] for chart in app.get("plotly_chart")]
    assert "All folds, 400 predictions, 95% whiskers" in titles
    assert "Walk-forward small**: 2 expanding folds of AAA 1d and BBB 1d" in said(app)
    assert "No model is chosen beside it" in said(app)


def test_results_of_an_older_version_say_what_they_lack(home: Path) -> None:
    folder = home / "walk_forward" / "synthetic"
    for k in range(2):
        record = json.loads(fold_path(folder, k).read_text())
        del record["mixes"]
        fold_path(folder, k).write_text(json.dumps(record))
    app = open_page("selective")
    assert_no_fault(app)
    assert "run it again to see what each adds to the learned mix" in said(app)


@pytest.mark.usefixtures("home")
def test_forms_of_the_confidence_stand_beside_the_probability_alone() -> None:
    app = open_page("selective")
    assert_no_fault(app)
    assert "The sources add nothing to the probability that can be shown" in said(app)
    tables = [frame.value for frame in app.dataframe if "made of" in frame.value]
    assert "the probability and the sources' ranks" in set(tables[0]["made of"])
    assert "before ranks were kept" not in said(app)


def test_results_without_ranks_open_and_say_so(home: Path) -> None:
    write_synthetic(home / "walk_forward" / "older", ranks=False)
    app = open_page("selective")  # the newest is opened first
    assert_no_fault(app)
    assert "the walk-forward was run before ranks were kept" in said(app)
    tables = [frame.value for frame in app.dataframe if "made of" in frame.value]
    assert not any("ranks" in form for form in tables[0]["made of"])
