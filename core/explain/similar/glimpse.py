"""What is shown of one similar moment: the bars around it, and what the model had said."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
import pandas as pd

from core.bundle import Bundle
from core.data.bars import one_column, quoted_prices
from core.data.store import BarStore
from core.timeframe import duration

BEFORE, AFTER = 60, 20
"""Bars drawn before a moment, and after it as far as they were known."""


@dataclass(frozen=True)
class Glimpse:
    """A stretch of bars around a moment.

    Attributes
    ----------
    bars
        Bars before the moment, its own and those after, ascending.
    at
        Place of its own bar.
    """

    bars: pd.DataFrame
    at: int

    def percent(self) -> np.ndarray:
        """Open, high, low and close of every bar, percent from the moment's own close, (T, 4)."""
        prices = self.bars[["open", "high", "low", "close"]].to_numpy(float)
        return 100 * (prices / prices[self.at, 3] - 1)

    @property
    def after(self) -> np.ndarray:
        """Close of every bar from the moment's own on, percent of its own close, (1 + bars after,)."""
        return self.percent()[self.at :, 3]


def read_glimpse(
    store: BarStore,
    series: str,
    ts: np.datetime64,
    until: np.datetime64,
    opens: np.ndarray | None = None,
) -> Glimpse:
    """`BEFORE` bars before the bar that opened at `ts` and up to `AFTER` after it.

    Parameters
    ----------
    series
        "AAPL|1d".
    until
        Bars that had not closed by then are left out.
    opens
        All bar opens of the series, ascending; read from the store where not given.
    """
    instrument, timeframe = series.rsplit("|", 1)
    times = _read_opens(store, instrument, timeframe) if opens is None else opens
    at = int(np.searchsorted(times, ts))
    closed = int(np.searchsorted(times + duration(timeframe).to_timedelta64(), until, "right"))
    last = max(min(at + AFTER, closed - 1), at)
    end = cast(pd.Timestamp, pd.Timestamp(times[last], tz="UTC"))
    traded = store.read_window(instrument, timeframe, end, last - max(at - BEFORE, 0) + 1)
    place = len(traded) - 1 - (last - at)
    return Glimpse(quoted_prices(traded, place), place)


def state_probabilities(bundle: Bundle, task: str, probabilities: np.ndarray) -> np.ndarray:
    """Probabilities of the index (..., C) as a prediction states them: temperature-scaled where fitted."""
    fitted = bundle.confidence.get(task)
    if fitted is None:
        return probabilities
    # A constant added to all logits changes nothing, so that logarithms of probabilities will do.
    return fitted.calibration.probabilities(np.log(np.maximum(probabilities, 1e-30).astype(np.float64)))


def _read_opens(store: BarStore, instrument: str, timeframe: str) -> np.ndarray:
    held = one_column(store.read_range(instrument, timeframe), "ts")
    return held.dt.tz_localize(None).to_numpy("datetime64[us]")
