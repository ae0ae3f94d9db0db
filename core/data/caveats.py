"""What the bars of a window leave unsaid: holes, bars of one price, no volume, bars nobody traded."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

import numpy as np
import pandas as pd

from core.data.bars import has_no_range, is_filled_in
from core.data.calendar import MEMORY, missing_before
from core.data.store import BarStore
from core.timeframe import DATED, duration

_RECENT = 20  # last bars of a window: what the narrowest attention sees
_FEW = 2  # bars missing in one place among those
_HOLE = 0.05  # share of a window missing in one place
_ALWAYS = np.timedelta64(14, "D")  # longer than any holidays, whatever a calendar is known to be
_THROUGHOUT = 0.95
_WEEKS = pd.Timedelta(weeks=MEMORY + 1)
_MOMENT = pd.Timedelta(microseconds=1)


def find_missing(store: BarStore, bars: pd.DataFrame) -> np.ndarray:
    """Bars that were due before each of `bars` by the series' own calendar but are not there, (T,) int64.

    Parameters
    ----------
    bars
        One series as stored, ascending, at least one. Earlier bars that its calendar needs are read.
    """
    opens, earlier = _opens(bars), np.array([], dtype="datetime64[us]")
    series = str(bars["instrument"].iloc[0]), str(bars["timeframe"].iloc[0])
    step = duration(series[1]).to_numpy()
    if series[1] not in DATED and (np.diff(opens) > step).any():
        first = cast(pd.Timestamp, bars["ts"].iloc[0])
        start, end = (cast(pd.Timestamp, first - span) for span in (_WEEKS, _MOMENT))
        earlier = _opens(store.read_range(*series, start, end))
    return missing_before(np.concatenate([earlier, opens]), series[1])[len(earlier) :]


def describe_windows(
    bars: pd.DataFrame, missing: np.ndarray, ends: Iterable[int], length: int
) -> list[tuple[str, ...]]:
    """What to know of each window before believing a prediction made of it, in sentences; mostly nothing.

    Parameters
    ----------
    bars, missing
        One series, shape (T,), and `find_missing` of it.
    ends
        Last bar of each window, an index not below ``length - 1``.
    length
        Bars in a window.
    """
    opens = _opens(bars)
    single, filled = has_no_range(bars), is_filled_in(bars)
    silent = ~(bars["volume"].to_numpy(float) > 0)
    told = []
    for end in ends:
        window = slice(end + 1 - length, end + 1)
        said = [_say_hole(opens[window], missing[window], str(bars["timeframe"].iloc[0]))]
        if single[window].mean() >= _THROUGHOUT:
            said.append(
                "Almost every bar here has one price (open = high = low = close): how far it moves within a "
                "bar is not known, and what is said of volatility cannot be relied on."
            )
        if silent[window].all():
            said.append("These bars have no volume: what the model reads of volume is filled in.")
        count = int(filled[window].sum())
        if count >= _HOLE * length and single[window].mean() < _THROUGHOUT:
            said.append(
                f"{count} of these {length} bars repeat the last price without volume, as filled in while "
                "the market was closed: the model takes them for trading."
            )
        told.append(tuple(sentence for sentence in said if sentence))
    return told


def _say_hole(opens: np.ndarray, missing: np.ndarray, timeframe: str) -> str:
    steps = np.diff(opens)
    absent = missing[1:]
    hole = absent >= max(_FEW, _HOLE * len(opens))
    hole[-_RECENT:] |= absent[-_RECENT:] >= _FEW
    if timeframe != "1w":
        hole |= steps > _ALWAYS
    if not hole.any():
        return ""
    # The nearest hole matters most, the longest is the most telling: the longest is named.
    at = int(np.argmax(np.where(hole, steps, np.timedelta64(0, "us"))))
    form = "datetime64[D]" if timeframe in DATED else "datetime64[m]"
    first, last = (str(moment.astype(form)).replace("T", " ") for moment in (opens[at], opens[at + 1]))
    others = int(hole.sum()) - 1
    more = f", and at {others} other place{'s' if others > 1 else ''}" if others else ""
    return (
        f"This window spans a hole: no bars between {first} and {last} ({_span(steps[at])}){more}. The model "
        "reads the bars on both sides as if they followed each other."
    )


def _span(step: np.timedelta64) -> str:
    hours = step / np.timedelta64(1, "h")
    if hours < 48:
        return f"{hours:.0f} hours" if hours >= 2 else f"{hours * 60:.0f} minutes"
    days = hours / 24
    return f"{days:.0f} days" if days < 60 else f"{days / 30.44:.0f} months"


def _opens(bars: pd.DataFrame) -> np.ndarray:
    return bars["ts"].to_numpy(dtype="datetime64[us]")
