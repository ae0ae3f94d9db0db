"""Stored bars that a file holds with other prices: two instruments under one name, or another source."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast

import numpy as np
import pandas as pd

from core.data.bars import PRICES, as_bars
from core.data.ingest.parse import ParsedBatch
from core.data.store import BarStore
from core.errors import BarsError

_TOLERANCE = 1e-5  # relative; the same bar comes back rounded otherwise


@dataclass(frozen=True)
class Overwrite:
    """Bars of one series that a file would write over with other prices, and the first of them."""

    instrument: str
    timeframe: str
    bars: int
    first: pd.Timestamp
    stored_close: float
    new_close: float


def find_overwrites(store: BarStore, batches: Iterable[ParsedBatch]) -> list[Overwrite]:
    """Series of a parsed file whose stored bars it holds with other prices; nothing is written.

    The newest stored bar may have been stored before it closed: one with the same open inside a wider
    range does not count.
    """
    kept = {(summary.instrument, summary.timeframe): summary for summary in store.series()}
    differing: dict[tuple[str, str], dict[np.datetime64, tuple[float, float]]] = {}
    for batch in batches:
        for key, rows in batch.bars.groupby(["instrument", "timeframe"], sort=True):
            series = cast(tuple[str, str], key)
            if series not in kept:
                continue
            new = _usable(as_bars(rows)).drop_duplicates("ts", keep="last")
            if new.empty or new["ts"].iloc[0] > kept[series].last or new["ts"].iloc[-1] < kept[series].first:
                continue
            stored = store.read_range(*series, new["ts"].iloc[0], new["ts"].iloc[-1])
            both = stored[["ts", *PRICES]].merge(new[["ts", *PRICES]], on="ts", suffixes=("", "_new"))
            found = differing.setdefault(series, {})
            unequal = _differ(both, kept[series].last)
            for moment, other, before, after in zip(
                both["ts"].to_numpy(dtype="datetime64[us]"),
                unequal,
                both["close"],
                both["close_new"],
                strict=True,
            ):
                # Where a file holds a bar twice its last one counts.
                found.pop(moment, None)
                if other:
                    found[moment] = (before, after)
    return [_summarise(series, found) for series, found in differing.items() if found]


def refuse_overwrites(overwrites: list[Overwrite], file: str) -> None:
    """Refuse a file whose name was only guessed to be that of a stored series with other prices.

    Raises
    ------
    BarsError
        If there are any.
    """
    if not overwrites:
        return
    one = overwrites[0]
    raise BarsError(
        f"the prices that are stored as {one.instrument} {one.timeframe}, a name taken from the file's",
        f"{file} with other prices in {one.bars:,} of these bars (close {one.new_close:g} instead of "
        f"{one.stored_close:g} on {one.first:%Y-%m-%d %H:%M})",
        f"say the instrument with --instrument NAME, which may be {one.instrument} to write over them",
    )


def _usable(bars: pd.DataFrame) -> pd.DataFrame:
    """Bars that the quality gate would not drop for their prices."""
    prices = bars[PRICES].to_numpy()
    low, high = bars["low"], bars["high"]
    inside = bars[["open", "close"]].ge(low * (1 - _TOLERANCE), axis=0).all(axis=1)
    inside &= bars[["open", "close"]].le(high * (1 + _TOLERANCE), axis=0).all(axis=1)
    return cast(pd.DataFrame, bars.loc[np.isfinite(prices).all(axis=1) & (prices > 0).all(axis=1) & inside])


def _differ(both: pd.DataFrame, newest: pd.Timestamp) -> np.ndarray:
    stored = both[PRICES].to_numpy()
    new = both[[f"{name}_new" for name in PRICES]].to_numpy()
    unequal = ~np.isclose(new, stored, rtol=_TOLERANCE, atol=0)
    grown = (both["ts"] == newest).to_numpy() & ~unequal[:, 0]
    grown &= (new[:, 1] >= stored[:, 1] * (1 - _TOLERANCE)) & (new[:, 2] <= stored[:, 2] * (1 + _TOLERANCE))
    return unequal.any(axis=1) & ~grown


def _summarise(series: tuple[str, str], found: dict[np.datetime64, tuple[float, float]]) -> Overwrite:
    first = min(found)
    moment = cast(pd.Timestamp, pd.Timestamp(first, tz="UTC"))
    return Overwrite(*series, len(found), moment, *found[first])
