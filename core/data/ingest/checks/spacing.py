"""How the bars of a series stand in time: apart as their timeframe says, on its grid, without gaps."""

from __future__ import annotations

from typing import cast

import numpy as np
import pandas as pd

from core.data.calendar import missing_before
from core.data.findings import Finding, make_finding
from core.errors import BarsError
from core.timeframe import DATED, duration, step_text

_RARE = 0.1  # share of steps of one bar below which another step, if it is usual, is the timeframe
_USUAL = 0.5
_ALIKE = 0.2  # relative; months differ in length by less


def find_gaps(series: tuple[str, str], opens: np.ndarray, judged: np.ndarray | None = None) -> list[Finding]:
    """Gaps of a whole series against its own calendar: at most one finding.

    Parameters
    ----------
    opens
        Bar opens, datetime64[us] UTC, shape (T,), ascending without repeats.
    judged
        Of these bars alone, shape (T,) bool, the gaps right before them are told; None judges all.
    """
    missing = missing_before(opens, series[1], hindsight=True)
    if judged is not None:
        missing = np.where(judged, missing, 0)
    after = np.flatnonzero(missing)
    if len(after) == 0:
        return []
    worst = int(missing.argmax())
    example = (
        f"{missing.sum()} bars in all, at most {missing[worst]} between {say_time(opens[worst - 1])} "
        f"and {say_time(opens[worst])}; holidays count."
    )
    return [make_finding(series, "gaps", "flagged", opens[after], example)]


def find_off_grid(series: tuple[str, str], opens: np.ndarray) -> list[Finding]:
    """Intraday bars that open beside the UTC grid of their timeframe, such as hours at half past."""
    if series[1] in DATED:
        return []
    length = duration(series[1]).to_numpy().astype("timedelta64[us]")
    off = (opens - opens.astype("datetime64[D]")) % length != np.timedelta64(0, "us")
    if not off.any():
        return []
    example = f"The first opens at {say_time(opens[off][0])}."
    return [make_finding(series, "grid", "flagged", opens[off], example)]


def refuse_wrong_spacing(series: tuple[str, str], opens: np.ndarray) -> None:
    """Refuse bars that come more often than their timeframe, or almost never one timeframe apart.

    Raises
    ------
    BarsError
    """
    steps = np.diff(opens)
    if len(steps) == 0:
        return
    length = duration(series[1]).to_numpy().astype("timedelta64[us]")
    usual = np.median(steps)
    alike = np.abs(steps - usual) <= _ALIKE * usual
    too_wide = usual > 1.5 * length and (steps <= length).mean() < _RARE and alike.mean() > _USUAL
    if usual < length or (too_wide and len(steps) > 1):
        step = cast(pd.Timedelta, pd.Timedelta(np.median(steps.astype(np.int64)), unit="us"))
        raise BarsError(
            f"bars of {series[0]} {'at least ' if usual < length else ''}{series[1]} apart",
            f"bars mostly {step_text(step)} apart",
            "correct the timeframe, or bring the file resampled to it",
        )


def say_time(moment: np.datetime64 | pd.Timestamp) -> str:
    """A bar's open as findings name it, to the minute."""
    if isinstance(moment, pd.Timestamp):
        moment = moment.tz_localize(None).to_datetime64()
    return str(moment.astype("datetime64[m]")).replace("T", " ")
