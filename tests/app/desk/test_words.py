from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from app.desk.words import Line, call_text, desk_sentence, desk_table, feed_text, keep, link_to
from core.data.store import SeriesSummary
from core.operations.latest import Latest
from core.prediction import Prediction, StatedClass, TaskPrediction

LAST = pd.Timestamp("2020-03-05", tz="UTC")
CLASSES = ("Bullish", "Bearish", "Sideways")
SERIES = SeriesSummary("AAA", "1d", LAST - pd.Timedelta(days=900), LAST, 600)


def said(shares: list[float], members: tuple[str, ...] = ("Bullish",)) -> TaskPrediction:
    values = np.array(shares)
    stated = StatedClass(0.41, 0.4, values, members, "temperature", "the probability", {})
    return TaskPrediction("direction", CLASSES, np.log(values), values, 0.5, {}, 0.5, stated)


def predicted(
    shares: list[float], members: tuple[str, ...] = ("Bullish",), strange: bool = False
) -> Prediction:
    return Prediction(
        "AAA", "1d", LAST, LAST, "small", "0" * 12, 1.0, strange, 1.7 if strange else 0.5, True, "",
        {"direction": said(shares, members)}, segment="test",
    )  # fmt: skip


def line(now: Prediction | None, before: Prediction | None = None, **changes) -> Line:
    due = LAST + pd.Timedelta(days=1)
    latest = Latest("AAA", "1d", LAST, 600, now=now, before=before, due=due, **changes)
    return Line(SERIES, latest)


UP, DOWN = [0.5, 0.2, 0.3], [0.3, 0.5, 0.2]
NOW = LAST + pd.Timedelta(days=1)


@pytest.mark.parametrize(
    ("now", "before", "changed", "points"),
    [
        (predicted(UP), predicted(UP), "", 0),
        (predicted(UP), predicted(DOWN, ("Bearish",)), "▼ Bearish", 20),
        (predicted(UP), predicted(UP, CLASSES), "no call", 0),
        (predicted(UP, CLASSES), predicted(DOWN, CLASSES), "", 20),
    ],
)
def test_a_change_is_another_call_and_points_are_those_of_the_class_called_now(now, before, changed, points):
    row = desk_table([line(now, before)], ["direction"], "direction", NOW).iloc[0]
    assert row["Before"] == changed
    assert row["Points"] == points
    assert not np.signbit(row["Points"])


def test_without_a_prediction_the_reason_stands_where_the_stance_would():
    silent = Line(SERIES, None)
    row = desk_table([silent], ["direction"], "direction", NOW).iloc[0]
    assert row["Stance"] == "no prediction: not predicted yet"
    assert np.isnan(row["P"])
    assert call_text(None) == row["Direction"] == ""
    refused = line(None, refused="104 bars short")
    assert "104 bars short" in desk_table([refused], ["direction"], "direction", NOW)["Stance"].iloc[0]


def test_each_choice_keeps_what_it_names_and_the_sentence_counts_the_same():
    lines = [
        line(predicted(UP), predicted(UP)),
        line(predicted(UP, CLASSES), predicted(UP)),
        line(predicted(UP, strange=True)),
        Line(replace(SERIES, instrument="ZZZ"), None),
    ]
    kept = {
        shown: len(keep(lines, shown, "direction"))
        for shown in ("all", "calls", "changed", "doubtful", "silent")
    }
    assert kept == {"all": 4, "calls": 2, "changed": 1, "doubtful": 1, "silent": 1}
    assert [one.key for one in keep(lines, "all", "direction", " zzz 1D ")] == [("ZZZ", "1d")]
    told = desk_sentence(lines, "direction", NOW)
    for part in (
        "**4 series**",
        "**2** with a call of direction",
        "**1** changed",
        "**1** unlike",
        "**0** late",
    ):
        assert part in told


def test_the_feed_is_fresh_late_or_history_and_new_bars_go_first():
    held = line(predicted(UP))
    assert feed_text(held, LAST) == "fresh"
    assert feed_text(held, LAST + pd.Timedelta(days=5)) == "late 3 days"
    assert feed_text(held, LAST + pd.Timedelta(days=90)) == "ends 2020"
    newer = Line(replace(SERIES, bars=601), held.latest)
    assert feed_text(newer, LAST) == "new bars"


def test_a_rank_is_of_the_stated_confidence_and_a_link_carries_the_model():
    row = desk_table([line(predicted(UP))], ["direction"], "direction", NOW, rank=lambda sure: sure / 2).iloc[
        0
    ]
    assert row["Surer than"] == pytest.approx(20.5)
    assert link_to(SERIES, "my model") == "./?instrument=AAA&timeframe=1d&model=my+model"
