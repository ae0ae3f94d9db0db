"""The forecasters worth beating: boosted trees, HAR for volatility, and the transformer without its ideas.

Shapes: n rows (the last bars of windows), N features, C classes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
from scipy.stats import norm
from sklearn.linear_model import LinearRegression

from core.config import Config, TaskConfig
from core.data.targets import LABEL_CLASSES
from core.data.timeframe import duration
from core.data.volatility import log_volatility, trailing_mean
from core.data.windows import LastBarWindows
from core.training.baselines import NO_LABEL, BaselineRows, baseline_rows
from core.training.metrics import log_losses
from core.training.walk_forward_measures import SeriesMeasures

LAGS = (1, 2, 3, 5, 10)
"""Bars back whose features the boosted trees see beside the last bar's."""

_GRID = ({"num_leaves": 7, "min_data_in_leaf": 200}, {"num_leaves": 31, "min_data_in_leaf": 50})
_MOST_ROUNDS = 1000
_PATIENCE = 50
_ROUNDS_WITHOUT_CALIBRATION = 100

# A normal tail gives 0 to outcomes that markets produce all the same.
_LEAST_PROBABILITY = 1e-4
_LEAST_HAR_ROWS = 100
_CLIP_QUANTILES = (0.005, 0.995)


@dataclass(frozen=True)
class BoostedTrees:
    """LightGBM on the last bar's features, those of `LAGS` bars before, and the series.

    Attributes
    ----------
    model
        LightGBM's own text format.
    classes
        C.
    rounds
        Trees per class, where the calibrate log-loss was lowest.
    leaves
        Per tree; the one of two settings with the lower calibrate log-loss.
    """

    model: str
    classes: int
    rounds: int
    leaves: int

    @classmethod
    def fit(cls, train: BaselineRows, calibrate: BaselineRows, num_classes: int) -> Self:
        """Boost on `train`, stop by the log-loss on `calibrate`; `lagged_rows` makes such rows.

        Single-threaded and seeded, so the same rows give the same trees. Without a label in the calibrate
        segment 100 rounds are taken.
        """
        import lightgbm

        rows = train.labelled()
        judged = calibrate.labels != NO_LABEL
        categorical = [rows.features.shape[1] - 1]
        best, lowest = None, np.inf
        for setting in _GRID[: None if judged.any() else 1]:
            parameters = {
                "objective": "multiclass",
                "num_class": num_classes,
                "learning_rate": 0.05,
                "feature_fraction": 0.7,
                "bagging_fraction": 0.7,
                "bagging_freq": 1,
                "lambda_l2": 1.0,
                "num_threads": 1,
                "deterministic": True,
                "force_row_wise": True,
                "seed": 0,
                "verbosity": -1,
                **setting,
            }
            fitted_on = lightgbm.Dataset(rows.features, rows.labels, categorical_feature=categorical)
            if judged.any():
                watched = lightgbm.Dataset(
                    calibrate.features[judged], calibrate.labels[judged], reference=fitted_on
                )
                booster = lightgbm.train(
                    parameters,
                    fitted_on,
                    _MOST_ROUNDS,
                    valid_sets=[watched],
                    callbacks=[lightgbm.early_stopping(_PATIENCE, verbose=False)],
                )
                loss = float(booster.best_score["valid_0"]["multi_logloss"])
                rounds = booster.best_iteration
            else:
                booster = lightgbm.train(parameters, fitted_on, _ROUNDS_WITHOUT_CALIBRATION)
                loss, rounds = 0.0, _ROUNDS_WITHOUT_CALIBRATION
            if loss < lowest:
                text = booster.model_to_string(num_iteration=rounds)
                best, lowest = cls(text, num_classes, rounds, setting["num_leaves"]), loss
        assert best is not None
        return best

    def predict(self, rows: BaselineRows) -> np.ndarray:
        """Class probabilities, (n, C)."""
        import lightgbm

        booster = lightgbm.Booster(model_str=self.model)
        raw = np.asarray(booster.predict(rows.features, num_threads=1), dtype=np.float64)
        probabilities = np.clip(raw.reshape(len(rows.labels), self.classes), 1e-9, None)
        return probabilities / probabilities.sum(axis=1, keepdims=True)

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers and LightGBM's text."""
        return asdict(self)

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Self:
        """From plain numbers."""
        return cls(raw["model"], raw["classes"], raw["rounds"], raw["leaves"])


