"""What is said of calibration agrees with what is drawn of it."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest

from app.figures.reliability import FEWEST, calibrators_figure, reliability_figure
from app.review.words import before_sentence, error_sentence
from core.review.calibration import (
    BesideBefore,
    OverLimit,
    ThroughTime,
    compare_calibrators,
    compare_with_before,
    find_over_limit,
    follow_calibration,
    measure_reliability,
    score_errors,
)
from core.review.rows import ReviewRows, list_stated, stretches_of
from core.scores.calibration_error import expected_calibration_error
from core.scores.intervals import Interval
from core.scores.reliability import RollingCalibration


def rows_of(stated: np.ndarray, right: np.ndarray, **others: np.ndarray) -> ReviewRows:
    """Rows of two classes, one a day; class 0 is always called."""
    n = len(stated)
    probabilities = np.column_stack([np.full(n, 0.6), np.full(n, 0.4)])
    times = pd.date_range("2000-01-01", periods=n).to_numpy("datetime64[us]")
    return ReviewRows(
        classes=("A", "B"), times=times, ends=times, fold=np.zeros(n, int), labels=np.where(right, 0, 1),
        call=np.zeros(n, int), probabilities=probabilities, uncalibrated=probabilities,
        stated=dict.fromkeys(list_stated(), stated) | others, set_size={}, covered={}, position=np.arange(n),
    )  # fmt: skip


def windows(over: list[bool]) -> ThroughTime:
    days = np.datetime64("2010-01-01", "us") + np.arange(len(over)) * np.timedelta64(30, "D")
    rolling = RollingCalibration(np.arange(len(over)), days, np.where(over, 0.2, 0.05), np.zeros(len(over)))
    return ThroughTime(100, rolling, np.full(len(over), 0.1), [])


def test_the_longest_times_over_the_limit_are_found_in_order() -> None:
    over = [False] * 20 + [True] * 3 + [False] * 10 + [True] * 9 + [False] * 5 + [True] + [False] * 2
    found = find_over_limit(windows(over))
    assert found is not None
    assert found.share == pytest.approx(13 / 50)
    times = windows(over).rolling.time
    assert found.spans == ((times[20], times[22]), (times[33], times[41]))


def test_as_many_windows_over_the_limit_as_chance_has_are_none() -> None:
    assert find_over_limit(windows([False] * 39 + [True])) is None
    assert find_over_limit(windows([True])) is not None


def test_an_average_within_chance_names_the_years_it_was_not() -> None:
    errors = pd.DataFrame({"value": [0.02], "p95": [0.03]}, index=["ece"])
    span = tuple(np.array(["2010-02-01", "2018-07-01"], "datetime64[us]"))
    said = error_sentence(errors, 900, OverLimit(0.4, (span,)))
    assert "no more than chance explains, but over its limit 2010-02 to 2018-07" in said
    assert "but over its limit" not in error_sentence(errors, 900)
    off = pd.DataFrame({"value": [0.2], "p95": [0.03]}, index=["ece"])
    assert "more than chance explains**" in error_sentence(off, 900, OverLimit(0.4, (span,)))


def test_where_too_little_separate_time_is_left_no_verdict_is_given() -> None:
    right = np.arange(200) >= 100
    rows = rows_of(np.full(200, 0.5), right)
    errors = score_errors(rows, "confidence", stretches_of(rows))
    assert np.isnan(errors.loc["ece", "p95"])
    assert "cannot be told: too few separate stretches of time" in error_sentence(errors, 200)


def test_a_confidence_worse_than_before_calibration_is_said_to_be() -> None:
    rng = np.random.default_rng(0)
    truth = rng.uniform(0.4, 0.95, 3000)
    right = rng.random(3000) < truth
    rows = rows_of(rng.permutation(truth) * 0.8, right, uncalibrated=truth)
    found = compare_with_before(rows)
    assert found is not None
    assert found.ece == pytest.approx(expected_calibration_error(rows.stated["confidence"], right))
    assert found.gain < found.gain_before
    assert found.difference.value == pytest.approx(found.gain - found.gain_before)
    assert found.difference.high < 0
    said = before_sentence(found)
    assert "worse here than none" in said
    assert f"{100 * found.ece:.1f} points" in said
    assert f"{100 * found.gain_before:.1f}" in said


def test_a_confidence_no_worse_than_before_says_nothing() -> None:
    level = Interval(-0.001, -0.003, 0.001)
    assert before_sentence(BesideBefore(0.02, 0.03, 0.1, 0.101, level)) == ""
    assert before_sentence(None) == ""
    assert "choosy" not in before_sentence(BesideBefore(0.034, 0.017, 0.15, 0.151, level))
    surely = Interval(-0.002, -0.003, -0.001)
    assert "choosy" in before_sentence(BesideBefore(0.02, 0.03, 0.1, 0.102, surely))


def test_a_calibrated_forecaster_stays_under_its_rolling_limit_most_of_the_time() -> None:
    rng = np.random.default_rng(1)
    stated = rng.uniform(0.4, 0.95, 3000)
    rows = rows_of(stated, rng.random(3000) < stated)
    found = follow_calibration(rows, "confidence")
    assert (found.rolling.ece > found.floor).mean() < 0.15
    turned = dataclasses.replace(rows, labels=np.where(np.arange(3000) > 1500, 1, rows.labels))
    after = follow_calibration(turned, "confidence")
    assert (after.rolling.ece > after.floor)[-1]


def test_a_bin_of_one_row_draws_no_line() -> None:
    stated = np.r_[np.full(200, 0.5), np.full(200, 0.7), 0.95]
    rows = rows_of(stated, np.r_[np.arange(400) % 2 == 0, True])
    found = measure_reliability(rows, "confidence", stretches_of(rows))
    figure = reliability_figure(found, "confidence", title="t", dark=False)
    line = next(trace for trace in figure.data if getattr(trace, "mode", "") == "markers+lines")
    assert np.isfinite(np.asarray(line.y, float)).tolist() == [True, True, False]
    alone = next(trace for trace in figure.data if trace.name == f"fewer than {FEWEST}")
    assert list(alone.y) == [1.0]
    for trace in calibrators_figure(compare_calibrators(rows), dark=False).data[1:]:
        assert np.isfinite(np.asarray(trace.y, float)).sum() == 2
