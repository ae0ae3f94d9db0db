"""Classes cut from what was measured: thresholds from training rows, labels with their t1, persistence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from core.config import LabelConfig, TaskConfig
from core.data.labels.measure import DIRECTIONS, MISSING, TargetQuantities
from core.errors import BarsError, ConfigError

MIN_TRAINING_ROWS = 50

LABEL_CLASSES: dict[str, tuple[str, ...]] = {
    "direction": DIRECTIONS,
    "volatility": ("Low", "Medium", "High"),
    "regime": ("Trending", "Ranging", "Volatile"),
}
COLUMN_PREFIX = "column:"


@dataclass(frozen=True)
class SeriesThresholds:
    """Cuts of one instrument and timeframe, from its training rows; None where these were too few.

    Attributes
    ----------
    volatility_low, volatility_high
        Terciles of the log realised volatility.
    volatility_mean, volatility_std
        What the intensity is standardised with.
    regime_ratio, regime_efficiency
        Quantile of the ratio above which a bar is Volatile; median of the efficiency ratio.
    volatility_rows, regime_rows
        How many training rows each was taken from.
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
        return asdict(self)

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> SeriesThresholds:
        return cls(**raw)

    @classmethod
    def unknown(cls) -> SeriesThresholds:
        """No cuts: those of a series the model was not trained on."""
        return cls(None, None, None, None, None, None, 0, 0)


@dataclass(frozen=True)
class Labels:
    """Classes of one task: `values` (T,) int64, -1 for none; `end` (T,) int64 index of t1, -1 for none."""

    values: np.ndarray
    end: np.ndarray


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


def fit_thresholds(quantities: TargetQuantities, train: np.ndarray, config: LabelConfig) -> SeriesThresholds:
    """Cut points from the training rows alone; None where there are fewer than `MIN_TRAINING_ROWS`.

    Parameters
    ----------
    train
        Whether each bar is known within the training segment, shape (T,) bool. A row counts only if the bar
        at its t1 is in train as well.
    """
    volatility = quantities.volatility[training_rows(quantities.volatility_end, train)]
    regime = training_rows(quantities.regime_end, train)
    cuts: dict[str, float | None] = dict.fromkeys(
        ("volatility_low", "volatility_high", "volatility_mean", "volatility_std", "regime_ratio",
         "regime_efficiency")
    )  # fmt: skip
    if len(volatility) >= MIN_TRAINING_ROWS:
        low, high = np.quantile(volatility, [1 / 3, 2 / 3])
        cuts |= {"volatility_low": float(low), "volatility_high": float(high)}
        cuts |= {"volatility_mean": float(volatility.mean()), "volatility_std": float(volatility.std())}
    if regime.sum() >= MIN_TRAINING_ROWS:
        ratio = np.quantile(quantities.regime_ratio[regime], config.volatile_quantile)
        efficiency = np.median(quantities.regime_efficiency[regime])
        cuts |= {"regime_ratio": float(ratio), "regime_efficiency": float(efficiency)}
    return SeriesThresholds(**cuts, volatility_rows=len(volatility), regime_rows=int(regime.sum()))


def assign_labels(
    quantities: TargetQuantities,
    thresholds: SeriesThresholds,
    config: LabelConfig,
    tasks: Sequence[TaskConfig],
) -> tuple[dict[str, Labels], np.ndarray]:
    """Classes of every task, and the standardised log volatility ahead.

    Returns
    -------
    labels
        By task name. A class index counts in the task's own order of classes.
    intensity
        Shape (T,) float32, standardised with the training mean and deviation; NaN where undefined.

    Raises
    ------
    ConfigError
        If a task's label is unknown or its classes are not those of the label.
    BarsError
        If a label column holds something that is not a class.
    """
    labels = {}
    for task in tasks:
        classes = _class_indices(task, config)
        if task.label == "direction":
            values, end = quantities.direction, quantities.direction_end
        elif task.label == "volatility":
            values, end = _volatility_class(quantities.volatility, thresholds), quantities.volatility_end
        elif task.label == "regime":
            values = _regime_class(quantities.regime_ratio, quantities.regime_efficiency, thresholds)
            end = quantities.regime_end
        else:
            values, end = _column_labels(quantities, task, config.horizon)
        values = classes[values]
        labels[task.name] = Labels(values, np.where(values != MISSING, end, MISSING).astype(np.int64))
    if thresholds.volatility_mean is None or not thresholds.volatility_std:
        intensity = np.full(len(quantities.volatility), np.nan)
    else:
        intensity = (quantities.volatility - thresholds.volatility_mean) / thresholds.volatility_std
    return labels, intensity.astype(np.float32)


