"""One baseline fitted for one task, as walk-forwards compare it and pages ask it.

Shapes: n windows, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from core.baselines.har import Har, VolatilityRows, in_task_order, volatility_rows
from core.baselines.measures import SeriesMeasures
from core.baselines.simple import COUNTED, Baseline, BaselineRows, Baselines, baseline_rows
from core.baselines.trees import BoostedTrees, lagged_rows
from core.confidence.calibrators import Temperature
from core.config import TaskConfig
from core.data.windows import LastBarWindows

_KINDS: dict[str, Any] = {**Baselines.kinds, "lightgbm": BoostedTrees, "har": Har}


@dataclass(frozen=True)
class Forecaster:
    """A fitted baseline of one task, with what it takes to ask it again.

    Attributes
    ----------
    name
        One of `core.experiments.fitted_baselines.BASELINES` but the plain transformer.
    series
        Keys of the series it was fitted on, in the order LightGBM numbers them.
    temperature
        Of its log-probabilities; 1 leaves them as they are.
    """

    name: str
    task: TaskConfig
    fitted: Baseline | Har
    series: tuple[str, ...]
    temperature: Temperature = field(default_factory=Temperature)

    @classmethod
    def fit(
        cls,
        name: str,
        task: TaskConfig,
        train: LastBarWindows,
        choice: LastBarWindows,
        measures: Sequence[SeriesMeasures],
    ) -> Forecaster:
        """Fit on the windows of `train`; those of `choice` choose between settings.

        Parameters
        ----------
        measures
            Per series of the windows' data, in its order.

        Raises
        ------
        InputError
            If no training window has a label of the task.
        """
        series = tuple(one.key for one in train.data.series)
        rows = (_read_rows(name, task, series, windows, measures) for windows in (train, choice))
        return cls(name, task, _KINDS[name].fit(*rows, len(task.classes)), series)

    def log_probabilities(self, windows: LastBarWindows, measures: Sequence[SeriesMeasures]) -> np.ndarray:
        """What it says before its temperature, (n, C), of labelled windows and others."""
        rows = _read_rows(self.name, self.task, self.series, windows, measures)
        found: np.ndarray = self.fitted.predict(rows)  # type: ignore[arg-type]
        return np.log(in_task_order(found, self.task) if self.name == "har" else found)

    def predict(self, windows: LastBarWindows, measures: Sequence[SeriesMeasures]) -> np.ndarray:
        """Class probabilities after its temperature, (n, C), in the task's order of classes."""
        return self.temperature.apply(self.log_probabilities(windows, measures))

    def tempered(self, log_probabilities: np.ndarray, labels: np.ndarray) -> Forecaster:
        """The same with the temperature of `fit_temperature`."""
        return replace(self, temperature=fit_temperature(self.name, log_probabilities, labels))

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, and LightGBM's own text."""
        return {
            "numbers": self.fitted.to_dict(),
            "series": list(self.series),
            "temperature": self.temperature.temperature,
        }

    @classmethod
    def from_dict(cls, name: str, task: TaskConfig, raw: Mapping[str, Any]) -> Forecaster:
        """The inverse of `to_dict`."""
        fitted = _KINDS[name].from_dict(raw["numbers"])
        return cls(name, task, fitted, tuple(raw["series"]), Temperature(float(raw["temperature"])))


def fit_temperature(name: str, log_probabilities: np.ndarray, labels: np.ndarray) -> Temperature:
    """The temperature at which (n, C) suits labels (n,), -1 for none, best.

    1 for baselines that only count, and where there is no label to fit on.
    """
    known = labels >= 0
    if name in COUNTED or not known.any():
        return Temperature()
    return Temperature.fit(log_probabilities[known], labels[known])


def _read_rows(
    name: str,
    task: TaskConfig,
    series: Sequence[str],
    windows: LastBarWindows,
    measures: Sequence[SeriesMeasures],
) -> BaselineRows | VolatilityRows:
    if name == "har":
        return volatility_rows(windows, task, measures)
    return (
        lagged_rows(windows, task.name, series) if name == "lightgbm" else baseline_rows(windows, task.name)
    )
