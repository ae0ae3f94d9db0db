"""Every explanation of a model trained on a planted market, and whether it tells of the model at all."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch

from core.device import device_of
from core.explain.attention import class_relevance, full_attention, rollout
from core.explain.attribution import attribute
from core.explain.evidence.planted.markets import PlantedData
from core.explain.evidence.planted.training import CLASSES, TASK, build_model
from core.explain.evidence.routing import rank_correlation
from core.explain.margin import TaskMargin
from core.explain.methods.conductance import layer_conductance
from core.explain.methods.registry import METHODS
from core.explain.methods.settings import Settings
from core.explain.references import ORDINARY, TYPICAL, WINDOW_MEAN, Reference
from core.models.transformer import MarketTransformer
from core.progress import Cancelled

_SOURCE_SIZE = 4

ATTENTION_VIEWS = ("attention_last_layer", "attention_mean", "attention_rollout", "attention_relevance")
"""Views scored beside the methods; each gives a bar's score to all its cells."""

CONDUCTANCE = "layer_conductance"
"""With "_k" behind it: conductance as it comes out of k layers; a bar's score goes to all its cells."""

REFERENCES_COMPARED = ("ig", "gradient_shap", "gradient_times_input")
"""Methods run from every reference; the others from ordinary windows alone, to halve the work."""


ROUNDED_TOLERANCE = 0.05


def views_of(methods: Sequence[str], depths: int) -> list[tuple[str, str]]:
    """Every (method, reference) that is scored: methods, conductance at every depth, attention views.

    Conductance is taken from the typical window alone, as it costs a path forth and back for every depth. An
    attention view's reference is "none".
    """
    compared = [(ORDINARY, method) for method in methods]
    compared += [
        (name, method)
        for name in (TYPICAL, WINDOW_MEAN)
        for method in methods
        if method in REFERENCES_COMPARED
    ]
    compared += [(TYPICAL, f"{CONDUCTANCE}_{depth}") for depth in range(depths)]
    return [(method, reference) for reference, method in compared] + [
        (view, "none") for view in ATTENTION_VIEWS
    ]


def explain_planted(
    model: MarketTransformer,
    window: np.ndarray,
    references: Mapping[str, Reference],
    *,
    wanted: Sequence[tuple[str, str]] | None = None,
    settings: Settings | None = None,
    bfloat16: bool = False,
    cancelled: Cancelled | None = None,
) -> dict[tuple[str, str], tuple[np.ndarray, float]]:
    """Explanations of one planted window: (method, reference) -> (values (T, N), seconds).

    Parameters
    ----------
    references
        By name, all that `wanted` asks for.
    wanted
        Out of `views_of`; None is all of them with every method.
    bfloat16
        Compute in bfloat16, about twice as fast on a CPU that has it: ranks of cells, all that is scored,
        hardly move. Integrated Gradients is then content with a sum within `ROUNDED_TOLERANCE`, as rounding
        keeps it from ever being complete.
    """
    wanted = views_of(tuple(METHODS), len(model.blocks)) if wanted is None else wanted
    settings = _rounded(settings) if bfloat16 else settings
    margin = TaskMargin(model, TASK.name, CLASSES[-1], CLASSES)
    names = [f"feature {i}" for i in range(window.shape[1])]
    groups = _sources(names)
    explained = {}
    for method, reference in wanted:
        if method in METHODS:
            with _precision(bfloat16, margin):
                result = attribute(
                    margin,
                    window,
                    references[reference],
                    names,
                    method,
                    settings,
                    groups=groups,
                    cancelled=cancelled,
                )
            explained[method, reference] = result.values, result.seconds
    asked = [view for view, _ in wanted if view.startswith(CONDUCTANCE)]
    if asked:
        with _precision(bfloat16, margin):
            by_depth, seconds = _conductance(margin, window, references[TYPICAL], settings, cancelled)
        for view in asked:
            by_bar = by_depth[int(view.removeprefix(f"{CONDUCTANCE}_"))]
            explained[view, TYPICAL] = np.repeat(by_bar[:, None], window.shape[1], 1), seconds
    asked = [view for view, reference in wanted if reference == "none"]
    for view, (by_bar, seconds) in (_attention_views(margin, window) if asked else {}).items():
        if view in asked:
            explained[view, "none"] = np.repeat(by_bar[:, None], window.shape[1], 1), seconds
    return explained


