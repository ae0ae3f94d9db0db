"""How past calls went: counted by hand, and an interval that knows outcomes overlap."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from core.review.outcomes import Outcome, judge_calls

START = pd.Timestamp("2020-01-01", tz="UTC")


def calls(right: list[bool], reach: int, **more) -> list[Outcome]:
    """One call a day, each decided `reach` days later."""
    days = [START + pd.Timedelta(days=day) for day in range(len(right))]
    return [
        Outcome(ts, "Up", "Up" if hit else "Down", ts + pd.Timedelta(days=reach), 0.5 + 0.01 * day, **more)
        for day, (ts, hit) in enumerate(zip(days, right, strict=True))
    ]


def test_shares_base_rate_and_mean_are_those_counted_by_hand() -> None:
    found = judge_calls(calls([True, True, False, True], 1))
    assert (found.right, found.count) == (3, 4)
    assert (found.usual, found.usual_share) == ("Up", 0.75)
    assert found.sure == pytest.approx(0.515)
    assert found.low < 0.75 < found.high


def test_outcomes_that_share_bars_widen_the_interval_as_if_there_were_fewer() -> None:
    right = [day % 2 == 0 for day in range(50)]
    apart, overlapping = judge_calls(calls(right, 1)), judge_calls(calls(right, 10))
    few = judge_calls(calls([True, False] * 5, 2))
    assert overlapping.high - overlapping.low > 2 * (apart.high - apart.low)
    assert overlapping.high - overlapping.low == pytest.approx(few.high - few.low, rel=1e-9)


def test_calls_all_right_are_still_in_doubt() -> None:
    found = judge_calls(calls([True] * 50, 10))
    assert found.low < 0.7
    assert found.high == pytest.approx(1)


def test_what_does_not_count_changes_nothing() -> None:
    kept = calls([True, False, True], 1, segment="test")
    left = [
        *calls([True], 1, segment="train"), *calls([True], 1, segment="calibrate"),
        *calls([True], 1, no_call="nothing is ruled out"), Outcome(START, "Up", None),
    ]  # fmt: skip
    assert judge_calls([*kept, *left]) == judge_calls(kept)


def test_without_calls_nothing_is_stated() -> None:
    found = judge_calls([Outcome(START, "Up", None)])
    assert found.count == 0
    assert np.isnan([found.low, found.high, found.sure, found.usual_share]).all()
