"""What the labels' rules say of bars already known: the ground of inputs, borders and persistence.

Index t is the bar at whose close the question is put; everything here uses bars up to t alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from core.config import LabelConfig
from core.data.calendar import missing_before
from core.data.volatility import (
    efficiency_ratio,
    ewma_volatility,
    garman_klass_variance,
    log_returns,
    log_volatility,
    trailing_mean,
)

MAX_MISSING_BARS = 3


@dataclass(frozen=True)
class PastQuantities:
    """The quantities of the labels measured up to each bar of one series; arrays (T,), NaN where undefined.

    Attributes
    ----------
    returns
        Log return of each bar.
    sigma
        EWMA volatility per bar, known at t; NaN where the price stood still.
    variance
        Of each bar, by the configured estimator.
    volatility
        Log realised volatility per bar over t-h+1..t.
    ratio, efficiency
        Realised volatility over sigma[t], and efficiency ratio, over the W bars ending at t.
    gaps
        Whether more than `MAX_MISSING_BARS` expected bars are missing before the bar, (T,) bool.
    """

    returns: np.ndarray
    sigma: np.ndarray
    variance: np.ndarray
    volatility: np.ndarray
    ratio: np.ndarray
    efficiency: np.ndarray
    gaps: np.ndarray


def measure_past(bars: pd.DataFrame, config: LabelConfig) -> PastQuantities:
    """Measure what is known at each bar.

    Parameters
    ----------
    bars
        One series in the bars frame, prices adjusted, sorted by ts.
    """
    open_, high, low, close = (bars[name].to_numpy(float) for name in ("open", "high", "low", "close"))
    returns = log_returns(close)
    sigma = ewma_volatility(returns, config.ewma_decay)
    sigma = np.where(sigma > 0, sigma, np.nan)
    if config.volatility == "garman_klass":
        variance = garman_klass_variance(open_, high, low, close)
    else:
        variance = returns**2
    h, window = config.horizon, config.regime_window
    gaps = _gaps(bars)
    within = ~spans_gap(gaps, -window, 0)
    realised = np.sqrt(trailing_mean(returns**2, window))
    return PastQuantities(
        returns=returns,
        sigma=sigma,
        variance=variance,
        volatility=np.where(spans_gap(gaps, -h, 0), np.nan, log_volatility(trailing_mean(variance, h))),
        ratio=np.where(within, realised / sigma, np.nan),
        efficiency=np.where(within, efficiency_ratio(returns, window), np.nan),
        gaps=gaps,
    )


def spans_gap(gaps: np.ndarray, first: int, last: int) -> np.ndarray:
    """Whether a gap lies between any two neighbours of the bars t + first .. t + last.

    Parameters
    ----------
    gaps
        Whether too many bars are missing before each bar, shape (T,) bool.
    first, last
        Offsets from t, first <= last.

    Returns
    -------
    ndarray
        Shape (T,) bool; bars outside the series count as no gap.
    """
    count = len(gaps)
    before = np.concatenate([[0], np.cumsum(gaps)])
    steps = np.arange(count)
    start = np.clip(steps + first + 1, 0, count)
    stop = np.clip(steps + last + 1, 0, count)
    return before[stop] - before[start] > 0


def _gaps(bars: pd.DataFrame) -> np.ndarray:
    if not len(bars):
        return np.zeros(0, dtype=bool)
    ts = bars["ts"].to_numpy(dtype="datetime64[us]")
    return missing_before(ts, str(bars["timeframe"].iloc[0])) > MAX_MISSING_BARS
