"""Technical indicators from TA-Lib in bounded form, and features of volume."""

from __future__ import annotations

import numpy as np
import pandas as pd
import talib

_PRICE_UNIT = 2.0**20
"""TA-Lib treats small sums of prices (below 1e-14; money flow below 1) as zero. A power of two lifts any
quotation clear of that and is exact in floating point."""


def indicator_features(high: np.ndarray, low: np.ndarray, close: np.ndarray) -> dict[str, np.ndarray]:
    """Oscillators of price.

    Parameters
    ----------
    high, low, close
        Finite positive prices, shape (T,): a NaN inside would poison TA-Lib's recursions for good.

    Returns
    -------
    dict
        ``rsi_14``, ``adx_14``, ``stochastic_14``, ``ultimate_oscillator`` in [0, 100], ``aroon_25`` in
        [-100, 100]; ``cci_20`` as tanh(CCI / 200); ``bollinger_20``: distance of the close from its mean
        over 20 bars in half band widths of two standard deviations.
    """
    high, low, close = high * _PRICE_UNIT, low * _PRICE_UNIT, close * _PRICE_UNIT
    slow_k, _ = talib.STOCH(high, low, close, fastk_period=14, slowk_period=3, slowd_period=3)
    # TA-Lib's BBANDS takes E[x^2] - E[x]^2, which cancels at the price levels of exchange rates.
    window = pd.Series(close).rolling(20)
    mean, deviation = np.asarray(window.mean()), np.asarray(window.std(ddof=0))
    with np.errstate(invalid="ignore", divide="ignore"):
        bollinger = (close - mean) / (2 * deviation)
    return {
        "rsi_14": talib.RSI(close, timeperiod=14),
        "adx_14": talib.ADX(high, low, close, timeperiod=14),
        "cci_20": np.tanh(talib.CCI(high, low, close, timeperiod=20) / 200),
        "stochastic_14": slow_k,
        "aroon_25": talib.AROONOSC(high, low, timeperiod=25),
        "ultimate_oscillator": talib.ULTOSC(high, low, close),
        "bollinger_20": np.where(deviation > 1e-12 * close, bollinger, np.nan),
    }


def volume_features(
    high: np.ndarray, low: np.ndarray, close: np.ndarray, volume: np.ndarray
) -> dict[str, np.ndarray]:
    """How unusual the volume is, where it is heading, and the money flow index.

    Parameters
    ----------
    volume
        Shape (T,); NaN and 0 both mean that none is known.

    Returns
    -------
    dict
        ``volume_surprise``: log volume against its mean over the 20 bars before; ``volume_trend``: mean log
        volume over 5 bars against 60; ``mfi_14`` in [0, 100]. NaN where the volume is unknown.
    """
    known = volume > 0
    log_volume = pd.Series(np.log(np.where(known, volume, np.nan)))
    usual = np.asarray(log_volume.shift(1).rolling(20, min_periods=10).mean())
    short = np.asarray(log_volume.rolling(5, min_periods=3).mean())
    long = np.asarray(log_volume.rolling(60, min_periods=30).mean())
    mfi = talib.MFI(
        high * _PRICE_UNIT,
        low * _PRICE_UNIT,
        close * _PRICE_UNIT,
        np.where(known, volume, 0.0) * _PRICE_UNIT,
        timeperiod=14,
    )
    traded = np.asarray(pd.Series(known.astype(float)).rolling(14).sum())
    return {
        "volume_surprise": log_volume.to_numpy() - usual,
        "volume_trend": short - long,
        "mfi_14": np.where(known & (traded > 0), mfi, np.nan),
    }
