"""Which features count for a model: attribution, gate and permutation over windows of the test segment.

Shapes: n windows in time order, T bars, N features.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from core.bundle import Bundle
from core.data.features.table import MISSING_SHARE, feature_groups
from core.data.segments import TEST
from core.device import device_of
from core.disk import plain
from core.explain.attribution import attribute
from core.explain.cache import open_cache
from core.explain.evidence.importance_formulas import (
    FEATURE_SELECTION_THRESHOLD,
    Importance,
    attribution_importance,
    gate_importance,
    permutation_importance,
    removable_features,
    window_importance,
)
from core.explain.evidence.routing import called_margins
from core.explain.evidence.sample import WindowSample, draw_sample
from core.explain.margin import EVALUATION_BATCH
from core.explain.methods.settings import Settings
from core.explain.moment import Moment
from core.explain.references import ORDINARY
from core.prediction import ModelWindow
from core.predictor import Predictor
from core.progress import Cancelled, Meter, Progress
from core.scores.stretches import Stretches

SETTINGS = Settings(first_steps=8, max_steps=64, tolerance=0.02)
"""An average over many windows needs no single one to be exact; what each missed is told."""
FEWEST = 8
"""Windows of an instrument, regime or period below which nothing is said about it."""

REFERENCE_WINDOWS = 4
"""Windows of a reference behind each of the many explanations."""

_DIMENSIONS = ("instrument", "regime", "period")
_ATTRIBUTION_COST = 20
"""Scored windows that one attribution costs about as much as."""


def measure_importance(
    predictor: Predictor,
    *,
    windows: int = 120,
    method: str = "ig",
    reference: str = ORDINARY,
    threshold: float = FEATURE_SELECTION_THRESHOLD,
    repeats: int = 2,
    progress: Progress | None = None,
    cancelled: Cancelled | None = None,
) -> dict[str, Any]:
    """Global importance of every feature and source group, task by task.

    Parameters
    ----------
    windows
        Of the test segment, evenly spread over every stored series the model knows.
    method, reference
        How the log-odds of the class called are attributed.
    threshold
        Share of all attribution below which, for every task, a feature may go.
    repeats
        Swaps averaged by permutation importance.

    Returns
    -------
    dict
        Plain numbers, as `core.explain.evidence.store` keeps them. ``[value, low, high]`` are shares of all
        attribution, or nats of log-loss, with 95% intervals, None where too few separate windows are left:

        - ``windows``, ``series``, ``first``, ``last``, ``segment``, ``method``, ``reference`` and its
          ``reference_windows``, ``threshold``,
          ``level``, ``seconds``, ``groups`` (of each feature);
        - ``gate[name]``: share of the gate's importance, no interval;
        - ``removable``: features below the threshold for every task, the whole interval;
        - ``tasks[task]["attribution"]["features" | "groups"]["all"][name]``, and
          ``["instrument" | "regime" | "period"][key][name]`` where a key has at least `FEWEST` windows;
        - ``tasks[task]["permutation"]["features" | "groups"][name]``: growth of the log-loss;
        - ``tasks[task]["log_loss"]``, ``["completeness_error"]`` (median; None without a promise),
          ``["removable"]``;
        - ``counts["instrument" | "regime" | "period"][key]``: windows.

    Raises
    ------
    InputError
        If the method or reference is unknown, or the store holds too few test windows.
    Stopped
        If `cancelled` said so.
    """
    began = time.perf_counter()
    bundle, sample = predictor.bundle, draw_sample(predictor, windows, TEST)
    names, groups = list(bundle.feature_names), feature_groups(bundle.feature_names)
    tasks = [task.name for task in bundle.config.tasks]
    units = (len(names) + len(dict.fromkeys(groups.values()))) * repeats
    meter = Meter(progress, planned=len(sample) * (_ATTRIBUTION_COST * len(tasks) + units))
    values, errors = _attribute_all(predictor, sample, method, reference, meter, cancelled)
    permuted = _permute_all(bundle, sample, groups, repeats, meter, cancelled)
    labels, stretches = label_windows(bundle, sample), Stretches.over(sample.ts)
    log_losses = _log_losses(bundle, sample)
    found: dict[str, Any] = {}
    for task in tasks:
        by_kind: dict[str, Any] = {}
        for kind, members in (("features", None), ("groups", groups)):
            whole = attribution_importance(
                values[task], names, groups=members, stretches=stretches, shares=True
            )
            by_kind[kind] = {"all": _plain(whole)} | {
                dimension: _slice(values[task], labels[dimension], names, members, sample)
                for dimension in _DIMENSIONS
            }
            if members is None:
                removable = removable_features(whole, threshold)
        found[task] = {
            "attribution": by_kind,
            "permutation": {kind: _plain(measured[task]) for kind, measured in permuted.items()},
            "log_loss": log_losses[task],
            "completeness_error": float(np.median(errors[task])) if errors[task] else None,
            "removable": removable,
        }
    gate = gate_importance(bundle.model, names)
    total = sum(importance.value for importance in gate)
    series = {f"{name} {frame}" for name, frame in zip(sample.instrument, sample.timeframe, strict=True)}
    return {
        "segment": "test",
        "windows": len(sample),
        "series": sorted(series),
        "first": str(sample.ts.min())[:16],
        "last": str(sample.ts.max())[:16],
        "method": method,
        "reference": reference,
        "reference_windows": REFERENCE_WINDOWS,
        "threshold": threshold,
        "level": 0.95,
        "groups": groups,
        "gate": {importance.name: importance.value / total for importance in gate},
        "removable": removable_everywhere([found[task]["removable"] for task in tasks], names),
        "counts": {name: {k: keys.count(k) for k in sorted({*keys}) if k} for name, keys in labels.items()},
        "tasks": found,
        "seconds": round(time.perf_counter() - began, 1),
    }


def removable_everywhere(by_task: Sequence[Sequence[str]], names: Sequence[str]) -> list[str]:
    """Features that no task needs, in the model's order; the mask of unknown values always stays."""
    return [name for name in names if name != MISSING_SHARE and all(name in may_go for may_go in by_task)]


