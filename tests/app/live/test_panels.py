"""Panels and sentences: numbers as a person reads them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from app.components.record_strip import strip_data
from app.live.panels import task_panel
from app.words import confidence
from app.words.numbers import percent
from app.words.predictions import (
    facts,
    groups_sentence,
    in_sample_sentence,
    made_of_sentence,
    set_sentence,
    unlike_training,
    unseen_sentence,
    why_sentence,
)
from app.words.records import record_sentence
from core.prediction import Prediction, StatedClass, TaskPrediction
from core.review.outcomes import Outcome
from core.review.track_record import ConfidenceRecord, Measured
from core.scores.stretches import Stretches


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
    for text in ("61%", "17%", "22%"):
        assert f">{text}<" in panel


MADE_OF = "the probability alone; the sources add nothing that can be shown"
SOURCES = {"attention": 0.31, "ensemble": 0.92, "similarity": 0.44, "mc_dropout": 0.87}
STATED = replace(
    DIRECTION,
    sources=SOURCES,
    stated=StatedClass(
        0.53, 0.49, np.array([0.53, 0.2, 0.27]), ("Bullish", "Sideways"), "temperature", MADE_OF, {}
    ),
)


def worth(value: float, rows: int, right: int) -> ConfidenceRecord:
    """Record of `rows` calls all stated at `value`."""
    when = Stretches.over(np.arange(rows), 5)
    return ConfidenceRecord.of(np.full(rows, value), np.arange(rows) < right, when)


def test_the_stated_probabilities_replace_the_plain_ones_and_the_call_stays() -> None:
    panel = task_panel(STATED)
    assert "BULLISH" in panel
    for text in ("53%", "20%", "27%"):
        assert f">{text}<" in panel
    assert "61%" not in panel


def test_a_stated_confidence_stands_beside_its_record() -> None:
    panel = task_panel(STATED, {"confidence": worth(0.53, 812, 463)})
    assert "sure: <b>53%</b> · right 57% of the 812 times it was this sure" in panel


def test_the_record_of_other_models_says_whose_it_is() -> None:
    record = replace(worth(0.53, 812, 463), measured=Measured("alike", 2007, 2018))
    assert "measured 2007 to 2018 on models trained the same way" in task_panel(
        STATED, {"confidence": record}
    )
    assert "measured" not in task_panel(STATED, {"confidence": worth(0.53, 812, 463)}).split("lb-sources")[0]


def test_a_record_of_other_series_is_not_taken_for_that_of_the_series_shown() -> None:
    measured = Measured("alike", 2007, 2018, series=("AAPL 1d", "SP500 1d"))
    records = {"confidence": replace(worth(0.53, 812, 463), measured=measured)}
    assert "measured 2007 to 2018 on 2 series, on models" in task_panel(STATED, records, "AAPL 1d")
    new = task_panel(STATED, records, "EURUSD 1h")
    assert "measured 2007 to 2018 on 2 other series, none of EURUSD 1h, on models" in new


@pytest.mark.parametrize(
    ("shares", "members", "reason"),
    [
        ((0.5, 0.3, 0.2), ("Bullish", "Bearish", "Sideways"), "nothing is ruled out"),
        ((0.334, 0.333, 0.333), ("Bullish", "Bearish"), "the first two classes tie"),
    ],
)
def test_where_nothing_is_ruled_out_or_classes_tie_no_class_is_called(
    shares: tuple[float, ...], members: tuple[str, ...], reason: str
) -> None:
    stated = replace(STATED.stated, probabilities=np.array(shares), members=members)
    undecided = replace(STATED, stated=stated)
    panel = task_panel(undecided)
    assert undecided.no_call == reason
    assert "BULLISH" not in panel
    assert ">NO CALL<" in panel
    assert f"no call: {reason}" in panel
    assert f">{percent(shares[0])}<" in panel


def test_a_lead_that_shows_on_the_screen_is_a_call() -> None:
    stated = replace(STATED.stated, probabilities=np.array([0.35, 0.34, 0.31]))
    assert replace(STATED, stated=stated).no_call is None


def test_an_unlike_window_that_the_model_has_seen_alike_says_which_of_the_two_is_meant() -> None:
    ts = pd.Timestamp("2013-03-01", tz="UTC")
    said = Prediction("AAPL", "1d", ts, ts, "m", "v", 20.0, True, 1.5, True, "", {})
    assert "seen before" not in unlike_training(said)
    assert "lies at 40% of its limit" in unlike_training(replace(said, representation_distance=0.4))
    assert "seen before" not in unlike_training(replace(said, representation_distance=1.5))


def test_a_bar_that_helped_to_make_the_model_is_said_to() -> None:
    ts = pd.Timestamp("2013-03-01", tz="UTC")
    said = Prediction("AAPL", "1d", ts, ts, "m", "v", 20.0, False, 0.5, True, "", {})
    assert "has seen what came" in in_sample_sentence(replace(said, segment="train"))
    assert "helped to choose" in in_sample_sentence(replace(said, segment="calibrate"))
    assert in_sample_sentence(replace(said, segment="test")) == in_sample_sentence(said) == ""


def test_the_strongest_groups_come_first() -> None:
    said = groups_sentence("High", {"volume": 0.1, "volatility": -0.5, "calendar": 0.0})
    assert said.index("0.50") < said.index("0.10")
    assert "0.00" not in said


def test_without_a_walk_forward_the_panel_names_the_command() -> None:
    assert "sure: <b>53%</b> · no record yet: run python -m core walk-forward" in task_panel(STATED)


def test_every_source_has_its_colour_its_question_its_value_and_its_record() -> None:
    records = {name: worth(value, 812, 382) for name, value in SOURCES.items()}
    panel = task_panel(STATED, records)
    for name in SOURCES:
        cell = panel.split(f'data-source="{name}"')[1].split("data-source")[0]
        assert f"background:{confidence.STATED[name].color}" in cell
        assert f">{percent(SOURCES[name])}<" in cell
        assert "direction was right 47% of the time, n = 812." in cell
    for question in ("where it looks", "do its layers agree", "seen before?", "steady under noise"):
        assert f">{question}<" in panel


def test_sources_of_a_model_that_ranks_them_stand_by_their_rank_with_the_value_behind() -> None:
    assert STATED.stated is not None
    ranks = {"attention": 0.12, "ensemble": 0.55, "similarity": 1.0, "mc_dropout": 0.734}
    panel = task_panel(replace(STATED, stated=replace(STATED.stated, ranks=ranks)))
    for said in (
        "looks sharper than 12%",
        "layers agree more than 55%",
        "more familiar than 100%",
        "steadier than 73%",
    ):
        assert f">{said}<" in panel
    assert f">{confidence.OF_PAST_BARS}<" in panel
    cell = panel.split('data-source="mc_dropout"')[1]
    assert "width:73.4%" in cell
    assert "Steadier than 73% of past bars: Steadiness under dropout 87.00%." in cell


def test_a_source_that_was_always_the_same_is_called_so() -> None:
    ranks = {"attention": 0.12, "similarity": 1.0}
    panel = task_panel(replace(STATED, stated=replace(STATED.stated, ranks=ranks, unmoved=("mc_dropout",))))
    cell = panel.split('data-source="mc_dropout"')[1].split("data-source")[0]
    assert "the same on every past bar" in cell
    assert "so it tells this call from no other" in cell


def test_a_model_that_keeps_no_ranks_says_so_beside_the_values() -> None:
    panel = task_panel(STATED)
    assert f">{confidence.NO_RANKS}<" in panel
    assert "keeps no ranks of past bars" in panel.split('data-source="similarity"')[1]


def test_what_sureness_is_made_of_is_said_once_for_tasks_that_share_it() -> None:
    assert STATED.stated is not None
    other = replace(STATED, task="regime", stated=replace(STATED.stated, made_of="a learned mix"))
    tasks = {"direction": STATED, "volatility": replace(STATED, task="volatility"), "regime": other}
    ts = pd.Timestamp("2013-03-01", tz="UTC")
    said = Prediction("AAPL", "1d", ts, ts, "m", "v", 20.0, False, 0.5, True, "", tasks)
    assert made_of_sentence(said) == (
        f"How sure it is, is made of: of direction and volatility, {MADE_OF}; of regime, a learned mix."
    )
    assert made_of_sentence(replace(said, tasks={"direction": DIRECTION})) == ""
    assert MADE_OF in task_panel(STATED).split('role="tooltip">')[1].split("</span>")[0]


def test_the_head_confidence_stays_in_the_tooltip() -> None:
    tip = task_panel(STATED).split('role="tooltip">')[1].split("</span>")[0]
    assert "own estimate of being right: 58%, not calibrated" in tip


def test_a_model_without_calibrators_says_that_its_sureness_is_not_known() -> None:
    panel = task_panel(DIRECTION)
    assert "sure: <b>not known</b>" in panel
    assert "90% set" not in panel


def test_the_prediction_set_is_said_in_words() -> None:
    classes = ("Bullish", "Bearish", "Sideways")
    assert set_sentence(("Bullish", "Sideways"), classes) == "90% set: Bullish or Sideways"
    assert set_sentence(classes, classes) == "90% set: any of the 3, nothing ruled out"
    assert set_sentence((), classes) == "90% set: empty, no class fits"
    assert "90% set: Bullish or Sideways" in task_panel(STATED)


def test_moments_follow_the_zone_and_daily_bars_keep_their_date() -> None:
    ts = pd.Timestamp("2013-03-01", tz="UTC")
    said = Prediction("AAPL", "1d", ts, ts + pd.Timedelta(days=1), "m", "v", 20.0, False, 0.5, True, "", {})
    due = pd.Timestamp("2013-03-04", tz="UTC")
    assert facts(said, due, "1d") == (
        "Bar of **2013-03-01**, closed 2013-03-02 00:00 UTC, next 2013-03-04 · answered in 20 ms"
    )
    assert facts(said, due, "1d", "America/New_York") == (
        "Bar of **2013-03-01**, closed 2013-03-01 19:00 EST, next 2013-03-04 · answered in 20 ms"
    )
    assert "next 2013-03-04 if that is no holiday" in facts(said, due, "1d", holiday=True)
    assert "Bar of **2013-02-28 19:00**" in facts(said, due, "1h", "America/New_York")


def test_a_notice_names_what_the_model_was_trained_without() -> None:
    ts = pd.Timestamp("2013-03-01", tz="UTC")
    known = Prediction("EURUSD", "1h", ts, ts, "m", "v", 20.0, False, 0.5, True, "", {})
    assert unseen_sentence(known) == ""
    new = replace(known, known_instrument=False)
    assert "trained without EURUSD:" in unseen_sentence(new)
    assert "trained without EURUSD and 1h bars:" in unseen_sentence(replace(new, known_timeframe=False))
    assert "trained without 1h bars:" in unseen_sentence(replace(known, known_timeframe=False))


def test_why_says_the_share_of_the_last_twenty_bars_and_how_unlike_training() -> None:
    row = np.full(300, 0.38 / 280)
    row[-20:] = 0.62 / 20
    assert why_sentence(row, 0.92) == (
        "Where it looks: the last 20 bars carry 62% of its attention · unlike training? "
        "no, at 92% of the limit"
    )
    assert "**yes**, at 130% of the limit" in why_sentence(row, 1.3)


def test_intensity_is_shown_only_where_the_task_has_one() -> None:
    shares = {"Low": 0.2, "Medium": 0.3, "High": 0.5}
    with_intensity = prediction("volatility", shares, 0.4, intensity=-0.25)
    assert "expected volatility" not in task_panel(DIRECTION)
    assert "-0.2" in task_panel(with_intensity)


def test_names_from_a_users_configuration_cannot_inject_markup() -> None:
    hostile = prediction("<b>x</b>", {"<i>a</i>": 0.9, "b": 0.1}, 0.5)
    assert "<i>" not in task_panel(hostile)
    assert "<b>x" not in task_panel(hostile)


@pytest.mark.parametrize(("share", "text"), [(0.0, "0%"), (0.574, "57%"), (1.0, "100%")])
def test_percent_has_no_decimals(share: float, text: str) -> None:
    assert percent(share) == text


def outcome(call: str, happened: str | None, day: int = 0, **more) -> Outcome:
    """A call of a day of its own, decided by its own bar."""
    ts = pd.Timestamp("2020-01-02", tz="UTC") + pd.Timedelta(days=day)
    return Outcome(ts, call, happened, sure=0.6, **more)


def test_the_record_counts_only_what_is_decided() -> None:
    past = [outcome("Low", "Low"), outcome("Low", "High", 1), outcome("High", "High", 2)]
    past.append(outcome("High", None, 3))
    said = record_sentence(past)
    assert said.startswith("2 of 3 right (67% [")
    assert "; always High 67%; it was 60% sure on average; 1 not decided yet" in said
    assert record_sentence([outcome("Low", None)]) == "no call that counts; 1 not decided yet"


def test_what_made_the_model_and_what_is_no_call_stand_in_no_record() -> None:
    seen = [outcome("Low", "Low", day, segment="train") for day in range(3)]
    none = [outcome("Low", "Low", 5, no_call="nothing is ruled out")]
    wrong = [outcome("Low", "High", 6, segment="test")]
    assert record_sentence([*seen, *none, *wrong]).startswith("0 of 1 right (0% [")
    assert "3 in sample, which counts for nothing; 1 no call" in record_sentence([*seen, *none, *wrong])
    assert record_sentence(seen) == "no call that counts; 3 in sample, which counts for nothing"


def test_the_strip_marks_what_does_not_count() -> None:
    past = [outcome("Low", "Low", segment="calibrate"), outcome("Low", "High", no_call="the classes tie")]
    seen, none = strip_data({"volatility": past})["lines"][0]["cells"]
    assert (seen["state"], seen["mark"]) == ("seen", "\u2713")
    assert "in sample" in seen["text"]
    assert (none["state"], none["mark"]) == ("none", "\u00b7")
    assert "no call (the classes tie), most probable Low" in none["text"]


def test_the_strip_tells_right_wrong_and_open_apart_and_names_the_bar() -> None:
    line = strip_data({"volatility": [outcome("Low", "Low"), outcome("Low", "High"), outcome("Low", None)]})
    cells = line["lines"][0]["cells"]
    assert [cell["state"] for cell in cells] == ["right", "wrong", "open"]
    assert {cell["bar"] for cell in cells} == {"2020-01-02"}
    assert cells[1]["text"] == "2020-01-02: said Low, High came"
