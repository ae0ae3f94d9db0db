"""The baselines of one fold: fitted on its train segment, chosen on stop, their temperature on calibrate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from core.baselines.measures import SeriesMeasures
from core.baselines.simple import COUNTED
from core.config import Config
from core.data.dataset import PreparedData
from core.data.segments import CALIBRATE, TEST, TRAIN
from core.data.windows import LastBarWindows
from core.disk import plain
from core.experiments.forecasters import Forecaster, fit_temperature
from core.models.ensemble import Model
from core.training.audit import Spans, span_labels, span_windows
from core.training.scoring import score_last_bars

BASELINES = ("prior", "persistence", "line", "logistic", "lightgbm", "har", "plain_transformer")
MOST_ROWS = 200_000
"""Training rows a baseline is fitted on, evenly spread when there are more."""

_NOTED = ("rounds", "leaves", "strength", "pooled", "semivariances")


class FoldBaselines:
    """Fits and asks the baselines of one fold.

    Attributes
    ----------
    probabilities
        Task -> baseline -> (n, C) on the test windows that have a label, in order.
    calibrated
        The same on the calibrate windows, where its temperature was fitted.
    chosen
        Task -> baseline -> tree count or strength, chosen on the stop segment, and the temperature, fitted on
        the calibrate segment.
    audit
        The bars each baseline saw.

    Notes
    -----
    The model's probabilities are temperature-scaled on the calibrate segment, so those of every baseline but
    the two that only count are too.
    """

    def __init__(
        self,
        names: Sequence[str],
        data: PreparedData,
        config: Config,
        windows: Mapping[int, LastBarWindows],
        measures: list[SeriesMeasures],
        plain_model: Model | None,
    ) -> None:
        step = -(-len(windows[TRAIN]) // MOST_ROWS)
        train = windows[TRAIN] if step <= 1 else LastBarWindows(data, TRAIN, config, step)
        self._choice, self._scored = windows[data.borders.stop_segment], (windows[CALIBRATE], windows[TEST])
        scores = None if plain_model is None else [score_last_bars(plain_model, w) for w in self._scored]
        self.probabilities: dict[str, dict[str, np.ndarray]] = {}
        self.calibrated: dict[str, dict[str, np.ndarray]] = {}
        self.chosen: dict[str, dict[str, Any]] = {}
        self.audit: dict[str, Spans] = {}
        for task in config.tasks:
            self.probabilities[task.name], self.calibrated[task.name] = {}, {}
            self.chosen[task.name] = {}
            seen = {
                "": span_windows(data, train, task.name),
                ", choice": span_windows(data, self._choice, task.name),
                ", temperature": span_windows(data, windows[CALIBRATE], task.name),
            }
            for name in names:
                if name == "har" and task.label != "volatility":
                    continue
                if name == "line" and not train.direct_columns(task.name):
                    continue
                if name == "plain_transformer":
                    assert scores is not None
                    logits = [np.asarray(part.tasks[task.name].logits, np.float64) for part in scores]
                    notes = {}
                    dense = {
                        "": span_labels(data, TRAIN, task.name),
                        ", choice": span_labels(data, data.borders.stop_segment, task.name),
                    }
                    spans = seen | dense
                else:
                    forecaster = Forecaster.fit(name, task, train, self._choice, measures)
                    logits = [forecaster.log_probabilities(part, measures) for part in self._scored]
                    numbers = forecaster.fitted.to_dict()
                    notes = {key: numbers[key] for key in _NOTED if key in numbers}
                    spans = seen
                for fitted, span in spans.items():
                    if not fitted or name not in COUNTED:
                        self.audit[f"baseline {name} {task.name}{fitted}"] = span
                self._keep(name, task.name, logits[0], logits[1], notes)

    def _keep(
        self, name: str, task: str, calibrate: np.ndarray, test: np.ndarray, notes: dict[str, Any]
    ) -> None:
        labels = self._scored[0].last_labels(task)
        temperature = fit_temperature(name, calibrate, labels)
        if name not in COUNTED and (labels >= 0).any():
            notes = notes | {"temperature": temperature.temperature}
        tested = self._scored[1].last_labels(task) >= 0
        self.probabilities[task][name] = temperature.apply(test)[tested]
        self.calibrated[task][name] = temperature.apply(calibrate)[labels >= 0]
        self.chosen[task][name] = plain(notes)