def label_windows(bundle: Bundle, sample: WindowSample) -> dict[str, list[str]]:
    """Instrument, regime that came true ("" without a regime task or label) and period of every window.

    Periods are calendar years, or the two halves of the sample when it lies within one.
    """
    regime = next((task for task in bundle.config.tasks if task.label == "regime"), None)
    regimes = [""] * len(sample)
    if regime is not None:
        regimes = [regime.classes[i] if i >= 0 else "" for i in sample.labels[regime.name]]
    periods = [str(year) for year in sample.ts.astype("datetime64[Y]")]
    if len(set(periods)) == 1:
        days = sample.ts.astype("datetime64[D]")
        middle = days[len(days) // 2]
        periods = [f"before {middle}" if day < middle else f"from {middle}" for day in days]
    return {"instrument": list(sample.instrument), "regime": regimes, "period": periods}


def _attribute_all(
    predictor: Predictor,
    sample: WindowSample,
    method: str,
    reference: str,
    meter: Meter,
    cancelled: Cancelled | None,
) -> tuple[dict[str, np.ndarray], dict[str, list[float]]]:
    """By task: sum over bars of the magnitudes, (n, N), and completeness errors where there are any."""
    names = predictor.bundle.feature_names
    tasks = [task.name for task in predictor.bundle.config.tasks]
    values: dict[str, list[np.ndarray]] = {task: [] for task in tasks}
    errors: dict[str, list[float]] = {task: [] for task in tasks}
    cache = open_cache(predictor.store.home)
    for row in range(len(sample)):
        moment = _moment(predictor, sample, row)
        for task, margin in called_margins(predictor.bundle, sample, row).items():
            windows = moment.reference(reference, task, margin.target, cache=cache).first(REFERENCE_WINDOWS)
            result = attribute(margin, moment.features, windows, names, method, SETTINGS, cancelled=cancelled)
            values[task].append(window_importance(result.values))
            if result.completeness_error is not None:
                errors[task].append(result.completeness_error)
            meter.add(_ATTRIBUTION_COST)
    return {task: np.stack(rows) for task, rows in values.items()}, errors


def _moment(predictor: Predictor, sample: WindowSample, row: int) -> Moment:
    # A moment asks its window's times for the first and the last bar alone.
    ts = np.array([sample.first[row], sample.ts[row]])
    return Moment(
        predictor, ModelWindow(sample.instrument[row], sample.timeframe[row], ts, sample.windows[row])
    )


def _permute_all(
    bundle: Bundle,
    sample: WindowSample,
    groups: dict[str, str],
    repeats: int,
    meter: Meter,
    cancelled: Cancelled | None,
) -> dict[str, dict[str, list[Importance]]]:
    """By kind and task."""
    counts = np.unique(np.array(sample.timeframe), return_counts=True)[1]
    context = sample.inputs(bundle)[1:]
    found = {}
    for kind, members in (("features", None), ("groups", groups)):
        done = meter.done

        def report(unit: int, _: int, done: int = done) -> None:
            meter.add(done + unit * repeats * len(sample) - meter.done)

        found[kind] = permutation_importance(
            lambda changed: _probabilities(bundle, context, changed),
            sample.windows,
            sample.labels,
            bundle.feature_names,
            groups=members,
            strata=sample.timeframe,
            block=max(1, min(10, int(counts.min()) // 2)),
            stretches=Stretches.over(sample.ts),
            repeats=repeats,
            progress=report,
            cancelled=cancelled,
        )
    return found


def _probabilities(
    bundle: Bundle, context: tuple[torch.Tensor, torch.Tensor], windows: np.ndarray
) -> dict[str, np.ndarray]:
    """Probabilities of every task from one pass, (n, C) each.

    Parameters
    ----------
    context
        Vocabulary indices of instruments and timeframes, (n,) each.
    """
    parts: dict[str, list[np.ndarray]] = {task.name: [] for task in bundle.config.tasks}
    model = bundle.model.eval()
    device = device_of(model)
    with torch.inference_mode():
        for start in range(0, len(windows), EVALUATION_BATCH):
            rows = slice(start, start + EVALUATION_BATCH)
            x = torch.from_numpy(np.ascontiguousarray(windows[rows]))
            inputs = (part.to(device) for part in (x, *(indices[rows] for indices in context)))
            said = model(*inputs, last_only=True).tasks
            for task, values in parts.items():
                values.append(said[task].probabilities[:, -1].double().cpu().numpy())
    return {task: np.concatenate(values) for task, values in parts.items()}


def _log_losses(bundle: Bundle, sample: WindowSample) -> dict[str, float]:
    said = _probabilities(bundle, sample.inputs(bundle)[1:], sample.windows)
    chosen = {task: said[task][np.arange(len(sample)), sample.labels[task]] for task in said}
    return {task: float(-np.log(np.maximum(p, np.finfo(float).tiny)).mean()) for task, p in chosen.items()}


def _slice(
    values: np.ndarray,
    labels: Sequence[str],
    names: list[str],
    groups: dict[str, str] | None,
    sample: WindowSample,
) -> dict[str, dict[str, list[float | None]]]:
    """Importance by label, where there are enough windows of it."""
    keys, found = np.array(labels), {}
    for key in sorted(set(labels)):
        mine = keys == key
        if key and mine.sum() >= FEWEST:
            timeframe = tuple(np.array(sample.timeframe)[mine].tolist())
            part = replace(sample, windows=sample.windows[mine], timeframe=timeframe, ts=sample.ts[mine])
            found[key] = _plain(
                attribution_importance(
                    values[mine], names, groups=groups, stretches=Stretches.over(part.ts), shares=True
                )
            )
    return found


def _plain(found: Sequence[Importance]) -> dict[str, list[float | None]]:
    return plain({one.name: [one.value, one.low, one.high] for one in found})
