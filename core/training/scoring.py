"""Score windows by their last bar, as live prediction does.

Shapes: n windows, C classes, D model width.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch.utils.data import DataLoader

from core.confidence.similarity import window_statistics
from core.data.windows import LastBarWindows
from core.errors import InputError
from core.models.heads import HeadOutput
from core.models.transformer import MarketTransformer


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


def score_last_bars(model: MarketTransformer, dataset: LastBarWindows, batch: int = 64) -> LastBarScores:
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
    device = next(model.parameters()).device
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
