"""What the bars say: how volatile and tradable each is, and all instruments of a timeframe on one clock.

Shape legend: n calls, T bars of one series.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from core.config import LabelConfig
from core.data.bars import adjust_prices, one_column
from core.data.volatility import ewma_volatility, log_returns
from core.errors import InputError

LEVEL_QUANTILES = (1 / 6, 1 / 2, 5 / 6)
"""Where in the series' own past the typical volatility of the classes Low, Medium and High lies."""


@dataclass(frozen=True)
class BarMeasures:
    """Of the T bars of one series, each from bars up to it alone; see `core.trading.calls.Calls`."""

    times: np.ndarray
    sigma: np.ndarray
    levels: np.ndarray
    has_volume: np.ndarray


def measure_bars(bars: pd.DataFrame, labels: LabelConfig) -> BarMeasures:
    """Volatility and volume of one series' bars as stored; prices are adjusted here."""
    close = adjust_prices(bars)["close"].to_numpy(float)
    with np.errstate(invalid="ignore", divide="ignore"):
        sigma = ewma_volatility(log_returns(close), labels.ewma_decay)
    past = pd.Series(sigma).rolling(labels.reference_bars, min_periods=labels.reference_minimum)
    volume = bars["volume"].to_numpy(float) > 0
    return BarMeasures(
        one_column(bars, "ts").dt.tz_localize(None).to_numpy("datetime64[us]"),
        np.where(sigma > 0, sigma, np.nan),
        np.column_stack([past.quantile(q).to_numpy() for q in LEVEL_QUANTILES]),
        volume | ~np.logical_or.accumulate(volume),
    )


def place_calls(
    names: Sequence[str],
    instrument: np.ndarray,
    times: np.ndarray,
    bars: Mapping[str, pd.DataFrame | None],
    labels: LabelConfig,
) -> dict[str, np.ndarray]:
    """What the bars themselves say at each call (n,): the fields of `BarMeasures` by name, without the times.

    Parameters
    ----------
    names, instrument
        Of the instruments, and each call's place (n,) among them.
    bars
        By instrument, as stored.

    Raises
    ------
    InputError
        If an instrument has no bars, or a call's bar is not among them.
    """
    n = len(times)
    sigma, levels, has_volume = np.full(n, np.nan), np.full((n, 3), np.nan), np.ones(n, bool)
    for index, name in enumerate(names):
        frame = bars[name]
        if frame is None or not len(frame):
            raise InputError(f"bars of {name}", "none", "ingest the bars the model was given")
        measures = measure_bars(frame, labels)
        mine = np.flatnonzero(instrument == index)
        place = np.searchsorted(measures.times, times[mine]).clip(max=len(measures.times) - 1)
        if (measures.times[place] != times[mine]).any():
            raise InputError(
                f"the bars of {name} that calls were made at",
                "some that are not stored",
                "ingest the bars the model was given",
            )
        sigma[mine], levels[mine] = measures.sigma[place], measures.levels[place]
        has_volume[mine] = measures.has_volume[place]
    return {"sigma": sigma, "levels": levels, "has_volume": has_volume}
