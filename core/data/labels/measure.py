"""What the model is asked, measured on later bars.

Index t is the bar at whose close the question is put, t1 the last bar the answer uses: the answer is known at
the close of t1. C, O, H, L are prices, r[t] = ln(C[t] / C[t-1]), h the horizon, sigma[t] the EWMA volatility
of r up to t. Nothing reaches across a gap of more than `MAX_MISSING_BARS` (`core.data.labels.past`) bars.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from core.config import LabelConfig
from core.data.labels.past import measure_past, spans_gap
from core.data.volatility import efficiency_ratio, log_volatility, trailing_mean

MISSING = -1
DIRECTIONS = ("Bullish", "Bearish", "Sideways")

_BULLISH, _BEARISH, _SIDEWAYS = range(3)


@dataclass(frozen=True)
class TargetQuantities:
    """Everything labels are cut from, for one series of T bars; arrays (T,), NaN or -1 where undefined.

    Attributes
    ----------
    sigma
        EWMA volatility per bar, known at t.
    direction_score
        ln(C[t+h] / O[t+1]) / (sigma sqrt(h)); with ``fixed_return`` the simple return C[t+h] / C[t] - 1.
    direction
        Index into `DIRECTIONS`, -1 where undefined or dropped; `direction_end` its t1.
    direction_past
        The same rule on the h bars up to t.
    volatility
        Log realised volatility per bar over t+1..t+h; `volatility_past` over t-h+1..t.
    regime_ratio, regime_efficiency
        Realised volatility over sigma[t], and efficiency ratio, over the W bars ending at t + lead;
        `past_ratio` and `past_efficiency` over the W bars ending at t.
    columns
        Label columns of the user's data, as they came.
    """

    instrument: str
    timeframe: str
    sigma: np.ndarray
    direction_score: np.ndarray
    direction: np.ndarray
    direction_end: np.ndarray
    direction_past: np.ndarray
    volatility: np.ndarray
    volatility_end: np.ndarray
    volatility_past: np.ndarray
    regime_ratio: np.ndarray
    regime_efficiency: np.ndarray
    regime_end: np.ndarray
    past_ratio: np.ndarray
    past_efficiency: np.ndarray
    columns: dict[str, np.ndarray]


def measure_targets(
    bars: pd.DataFrame, config: LabelConfig, label_columns: Sequence[str] = ()
) -> TargetQuantities:
    """Measure what labels are cut from.

    Parameters
    ----------
    bars
        One series in the bars frame, prices adjusted, sorted by ts.
    label_columns
        Columns of the user's data that are labels; absent ones count as unknown throughout.
    """
    open_, high, low, close = (bars[name].to_numpy(float) for name in ("open", "high", "low", "close"))
    past = measure_past(bars, config)
    h, window, lead = config.horizon, config.regime_window, config.regime_lead
    count = len(bars)
    ahead_open = ~spans_gap(past.gaps, 0, h)
    volatility = _look_ahead(log_volatility(trailing_mean(past.variance, h)), h)
    volatility = np.where(ahead_open, volatility, np.nan)

    around_open = ~spans_gap(past.gaps, lead - window, lead)
    realised = np.sqrt(trailing_mean(past.returns**2, window))
    regime_ratio = np.where(around_open, _look_ahead(realised, lead) / past.sigma, np.nan)
    efficiency = _look_ahead(efficiency_ratio(past.returns, window), lead)

    direction, score, end, direction_past = _direction(open_, high, low, close, past.sigma, config)
    direction = np.where(ahead_open, direction, MISSING)
    steps = np.arange(count)
    return TargetQuantities(
        instrument=str(bars["instrument"].iloc[0]) if count else "",
        timeframe=str(bars["timeframe"].iloc[0]) if count else "",
        sigma=past.sigma,
        direction_score=np.where(ahead_open, score, np.nan),
        direction=direction,
        direction_end=np.where(direction != MISSING, end, MISSING),
        direction_past=np.where(spans_gap(past.gaps, -h, 0), MISSING, direction_past),
        volatility=volatility,
        volatility_end=np.where(np.isfinite(volatility), steps + h, MISSING),
        volatility_past=past.volatility,
        regime_ratio=regime_ratio,
        regime_efficiency=np.where(around_open, efficiency, np.nan),
        regime_end=np.where(np.isfinite(regime_ratio), steps + lead, MISSING),
        past_ratio=past.ratio,
        past_efficiency=past.efficiency,
        columns={
            name: bars[name].to_numpy(dtype=object) if name in bars else np.full(count, None, dtype=object)
            for name in label_columns
        },
    )


def _direction(
    open_: np.ndarray,
    high: np.ndarray,
    low: np.ndarray,
    close: np.ndarray,
    sigma: np.ndarray,
    config: LabelConfig,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    h = config.horizon
    count = len(close)
    past_return = np.full(count, np.nan)
    if count > h:
        past_return[h:] = np.log(close[h:] / close[:-h])
    end = np.arange(count) + h
    if config.direction == "fixed_return":
        simple = np.expm1(_look_ahead(past_return, h))
        values = np.select([simple > config.up, simple < config.down], [_BULLISH, _BEARISH], MISSING)
        past = np.select([past_return > 0, past_return <= 0], [_BULLISH, _BEARISH], MISSING)
        return values, simple, end, past

    unit = sigma * np.sqrt(h)
    band = np.maximum(config.band * unit, np.log1p(config.round_trip_cost))
    ahead = forward_return(open_, close, h)
    if config.direction == "triple_barrier":
        values, end = triple_barrier(open_, high, low, band, h)
        values = np.where(np.isfinite(ahead), values, MISSING)
    else:
        values = _cut_band(ahead, band)
    return values, ahead / unit, end, _cut_band(past_return, band)


def _cut_band(log_return: np.ndarray, band: np.ndarray) -> np.ndarray:
    known = np.isfinite(log_return) & np.isfinite(band)
    return np.select(
        [~known, log_return > band, log_return < -band], [MISSING, _BULLISH, _BEARISH], _SIDEWAYS
    )


def _look_ahead(values: np.ndarray, bars: int) -> np.ndarray:
    ahead = np.full(len(values), np.nan)
    if len(values) > bars:
        ahead[:-bars] = values[bars:]
    return ahead


_UPPER, _LOWER, _TIME = range(3)


def forward_return(open_: np.ndarray, close: np.ndarray, horizon: int) -> np.ndarray:
    """ln(C[t+h] / O[t+1]), shape (T,): entry at the next open, exit at the close of bar t + h."""
    returns = np.full(len(close), np.nan)
    if len(close) > horizon:
        returns[:-horizon] = np.log(close[horizon:] / open_[1 : len(open_) - horizon + 1])
    return returns


def triple_barrier(
    open_: np.ndarray, high: np.ndarray, low: np.ndarray, band: np.ndarray, horizon: int
) -> tuple[np.ndarray, np.ndarray]:
    """First barrier touched within `horizon` bars of an entry at the next open.

    Barriers stand at O[t+1] exp(band) and O[t+1] exp(-band). A bar that touches both counts as the lower one:
    its order within is unknown, and a long position is assumed to have met the adverse side first.

    Parameters
    ----------
    open_, high, low
        Prices, shape (T,).
    band
        Log distance of the barriers, shape (T,), NaN where unknown.

    Returns
    -------
    touched
        Shape (T,): 0 upper, 1 lower, 2 neither; -1 where the whole horizon is not there or the band unknown.
    end
        Shape (T,): index of the bar that touched, else t + horizon.

    References
    ----------
    Lopez de Prado, Advances in Financial Machine Learning, 2018, section 3.4.
    """
    count = len(open_)
    touched = np.full(count, -1)
    end = np.arange(count) + horizon
    whole = count - horizon
    if whole <= 0:
        return touched, end
    entry = np.log(open_[1 : whole + 1])
    width = band[:whole]
    path_known = np.isfinite(entry) & np.isfinite(width)
    pending = np.full(whole, True)
    outcome = np.full(whole, _TIME)
    for step in range(1, horizon + 1):
        highest, lowest = np.log(high[step : step + whole]), np.log(low[step : step + whole])
        path_known &= ~pending | (np.isfinite(highest) & np.isfinite(lowest))
        below = pending & (lowest - entry <= -width)
        above = pending & ~below & (highest - entry >= width)
        outcome[below], outcome[above] = _LOWER, _UPPER
        end[:whole][below | above] = np.flatnonzero(below | above) + step
        pending &= ~(below | above)
    touched[:whole] = np.where(path_known, outcome, -1)
    return touched, end