def persistence_labels(
    quantities: TargetQuantities,
    thresholds: SeriesThresholds,
    config: LabelConfig,
    tasks: Sequence[TaskConfig],
) -> dict[str, np.ndarray]:
    """Each task's rule applied to bars up to t alone: the baseline "what was, will be".

    Direction applies its band to the last h bars' return (``fixed_return``, where nothing may be dropped:
    its sign); a label column repeats its value of h bars ago, the last one known.

    Returns
    -------
    dict
        By task name, (T,) int64, -1 where undefined.
    """
    result = {}
    for task in tasks:
        if task.label == "direction":
            values = quantities.direction_past
        elif task.label == "volatility":
            values = _volatility_class(quantities.volatility_past, thresholds)
        elif task.label == "regime":
            values = _regime_class(quantities.past_ratio, quantities.past_efficiency, thresholds)
        else:
            known, _ = _column_labels(quantities, task, config.horizon)
            values = np.full(len(known), MISSING)
            values[config.horizon :] = known[: max(len(known) - config.horizon, 0)]
        result[task.name] = _class_indices(task, config)[values]
    return result


def label_column(task: TaskConfig) -> str | None:
    """Name of the user's column the task is read from, or None."""
    return task.label.removeprefix(COLUMN_PREFIX) if task.label.startswith(COLUMN_PREFIX) else None


def _volatility_class(volatility: np.ndarray, thresholds: SeriesThresholds) -> np.ndarray:
    low, high = thresholds.volatility_low, thresholds.volatility_high
    if low is None or high is None:
        return np.full(len(volatility), MISSING)
    return np.select([np.isnan(volatility), volatility <= low, volatility <= high], [MISSING, 0, 1], 2)


def _regime_class(ratio: np.ndarray, efficiency: np.ndarray, thresholds: SeriesThresholds) -> np.ndarray:
    if thresholds.regime_ratio is None or thresholds.regime_efficiency is None:
        return np.full(len(ratio), MISSING)
    unknown = np.isnan(ratio) | np.isnan(efficiency)
    volatile = ratio > thresholds.regime_ratio
    return np.select([unknown, volatile, efficiency >= thresholds.regime_efficiency], [MISSING, 2, 0], 1)


def _column_labels(
    quantities: TargetQuantities, task: TaskConfig, horizon: int
) -> tuple[np.ndarray, np.ndarray]:
    # When the user's label became known is not in the data; the horizon is what purging assumes.
    name = label_column(task)
    column = quantities.columns.get(name or "", np.full(len(quantities.sigma), None, dtype=object))
    lookup: dict[object, int] = {**{label: i for i, label in enumerate(task.classes)}}
    lookup |= {i: i for i in range(len(task.classes))}
    values = np.full(len(column), MISSING)
    for row, value in enumerate(column):
        if pd.isna(value):
            continue
        if value not in lookup:
            raise BarsError(
                f"{', '.join(task.classes)} or 0..{len(task.classes) - 1} in the label column {name!r}",
                f"{value!r} ({quantities.instrument} {quantities.timeframe}, bar {row})",
                "correct the file or the task's classes",
            )
        values[row] = lookup[value]
    return values, np.minimum(np.arange(len(column)) + horizon, len(column) - 1)


def _class_indices(task: TaskConfig, config: LabelConfig) -> np.ndarray:
    """Canonical class index -> the task's, with -1 -> -1 by being last."""
    if label_column(task) is not None:
        return np.array([*range(len(task.classes)), MISSING], dtype=np.int64)
    if task.label not in LABEL_CLASSES:
        raise ConfigError(
            f"a label out of {', '.join(LABEL_CLASSES)} or {COLUMN_PREFIX}NAME",
            f"{task.label!r} in task {task.name!r}",
            "correct the task's label",
        )
    canonical = LABEL_CLASSES[task.label]
    needed = canonical[:2] if task.label == "direction" and config.direction == "fixed_return" else canonical
    if not set(needed) <= set(task.classes) <= set(canonical):
        raise ConfigError(
            f"the classes {', '.join(needed)} for the label {task.label!r}",
            f"{', '.join(task.classes)} in task {task.name!r}",
            "name the classes so, in any order",
        )
    places = [task.classes.index(name) if name in task.classes else MISSING for name in canonical]
    return np.array([*places, MISSING], dtype=np.int64)
