"""A market whose volatility follows HAR exactly, so that nothing but HAR can be known of it."""

from __future__ import annotations

import numpy as np
import pandas as pd

STEPS = 24
"""Trades within a bar, from which its range comes."""


def har_bars(instrument: str, bars: int, seed: int, weights: tuple[float, ...] = (0.3, 0.35, 0.25)):
    """Daily bars whose log volatility is a weighted sum of its means over 1, 5 and 22 bars, and noise."""
    rng = np.random.default_rng(seed)
    burn = 200
    level, noise = np.log(0.01), 0.25
    path = np.full(bars + burn, level)
    shocks = rng.normal(0, noise, bars + burn)
    for bar in range(22, bars + burn):
        means = np.array([path[bar - window : bar].mean() for window in (1, 5, 22)])
        path[bar] = level + weights @ (means - level) + shocks[bar]
    sigma = np.exp(path[burn:])
    steps = rng.normal(0, 1, (bars, STEPS)) * sigma[:, None] / np.sqrt(STEPS)
    prices = 100 * np.exp(np.cumsum(steps.ravel())).reshape(bars, STEPS)
    opens = np.concatenate([[100.0], prices[:-1, -1]])
    return pd.DataFrame(
        {
            "instrument": instrument,
            "timeframe": "1d",
            "ts": pd.bdate_range("2005-01-03", periods=bars, tz="UTC").as_unit("us"),
            "open": opens,
            "high": np.maximum(prices.max(axis=1), opens),
            "low": np.minimum(prices.min(axis=1), opens),
            "close": prices[:, -1],
            "volume": 1000.0,
        }
    )
