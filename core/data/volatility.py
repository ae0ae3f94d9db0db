"""Volatility estimates that features and labels share; every one is per bar, in log-return units."""

from __future__ import annotations

import numpy as np
import pandas as pd

VARIANCE_FLOOR = 1e-12
"""Variance per bar below which a logarithm would say more about rounding than about the market."""

_MIN_RETURNS = 20


def log_returns(close: np.ndarray) -> np.ndarray:
    """Log return of each bar over the bar before.

    Parameters
    ----------
    close
        Positive prices or NaN, shape (T,).

    Returns
    -------
    ndarray
        Shape (T,); the first is NaN.
    """
    returns = np.full(len(close), np.nan)
    if len(close) > 1:
        returns[1:] = np.diff(np.log(close))
    return returns


def ewma_volatility(log_returns: np.ndarray, decay: float) -> np.ndarray:
    """Exponentially weighted root mean square of the returns up to and including each bar.

    Parameters
    ----------
    log_returns
        Shape (T,); NaN returns are skipped.
    decay
        Weight ratio of one bar to the next, in (0, 1).

    Returns
    -------
    ndarray
        Shape (T,), per bar; NaN until 20 returns are known, 0 when all of them were 0. Weights are
        normalised, so no starting value is made up.

    References
    ----------
    RiskMetrics Technical Document, J.P. Morgan, 1996 (decay 0.94 for daily bars).
    """
    squares = pd.Series(np.square(log_returns))
    mean = squares.ewm(alpha=1 - decay, adjust=True, ignore_na=True, min_periods=_MIN_RETURNS).mean()
    return np.sqrt(mean.to_numpy())


def garman_klass_variance(
    open_: np.ndarray, high: np.ndarray, low: np.ndarray, close: np.ndarray
) -> np.ndarray:
    """Garman-Klass variance of each bar, from its own four prices.

    Returns
    -------
    ndarray
        Shape (T,). Single bars may be slightly negative; a mean over bars is what one takes the root of.
        The jump between two bars is not in it.

    References
    ----------
    Garman and Klass, On the Estimation of Security Price Volatilities from Historical Data, 1980, eq. 20.
    """
    return 0.5 * np.log(high / low) ** 2 - (2 * np.log(2) - 1) * np.log(close / open_) ** 2


def log_volatility(mean_variance: np.ndarray) -> np.ndarray:
    """Log of the volatility whose square is given, floored at `VARIANCE_FLOOR`; NaN stays NaN."""
    return 0.5 * np.log(np.maximum(mean_variance, VARIANCE_FLOOR))


def trailing_mean(values: np.ndarray, window: int) -> np.ndarray:
    """Mean over the `window` values ending at each index, each computed on its own.

    Returns
    -------
    ndarray
        Shape (T,); NaN for the first ``window - 1`` and wherever the window holds a NaN.
    """
    means = np.full(len(values), np.nan)
    if len(values) >= window:
        means[window - 1 :] = np.lib.stride_tricks.sliding_window_view(values, window).mean(axis=-1)
    return means


def efficiency_ratio(returns: np.ndarray, window: int) -> np.ndarray:
    """Net log move over the path length of the last `window` returns.

    Returns
    -------
    ndarray
        Shape (T,), in [0, 1]: 1 is a straight line; 0 when the price did not move at all.

    References
    ----------
    Kaufman, Trading Systems and Methods, the efficiency ratio, here on log prices.
    """
    path = trailing_mean(np.abs(returns), window)
    net = np.abs(trailing_mean(returns, window))
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.where(path > 0, net / path, 0.0)
    return np.where(np.isnan(path), np.nan, np.minimum(ratio, 1.0))
