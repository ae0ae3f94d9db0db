"""Timeframes: their names, lengths and the UTC grid they stand on."""

from __future__ import annotations

from typing import cast

import numpy as np
import pandas as pd

from core.errors import InputError

_MINUTES = {
    "1m": 1,
    "5m": 5,
    "15m": 15,
    "30m": 30,
    "1h": 60,
    "4h": 240,
    "1d": 1440,
    "1w": 10080,
}
DURATIONS: dict[str, pd.Timedelta] = {
    name: cast(pd.Timedelta, pd.Timedelta(minutes=minutes)) for name, minutes in _MINUTES.items()
}


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


def known_at(ts: pd.Timestamp, timeframe: str) -> pd.Timestamp:
    """Moment at which the bar opened at `ts` is complete and may be used."""
    return ts + duration(timeframe)


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
    commonest = pd.Timedelta(values[counts.argmax()])
    for name, length in DURATIONS.items():
        if length == commonest:
            return name
    raise InputError(
        f"bars spaced by one of {', '.join(DURATIONS)}",
        f"bars spaced mostly by {commonest}",
        "give --timeframe or resample the file",
    )
