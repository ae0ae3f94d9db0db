"""Records of confidence, counted again by hand."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest

from app.words.records import measured_sentence, source_record, sureness_record
from core.confidence.sources import SOURCES
from core.experiments.walk_forward.results import rank_column
from core.prediction import StatedClass, TaskPrediction
from core.review.rows import RowFilter, take_rows
from core.review.track_record import WIDEST, ConfidenceRecord, build_records, keep_known
from core.scores.stretches import Stretches
from tests.core.review.synthetic_review import write_synthetic


def record_of(stated: np.ndarray, correct: np.ndarray) -> ConfidenceRecord:
    return ConfidenceRecord.of(stated, correct, Stretches.over(np.arange(len(stated)), 5))


@pytest.fixture(scope="module")
def counted():
    rng = np.random.default_rng(3)
    stated = rng.uniform(0.3, 0.9, 2000).astype(np.float32).astype(float)
    correct = rng.random(2000) < stated
    return stated, correct, record_of(stated, correct)


@pytest.mark.parametrize("value", [0.31, 0.5, 0.7, 0.89])
def test_a_standing_counts_the_rows_of_its_own_tenth(counted, value: float) -> None:
    stated, correct, record = counted
    found = record.standing(value)
    inside = (stated >= found.low) & (stated < found.high)
    assert found.low <= value <= found.high
    assert found.count == pytest.approx(inside.sum(), abs=1)
    assert found.count == pytest.approx(len(stated) / 10, abs=1)
    assert found.right == pytest.approx(correct[inside].sum(), abs=1)
    assert found.right_low < found.share < found.right_high


def test_every_tenth_of_a_calibrated_forecaster_is_right_as_often_as_it_says(counted) -> None:
    stated, _, record = counted
    for value in np.quantile(stated, np.arange(0.05, 1, 0.1)):
        found = record.standing(float(value))
        spread = np.sqrt(value * (1 - value) / found.count)
        assert abs(found.share - value) < 4 * spread


def test_the_tenths_together_hold_every_row_once(counted) -> None:
    stated, correct, record = counted
    found = {record.standing(float(value)) for value in stated}
    assert sum(standing.count for standing in found) == len(stated)
    assert sum(standing.right for standing in found) == correct.sum()


def test_what_is_far_apart_is_not_counted_as_equally_sure() -> None:
    rng = np.random.default_rng(8)
    # Nine tenths of all lie above 49%, the other tenth anywhere from 9% on.
    stated = np.r_[rng.uniform(0.09, 0.49, 300), rng.uniform(0.49, 0.6, 2700)]
    record = record_of(stated, rng.random(3000) < stated)
    for value in (0.1, 0.3, 0.485, 0.55):
        found = record.standing(value)
        assert found.low <= value <= found.high
        assert found.high - found.low <= WIDEST + 1e-9
        inside = (stated >= found.low) & (stated < found.high)
        assert found.count == pytest.approx(inside.sum(), abs=1)


def test_another_calibrators_confidence_is_no_record_of_this_one(tmp_path) -> None:
    rows = take_rows(write_synthetic(tmp_path / "wf", bars=200), RowFilter("direction"))
    stated = rows.stated["platt"] * 0.9
    mixed = np.where(rows.fold == 0, stated, rows.stated["confidence"])
    told = dataclasses.replace(rows, stated=rows.stated | {"platt": stated, "confidence": mixed})
    records = build_records(told, "alike", "temperature")
    assert records["confidence"].curve.count.sum() == (rows.fold == 1).sum()
    assert records["confidence"].measured.form == "temperature"
    assert records["attention"].curve.count.sum() == len(rows)
    assert "made of the probability alone too" in measured_sentence(records)
    none = build_records(told, "alike", "isotonic")
    assert "confidence" not in none
    assert "in another way" in sureness_record(0.5, none)


def test_outside_of_everything_ever_stated_there_is_no_record(counted) -> None:
    record = counted[2]
    for value in (0.1, 0.99):
        found = record.standing(value)
        assert found.count == 0
        assert np.isnan(found.share)
        assert found.low <= value <= found.high


def test_an_isotonic_step_stored_as_float32_is_found_at_its_double() -> None:
    steps = np.repeat([1 / 3, 0.57], [400, 600])
    correct = np.arange(1000) % 2 == 0
    record = record_of(steps.astype(np.float32), correct)
    assert record.standing(1 / 3).count == 400
    assert record.standing(0.57).count == 600


def test_a_single_value_ever_stated_has_every_row() -> None:
    record = record_of(np.full(50, 0.5), np.arange(50) < 20)
    found = record.standing(0.5)
    assert (found.count, found.right) == (50, 20)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (29, "fewer than 30 such times"),
        (40, "of the 40 times it was this sure"),
        (400, "right 50% of the 400 times it was this sure (50%)"),
    ],
)
def test_the_words_follow_how_many_times_there_were(rows: int, words: str) -> None:
    record = record_of(np.full(rows, 0.5), np.arange(rows) % 2 == 0)
    said = sureness_record(0.5, {"confidence": record})
    assert words in said
    assert ("[" in said) == (rows == 40)


def saying(value: float, rank: float | None = None) -> TaskPrediction:
    """A prediction with one source, ranked or not."""
    shares, ranks = np.array([0.6, 0.4]), {} if rank is None else {"attention": rank}
    stated = StatedClass(0.6, 0.6, shares, ("Up",), "temperature", "the probability alone", ranks)
    return TaskPrediction("direction", ("Up", "Down"), shares, shares, 0.5, {"attention": value}, 0.4, stated)


def test_a_source_says_what_it_was_worth_for_the_task() -> None:
    record = record_of(np.full(812, 0.4), np.arange(812) < 382)
    assert source_record(saying(0.4), "attention", {"attention": record}) == (
        "When attention confidence was this high, direction was right 47% of the time, n = 812."
    )
    above = source_record(saying(0.9), "attention", {"attention": record})
    assert "is above every attention confidence" in above


def test_a_source_is_looked_up_by_its_rank_where_model_and_walk_forward_rank_it() -> None:
    values = record_of(np.full(812, 0.4), np.arange(812) < 382)
    ranks = record_of(np.full(500, 0.73), np.arange(500) < 400)
    records = {"attention": values, "rank_attention": ranks}
    assert source_record(saying(0.4, 0.73), "attention", records) == (
        "When attention confidence ranked this high, direction was right 80% of the time, n = 500."
    )
    assert "was right 47%" in source_record(saying(0.4), "attention", records)
    assert "was right 47%" in source_record(saying(0.4, 0.73), "attention", {"attention": values})


def test_without_a_walk_forward_the_command_is_named() -> None:
    assert "python -m core walk-forward" in sureness_record(0.5, None)
    assert "python -m core walk-forward" in source_record(saying(0.5), "attention", None)


def test_a_walk_forward_of_which_nothing_was_decided_yet_is_no_call_to_run_one() -> None:
    assert sureness_record(0.5, {}) == "no record by then: nothing it had stated was decided yet"
    assert "run python" not in source_record(saying(0.5), "attention", {})


def test_only_outcomes_whose_last_bar_had_closed_are_known(tmp_path) -> None:
    rows = write_synthetic(tmp_path / "wf", bars=60).rows
    moment = rows["label_end"].iloc[20] + pd.Timedelta(days=1)
    kept = keep_known(rows, moment)
    assert kept["label_end"].max() == rows["label_end"].iloc[20]
    assert len(keep_known(rows, moment - pd.Timedelta(seconds=1))) < len(kept)
    assert not len(keep_known(rows, rows["ts"].min()))


def test_a_record_names_whose_years_it_counts(tmp_path) -> None:
    rows = take_rows(write_synthetic(tmp_path / "wf", bars=400), RowFilter("direction"))
    records = build_records(rows, "alike")
    assert measured_sentence(records) == "measured 2015 to 2016 on models trained the same way"
    assert measured_sentence(build_records(rows)) == ""


def test_records_come_from_the_tasks_own_rows(tmp_path) -> None:
    result = write_synthetic(tmp_path / "wf", bars=200)
    rows = take_rows(result, RowFilter("direction"))
    records = build_records(rows)
    assert set(records) == {"confidence", *SOURCES, *map(rank_column, SOURCES)}
    table = result.rows[result.rows["task"] == "direction"]
    call = table[["p_0", "p_1", "p_2"]].to_numpy().argmax(axis=1)
    value = float(table["mc_dropout"].median())
    found = records["mc_dropout"].standing(value)
    inside = ((table["mc_dropout"] >= found.low) & (table["mc_dropout"] < found.high)).to_numpy()
    assert found.count == pytest.approx(inside.sum(), abs=1)
    assert found.right == pytest.approx((call == table["label"])[inside].sum(), abs=1)
