"""A fifth source is an entry of two tables and its own function; everything else finds it there."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch

from app.figures.reliability import reliability_figure, stated_line
from app.figures.selective import areas_figure, leave_out_figure, risk_figure
from app.live.panels import task_panel
from app.report.sections import draw_prediction
from app.review.tables import areas_table, compared_table, left_out_table
from app.review.words import left_out_sentence
from app.words.confidence import STATED, Stated, stated_title
from core.confidence.sources import SOURCES, Seen, Source
from core.data.segments import CALIBRATE
from core.data.windows import LastBarWindows
from core.experiments.walk_forward.rows import build_rows
from core.predictor import Predictor
from core.review.calibration import compare_stated, measure_reliability
from core.review.rows import RowFilter, list_stated, stretches_of, take_rows
from core.review.selective import leave_out, score_areas, trace_risk
from core.review.track_record import build_records
from core.training.scoring import score_with_confidence
from tests.app.workbench import assert_no_fault, open_page
from tests.core.review.synthetic_review import write_synthetic

FIFTH, TITLE, QUESTION, COLOR = "margin", "lead of the call", "a close call?", "#123456"


def lead(seen: Seen) -> dict[str, torch.Tensor]:
    """Probability of the likeliest class less that of the second."""
    found = {}
    for task, head in seen.traced.layers[-1].items():
        best = head.probabilities[:, 0].topk(2).values
        found[task] = best[:, 0] - best[:, 1]
    return found


def add_fifth(monkeypatch: pytest.MonkeyPatch) -> None:
    """The two entries."""
    monkeypatch.setitem(SOURCES, FIFTH, Source(0.25, lead))
    words = Stated(TITLE, "longdashdot", COLOR, True, QUESTION, meaning="Hardly any lead, hardly any call.")
    monkeypatch.setitem(STATED, FIFTH, words)


@pytest.fixture
def fifth(monkeypatch: pytest.MonkeyPatch) -> None:
    add_fifth(monkeypatch)


def test_words_are_there_for_everything_that_is_stated_in_its_order() -> None:
    assert tuple(STATED) == list_stated()
    assert all(STATED[name].question and STATED[name].meaning and STATED[name].color for name in SOURCES)
    assert len({(s.color, s.dash) for s in STATED.values()}) == len(STATED)
    assert stated_title("raw") == "sum of the four sources"


@pytest.mark.usefixtures("fifth")
def test_a_prediction_its_panel_and_the_report_state_the_fifth_source(walk_bundle, walk_store) -> None:
    prediction = Predictor(walk_bundle, walk_store).predict("AAA", "1d")
    for task in prediction.tasks.values():
        best = np.sort(task.probabilities)[::-1]
        assert task.sources[FIFTH] == pytest.approx(best[0] - best[1], abs=1e-6)
        assert 0 <= task.raw_confidence <= 1
        assert task.to_dict()["sources"][FIFTH] == task.sources[FIFTH]
        panel = task_panel(task)
        cell = panel.split(f'data-source="{FIFTH}"')[1]
        assert QUESTION in cell
        assert COLOR in cell
        assert "learned mix of the five sources" in panel
    moment = SimpleNamespace(prediction=prediction)
    material = SimpleNamespace(explanation=SimpleNamespace(moment=moment), records={})
    assert draw_prediction(cast(Any, material)).count(QUESTION) == len(prediction.tasks)


@pytest.mark.usefixtures("fifth")
def test_walk_forward_rows_have_a_column_for_the_fifth_source(walk_data, walk_bundle) -> None:
    windows = LastBarWindows(walk_data, CALIBRATE, walk_bundle.config, 40)
    scores = score_with_confidence(walk_bundle.model, windows, walk_bundle.reference)
    bars = max(len(series.ts) for series in walk_data.series)
    measured = SimpleNamespace(regime_now=np.zeros(bars), labels_ahead={})
    measures = cast(Any, [measured for _ in walk_data.series])
    rows = build_rows(0, walk_data, walk_bundle.config, scores, walk_bundle.confidence, measures)
    for task, part in rows.groupby("task", observed=True):
        shares = np.sort(part[["u_0", "u_1", "u_2"]].to_numpy(), axis=1)
        np.testing.assert_allclose(part[FIFTH], shares[:, 2] - shares[:, 1], atol=1e-5, err_msg=str(task))


@pytest.mark.usefixtures("fifth")
def test_tables_figures_and_records_of_the_review_show_the_fifth_source(tmp_path: Path) -> None:
    result = write_synthetic(tmp_path / "walk")
    rows = take_rows(result, RowFilter("direction"))
    areas = score_areas(rows, stretches_of(rows))
    left = leave_out(rows, result.folds, "direction", stretches_of(rows))
    assert list(left.index) == list(SOURCES)
    assert TITLE in set(compared_table(compare_stated(rows))["confidence"])
    assert TITLE in set(areas_table(areas)["confidence"])
    assert TITLE in set(left_out_table(left)["source"])
    assert "In the sum of five" in left_out_sentence(left)
    assert FIFTH in build_records(rows)
    reliability = reliability_figure(
        measure_reliability(rows, FIFTH, stretches_of(rows)), FIFTH, title="", dark=False
    )
    curves = risk_figure(trace_risk(rows), list_stated(), dark=False)
    for figure in (reliability, curves, areas_figure(areas, dark=False), leave_out_figure(left, dark=False)):
        assert TITLE in figure.to_json()
    assert stated_line(FIFTH, False) == {"color": COLOR, "dash": "longdashdot", "width": 1.6}


def test_results_with_four_sources_open_once_there_is_a_fifth(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = write_synthetic(tmp_path / "walk")
    before = take_rows(result, RowFilter("direction"))
    four = leave_out(before, result.folds, "direction", stretches_of(before))
    add_fifth(monkeypatch)
    rows = take_rows(result, RowFilter("direction"))
    assert np.isnan(rows.stated[FIFTH]).all()
    for shown in (trace_risk(rows), compare_stated(rows).index, build_records(rows)):
        assert FIFTH not in shown
        assert "mc_dropout" in shown
    left = leave_out(rows, result.folds, "direction", stretches_of(rows))
    np.testing.assert_allclose(left.to_numpy(), four.to_numpy(), atol=1e-12)


@pytest.mark.parametrize("page", ["calibration", "selective"])
def test_review_pages_offer_and_show_the_fifth_source(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_fifth(monkeypatch)
    monkeypatch.setenv("LOOKBACK_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("app.review.cached.SHIPPED", tmp_path / "none" / "model")
    write_synthetic(tmp_path / "home" / "walk_forward" / "five")
    app = open_page(page)
    assert_no_fault(app)
    if page == "calibration":
        assert TITLE.capitalize() in app.selectbox(key="review_source").options
    else:
        assert FIFTH in app.button_group(key="risk_shown").value
    tables = [frame.value.to_csv() for frame in app.dataframe]
    assert any(TITLE in table for table in tables)