def lagged_rows(dataset: LastBarWindows, task: str) -> BaselineRows:
    """The rows of `dataset` with the features of `LAGS` bars before and, last, the series' number.

    A window is longer than the longest lag, or the lag stops at the window's first bar.
    """
    rows = baseline_rows(dataset, task)
    reach = dataset.length - 1
    parts = [rows.features]
    for lag in LAGS:
        part = np.empty_like(rows.features)
        for which in np.unique(dataset.rows[:, 0]):
            mine = dataset.rows[:, 0] == which
            part[mine] = dataset.data.series[which].features[dataset.rows[mine, 1] - min(lag, reach)]
        parts.append(part)
    parts.append(dataset.rows[:, :1].astype(np.float32))
    return BaselineRows(np.concatenate(parts, axis=1), rows.labels, rows.persistence)


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
        The series' frozen terciles, standardised alike, (n,).
    series
        Name of each row's series, (n,).
    """

    target: np.ndarray
    low: np.ndarray
    high: np.ndarray
    series: np.ndarray


@dataclass(frozen=True)
class Har:
    """Log realised volatility ahead regressed on its past over a bar, a week and a month (Corsi 2009).

    The class probabilities are those of a normal around the regression, cut at the frozen terciles.

    Attributes
    ----------
    coefficients
        By series, and by ``|1d`` for all series of a timeframe pooled: intercept and one weight per window.
    deviation
        By series likewise: root mean square of the training residuals.
    clip
        Lowest and highest value of each window's volatility, from training, (2, windows).
    pooled
        Whether the pooled regression forecast the calibrate segment better; otherwise each series has its
        own, and those with under 100 training rows the pooled one.
    """

    coefficients: dict[str, list[float]]
    deviation: dict[str, float]
    clip: list[list[float]]
    pooled: bool

    @classmethod
    def fit(cls, train: VolatilityRows, calibrate: VolatilityRows, num_classes: int = 3) -> Self:
        """Least squares on training rows whose target is known; `num_classes` is always 3."""
        train.labelled()
        known = (train.labels != NO_LABEL) & np.isfinite(train.target) & np.isfinite(train.features).all(1)
        clip = np.quantile(train.features[known], _CLIP_QUANTILES, axis=0)
        coefficients, deviation = {}, {}
        pools = np.array([_pool(name) for name in train.series], dtype=object)
        for name in [*np.unique(pools[known]), *np.unique(train.series[known])]:
            mine = known & ((train.series == name) | (pools == name))
            if name not in pools and mine.sum() < _LEAST_HAR_ROWS:
                continue
            x, y = np.clip(train.features[mine], *clip), train.target[mine]
            fitted = LinearRegression().fit(x, y)
            coefficients[str(name)] = [float(fitted.intercept_), *map(float, fitted.coef_)]
            spread = float(np.sqrt(np.mean((y - fitted.predict(x)) ** 2)))
            deviation[str(name)] = max(spread, 1e-6)
        candidates = [cls(coefficients, deviation, clip.tolist(), pooled) for pooled in (False, True)]
        judged = calibrate.labels != NO_LABEL
        if not judged.any():
            return candidates[0]

        def loss(candidate: Self) -> float:
            return float(log_losses(candidate.predict(calibrate)[judged], calibrate.labels[judged]).mean())

        return min(candidates, key=loss)

    def predict(self, rows: VolatilityRows) -> np.ndarray:
        """P(Low), P(Medium), P(High), (n, 3).

        An unknown window counts as the mean; a series without terciles gets a third for each class.
        """
        x = np.nan_to_num(np.clip(rows.features, *np.asarray(self.clip)), nan=0.0)
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
        return cls(raw["coefficients"], raw["deviation"], raw["clip"], raw["pooled"])


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
    low, high, names = np.full(n, np.nan), np.full(n, np.nan), np.full(n, "", dtype=object)
    for which, series in enumerate(data.series):
        mine = dataset.rows[:, 0] == which
        bars = dataset.rows[mine, 1]
        cuts = data.thresholds[series.key]
        names[mine] = series.key
        if cuts.volatility_mean is None or not cuts.volatility_std:
            continue
        mean, std = cuts.volatility_mean, cuts.volatility_std
        assert cuts.volatility_low is not None
        assert cuts.volatility_high is not None
        past = _past_volatilities(measures[which].variance, har_windows(series.timeframe), width)
        features[mine] = (past[bars] - mean) / std
        target[mine] = (measures[which].quantities.volatility[bars] - mean) / std
        low[mine], high[mine] = (cuts.volatility_low - mean) / std, (cuts.volatility_high - mean) / std
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
    )


def in_task_order(probabilities: np.ndarray, task: TaskConfig) -> np.ndarray:
    """Columns Low, Medium, High (n, 3) in the order of the task's classes."""
    return probabilities[:, _canonical(task)]


def plain_config(config: Config) -> Config:
    """The same model, budget and seed without attention windows and temporal bias."""
    model = config.model.model_copy(
        update={"windows": [None] * len(config.model.windows), "temporal_bias": False}
    )
    return config.model_copy(update={"model": model})


def _pool(series: str) -> str:
    return "|" + series.rpartition("|")[2]


def _canonical(task: TaskConfig) -> list[int]:
    return [LABEL_CLASSES["volatility"].index(name) for name in task.classes]


def _past_volatilities(variance: np.ndarray, windows: Sequence[int], width: int) -> np.ndarray:
    columns = [log_volatility(trailing_mean(variance, window)) for window in windows]
    return np.column_stack(columns + [columns[-1]] * (width - len(columns)))
