"""One task's scores beside the baselines' on the same rows, both sides temperature-scaled alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from core.baselines.simple import COUNTED, Baselines
from core.bundle import Bundle
from core.confidence.calibrators import Temperature
from core.data.windows import LastBarWindows
from core.disk import plain
from core.scores.intervals import paired_difference
from core.scores.metrics import log_losses, score_intervals, score_task
from core.scores.stretches import Stretches, label_span
from core.training.scoring import LastBarScores

OF_TWO_CLASSES = ("macro_f1", "mcc")
"""Scores that say nothing where only one class happened; they are None there."""

SCORES = ("accuracy", "macro_f1", "mcc", "log_loss", "brier", "ece")


@dataclass(frozen=True)
class TaskEvaluation:
    """One task's scores on the same rows, the model's and each baseline's.

    Attributes
    ----------
    rows
        How many bars were scored.
    model
        By score, plain numbers; ``log_loss_interval`` is its 95% interval.
    baselines
        The same by baseline; ``model_minus_baseline`` is the paired difference in log-loss with its interval
        (below zero the model is better).
    """

    rows: int
    model: dict[str, Any]
    baselines: dict[str, dict[str, Any]]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"rows": self.rows, "model": self.model, "baselines": self.baselines}


def score_windows(
    bundle: Bundle, windows: LastBarWindows, scores: LastBarScores, calibrate: LastBarWindows | None
) -> dict[str, TaskEvaluation]:
    """Compare `scores` of `windows` with the bundle's baselines; tasks without a label are left out.

    Parameters
    ----------
    calibrate
        Windows of the model's calibrate segment, where each baseline gets its temperature as the model got
        its own; None leaves the baselines as they were fitted.
    """
    baselines = Baselines.from_dict(bundle.baselines)
    times = _row_times(windows)
    evaluations = {}
    for task in bundle.config.tasks:
        labels = scores.tasks[task.name].labels
        known = labels >= 0
        if not known.any():
            continue
        ends = _label_ends(windows, task.name)[known]
        span = label_span(times[known], ends)
        forecasts = baselines.predict(windows, task.name)
        if calibrate is not None:
            forecasts = scale(forecasts, baselines.predict(calibrate, task.name), calibrate, task.name)
        evaluations[task.name] = compare(
            _shares(bundle, scores, task.name)[known],
            {name: p[known] for name, p in forecasts.items()},
            labels[known],
            times[known],
            span,
        )
    return evaluations


def scale(
    forecasts: dict[str, np.ndarray],
    before: dict[str, np.ndarray],
    calibrate: LastBarWindows,
    task: str,
) -> dict[str, np.ndarray]:
    """Each fitted baseline's probabilities at the temperature that suits those of the calibrate windows."""
    labels = calibrate.last_labels(task)
    known = labels >= 0
    if not known.any():
        return forecasts
    scaled = dict(forecasts)
    for name in forecasts.keys() - set(COUNTED):
        temperature = Temperature.fit(np.log(before[name][known]), labels[known])
        scaled[name] = temperature.apply(np.log(forecasts[name]))
    return scaled


def _shares(bundle: Bundle, scores: LastBarScores, task: str) -> np.ndarray:
    """What the model says of the classes, (n, C): calibrated where it is, as everywhere."""
    fitted, scored = bundle.confidence.get(task), scores.tasks[task]
    return scored.probabilities if fitted is None else fitted.calibration.probabilities(scored.logits)


def compare(
    model: np.ndarray,
    baselines: dict[str, np.ndarray],
    labels: np.ndarray,
    times: np.ndarray,
    span: int,
) -> TaskEvaluation:
    """Scores of probabilities (n, C) beside baselines on the same rows.

    Parameters
    ----------
    baselines
        Must hold "prior"; the others by name.
    times
        (n,) bar opens; rows of one time hang together.
    span
        Time stamps one label reaches over.
    """
    prior = baselines["prior"][0]
    losses = log_losses(model, labels)
    stretches = Stretches.over(times, span)
    one_class = np.unique(labels).size < 2
    entries = {}
    for name, probabilities in {"": model, **baselines}.items():
        probabilities = np.asarray(probabilities, dtype=np.float64)
        probabilities = probabilities / probabilities.sum(axis=1, keepdims=True)
        scored = score_task(probabilities, labels, prior).to_dict()
        entry: dict[str, Any] = {
            score: None if score in OF_TWO_CLASSES and one_class else plain(scored[score]) for score in SCORES
        }
        if not name:
            low_high = score_intervals(probabilities, labels, prior, stretches=stretches, ranked=False)
            entry["log_loss_interval"] = _pair(low_high["log_loss"])
            entry["accuracy_interval"] = _pair(low_high["accuracy"])
        else:
            difference = paired_difference(losses, log_losses(probabilities, labels), stretches)
            entry["model_minus_baseline"] = [plain(difference.value), *_pair(difference)]
        entries[name] = entry
    return TaskEvaluation(len(labels), entries.pop(""), entries)


def _row_times(windows: LastBarWindows) -> np.ndarray:
    return np.array([windows.data.series[which].ts[bar] for which, bar in windows.rows], "datetime64[us]")


def _label_ends(windows: LastBarWindows, task: str) -> np.ndarray:
    series = windows.data.series
    return np.array(
        [series[which].ts[max(series[which].label_end[task][bar], bar)] for which, bar in windows.rows],
        "datetime64[us]",
    )


def _pair(interval) -> list[float | None]:
    return [plain(interval.low), plain(interval.high)]
