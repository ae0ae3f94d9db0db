"""Does attention tell which bars matter? Its views against the effect of removing bars, over many windows.

Shapes: n windows, T bars, L layers, H heads, V views.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from scipy.stats import rankdata

from core.bundle import Bundle
from core.data.segments import TEST
from core.device import device_of
from core.disk import plain as as_json
from core.explain.attention import class_relevance, full_attention, rollout
from core.explain.evidence.sample import WindowSample, draw_sample
from core.explain.margin import EVALUATION_BATCH, TaskMargin, log_odds
from core.explain.references import window_mean
from core.models.ensemble import list_members
from core.predictor import Predictor
from core.progress import Cancelled, Meter, Progress
from core.scores.intervals import mean_interval
from core.scores.stretches import Stretches

ATTENTION_VIEWS = ("attention_mean", "attention_last_layer", "attention_rollout", "class_relevance")
"""What the last bar reads: mean over layers and heads, last layer, through all layers, weighted by effect."""

RECENCY, UNUSUAL, RANDOM = "recency", "unusual", "random"
TRIVIAL_VIEWS = (RECENCY, UNUSUAL)
VIEWS = (*ATTENTION_VIEWS, *TRIVIAL_VIEWS, RANDOM)
"""Beside the attention views three rankings that know nothing of the model: newest bar first, the bar
farthest from the window's mean first (replacing it by the mean changes most of the input), and chance."""