def _rounded(settings: Settings | None) -> Settings:
    return replace(settings or Settings(), tolerance=ROUNDED_TOLERANCE, max_steps=32)


def _precision(bfloat16: bool, margin: TaskMargin):
    return torch.autocast(device_of(margin).type, torch.bfloat16, enabled=bfloat16)


def randomised_correlation(
    model: MarketTransformer,
    windows: np.ndarray,
    references: Sequence[Reference],
    method: str,
    settings: Settings | None = None,
    seed: int = 1,
    bfloat16: bool = False,
) -> float:
    """Mean rank correlation of a method's magnitudes on `model` and on one with random weights.

    Window i is compared with reference i by both.

    An explanation that hardly changes when the weights are random tells of the input, not of the model.

    Notes
    -----
    Adebayo et al. 2018, Sanity Checks for Saliency Maps; all weights are randomised at once.
    """
    random = build_model(model.config, model.num_features, seed).eval().to(device_of(model))
    names = [f"feature {i}" for i in range(windows.shape[2])]
    correlations = []
    settings = _rounded(settings) if bfloat16 else settings
    margins = [TaskMargin(judged, TASK.name, CLASSES[-1], CLASSES) for judged in (model, random)]
    for window, reference in zip(windows, references, strict=True):
        with _precision(bfloat16, margins[0]):
            pair = [
                attribute(margin, window, reference, names, method, settings, groups=_sources(names)).values
                for margin in margins
            ]
        correlations.append(rank_correlation(np.abs(pair[0]), np.abs(pair[1])))
    return float(np.mean(correlations))


def accuracy_at_last_bar(model: MarketTransformer, data: PlantedData, batch: int = 32) -> float:
    """Share of windows whose (possibly flipped) last label the model calls."""
    device = device_of(model)
    right = 0
    with torch.no_grad():
        for start in range(0, len(data.windows), batch):
            x = torch.from_numpy(data.windows[start : start + batch]).to(device)
            context = torch.zeros(len(x), dtype=torch.long, device=device)
            logits = model(x, context, context, last_only=True).tasks[TASK.name].logits[:, -1]
            right += int((logits.argmax(-1).cpu().numpy() == data.labels[start : start + batch, -1]).sum())
    return right / len(data.windows)


def _sources(names: Sequence[str]) -> dict[str, str]:
    # As in the real market, a source has a few features; causes and decoys fall into them as they come.
    return {name: f"source {index // _SOURCE_SIZE}" for index, name in enumerate(names)}


def _conductance(
    margin: TaskMargin,
    window: np.ndarray,
    reference: Reference,
    settings: Settings | None,
    cancelled: Cancelled | None,
) -> tuple[np.ndarray, float]:
    """Values (L, T), and the seconds one depth took."""
    start = time.perf_counter()
    # Ranks do not need a sum that is complete.
    values = layer_conductance(
        margin, window, reference.windows, settings, max_steps=8, cancelled=cancelled
    ).values
    return values, (time.perf_counter() - start) / len(values)


def _attention_views(margin: TaskMargin, window: np.ndarray) -> dict[str, tuple[np.ndarray, float]]:
    start = time.perf_counter()
    weights = full_attention(margin, window)
    looked = time.perf_counter() - start
    views = {
        "attention_last_layer": (weights[-1].mean(0)[-1], looked),
        "attention_mean": (weights.mean((0, 1))[-1], looked),
        "attention_rollout": (rollout(weights)[-1], looked),
    }
    start = time.perf_counter()
    views["attention_relevance"] = class_relevance(margin, window).by_bar, time.perf_counter() - start
    return views
