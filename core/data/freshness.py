"""Whether the newest stored bar is as new as it should be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, cast

import pandas as pd

from core.timeframe import Session, duration, known_at

FRESH_FOR = cast(pd.Timedelta, pd.Timedelta(days=30))
"""A feed silent for longer is stored history: nobody waits for its next bar."""


@dataclass(frozen=True)
class Feed:
    """State of a series' newest bar.

    Attributes
    ----------
    state
        ``fresh``: the next bar is not due yet. ``late``: it should have closed and was given one bar's
        length of grace, at most an hour, but is not stored. ``history``: late by more than `FRESH_FOR`.
    overdue
        Since the next bar should have closed; zero when fresh.
    """

    state: Literal["fresh", "late", "history"]
    overdue: pd.Timedelta


def judge_feed(
    next_due: pd.Timestamp, timeframe: str, now: pd.Timestamp, session: Session | None = None
) -> Feed:
    """Compare the close of the bar due after the newest stored one with the clock.

    Only meaningful while following the newest bar: whoever looks at an older one waits for nothing.

    Parameters
    ----------
    next_due
        When the next bar opens by the instrument's own calendar, UTC.
    now
        UTC.
    session
        When the instrument's trading day ends, where it is known.
    """
    overdue = now - known_at(next_due, timeframe, session)
    grace = min(duration(timeframe), cast(pd.Timedelta, pd.Timedelta(hours=1)))
    if overdue <= grace:
        return Feed("fresh", cast(pd.Timedelta, pd.Timedelta(0)))
    return Feed("late" if overdue <= FRESH_FOR else "history", overdue)