def measure_routing(
    predictor: Predictor,
    *,
    windows: int = 50,
    progress: Progress | None = None,
    cancelled: Cancelled | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """Rank correlation of attention with what single bars do, on evenly spread test windows.

    Each bar in turn is replaced by the window's mean; its effect is the absolute change of the log-odds of
    the class called. One scored window serves every task.

    Parameters
    ----------
    windows
        About n; ``T + 1`` windows are scored for each.

    Returns
    -------
    dict
        Plain numbers, as `core.explain.evidence.store` keeps them: ``windows``, ``bars``, ``segment``,
        ``reference``, ``first`` and ``last`` bar, ``series``, ``level``, ``seconds``;
        ``tasks[task]["views"][view]`` the mean over windows of Spearman's correlation with ``low`` and
        ``high`` (None where too few separate windows are left), for all of `VIEWS`;
        ``tasks[task]["beyond_trivial"][view]`` the same for the rank correlation left when `TRIVIAL_VIEWS`
        are held fixed, for `ATTENTION_VIEWS`.

    Raises
    ------
    InputError
        If the store holds no test window of a series the model knows.
    Stopped
        If `cancelled` said so.
    """
    began = time.perf_counter()
    sample = draw_sample(predictor, windows, TEST)
    tasks = {task.name: tuple(task.classes) for task in predictor.bundle.config.tasks}
    plain: dict[tuple[str, str], list[float]] = {(task, view): [] for task in tasks for view in VIEWS}
    partial = {(task, view): [] for task in tasks for view in ATTENTION_VIEWS}
    meter = Meter(progress, cancelled, planned=len(sample) * (sample.windows.shape[1] + 1))
    for row in range(len(sample)):
        margins = called_margins(predictor.bundle, sample, row)
        effects = bar_effects_by_task(margins, sample.windows[row], meter)
        shared = attention_views(next(iter(margins.values())), sample.windows[row], seed + row)
        for task, margin in margins.items():
            meter.check()
            views = {**shared, "class_relevance": class_relevance(margin, sample.windows[row]).by_bar}
            for view in VIEWS:
                plain[task, view].append(rank_correlation(views[view], effects[task]))
            for view in ATTENTION_VIEWS:
                fixed = [views[trivial] for trivial in TRIVIAL_VIEWS]
                partial[task, view].append(partial_correlation(views[view], effects[task], fixed))
    stretches = Stretches.over(sample.ts)
    return {
        "segment": "test",
        "reference": "window_mean",
        "windows": len(sample),
        "bars": int(sample.windows.shape[1]),
        "first": str(sample.ts.min())[:16],
        "last": str(sample.ts.max())[:16],
        "series": sorted(
            {f"{name} {frame}" for name, frame in zip(sample.instrument, sample.timeframe, strict=True)}
        ),
        "level": 0.95,
        "seconds": round(time.perf_counter() - began, 1),
        "tasks": {
            task: {
                "views": {view: _summary(plain[task, view], stretches) for view in VIEWS},
                "beyond_trivial": {
                    view: _summary(partial[task, view], stretches) for view in ATTENTION_VIEWS
                },
            }
            for task in tasks
        },
    }


def called_margins(bundle: Bundle, sample: WindowSample, row: int) -> dict[str, TaskMargin]:
    """Log-odds of the class each task calls on one window of the sample."""
    inputs = sample.inputs(bundle, slice(row, row + 1))
    x, instrument, timeframe = (part.to(device_of(bundle.model)) for part in inputs)
    with torch.no_grad():
        said = bundle.model.eval()(x, instrument, timeframe, last_only=True).tasks
    return {
        task.name: TaskMargin(
            bundle.model,
            task.name,
            task.classes[int(said[task.name].logits[0, -1].argmax())],
            tuple(task.classes),
            int(instrument[0]),
            int(timeframe[0]),
        )
        for task in bundle.config.tasks
    }


def bar_effects_by_task(
    margins: Mapping[str, TaskMargin], window: np.ndarray, meter: Meter | None = None
) -> dict[str, np.ndarray]:
    """Absolute change of each task's margin when one bar is replaced by the window's mean, (T,) each.

    Parameters
    ----------
    margins
        Of one model and one context.
    window
        Shape (T, N).
    """
    first = next(iter(margins.values()))
    device = device_of(first)
    reference = window_mean(window).windows[0]
    bars = len(window)
    # Row 0 keeps every bar, so that the whole window is scored the same way as its copies.
    hidden = np.concatenate([np.zeros((1, bars), dtype=bool), np.eye(bars, dtype=bool)])
    scores: dict[str, list[np.ndarray]] = {task: [] for task in margins}
    for start in range(0, bars + 1, EVALUATION_BATCH):
        rows = hidden[start : start + EVALUATION_BATCH, :, None]
        x = torch.from_numpy(np.where(rows, reference, window).astype(np.float32)).to(device)
        with torch.inference_mode():
            said = first.model(x, *first.indices(len(x), device), last_only=True).tasks
            for task, margin in margins.items():
                logits = said[task].logits[:, -1].double()
                scores[task].append(log_odds(logits, margin.index).cpu().numpy())
        if meter is not None:
            meter.check()
            meter.add(len(x))
    joined = {task: np.concatenate(parts) for task, parts in scores.items()}
    return {task: np.abs(values[1:] - values[0]) for task, values in joined.items()}


def attention_views(margin: TaskMargin, window: np.ndarray, seed: int = 0) -> dict[str, np.ndarray]:
    """Every ranking of the bars that no class enters, (T,) each, larger first."""
    weights = full_attention(margin, window)
    bars = len(window)
    return {
        "attention_mean": weights.mean((0, 1))[-1],
        "attention_last_layer": weights[-1].mean(0)[-1],
        "attention_rollout": rollout(weights, members=len(list_members(margin.model)))[-1],
        RECENCY: np.arange(bars, dtype=float),
        UNUSUAL: np.abs(window - window.mean(0)).mean(1).astype(float),
        RANDOM: np.random.default_rng(seed).permutation(bars).astype(float),
    }


def partial_correlation(first: np.ndarray, second: np.ndarray, fixed: Sequence[np.ndarray]) -> float:
    """Rank correlation of two rankings with others held fixed; 0 where these leave nothing to rank.

    The correlation of what a linear fit of the ranks on the fixed rankings' ranks leaves unexplained.
    """
    ranks = np.column_stack([rankdata(values) for values in (first, second, *fixed)])
    ranks -= ranks.mean(0)
    known = ranks[:, 2:]
    left = ranks[:, :2] - known @ np.linalg.lstsq(known, ranks[:, :2], rcond=None)[0]
    size = np.linalg.norm(left, axis=0)
    if (size <= 1e-9 * (1 + np.linalg.norm(ranks[:, :2], axis=0))).any():
        return 0.0
    return float(left[:, 0] @ left[:, 1] / size.prod())


def _summary(values: list[float], stretches: Stretches) -> dict[str, float | None]:
    measured = mean_interval(np.array(values), stretches)
    return as_json({"mean": measured.value, "low": measured.low, "high": measured.high})


def rank_correlation(first: np.ndarray | Sequence[float], second: np.ndarray | Sequence[float]) -> float:
    """Spearman's rank correlation of all values; 0 where one side is constant, as it then ranks nothing."""
    first, second = np.ravel(first), np.ravel(second)
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return 0.0
    return float(np.corrcoef(rankdata(first), rankdata(second))[0, 1])
