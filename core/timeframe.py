"""Timeframes: their names, lengths and the UTC grid they stand on; and when a bar is complete."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import pandas as pd

from core.errors import InputError

MINUTES = {
    "1m": 1,
    "2m": 2,
    "3m": 3,
    "5m": 5,
    "10m": 10,
    "15m": 15,
    "20m": 20,
    "30m": 30,
    "1h": 60,
    "2h": 120,
    "3h": 180,
    "4h": 240,
    "6h": 360,
    "8h": 480,
    "12h": 720,
    "1d": 1440,
    "1w": 10080,
}
DURATIONS: dict[str, pd.Timedelta] = {
    name: cast(pd.Timedelta, pd.Timedelta(minutes=minutes)) for name, minutes in MINUTES.items()
}
DATED = ("1d", "1w")
"""Timeframes whose bars are named by a date: midnight UTC stands for the trading day, not for a moment."""

_CLOSE = re.compile(r"([01]\d|2[0-3]):[0-5]\d|24:00")
_WEEK_TO_LAST_SESSION = cast(pd.Timedelta, pd.Timedelta(days=4))
_SHORTEST_MONTH = cast(pd.Timedelta, pd.Timedelta(days=28))
_LONGEST_MONTH = cast(pd.Timedelta, pd.Timedelta(days=31))


@dataclass(frozen=True)
class Session:
    """When an instrument's trading day ends.

    Attributes
    ----------
    zone
        IANA zone of the exchange.
    close
        Wall-clock time there, "16:00"; "24:00" is the end of the day.

    Raises
    ------
    InputError
        If the zone or the time is not one.
    """

    zone: str
    close: str

    def __post_init__(self) -> None:
        try:
            ZoneInfo(self.zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise InputError(
                "an IANA time zone such as UTC, Europe/London or America/New_York",
                repr(self.zone),
                "correct the time zone",
            ) from None
        if not _CLOSE.fullmatch(self.close):
            raise InputError("a session's close such as 16:00", repr(self.close), "write it as HH:MM")

    def close_of(self, date: pd.Timestamp) -> pd.Timestamp:
        """When the session of a trading date, which is midnight UTC, closes; UTC."""
        hours, minutes = (int(part) for part in self.close.split(":"))
        clock = date.tz_localize(None).normalize() + pd.Timedelta(hours=hours, minutes=minutes)
        local = clock.tz_localize(self.zone, ambiguous=False, nonexistent="shift_forward")
        return cast(pd.Timestamp, local.tz_convert("UTC"))


def duration(timeframe: str) -> pd.Timedelta:
    """Length of one bar.

    Raises
    ------
    InputError
        If `timeframe` is not one of `DURATIONS`.
    """
    try:
        return DURATIONS[timeframe]
    except KeyError:
        raise InputError(
            f"a timeframe out of {', '.join(DURATIONS)}",
            f"{timeframe!r}",
            "choose one of these",
        ) from None


def known_at(ts: pd.Timestamp, timeframe: str, session: Session | None = None) -> pd.Timestamp:
    """Moment at which the bar opened at `ts` is complete and may be used.

    Parameters
    ----------
    session
        Of daily and weekly bars, where it is known: the bar is complete at the close of its date, a week
        at that of its fifth day. Without one it is complete one timeframe after `ts`.
    """
    if session is None or timeframe not in DATED:
        return ts + duration(timeframe)
    return session.close_of(ts + _WEEK_TO_LAST_SESSION if timeframe == "1w" else ts)


def newest_known(now: pd.Timestamp, timeframe: str, session: Session | None = None) -> pd.Timestamp:
    """The latest `ts`, UTC, of a bar that is complete at `now`."""
    if session is None or timeframe not in DATED:
        return now - duration(timeframe)
    date = (now + DURATIONS["1d"]).normalize()
    while known_at(date, timeframe, session) > now:
        date -= DURATIONS["1d"]
    return date


def infer_timeframe(ts: np.ndarray) -> str:
    """Timeframe whose length is the most frequent step between bars.

    Parameters
    ----------
    ts
        Bar opens, datetime64, shape (T,), T >= 2, sorted.

    Raises
    ------
    InputError
        If the commonest step is none of `DURATIONS`.
    """
    steps = np.diff(np.asarray(ts, dtype="datetime64[us]"))
    steps = steps[steps > np.timedelta64(0, "us")]
    if len(steps) == 0:
        raise InputError("at least two bars at different times", f"{len(ts)} bars", "give --timeframe")
    values, counts = np.unique(steps, return_counts=True)
    commonest = cast(pd.Timedelta, pd.Timedelta(values[counts.argmax()]))
    for name, length in DURATIONS.items():
        if length == commonest:
            return name
    raise InputError(
        f"bars spaced by one of {', '.join(DURATIONS)}",
        f"bars spaced mostly by {step_text(commonest)}",
        _advice(commonest),
    )


def step_text(step: pd.Timedelta) -> str:
    """A step between bars in words: "10 minutes", "a month (31 days)"."""
    if _SHORTEST_MONTH <= step <= _LONGEST_MONTH:
        return f"a month ({step.days} days)"
    seconds = step.total_seconds()
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1)):
        if seconds >= length and seconds % length == 0:
            return f"{seconds / length:.0f} {unit}{'' if seconds == length else 's'}"
    return str(step)


def _advice(step: pd.Timedelta) -> str:
    if step > DURATIONS["1w"]:
        return "bring the daily or weekly bars: longer ones cannot be split into these"
    multiples = (name for name, length in DURATIONS.items() if length > step and not length % step)
    longer = next(multiples, "1d")
    return f"resample them first, for example to {longer}, or give --timeframe where the guess is wrong"
