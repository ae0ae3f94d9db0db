"""Panels and sentences: numbers as a person reads them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from app.components.record_strip import strip_data
from app.panels import percent, task_panel
from app.record import Outcome, record_sentence
from app.wording import attended_sentence
from core.predictor import TaskPrediction


def prediction(
    task: str, probabilities: dict[str, float], confidence: float, **more: float
) -> TaskPrediction:
    return TaskPrediction(
        task=task,
        classes=tuple(probabilities),
        logits=np.log(list(probabilities.values())),
        probabilities=np.array(list(probabilities.values())),
        head_confidence=confidence,
        sources={},
        raw_confidence=0.5,
        **more,
    )


DIRECTION = prediction("direction", {"Bullish": 0.61, "Bearish": 0.17, "Sideways": 0.22}, 0.58)


def test_a_panel_says_the_call_and_every_class_in_whole_percent() -> None:
    panel = task_panel(DIRECTION)
    assert "BULLISH" in panel
    for text in ("61%", "17%", "22%", "58%"):
        assert f">{text}<" in panel


def test_the_head_confidence_is_named_as_uncalibrated_and_without_a_record() -> None:
    assert "uncalibrated; no record yet" in task_panel(DIRECTION)


def test_intensity_is_shown_only_where_the_task_has_one() -> None:
    shares = {"Low": 0.2, "Medium": 0.3, "High": 0.5}
    with_intensity = prediction("volatility", shares, 0.4, intensity=-0.25)
    assert "Expected volatility" not in task_panel(DIRECTION)
    assert "-0.2" in task_panel(with_intensity)


def test_names_from_a_users_configuration_cannot_inject_markup() -> None:
    hostile = prediction("<b>x</b>", {"<i>a</i>": 0.9, "b": 0.1}, 0.5)
    assert "<i>" not in task_panel(hostile)
    assert "<b>x" not in task_panel(hostile)


@pytest.mark.parametrize(("share", "text"), [(0.0, "0%"), (0.574, "57%"), (1.0, "100%")])
def test_percent_has_no_decimals(share: float, text: str) -> None:
    assert percent(share) == text


def outcome(call: str, happened: str | None) -> Outcome:
    return Outcome(pd.Timestamp("2020-01-02", tz="UTC"), call, happened)


def test_the_record_counts_only_what_is_decided() -> None:
    past = [outcome("Low", "Low"), outcome("Low", "High"), outcome("High", "High"), outcome("High", None)]
    assert record_sentence(past) == "2 of 3 right (67%), 1 not decided yet"
    assert record_sentence([outcome("Low", None)]) == "none is decided yet"


def test_the_strip_tells_right_wrong_and_open_apart_and_names_the_bar() -> None:
    line = strip_data({"volatility": [outcome("Low", "Low"), outcome("Low", "High"), outcome("Low", None)]})
    cells = line["lines"][0]["cells"]
    assert [cell["state"] for cell in cells] == ["right", "wrong", "open"]
    assert {cell["bar"] for cell in cells} == {"2020-01-02"}
    assert cells[1]["text"] == "2020-01-02: said Low, High came"


def test_the_attended_sentence_counts_back_from_the_bar_that_looks() -> None:
    row = np.zeros(100)
    row[60], row[30] = 0.75, 0.25
    labels = [str(i) for i in range(100)]
    said = attended_sentence(row, labels, 60, 3, 5)
    assert said == (
        "From **60**, in layer 3, head 5 gives 75% to the last 20 bars and 100% to the last 50 bars; "
        "most to 60 (75%), 30 (25%)."
    )
