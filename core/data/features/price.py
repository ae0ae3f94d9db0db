"""Features of one instrument's prices: returns, candle shape, volatility, place in the range, clock."""

from __future__ import annotations

import numpy as np
import pandas as pd

from core.data.volatility import (
    efficiency_ratio,
    ewma_volatility,
    garman_klass_variance,
    log_returns,
    log_volatility,
    trailing_mean,
)

DECAY = 0.94
RETURN_HORIZONS = (1, 2, 5, 10, 20, 60)

_SIGMA_FLOOR = 1e-9
_SIGMA_LIMIT = 100.0


def in_sigmas(log_move: np.ndarray, volatility: np.ndarray, bars: float = 1.0) -> np.ndarray:
    """A log price move in units of the volatility known before its last bar.

    Parameters
    ----------
    log_move
        Shape (T,).
    volatility
        EWMA volatility per bar, shape (T,); the one of the bar before is used, so that a shock is
        measured against what was usual before it.
    bars
        Number of bars the move took; the unit grows with its square root.

    Returns
    -------
    ndarray
        Shape (T,), within [-100, 100]; NaN where the price had stood still.
    """
    before = np.full(len(volatility), np.nan)
    before[1:] = volatility[:-1]
    before = np.where(before > _SIGMA_FLOOR, before, np.nan)
    return np.clip(log_move / (before * np.sqrt(bars)), -_SIGMA_LIMIT, _SIGMA_LIMIT)


def normalised_returns(close: np.ndarray, horizons: tuple[int, ...]) -> np.ndarray:
    """Log returns over the last h bars in sigmas (see `in_sigmas`), shape (T, len(horizons))."""
    log_close = np.log(close)
    volatility = ewma_volatility(log_returns(close), DECAY)
    return np.column_stack([in_sigmas(_change(log_close, bars), volatility, bars) for bars in horizons])


def price_features(
    open_: np.ndarray, high: np.ndarray, low: np.ndarray, close: np.ndarray
) -> dict[str, np.ndarray]:
    """Returns and candle shape.

    Parameters
    ----------
    open_, high, low, close
        Finite positive prices, shape (T,).

    Returns
    -------
    dict
        ``return_H`` and ``gap_open`` in sigmas; ``body`` (the balance of power, in [-1, 1]) and the two
        wicks as shares of the bar's range (0 for a bar without a range); ``range`` and ``drawdown_60``
        (below the highest high of 60 bars) in sigmas; ``efficiency_N`` in [0, 1]; ``position_N`` of the
        close in the range of N bars, in [0, 1].
    """
    log_close = np.log(close)
    returns = log_returns(close)
    volatility = ewma_volatility(returns, DECAY)
    columns = {f"return_{h}": in_sigmas(_change(log_close, h), volatility, h) for h in RETURN_HORIZONS}

    previous_close = np.full(len(close), np.nan)
    previous_close[1:] = close[:-1]
    columns["gap_open"] = in_sigmas(np.log(open_ / previous_close), volatility)

    span = high - low
    unit = np.where(span > 0, span, 1.0)
    for name, part in {
        "body": close - open_,
        "upper_wick": high - np.maximum(open_, close),
        "lower_wick": np.minimum(open_, close) - low,
    }.items():
        columns[name] = np.where(span > 0, part / unit, 0.0)
    columns["range"] = in_sigmas(np.log(high / low), volatility)

    highs, lows = pd.Series(high), pd.Series(low)
    for bars in (20, 50, 200):
        top = highs.rolling(bars).max().to_numpy()
        bottom = lows.rolling(bars).min().to_numpy()
        with np.errstate(invalid="ignore", divide="ignore"):
            columns[f"position_{bars}"] = np.where(top > bottom, (close - bottom) / (top - bottom), np.nan)
    columns["drawdown_60"] = in_sigmas(np.log(close / highs.rolling(60).max().to_numpy()), volatility, 60)
    for bars in (10, 20):
        columns[f"efficiency_{bars}"] = efficiency_ratio(returns, bars)
    return columns


def volatility_features(
    open_: np.ndarray, high: np.ndarray, low: np.ndarray, close: np.ndarray
) -> dict[str, np.ndarray]:
    """Level, term structure and unrest of volatility.

    Returns
    -------
    dict
        ``log_volatility`` (EWMA) and ``log_garman_klass_N``: logs of volatility per bar;
        ``volatility_ratio_5_60`` and ``_20_60``: log ratios of short to long; ``volatility_ratio_10_ewma``:
        log ratio of the last 10 bars' root mean squared return to the EWMA volatility, the part of the
        regime label that is known by then; ``volatility_of_volatility``: standard deviation of
        ``log_volatility`` over 20 bars. NaN where the price stood still.
    """
    returns = log_returns(close)
    ewma = ewma_volatility(returns, DECAY)
    ewma = np.where(ewma > _SIGMA_FLOOR, ewma, np.nan)
    columns = {"log_volatility": np.log(ewma)}
    variance = garman_klass_variance(open_, high, low, close)
    for bars in (5, 20, 60):
        columns[f"log_garman_klass_{bars}"] = log_volatility(trailing_mean(variance, bars))
    for bars in (5, 20):
        ratio = columns[f"log_garman_klass_{bars}"] - columns["log_garman_klass_60"]
        columns[f"volatility_ratio_{bars}_60"] = ratio
    realised = log_volatility(trailing_mean(returns**2, 10))
    columns["volatility_ratio_10_ewma"] = realised - columns["log_volatility"]
    unrest = pd.Series(columns["log_volatility"]).rolling(20).std()
    columns["volatility_of_volatility"] = unrest.to_numpy()
    return columns


def calendar_features(ts: np.ndarray) -> dict[str, np.ndarray]:
    """Time of day and day of week (UTC, of the bar's open) as points on a circle.

    Parameters
    ----------
    ts
        datetime64[us], shape (T,).
    """
    day = ts.astype("datetime64[D]")
    time_of_day = (ts - day) / np.timedelta64(1, "D")
    day_of_week = (day.astype(np.int64) + 3) % 7 / 7
    columns = {}
    for name, turn in {"time_of_day": time_of_day, "day_of_week": day_of_week}.items():
        columns[f"{name}_sin"] = np.sin(2 * np.pi * turn)
        columns[f"{name}_cos"] = np.cos(2 * np.pi * turn)
    return columns


def _change(values: np.ndarray, bars: int) -> np.ndarray:
    change = np.full(len(values), np.nan)
    if len(values) > bars:
        change[bars:] = values[bars:] - values[:-bars]
    return change
