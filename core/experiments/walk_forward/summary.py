"""Scores of a walk-forward: the model beside every baseline, per fold and pooled, with intervals."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from core.config import Config, TaskConfig
from core.disk import plain
from core.experiments.walk_forward.results import read_distribution
from core.scores.calibration_error import perfect_model_ece
from core.scores.intervals import paired_difference
from core.scores.metrics import log_losses, score_intervals, score_task
from core.scores.selective import hit_rate_interval
from core.scores.stretches import Stretches, label_span

HIT_THRESHOLDS = (0.0, 0.4, 0.5, 0.6)
"""Least max(P(up), P(down)) of the calls whose hit rate is given."""

# These three take most of the time, so only the pooled model's have intervals.
_RANKED = ("smooth_ece", "aurc", "excess_aurc")


def summarise(
    rows: pd.DataFrame,
    baselines: pd.DataFrame,
    config: Config,
    whole: bool = True,
) -> dict[str, Any]:
    """Scores of every task.

    Parameters
    ----------
    rows, baselines
        As in `core.experiments.walk_forward.results.WalkForwardResult`; `baselines` must hold ``prior``.
    whole
        False leaves out what takes longest: intervals of the ranked scores and ``wholly_ahead``.

    Returns
    -------
    dict
        Task -> ``classes``, ``folds`` (a list) and ``pooled``, and for the regime ``wholly_ahead``: the same
        forecasts against the regime of the bars after ts alone. Each is None without rows, else holds
        ``rows``, ``from``, ``to``, ``model`` (calibrated; its calibration errors are those of the final
        confidence), ``uncalibrated`` (plain softmax), ``baselines`` by name with ``model_minus_baseline``
        (paired difference in log-loss; below zero the model is better; ``p`` before other comparisons are
        counted), and ``perfect_ece`` (``median`` and ``p95`` of the ECE a perfectly calibrated model would
        show). A score is ``{"value", "low", "high"}``, a 95% interval or null; where too few separate
        stretches of time are left for one, ``"blank"`` says so.
    """
    summary = {}
    baseline_tasks = baselines["task"].to_numpy(object)
    row_tasks = rows["task"].to_numpy(object)
    for task in config.tasks:
        mine = rows.loc[row_tasks == task.name]
        others = baselines.loc[baseline_tasks == task.name]
        forecasts = _by_baseline(others, mine, len(task.classes))
        folds = np.asarray(mine["fold"])
        every = np.ones(len(mine), dtype=bool)
        entry: dict[str, Any] = {
            "classes": list(task.classes),
            "folds": [_score(mine, forecasts, folds == k, task) for k in np.unique(rows["fold"])],
            "pooled": _score(mine, forecasts, every, task, ranked=whole),
        }
        if task.label == "regime" and whole:
            ahead = mine.assign(label=mine["label_ahead"])
            # Such a label reaches further than the row's own.
            stretch = config.labels.regime_window / config.labels.regime_lead
            entry["wholly_ahead"] = _score(ahead, forecasts, every, task, stretch=stretch)
        summary[task.name] = entry
    return summary


def _by_baseline(baselines: pd.DataFrame, rows: pd.DataFrame, classes: int) -> dict[str, np.ndarray]:
    forecasts = {}
    names = baselines["baseline"].to_numpy(object)
    for name in dict.fromkeys(names):
        part = baselines.loc[names == name]
        for key in ("fold", "ts"):
            assert np.array_equal(part[key].to_numpy(), rows[key].to_numpy())
        forecasts[str(name)] = read_distribution(part, "p", classes)
    return forecasts


def _score(
    rows: pd.DataFrame,
    forecasts: dict[str, np.ndarray],
    chosen: np.ndarray,
    task: TaskConfig,
    ranked: bool = False,
    stretch: float = 1.0,
) -> dict[str, Any] | None:
    chosen = chosen & np.asarray(rows["label"] >= 0)
    if not chosen.any():
        return None
    rows = rows.loc[chosen]
    classes = len(task.classes)
    labels = rows["label"].to_numpy().astype(np.int64)
    times = rows["ts"].to_numpy("datetime64[us]")
    prior = forecasts["prior"][chosen]
    model, uncalibrated = (read_distribution(rows, prefix, classes) for prefix in ("p", "u"))
    confidence = rows["confidence"].to_numpy(np.float64)
    # A fold too short for calibrators states no confidence but the probabilities'.
    confidence = np.where(np.isfinite(confidence), confidence, model.max(axis=1)).clip(0, 1)
    losses = log_losses(model, labels)
    span = label_span(times, rows["label_end"].to_numpy("datetime64[us]"))
    stretches = Stretches.over(times, math.ceil(stretch * span))

    def scores(probabilities: np.ndarray, stated: np.ndarray | None, rank: bool = False) -> dict[str, Any]:
        arguments = probabilities, labels, prior, stated
        values = score_task(*arguments).to_dict()
        intervals = score_intervals(*arguments, stretches=stretches, ranked=rank)
        entry: dict[str, Any] = {name: found.to_dict() for name, found in intervals.items()}
        entry |= {
            name: {"value": values[name], "low": None, "high": None} for name in _RANKED if name not in entry
        }
        return entry | {"confusion": values["confusion"]}

    floor = perfect_model_ece(confidence, model.argmax(axis=1) == labels, stretches)
    block: dict[str, Any] = {
        "rows": len(labels),
        "from": pd.Timestamp(times.min()).isoformat(),
        "to": pd.Timestamp(times.max()).isoformat(),
        "model": scores(model, confidence, ranked),
        "uncalibrated": scores(uncalibrated, None),
        "perfect_ece": {"median": floor.median, "p95": floor.p95},
        "baselines": {},
    }
    if {"Bullish", "Bearish"} <= set(task.classes):
        up, down = task.classes.index("Bullish"), task.classes.index("Bearish")
        block["hit_rates"] = [
            {"threshold": threshold}
            | {
                name: found.to_dict()
                for name, found in hit_rate_interval(model, labels, up, down, threshold, stretches).items()
            }
            for threshold in HIT_THRESHOLDS
        ]
    for name, every in forecasts.items():
        probabilities = every[chosen]
        difference = paired_difference(losses, log_losses(probabilities, labels), stretches)
        block["baselines"][name] = scores(probabilities, None) | {
            "model_minus_baseline": difference.to_dict() | {"p": plain(difference.p)}
        }
    return block
