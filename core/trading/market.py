"""What the bars say: how volatile and tradable each is, and all instruments of a timeframe on one clock.

Shape legend: n calls, T bars of one series or steps of the clock, K instruments.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from core.config import LabelConfig
from core.data.bars import PRICES, adjust_prices, one_column
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


SevenArrays = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Market:
    """Bars of K instruments at one timeframe on one clock of T steps, the times at which any has a bar.

    Attributes
    ----------
    times
        (T,) bar opens, naive UTC datetime64[us], ascending.
    open, high, low, close
        (T, K) adjusted prices; NaN where an instrument has no bar.
    tradable
        (T, K) bool: there is a bar, and it has volume or its series had none so far.
    years
        (T,) time since the step before, in years of 365 days; 0 at the first.
    spans
        By fold, its first and last step, both inside.
    closing
        (T, K) bool: the instrument's last bar of a fold, at whose close positions are closed.
    """

    times: np.ndarray
    instruments: tuple[str, ...]
    open: np.ndarray
    high: np.ndarray
    low: np.ndarray
    close: np.ndarray
    tradable: np.ndarray
    years: np.ndarray
    spans: dict[int, tuple[int, int]]
    closing: np.ndarray

    def __len__(self) -> int:
        return len(self.times)

    @property
    def walked(self) -> SevenArrays:
        """What `core.trading.walk` reads of it, in its order: prices, and what the steps allow."""
        return self.open, self.high, self.low, self.close, self.tradable, self.closing, self.years

    def step_of(self, times: np.ndarray) -> np.ndarray:
        """(n,) step of each time; -1 where the clock has none."""
        step = np.searchsorted(self.times, times).clip(max=len(self.times) - 1)
        return np.where(self.times[step] == times, step, -1)


def gather_market(
    bars: Mapping[str, pd.DataFrame],
    instruments: Sequence[str],
    spans: Mapping[int, tuple[np.datetime64, np.datetime64]],
) -> Market:
    """Put the bars of some instruments on one clock that runs through the spans.

    Parameters
    ----------
    bars
        By instrument, as stored, one timeframe.
    spans
        By fold, its first and last moment, both inside; they do not overlap.

    Raises
    ------
    InputError
        If an instrument has no bars, or a span holds none of any.
    """
    parts = []
    for name in instruments:
        frame = bars.get(name)
        if frame is None or not len(frame):
            raise InputError(f"bars of {name}", "none", "ingest the bars the model was given")
        times = one_column(frame, "ts").dt.tz_localize(None).to_numpy("datetime64[us]")
        volume = frame["volume"].to_numpy(float) > 0
        inside = np.zeros(len(times), bool)
        for first, last in spans.values():
            inside |= (times >= first) & (times <= last)
        tradable = volume | ~np.logical_or.accumulate(volume)
        parts.append((times[inside], adjust_prices(frame)[PRICES].to_numpy(float)[inside], tradable[inside]))
    clock = np.unique(np.concatenate([times for times, _, _ in parts]))
    prices = np.full((4, len(clock), len(parts)), np.nan)
    tradable = np.zeros((len(clock), len(parts)), bool)
    for k, (times, values, traded) in enumerate(parts):
        step = np.searchsorted(clock, times)
        prices[:, step, k], tradable[step, k] = values.T, traded
    found: dict[int, tuple[int, int]] = {}
    closing = np.zeros(tradable.shape, bool)
    for fold, (first, last) in spans.items():
        start, stop = np.searchsorted(clock, first), np.searchsorted(clock, last, side="right")
        if start == stop:
            raise InputError(f"bars in fold {fold}", "none", "ingest the bars the model was given")
        found[fold] = (int(start), int(stop) - 1)
        there = np.isfinite(prices[3, start:stop])
        held = np.flatnonzero(there.any(axis=0))
        closing[stop - 1 - there[::-1, held].argmax(axis=0), held] = True
    elapsed = np.diff(clock).astype(float) / (365 * 86400e6)
    open_, high, low, close = prices
    years = np.r_[0.0, elapsed][: len(clock)]
    return Market(clock, tuple(instruments), open_, high, low, close, tradable, years, found, closing)


def as_moment(time: pd.Timestamp) -> np.datetime64:
    """A time with a zone as naive UTC, as clocks have it."""
    return np.datetime64(time.tz_convert("UTC").tz_localize(None), "us")
