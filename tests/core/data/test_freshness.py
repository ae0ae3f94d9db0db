"""Late feeds and stored history told apart."""

from __future__ import annotations

import pandas as pd
import pytest

from app.strip import age_text, feed_sentence
from core.data.freshness import judge_feed

DUE = pd.Timestamp("2026-11-20", tz="UTC")


@pytest.mark.parametrize(
    ("timeframe", "after", "state"),
    [
        ("1d", "12h", "fresh"),
        ("1d", "24h30min", "fresh"),
        ("1d", "27h", "late"),
        ("1d", "30d", "late"),
        ("1d", "32d", "history"),
        ("5m", "9min", "fresh"),
        ("5m", "11min", "late"),
    ],
)
def test_a_feed_is_late_from_the_close_of_the_due_bar_until_nobody_waits_any_more(
    timeframe: str, after: str, state: str
) -> None:
    assert judge_feed(DUE, timeframe, DUE + pd.Timedelta(after)).state == state


def test_history_is_stated_without_alarm_and_a_late_feed_with_its_age() -> None:
    old = judge_feed(pd.Timestamp("2013-03-04", tz="UTC"), "1d", DUE)
    assert feed_sentence(old, "2013-03-01") == "stored history, ends 2013-03-01"
    late = judge_feed(DUE, "1d", DUE + pd.Timedelta(days=4))
    assert feed_sentence(late, "2026-11-19") == (
        "Feed is late: newest bar 2026-11-19, the next should have closed 3 days ago"
    )
    assert feed_sentence(late, "2026-11-19", holiday=True).endswith("ago unless that was a holiday")
    assert feed_sentence(judge_feed(DUE, "1d", DUE), "2026-11-19") == ""


@pytest.mark.parametrize(("age", "text"), [("12min", "12 min"), ("5h10min", "5 h"), ("50h", "2 days")])
def test_an_age_is_said_in_its_largest_sensible_unit(age: str, text: str) -> None:
    assert age_text(pd.Timedelta(age)) == text
