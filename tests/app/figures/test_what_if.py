import numpy as np
import pandas as pd
import pytest

from app.figures.theme import BLUE, VERMILION
from app.figures.what_if import (
    MOST_FEATURES,
    ClassShift,
    edit_causes,
    edited_candles,
    feature_courses,
    probability_shifts,
)
from tests.conftest import random_walk

SHIFTS = [
    ClassShift("direction", "Bullish", 0.41, 0.35),
    ClassShift("direction", "Bearish", 0.3, 0.36),
    ClassShift("volatility", "Low", 0.5, 0.5),
]


@pytest.fixture
def bars() -> pd.DataFrame:
    return random_walk("AAA", 40, 0)


def test_both_sides_show_their_own_bars_on_one_price_axis_and_mark_the_edited(bars):
    after = bars.copy()
    after.loc[38, "high"] *= 1.5
    figure = edited_candles(bars, after)
    left, right = [trace for trace in figure.data if trace.type == "candlestick"]
    assert left.high[38] == bars["high"][38]
    assert right.high[38] == after["high"][38]
    assert figure.layout.yaxis.range[1] >= after["high"].max()
    assert figure.layout.yaxis.range[0] <= bars["low"].min()
    marks = [(shape.x0, shape.x1) for shape in figure.layout.shapes]
    assert set(marks) == {(37.5, 38.5)}
    assert len(marks) == 4
    assert any("edited" in note.text and "▼" in note.text for note in figure.layout.annotations)


def test_an_unedited_pair_marks_nothing_and_unknown_volume_is_no_edit(bars):
    bars.loc[3, "volume"] = np.nan
    assert not edited_candles(bars, bars.copy()).layout.shapes
    with pytest.raises(ValueError, match="same bars"):
        edited_candles(bars, bars.iloc[:-1])


def test_every_class_runs_from_what_it_was_to_what_it_is_with_the_difference_in_points():
    figure = probability_shifts(SHIFTS)
    assert [tuple(trace.x) for trace in figure.data] == [(41, 35), (30, 36), (50, 50)]
    texts = [note.text for note in figure.layout.annotations]
    assert texts[:3] == ["−6.0", "+6.0", "0.0"]
    assert list(figure.layout.yaxis.ticktext) == ["▲ Bullish", "▼ Bearish", "○ Low"]
    borders = [shape.y0 for shape in figure.layout.shapes]
    assert borders == [1.5]


def test_changed_features_are_drawn_most_changed_first_and_edited_cells_marked():
    rng = np.random.default_rng(0)
    before = rng.normal(size=(30, 6))
    after = before.copy()
    after[-3:, 2] += 9
    after[-1, 4] += 3
    names = ["return_1", "return_2", "rsi_14", "adx_14", "body", "range"]
    figure = feature_courses(
        before, after, names, np.arange("2020-01-01", "2020-01-31", dtype="datetime64[D]"), "1d", dark=False
    )
    assert [note.text.split(" (")[0] for note in figure.layout.annotations] == [
        "RSI, 14 bars",
        "body of the candle",
    ]
    marked = figure.data[2]
    assert marked.mode == "markers"
    assert len(marked.x) == 3
    everything = feature_courses(
        before, before + 1, names, np.arange(30).astype("datetime64[D]"), "1d", dark=True
    )
    assert len(everything.data) == 3 * MOST_FEATURES
    with pytest.raises(ValueError, match="no feature changed"):
        feature_courses(before, before, names, np.arange(30).astype("datetime64[D]"), "1d", dark=True)


def test_causes_stand_side_by_side_with_sign_and_colour():
    rows = [("rsi_14", 0.4, -0.2, -0.6), ("body", 0.1, 0.1, 0.0)]
    figure = edit_causes(rows, "Bullish", dark=False)
    before, after, moved = figure.data
    assert list(before.y) == ["body of the candle", "RSI, 14 bars"]
    assert list(before.x) == [0.1, 0.4]
    assert list(after.x) == [0.1, -0.2]
    assert list(moved.x) == [0.0, -0.6]
    assert list(after.marker.color) == [BLUE, VERMILION]
    assert list(moved.text) == ["+0.00", "−0.60"]
    assert figure.layout.xaxis.range == figure.layout.xaxis2.range
