"""Which bars every fitted object of a fold saw, and which features may know the future."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from scipy.stats import rankdata

from core.baselines.measures import SeriesMeasures
from core.config import Config
from core.data.dataset import PreparedData
from core.data.segments import CALIBRATE, TRAIN, bars_in_train
from core.data.windows import LastBarWindows
from core.training.pipeline import REFERENCE_ROWS

Spans = dict[str, dict[str, Any]]


def audit_model(
    data: PreparedData, calibrate: LastBarWindows, config: Config, calibrated: Collection[str]
) -> dict[str, Spans]:
    """Bars that scaler, thresholds, model, reference, calibrators, sets and ranks saw, by object.

    Parameters
    ----------
    calibrate
        The windows the calibrators were fitted on.
    calibrated
        Tasks that have calibrators.
    """
    audit: dict[str, Spans] = {name: dict(entry) for name, entry in data.audit.items()}
    for task in config.tasks:
        for segment, name in ((TRAIN, "weights"), (data.borders.stop_segment, "early stopping")):
            audit[f"model {name} {task.name}"] = span_labels(data, segment, task.name)
        if task.name in calibrated:
            for name in ("calibrators", "conformal sets", "source ranks"):
                audit[f"{name} {task.name}"] = span_windows(data, calibrate, task.name)
    for segment, name in ((TRAIN, "representation"), (CALIBRATE, "out-of-distribution limit")):
        step = max(1, -(-len(LastBarWindows(data, segment, config)) // REFERENCE_ROWS))
        audit[name] = span_windows(data, LastBarWindows(data, segment, config, step), None)
    return audit


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


SUSPICIOUS_CORRELATION = 0.3
"""Absolute rank correlation with the coming move that no single honest feature reaches."""

_LEAST_ROWS = 100
_MOST_ROWS = 20_000


def suspicious_features(
    names: Sequence[str], features: np.ndarray, coming_move: np.ndarray, limit: float = SUSPICIOUS_CORRELATION
) -> dict[str, float]:
    """Features that go with the coming move as none should, and their rank correlation with it.

    Parameters
    ----------
    features
        (n, N) of training rows, in any monotone scale.
    coming_move
        (n,) signed return after each row, NaN where unknown.

    Returns
    -------
    dict
        Empty when fewer than 100 rows are known: nothing can be said then.
    """
    known = np.isfinite(coming_move)
    features, coming_move = features[known], coming_move[known]
    if len(coming_move) < _LEAST_ROWS:
        return {}
    step = -(-len(coming_move) // _MOST_ROWS)
    ranks = rankdata(features[::step], axis=0)
    move = rankdata(coming_move[::step])
    ranks, move = ranks - ranks.mean(axis=0), move - move.mean()
    spread = np.sqrt((ranks**2).sum(axis=0) * (move**2).sum())
    correlation = np.divide(move @ ranks, spread, out=np.zeros(len(spread)), where=spread > 0)
    return {name: float(value) for name, value in zip(names, correlation, strict=True) if abs(value) > limit}


def find_suspicious(data: PreparedData, measures: list[SeriesMeasures]) -> dict[str, float]:
    """Features that go with the coming move of training bars as none should; warns of them."""
    features, moves = [], []
    for series, measured in zip(data.series, measures, strict=True):
        mine = bars_in_train(series.ts, series.timeframe, data.borders) & series.usable
        # The coming move must lie in train too, or the check itself would look ahead.
        reach = np.append(np.flatnonzero(mine)[-1:], -1)[0]
        mine &= (measured.quantities.direction_end <= reach) & (measured.quantities.direction_end >= 0)
        features.append(series.features[mine])
        moves.append(measured.quantities.direction_score[mine])
    found = suspicious_features(data.feature_names, np.concatenate(features), np.concatenate(moves))
    if found:
        named = ", ".join(f"{name} ({value:+.2f})" for name, value in found.items())
        warnings.warn(
            f"features that may know the future, by rank correlation with it: {named}", stacklevel=2
        )
    return found
