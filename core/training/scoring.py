"""Score windows by their last bar, as live prediction does.

Shapes: n windows, C classes, D model width.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch.utils.data import DataLoader

from core.confidence.calibrators import LearnedMix
from core.confidence.similarity import TrainingReference, window_statistics
from core.confidence.sources import SOURCES, estimate_sources
from core.confidence.stated import TaskConfidence
from core.data.windows import LastBarWindows
from core.device import device_of
from core.errors import InputError
from core.models.ensemble import Model
from core.models.heads import HeadOutput
from core.models.trace import trace
from core.progress import Progress
from core.scores.stretches import label_span


@dataclass(frozen=True)
class TaskOutputs:
    """One task's raw outputs.

    Attributes
    ----------
    logits, probabilities
        (n, C) float32.
    confidence
        The head's own, in (0, 1), (n,).
    intensity
        Standardised quantity behind the label, (n,); None when the task has none.
    labels
        (n,) int64, -1 = none.
    """

    logits: np.ndarray
    probabilities: np.ndarray
    confidence: np.ndarray
    intensity: np.ndarray | None
    labels: np.ndarray


@dataclass(frozen=True)
class LastBarScores:
    """Everything the model says about the last bars of a dataset.

    Attributes
    ----------
    rows
        Series index and bar index of each window, (n, 2) int64.
    tasks
        By name.
    representation
        (n, D) float32.
    statistics
        `core.confidence.similarity.window_statistics` of each window, (n, 3 N).
    """

    rows: np.ndarray
    tasks: dict[str, TaskOutputs]
    representation: np.ndarray
    statistics: np.ndarray


def score_last_bars(model: Model, dataset: LastBarWindows, batch: int = 64) -> LastBarScores:
    """Run the model over `dataset` in float32, in order; the model is left in the mode it was in.

    Parameters
    ----------
    batch
        Windows in one forward pass; numbers differ by rounding alone between batch sizes.

    Raises
    ------
    InputError
        If `dataset` is empty.
    """
    if not len(dataset):
        raise InputError("bars with a label and a full window before them", "none", "choose another period")
    parts: dict[str, list[dict[str, np.ndarray]]] = {name: [] for name in model.heads}
    representation, statistics = [], []
    was_training = model.training
    device = device_of(model)
    model.eval()
    try:
        with torch.inference_mode():
            for items in DataLoader(dataset, batch_size=batch):
                inputs = (items[key].to(device) for key in ("x", "instrument", "timeframe"))
                output = model(*inputs, last_only=True)
                statistics.append(window_statistics(items["x"].numpy()))
                representation.append(output.representation[:, 0].cpu().numpy())
                for name, head in output.tasks.items():
                    parts[name].append(_arrays(head))
    finally:
        model.train(was_training)
    tasks = {}
    for name, batches in parts.items():
        whole = {key: np.concatenate([part[key] for part in batches]) for key in batches[0]}
        tasks[name] = TaskOutputs(
            logits=whole["logits"],
            probabilities=whole["probabilities"],
            confidence=whole["confidence"],
            intensity=whole.get("intensity"),
            labels=dataset.last_labels(name),
        )
    return LastBarScores(
        dataset.rows.copy(), tasks, np.concatenate(representation), np.concatenate(statistics)
    )


def _arrays(head: HeadOutput) -> dict[str, np.ndarray]:
    values = {"logits": head.logits, "probabilities": head.probabilities, "confidence": head.confidence}
    if head.intensity is not None:
        values["intensity"] = head.intensity
    return {key: value[:, 0].float().cpu().numpy() for key, value in values.items()}


LEAST_ROWS = 100
"""Fewer labelled calibrate rows than this state no confidence."""


@dataclass(frozen=True)
class ConfidentOutputs:
    """One task's outputs on n windows.

    Attributes
    ----------
    logits
        (n, C) float32.
    head_confidence
        (n,), the head's own.
    sources
        (n, S) in the order of `core.confidence.sources.SOURCES`.
    raw
        (n,), the specification's weighted sum.
    labels
        (n,) int64, -1 = none.
    label_ends
        (n,) datetime64[us]: open of the last bar each label uses; the row's own bar without a label.
    """

    logits: np.ndarray
    head_confidence: np.ndarray
    sources: np.ndarray
    raw: np.ndarray
    labels: np.ndarray
    label_ends: np.ndarray

    @property
    def probabilities(self) -> np.ndarray:
        """Softmax of the logits, (n, C) float64."""
        shifted = np.exp(self.logits.astype(np.float64) - self.logits.max(axis=1, keepdims=True))
        return shifted / shifted.sum(axis=1, keepdims=True)

    @property
    def correct(self) -> np.ndarray:
        """Whether each call came true, (n,) float; 0 where there is no label."""
        return (self.logits.argmax(axis=1) == self.labels).astype(float)


@dataclass(frozen=True)
class ConfidentScores:
    """Everything the model says about the last bars of a dataset.

    Attributes
    ----------
    rows
        Series index and bar index, (n, 2) int64.
    times
        Bar opens, (n,) datetime64[us].
    distance
        Mahalanobis distance of each representation, (n,).
    strangeness
        See `core.confidence.similarity.TrainingReference.strangeness`, (n,); above 1 is out of distribution.
    tasks
        By name.
    """

    rows: np.ndarray
    times: np.ndarray
    distance: np.ndarray
    strangeness: np.ndarray
    tasks: dict[str, ConfidentOutputs]


def score_with_confidence(
    model: Model,
    windows: LastBarWindows,
    reference: TrainingReference,
    batch: int = 32,
    progress: Progress | None = None,
) -> ConfidentScores:
    """Run the model and its confidence sources over `windows`, in order, as live prediction does.

    `progress` is told (windows done, windows in all).
    """
    names = list(model.heads)
    parts: dict[str, list[tuple[np.ndarray, ...]]] = {name: [] for name in names}
    distances, strangeness = [], []
    device = device_of(model)
    with torch.inference_mode():
        for items in DataLoader(windows, batch_size=batch):
            traced = trace(model, *(items[key].to(device) for key in ("x", "instrument", "timeframe")))
            sources, distance = estimate_sources(model, traced, reference.representation)
            distances.append(distance.numpy())
            statistics = window_statistics(items["x"].numpy())
            strangeness.append(reference.strangeness(distances[-1], statistics))
            for name in names:
                head = traced.layers[-1][name]
                parts[name].append(
                    (
                        head.logits[:, 0].float().cpu().numpy(),
                        head.confidence[:, 0].cpu().numpy(),
                        sources[name].stacked().cpu().numpy(),
                        sources[name].raw().cpu().numpy(),
                    )
                )
            if progress:
                progress(sum(map(len, distances)), len(windows))
    series = windows.data.series
    tasks = {}
    for name in names:
        logits, head_confidence, stacked, raw = (
            np.concatenate(part) for part in zip(*parts[name], strict=True)
        )
        ends = [series[which].ts[max(series[which].label_end[name][bar], bar)] for which, bar in windows.rows]
        tasks[name] = ConfidentOutputs(
            logits,
            head_confidence,
            stacked,
            raw,
            windows.last_labels(name),
            np.array(ends, "datetime64[us]"),
        )
    times = np.array([series[which].ts[bar] for which, bar in windows.rows], "datetime64[us]")
    return ConfidentScores(
        windows.rows.copy(), times, np.concatenate(distances), np.concatenate(strangeness), tasks
    )


def fit_confidence(scores: ConfidentScores) -> dict[str, TaskConfidence]:
    """Fit every task's calibrators, mix and sets on the scores of the calibrate segment.

    A task with fewer than `LEAST_ROWS` labelled rows gets none.
    """
    fitted = {}
    for name, outputs in scores.tasks.items():
        known = outputs.labels >= 0
        if known.sum() < LEAST_ROWS:
            continue
        times = scores.times[known]
        fitted[name] = TaskConfidence.fit(
            outputs.logits[known].astype(np.float64),
            outputs.labels[known],
            outputs.sources[known],
            outputs.raw[known],
            times,
            gap=label_span(times, outputs.label_ends[known]),
        )
    return fitted


def fit_left_out(scores: ConfidentScores) -> dict[str, dict[str, LearnedMix]]:
    """Fit every task's learned mix again without each source, on the scores of the calibrate segment.

    Returns
    -------
    dict
        Task -> source left out -> mix; tasks that `fit_confidence` leaves out are absent.
    """
    fitted = {}
    for name, outputs in scores.tasks.items():
        known = outputs.labels >= 0
        if known.sum() < LEAST_ROWS:
            continue
        sources, correct = outputs.sources[known], outputs.correct[known]
        fitted[name] = {source: LearnedMix.fit(sources, correct, source) for source in SOURCES}
    return fitted
