"""Which bars every fitted object of a fold saw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from core.config import Config
from core.data.dataset import PreparedData
from core.data.segments import CALIBRATE, TRAIN
from core.data.windows import LastBarWindows
from core.training.pipeline import REFERENCE_ROWS

Spans = dict[str, dict[str, Any]]


def _audit(
    data: PreparedData,
    windows: dict[int, LastBarWindows],
    config: Config,
    confidence: dict[str, TaskConfidence],
) -> dict[str, Any]:
    audit: dict[str, Any] = {name: dict(entry) for name, entry in data.audit.items()}
    for task in config.tasks:
        for segment, name in ((TRAIN, "weights"), (CALIBRATE, "early stopping")):
            audit[f"model {name} {task.name}"] = _labelled(data, segment, task.name)
        if task.name in confidence:
            audit[f"calibrators {task.name}"] = _seen(data, windows[CALIBRATE], task.name)
    audit["representation"] = _seen(data, windows[TRAIN], None)
    audit["out-of-distribution limit"] = _seen(data, windows[CALIBRATE], None)
    return audit


def _labelled(data: PreparedData, segment: int, task: str) -> dict[str, Any]:
    bars = [
        np.flatnonzero((series.segments[task] == segment) & (series.labels[task] >= 0) & series.usable)
        for series in data.series
    ]
    return _spans(data, bars, task)


def _seen(data: PreparedData, windows: LastBarWindows, task: str | None) -> dict[str, Any]:
    rows = windows.rows if task is None else windows.rows[windows.last_labels(task) >= 0]
    bars = [rows[rows[:, 0] == which, 1] for which in range(len(data.series))]
    return _spans(data, bars, task)


def _spans(data: PreparedData, bars_by_series: list[np.ndarray], task: str | None) -> dict[str, Any]:
    spans = {}
    for series, bars in zip(data.series, bars_by_series, strict=True):
        if not len(bars):
            spans[series.key] = {"first": None, "last": None, "rows": 0}
            continue
        entry = {"first": f"{series.ts[bars[0]]}Z", "last": f"{series.ts[bars[-1]]}Z", "rows": len(bars)}
        if task is not None:
            entry["label_end"] = f"{series.ts[series.label_end[task][bars].max()]}Z"
        spans[series.key] = entry
    return spans
