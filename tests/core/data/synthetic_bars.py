"""Random bars for tests: prices with changing volatility, holidays left out, volume with a rhythm."""

from __future__ import annotations

import numpy as np
import pandas as pd


def make_bars(
    count: int, instrument: str = "AAA", timeframe: str = "1d", *, seed: int = 0, start: str = "2000-01-03"
) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    if timeframe == "1d":
        ts = pd.bdate_range(start, periods=count, tz="UTC")
    else:
        ts = pd.date_range(start, periods=count, freq={"1h": "h", "1w": "7D"}[timeframe], tz="UTC")
    volatility = 0.01 * np.exp(0.5 * np.sin(np.arange(count) / 90) + 0.2 * rng.standard_normal(count))
    close = 80 * np.exp(np.cumsum(volatility * rng.standard_normal(count)))
    open_ = np.r_[80.0, close[:-1]] * np.exp(0.3 * volatility * rng.standard_normal(count))
    high = np.maximum(open_, close) * np.exp(0.5 * volatility * np.abs(rng.standard_normal(count)))
    low = np.minimum(open_, close) * np.exp(-0.5 * volatility * np.abs(rng.standard_normal(count)))
    return pd.DataFrame(
        {
            "instrument": instrument,
            "timeframe": timeframe,
            "ts": ts.as_unit("us"),
            "open": open_,
            "high": high,
            "low": low,
            "close": close,
            "volume": np.round(1e6 * np.exp(0.4 * rng.standard_normal(count))),
        }
    )


def scale_bars(bars: pd.DataFrame, prices: float = 1.0, volume: float = 1.0) -> pd.DataFrame:
    scaled = bars.copy()
    scaled[["open", "high", "low", "close"]] *= prices
    scaled["volume"] *= volume
    return scaled
