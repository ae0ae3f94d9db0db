"""Bars and calls of a few instruments, small enough to work a trade out by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd

from core.confidence.sources import SOURCES
from core.trading.calls import Calls


def daily_bars(instrument: str, count: int, seed: int = 0, start: str = "2010-01-01") -> pd.DataFrame:
    """A random walk, one bar a day, weekends too."""
    rng = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(0.01 * rng.standard_normal(count)))
    open_ = np.r_[100.0, close[:-1]] * np.exp(0.002 * rng.standard_normal(count))
    span = np.exp(0.003 * np.abs(rng.standard_normal((2, count))))
    return bars_of(
        instrument,
        open_,
        np.maximum(open_, close) * span[0],
        np.minimum(open_, close) / span[1],
        close,
        start,
    )


def bars_of(instrument: str, open_, high, low, close, start: str = "2010-01-01") -> pd.DataFrame:
    return pd.DataFrame(
        {
            "instrument": instrument,
            "timeframe": "1d",
            "ts": pd.date_range(start, periods=len(open_), tz="UTC").as_unit("us"),
            "open": np.asarray(open_, float),
            "high": np.asarray(high, float),
            "low": np.asarray(low, float),
            "close": np.asarray(close, float),
            "volume": 1000.0,
        }
    )


def calls_of(times, instrument=0, instruments=("AAA",), **changed) -> Calls:
    """Sure Bullish calls no doubt holds for, but for what is `changed`."""
    times = np.asarray(times, "datetime64[us]")
    n = len(times)
    fields = {
        "forecaster": "model",
        "timeframe": "1d",
        "instruments": tuple(instruments),
        "instrument": np.broadcast_to(np.asarray(instrument), n).astype(np.int64),
        "times": times,
        "fold": np.zeros(n, np.int64),
        "probabilities": np.tile([0.6, 0.1, 0.3], (n, 1)),
        "confidence": np.full(n, 0.6),
        "ranks": {name: np.full(n, 0.5) for name in SOURCES},
        "out_of_distribution": np.zeros(n, bool),
        "both_directions": np.zeros(n, bool),
        "volatility": np.full((n, 3), np.nan),
        "regime": np.zeros(n, np.int64),
        "sigma": np.full(n, 0.01),
        "levels": np.full((n, 3), np.nan),
        "has_volume": np.ones(n, bool),
    }
    return Calls(**(fields | changed))
