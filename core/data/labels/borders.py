"""Where classes are cut: borders from the series' own recent past, or frozen from training rows."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any, Self

import numpy as np
import pandas as pd

from core.config import LabelConfig
from core.data.labels.measure import TargetQuantities
from core.data.labels.past import PastQuantities, measure_past

MIN_TRAINING_ROWS = 50


@dataclass(frozen=True)
class Borders:
    """The cuts of one series of T bars, at each bar; arrays (T,) float64, NaN where they are not known.

    Attributes
    ----------
    volatility_low, volatility_high
        Terciles of the log realised volatility.
    volatility_mean, volatility_std
        What the intensity is standardised with.
    regime_ratio, regime_efficiency
        Quantile of realised volatility over sigma above which a bar is Volatile; median of the efficiency
        ratio.
    """

    volatility_low: np.ndarray
    volatility_high: np.ndarray
    volatility_mean: np.ndarray
    volatility_std: np.ndarray
    regime_ratio: np.ndarray
    regime_efficiency: np.ndarray

    @classmethod
    def unknown(cls, count: int) -> Self:
        """No cut at any of `count` bars."""
        return cls(*(np.full(count, np.nan) for _ in fields(cls)))

    def at(self, rows: np.ndarray) -> Self:
        """The cuts at some bars: an index or mask over T."""
        return type(self)(*(getattr(self, field.name)[rows] for field in fields(self)))


@dataclass(frozen=True)
class SeriesThresholds:
    """Frozen cuts of one instrument and timeframe, from its training rows; None where these were too few.

    Attributes are those of `Borders`, one number each, and
    ``volatility_rows``, ``regime_rows``: how many training rows each was taken from.
    """

    volatility_low: float | None
    volatility_high: float | None
    volatility_mean: float | None
    volatility_std: float | None
    regime_ratio: float | None
    regime_efficiency: float | None
    volatility_rows: int
    regime_rows: int

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> SeriesThresholds:
        """The inverse of `to_dict`."""
        return cls(**raw)

    def borders(self, count: int) -> Borders:
        """The same cuts at each of `count` bars."""
        cuts = (getattr(self, field.name) for field in fields(Borders))
        return Borders(*(np.full(count, np.nan if cut is None else cut) for cut in cuts))


def trailing_borders(past: PastQuantities, config: LabelConfig) -> Borders:
    """Cuts from the values known at each bar: those of the last ``reference_bars`` bars, the bar included.

    Parameters
    ----------
    past
        Of one series; its values at t use bars up to t alone, and so do the cuts.

    Returns
    -------
    Borders
        NaN until ``reference_minimum`` values are known within the window. Terciles and quantile interpolate
        linearly between order statistics; the deviation divides by the count.
    """

    def recent(values: np.ndarray) -> Any:
        return pd.Series(values).rolling(config.reference_bars, min_periods=config.reference_minimum)

    volatility = recent(past.volatility)
    return Borders(
        volatility_low=volatility.quantile(1 / 3).to_numpy(),
        volatility_high=volatility.quantile(2 / 3).to_numpy(),
        volatility_mean=volatility.mean().to_numpy(),
        volatility_std=volatility.std(ddof=0).to_numpy(),
        regime_ratio=recent(past.ratio).quantile(config.volatile_quantile).to_numpy(),
        regime_efficiency=recent(past.efficiency).quantile(0.5).to_numpy(),
    )


def series_borders(bars: pd.DataFrame, config: LabelConfig, thresholds: SeriesThresholds | None) -> Borders:
    """The cuts of one series by the configuration.

    Parameters
    ----------
    bars
        One series, prices adjusted, sorted by ts. Bars without prices carry no cut and count as not there.
    thresholds
        Frozen cuts where ``labels.reference`` is "frozen"; None when there are none, and the cuts are then
        unknown. Not looked at otherwise.
    """
    if config.reference == "frozen":
        return Borders.unknown(len(bars)) if thresholds is None else thresholds.borders(len(bars))
    priced = priced_rows(bars)
    cuts = trailing_borders(measure_past(bars.loc[priced], config), config)
    spread = Borders.unknown(len(bars))
    for field in fields(Borders):
        getattr(spread, field.name)[priced] = getattr(cuts, field.name)
    return spread


def fit_thresholds(quantities: TargetQuantities, train: np.ndarray, config: LabelConfig) -> SeriesThresholds:
    """Frozen cuts from the training rows alone; None where there are fewer than `MIN_TRAINING_ROWS`.

    Parameters
    ----------
    train
        Whether each bar is known within the training segment, shape (T,) bool. A row counts only if the bar
        at its t1 is in train as well.
    """
    volatility = quantities.volatility[training_rows(quantities.volatility_end, train)]
    regime = training_rows(quantities.regime_end, train)
    cuts: dict[str, float | None] = dict.fromkeys(field.name for field in fields(Borders))
    if len(volatility) >= MIN_TRAINING_ROWS:
        low, high = np.quantile(volatility, [1 / 3, 2 / 3])
        cuts |= {"volatility_low": float(low), "volatility_high": float(high)}
        cuts |= {"volatility_mean": float(volatility.mean()), "volatility_std": float(volatility.std())}
    if regime.sum() >= MIN_TRAINING_ROWS:
        ratio = np.quantile(quantities.regime_ratio[regime], config.volatile_quantile)
        efficiency = np.median(quantities.regime_efficiency[regime])
        cuts |= {"regime_ratio": float(ratio), "regime_efficiency": float(efficiency)}
    return SeriesThresholds(**cuts, volatility_rows=len(volatility), regime_rows=int(regime.sum()))


def training_rows(end: np.ndarray, train: np.ndarray) -> np.ndarray:
    """Rows whose bar and whose t1 both lie in train.

    Parameters
    ----------
    end
        Index of t1 per row, -1 for none, shape (T,).
    train
        Whether each bar is known within the training segment, shape (T,) bool.
    """
    return train & (end >= 0) & train[np.maximum(end, 0)]


def priced_rows(bars: pd.DataFrame) -> np.ndarray:
    """Bars whose four prices are all known and positive, shape (T,) bool."""
    prices = np.stack([bars[name].to_numpy(float) for name in ("open", "high", "low", "close")])
    return np.asarray((np.isfinite(prices) & (prices > 0)).all(axis=0))
