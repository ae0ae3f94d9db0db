"""An instrument's own trading calendar, learned from when its bars open.

The week is cut into slots of one bar each, in UTC. A slot is due in a week if bars opened in it in more
than half of the `MEMORY` trading weeks before that week (weeks without any bar do not count). Because only
earlier weeks are asked, a value never depends on later bars, and clock changes are followed within weeks.
"""

from __future__ import annotations

from typing import cast

import numpy as np
import pandas as pd

from core.timeframe import duration

MEMORY = 8  # trading weeks looked back on
_LEAST = 2  # trading weeks needed before anything is expected
_MONDAY = np.datetime64("1970-01-05", "us")
_WEEK = np.timedelta64(7, "D").astype("timedelta64[us]")


def missing_before(ts: np.ndarray, timeframe: str, *, hindsight: bool = False) -> np.ndarray:
    """Number of bars that were due between each bar and the one before it but did not come.

    Parameters
    ----------
    ts
        Bar opens, datetime64 (UTC), shape (T,), ascending without repeats.
    timeframe
        Timeframe of the bars.
    hindsight
        Judge the first weeks, for which no earlier ones exist, by the `MEMORY` weeks that follow. Without
        it nothing is expected in the first two trading weeks and value i depends on ts[:i + 1] alone.

    Returns
    -------
    ndarray of int64, shape (T,)
        The first is 0. Weekly bars are due every week. A holiday of an otherwise regular weekday counts as
        missing: the calendar knows weekdays and hours, not dates.
    """
    opens = _naive(ts)
    missing = np.zeros(len(opens), dtype=np.int64)
    if len(opens) < 2:
        return missing
    step = duration(timeframe).to_numpy().astype("timedelta64[us]")
    if timeframe == "1w":
        missing[1:] = np.maximum(np.rint(np.diff(opens) / step).astype(np.int64) - 1, 0)
        return missing
    week, slot = _locate(opens, step)
    later = np.flatnonzero(np.diff(week * (_WEEK // step) + slot) > 1) + 1
    if len(later) == 0:
        return missing
    active, row = np.unique(week, return_inverse=True)
    due = _due(row, slot, len(active), int(_WEEK // step), hindsight)
    # passed[r, s]: slots due in trading week r before slot s.
    passed = np.zeros((len(active), due.shape[1] + 1), dtype=np.int32)
    np.cumsum(due, axis=1, out=passed[:, 1:])
    before, after = row[later - 1], row[later]
    same = before == after
    ends_of_week = passed[before, -1] - passed[before, slot[later - 1] + 1]
    weeks_between = (week[later] - week[later - 1] - 1).astype(np.int64) * passed[after, -1]
    across = ends_of_week + weeks_between + passed[after, slot[later]]
    within = passed[after, slot[later]] - passed[before, np.minimum(slot[later - 1] + 1, due.shape[1])]
    missing[later] = np.where(same, within, across)
    return missing


def next_open(ts: np.ndarray, timeframe: str) -> pd.Timestamp:
    """When the bar after the last one is due to open, by the weeks before.

    Parameters
    ----------
    ts
        Bar opens, datetime64 (UTC), shape (T,), T >= 1, ascending.

    Returns
    -------
    Timestamp
        UTC. Without two earlier trading weeks to learn from, one bar after the last one. A bar stamped off
        its slot's start (a day opening at 05:00, say) keeps that offset.
    """
    opens = _naive(ts)
    step = duration(timeframe).to_numpy().astype("timedelta64[us]")
    last = opens[-1]
    slots = int(_WEEK // step)
    recent = opens[np.searchsorted(opens, last - (2 * MEMORY + 1) * _WEEK) :]
    week, slot = _locate(recent, step)
    active, row = np.unique(week, return_inverse=True)
    due_at = last + step
    if timeframe != "1w" and len(active) > _LEAST:
        due = _due(row, slot, len(active), slots, hindsight=False)[-1]
        ahead = (slot[-1] + 1 + np.arange(slots)) % slots
        if due.any():
            due_at = last + (int(np.argmax(due[ahead])) + 1) * step
    return cast(pd.Timestamp, pd.Timestamp(due_at).as_unit("us").tz_localize("UTC"))


def rests_until(ts: np.ndarray, due: pd.Timestamp, timeframe: str) -> bool:
    """Whether the market rests on some weekday and, before the bar due, for the night at least.

    Such a market keeps holidays, which are not known here: the bar due may not come. One that trades every
    day of the week has none, and a weekly bar comes all the same.

    Parameters
    ----------
    ts
        Bar opens, datetime64 (UTC), shape (T,), T >= 1, ascending.
    due
        `next_open` of them, UTC.
    """
    days = pd.DatetimeIndex(_naive(ts))
    if timeframe == "1w" or len(set(days.weekday)) == 7:
        return False
    return bool(due.tz_localize(None).to_numpy().astype("datetime64[D]") > _naive(ts)[-1])


def _naive(ts: np.ndarray) -> np.ndarray:
    index = pd.DatetimeIndex(ts)
    if index.tz is not None:
        index = index.tz_convert("UTC").tz_localize(None)
    return index.to_numpy().astype("datetime64[us]")


def _locate(opens: np.ndarray, step: np.timedelta64) -> tuple[np.ndarray, np.ndarray]:
    since = opens - _MONDAY
    week = since // _WEEK
    return week, (since - week * _WEEK) // step


def _due(row: np.ndarray, slot: np.ndarray, weeks: int, slots: int, hindsight: bool) -> np.ndarray:
    traded = np.zeros((weeks + 1, slots), dtype=np.int32)
    traded[row + 1, slot] = 1
    seen = np.cumsum(traded, axis=0, dtype=np.int32)  # seen[r]: in how many of the first r weeks
    rows = np.arange(weeks)
    start = np.maximum(rows - MEMORY, 0)
    stop = rows.copy()
    if hindsight:
        early = rows < _LEAST
        stop[early] = min(MEMORY, weeks)
    counted = stop - start
    due = 2 * (seen[stop] - seen[start]) > counted[:, None]
    due[counted < _LEAST] = False
    return due
