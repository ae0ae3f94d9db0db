"""HAR: volatility ahead from its own past over a bar, a week and a month.

Shapes: n rows (the last bars of windows).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
from scipy.stats import norm
from sklearn.linear_model import LinearRegression

from core.baselines.measures import SeriesMeasures
from core.baselines.simple import NO_LABEL, BaselineRows
from core.config import TaskConfig
from core.data.features.own_scale import SEMIVARIANCE_WINDOWS, semivariance_balances
from core.data.labels.assign import LABEL_CLASSES
from core.data.volatility import log_volatility, trailing_mean
from core.data.windows import LastBarWindows
from core.scores.metrics import log_losses
from core.timeframe import duration

# A normal tail gives 0 to outcomes that markets produce all the same.
_LEAST_PROBABILITY = 1e-4
_LEAST_HAR_ROWS = 100
_CLIP_QUANTILES = (0.005, 0.995)


@dataclass(frozen=True)
class VolatilityRows(BaselineRows):
    """What HAR looks at: `features` are log volatilities over its windows, standardised as the target is.

    Attributes
    ----------
    labels
        0 Low, 1 Medium, 2 High, whatever the task's order of classes; -1 = none.
    target
        Standardised log volatility ahead, (n,), NaN = none.
    low, high
        The terciles the row's label is cut at, standardised alike, (n,).
    series
        Name of each row's series, (n,).
    balances
        Falling minus rising squared returns over their sum, (n, `SEMIVARIANCE_WINDOWS`), NaN = unknown.
    """

    target: np.ndarray
    low: np.ndarray
    high: np.ndarray
    series: np.ndarray
    balances: np.ndarray


@dataclass(frozen=True)
class Har:
    """Log realised volatility ahead regressed on its past over a bar, a week and a month (Corsi 2009).

    The class probabilities are those of a normal around the regression, cut at the label's terciles.

    Attributes
    ----------
    coefficients
        By series, and by ``|1d`` for all series of a timeframe pooled: intercept and one weight per window,
        and per semivariance balance where `semivariances`.
    deviation
        By series likewise: root mean square of the training residuals.
    clip
        Lowest and highest value of each window's volatility, from training, (2, windows).
    pooled
        Whether the pooled regression forecast the calibrate segment better; otherwise each series has its
        own, and those with under 100 training rows the pooled one.
    semivariances
        Whether the balances forecast the calibrate segment better than the windows alone.
    """

    coefficients: dict[str, list[float]]
    deviation: dict[str, float]
    clip: list[list[float]]
    pooled: bool
    semivariances: bool = False

    @classmethod
    def fit(cls, train: VolatilityRows, calibrate: VolatilityRows, num_classes: int = 3) -> Self:
        """Least squares on training rows whose target is known; `num_classes` is always 3."""
        train.labelled()
        known = (train.labels != NO_LABEL) & np.isfinite(train.target) & np.isfinite(train.features).all(1)
        known &= np.isfinite(train.balances).all(1)
        clip = np.quantile(train.features[known], _CLIP_QUANTILES, axis=0)
        candidates = []
        for semivariances in (False, True):
            fitted = _regress(train, known, clip, semivariances)
            for pooled in (False, True):
                candidates.append(cls(*fitted, clip.tolist(), pooled, semivariances))
        judged = calibrate.labels != NO_LABEL
        if not judged.any():
            return candidates[0]

        def loss(candidate: Self) -> float:
            return float(log_losses(candidate.predict(calibrate)[judged], calibrate.labels[judged]).mean())

        return min(candidates, key=loss)

    def predict(self, rows: VolatilityRows) -> np.ndarray:
        """P(Low), P(Medium), P(High), (n, 3).

        An unknown window counts as the mean; a bar without terciles gets a third for each class.
        """
        x = np.nan_to_num(_regressors(rows, np.asarray(self.clip), self.semivariances), nan=0.0)
        names = [
            name if not self.pooled and name in self.coefficients else _pool(name) for name in rows.series
        ]
        unknown = [math.nan] * (x.shape[1] + 1)
        weights = np.array([self.coefficients.get(name, unknown) for name in names]).reshape(len(x), -1)
        spread = np.array([self.deviation.get(name, math.nan) for name in names])
        centre = weights[:, 0] + (x * weights[:, 1:]).sum(axis=1)
        below, up_to = norm.cdf((rows.low - centre) / spread), norm.cdf((rows.high - centre) / spread)
        cells = np.column_stack([below, up_to - below, 1 - up_to])
        cells = np.where(np.isnan(cells), 1 / 3, np.maximum(cells, _LEAST_PROBABILITY))
        return cells / cells.sum(axis=1, keepdims=True)

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers."""
        return asdict(self)

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Self:
        """From plain numbers."""
        return cls(**raw)


