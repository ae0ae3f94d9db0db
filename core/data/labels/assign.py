"""Classes cut from what was measured: labels with their t1, and persistence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from core.config import LabelConfig, TaskConfig
from core.data.labels.borders import Borders
from core.data.labels.measure import DIRECTIONS, MISSING, TargetQuantities
from core.errors import BarsError, ConfigError

LABEL_CLASSES: dict[str, tuple[str, ...]] = {
    "direction": DIRECTIONS,
    "volatility": ("Low", "Medium", "High"),
    "regime": ("Trending", "Ranging", "Volatile"),
}
COLUMN_PREFIX = "column:"


@dataclass(frozen=True)
class Labels:
    """Classes of one task: `values` (T,) int64, -1 for none; `end` (T,) int64 index of t1, -1 for none."""

    values: np.ndarray
    end: np.ndarray


def assign_labels(
    quantities: TargetQuantities,
    borders: Borders,
    config: LabelConfig,
    tasks: Sequence[TaskConfig],
) -> tuple[dict[str, Labels], np.ndarray]:
    """Classes of every task, and the standardised log volatility ahead.

    Returns
    -------
    labels
        By task name. A class index counts in the task's own order of classes.
    intensity
        Shape (T,) float32, standardised with the borders' mean and deviation; NaN where undefined.

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
            values, end = _volatility_class(quantities.volatility, borders), quantities.volatility_end
        elif task.label == "regime":
            values = _regime_class(quantities.regime_ratio, quantities.regime_efficiency, borders)
            end = quantities.regime_end
        else:
            values, end = _column_labels(quantities, task, config.horizon)
        values = classes[values]
        labels[task.name] = Labels(values, np.where(values != MISSING, end, MISSING).astype(np.int64))
    spread = np.where(borders.volatility_std > 0, borders.volatility_std, np.nan)
    intensity = (quantities.volatility - borders.volatility_mean) / spread
    return labels, intensity.astype(np.float32)


def persistence_labels(
    quantities: TargetQuantities,
    borders: Borders,
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
            values = _volatility_class(quantities.volatility_past, borders)
        elif task.label == "regime":
            values = _regime_class(quantities.past_ratio, quantities.past_efficiency, borders)
        else:
            known, _ = _column_labels(quantities, task, config.horizon)
            values = np.full(len(known), MISSING)
            values[config.horizon :] = known[: max(len(known) - config.horizon, 0)]
        result[task.name] = _class_indices(task, config)[values]
    return result


def label_column(task: TaskConfig) -> str | None:
    """Name of the user's column the task is read from, or None."""
    return task.label.removeprefix(COLUMN_PREFIX) if task.label.startswith(COLUMN_PREFIX) else None


def _volatility_class(volatility: np.ndarray, borders: Borders) -> np.ndarray:
    low, high = borders.volatility_low, borders.volatility_high
    unknown = np.isnan(volatility) | np.isnan(low) | np.isnan(high)
    return np.select([unknown, volatility <= low, volatility <= high], [MISSING, 0, 1], 2)


def _regime_class(ratio: np.ndarray, efficiency: np.ndarray, borders: Borders) -> np.ndarray:
    cuts = borders.regime_ratio, borders.regime_efficiency
    unknown = np.isnan(ratio) | np.isnan(efficiency) | np.isnan(cuts[0]) | np.isnan(cuts[1])
    return np.select([unknown, ratio > cuts[0], efficiency >= cuts[1]], [MISSING, 2, 0], 1)


def _column_labels(
    quantities: TargetQuantities, task: TaskConfig, horizon: int
) -> tuple[np.ndarray, np.ndarray]:
    # When the user's label became known is not in the data; the horizon is what purging assumes.
    name = label_column(task)
    column = quantities.columns.get(name or "", np.full(len(quantities.sigma), None, dtype=object))
    lookup: dict[object, int] = {word: i for i in range(len(task.classes)) for word in (i, str(i))}
    lookup |= {label: i for i, label in enumerate(task.classes)}
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
