"""Which bars every fitted object saw."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np

from core.config import Config
from core.data.dataset import PreparedData
from core.data.segments import TRAIN
from core.data.windows import LastBarWindows

Spans = dict[str, dict[str, Any]]
"""By series: ``first`` and ``last`` bar, how many ``rows``, and ``label_end`` where labels were seen."""
REFERENCE_ROWS = 4000
"""Training windows the representation's distribution is measured on, evenly spread."""


def audit_model(
    data: PreparedData,
    config: Config,
    calibrated: Collection[str],
    calibrate: LastBarWindows,
    limits: LastBarWindows,
) -> dict[str, Spans]:
    """Bars that scaler, thresholds, model, reference, calibrators, sets and ranks saw, by object.

    Parameters
    ----------
    calibrated
        Tasks that have calibrators.
    calibrate
        The windows calibrators, conformal sets and ranks were fitted on.
    limits
        Those the out-of-distribution limits were.
    """
    audit: dict[str, Spans] = {name: dict(entry) for name, entry in data.audit.items()}
    for task in config.tasks:
        for segment, name in ((TRAIN, "weights"), (data.borders.stop_segment, "early stopping")):
            audit[f"model {name} {task.name}"] = span_labels(data, segment, task.name)
        if task.name in calibrated:
            for name in ("calibrators", "conformal sets", "source ranks"):
                audit[f"{name} {task.name}"] = span_windows(data, calibrate, task.name)
    audit["representation"] = span_windows(data, spread_windows(data, TRAIN, config), None)
    audit["out-of-distribution limit"] = span_windows(data, limits, None)
    return audit


def spread_windows(data: PreparedData, segment: int, config: Config) -> LastBarWindows:
    """At most about `REFERENCE_ROWS` windows of a segment, evenly spread."""
    step = max(1, -(-len(LastBarWindows(data, segment, config)) // REFERENCE_ROWS))
    return LastBarWindows(data, segment, config, step)


def span_labels(data: PreparedData, segment: int, task: str) -> Spans:
    """First and last bar of a segment's labels, how many, and the last bar they look at, by series."""
    bars = [
        np.flatnonzero((series.segments[task] == segment) & (series.labels[task] >= 0) & series.usable)
        for series in data.series
    ]
    return _spans(data, bars, task)


def span_windows(data: PreparedData, windows: LastBarWindows, task: str | None) -> Spans:
    """The same of the windows that have the task's label; of all, without labels, when `task` is None."""
    rows = windows.rows if task is None else windows.rows[windows.last_labels(task) >= 0]
    bars = [rows[rows[:, 0] == which, 1] for which in range(len(data.series))]
    return _spans(data, bars, task)


def _spans(data: PreparedData, bars_by_series: list[np.ndarray], task: str | None) -> Spans:
    spans: Spans = {}
    for series, bars in zip(data.series, bars_by_series, strict=True):
        if not len(bars):
            spans[series.key] = {"first": None, "last": None, "rows": 0}
            continue
        entry = {"first": f"{series.ts[bars[0]]}Z", "last": f"{series.ts[bars[-1]]}Z", "rows": len(bars)}
        if task is not None:
            entry["label_end"] = f"{series.ts[series.label_end[task][bars].max()]}Z"
        spans[series.key] = entry
    return spans