def _regress(
    rows: VolatilityRows, known: np.ndarray, clip: np.ndarray, semivariances: bool
) -> tuple[dict[str, list[float]], dict[str, float]]:
    """Coefficients and root mean squared residual, by series and by timeframe."""
    coefficients, deviation = {}, {}
    regressors = _regressors(rows, clip, semivariances)
    pools = np.array([_pool(name) for name in rows.series], dtype=object)
    for name in [*np.unique(pools[known]), *np.unique(rows.series[known])]:
        mine = known & ((rows.series == name) | (pools == name))
        if name not in pools and mine.sum() < _LEAST_HAR_ROWS:
            continue
        x, y = regressors[mine], rows.target[mine]
        fitted = LinearRegression().fit(x, y)
        coefficients[str(name)] = [float(fitted.intercept_), *map(float, fitted.coef_)]
        spread = float(np.sqrt(np.mean((y - fitted.predict(x)) ** 2)))
        deviation[str(name)] = max(spread, 1e-6)
    return coefficients, deviation


def _regressors(rows: VolatilityRows, clip: np.ndarray, semivariances: bool) -> np.ndarray:
    windows = np.clip(rows.features, *clip)
    return np.column_stack([windows, rows.balances]) if semivariances else windows


def har_windows(timeframe: str) -> tuple[int, ...]:
    """Bars of HAR's windows: 1, 5 and 22; below a day also a day's and a week's bars, without the 22."""
    day = duration("1d") // duration(timeframe)
    return (1, 5, 22) if day <= 1 else tuple(sorted({1, 5, day, 5 * day}))


def volatility_rows(
    dataset: LastBarWindows,
    task: TaskConfig,
    measures: Sequence[SeriesMeasures],
) -> VolatilityRows:
    """What HAR sees of the rows of `dataset`.

    Parameters
    ----------
    measures
        Per series, in the order of ``dataset.data.series``. Timeframes with fewer windows repeat their
        longest.
    """
    data = dataset.data
    width = max(len(har_windows(series.timeframe)) for series in data.series)
    n = len(dataset.rows)
    features, target = np.full((n, width), np.nan), np.full(n, np.nan)
    balances = np.full((n, len(SEMIVARIANCE_WINDOWS)), np.nan)
    low, high, names = np.full(n, np.nan), np.full(n, np.nan), np.full(n, "", dtype=object)
    for which, series in enumerate(data.series):
        mine = dataset.rows[:, 0] == which
        bars = dataset.rows[mine, 1]
        names[mine] = series.key
        cuts, past = series.borders.at(bars), measures[which].past
        mean, std = cuts.volatility_mean, np.where(cuts.volatility_std > 0, cuts.volatility_std, np.nan)
        volatilities = _past_volatilities(past.variance, har_windows(series.timeframe), width)
        features[mine] = (volatilities[bars] - mean[:, None]) / std[:, None]
        target[mine] = (measures[which].quantities.volatility[bars] - mean) / std
        low[mine], high[mine] = (cuts.volatility_low - mean) / std, (cuts.volatility_high - mean) / std
        balances[mine] = np.column_stack(list(semivariance_balances(past.returns).values()))[bars]
    order = np.array([*_canonical(task), NO_LABEL])
    labels = order[dataset.last_labels(task.name)]
    return VolatilityRows(
        features=features,
        labels=labels,
        persistence=dataset.last_persistence(task.name),
        target=target,
        low=low,
        high=high,
        series=names,
        balances=balances,
    )


def in_task_order(probabilities: np.ndarray, task: TaskConfig) -> np.ndarray:
    """Columns Low, Medium, High (n, 3) in the order of the task's classes."""
    return probabilities[:, _canonical(task)]


def _pool(series: str) -> str:
    return "|" + series.rpartition("|")[2]


def _canonical(task: TaskConfig) -> list[int]:
    return [LABEL_CLASSES["volatility"].index(name) for name in task.classes]


def _past_volatilities(variance: np.ndarray, windows: Sequence[int], width: int) -> np.ndarray:
    columns = [log_volatility(trailing_mean(variance, window)) for window in windows]
    return np.column_stack(columns + [columns[-1]] * (width - len(columns)))
