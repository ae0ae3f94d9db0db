"""Attribution from gradients along paths from a baseline to the window."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Sequence
from fractions import Fraction

import numpy as np
import torch
from captum.attr import GradientShap
from torch import Tensor

from core.device import device_of
from core.explain.margin import Margin, MeteredMargin, evaluate
from core.explain.methods.settings import Settings

NEGLIGIBLE = 0.01
"""Log-odds; a smaller difference is not divided by when the missing share is stated."""


def integrated_gradients(
    margin: MeteredMargin,
    window: np.ndarray,
    references: np.ndarray,
    sources: Sequence[str],
    settings: Settings,
) -> tuple[np.ndarray, int]:
    """Integrated Gradients with steps doubled until complete; values (T, N) and the steps taken.

    The path is sampled at Clenshaw-Curtis points: about as exact as the Gauss-Legendre points Captum takes,
    and nested, so that doubling keeps every gradient already computed (half the work of starting anew).
    """
    distance = window - references
    difference = float(evaluate(margin.margin, window[None])[0] - evaluate(margin.margin, references).mean())
    steps = settings.first_steps
    gradients: dict[float, np.ndarray] = {}
    while True:
        points, weights = clenshaw_curtis(steps)
        fresh = [point for point in points if point not in gradients]
        margin.meter.plan(len(fresh) * len(references))
        for point in fresh:
            gradients[point] = np.zeros(0)
        jobs = [(point, index) for point in fresh for index in range(len(references))]
        for start in range(0, len(jobs), settings.batch):
            chosen = jobs[start : start + settings.batch]
            positions = np.array([point for point, _ in chosen], dtype=np.float32)[:, None, None]
            indices = [index for _, index in chosen]
            slope = slopes(margin, references[indices] + positions * distance[indices], settings.batch)
            for (point, _), part in zip(chosen, slope * distance[indices], strict=True):
                gradients[point] = gradients[point] + part if gradients[point].size else part
        values = sum(weight * gradients[point] for point, weight in zip(points, weights, strict=True))
        result = np.asarray(values) / len(references)
        missed = abs(result.sum() - difference) / max(abs(difference), NEGLIGIBLE)
        if missed <= settings.tolerance or 2 * steps > settings.max_steps:
            return result, steps
        steps *= 2


def clenshaw_curtis(intervals: int) -> tuple[list[float], np.ndarray]:
    """Points and weights of Clenshaw-Curtis quadrature on [0, 1], n + 1 of them; `intervals` n is even.

    The points for n are among those for 2 n, as equal floats. Exact for polynomials of degree n.
    """
    # Reduced fractions make a point of n and of 2 n the same float.
    angles = [Fraction(k, intervals) for k in range(intervals + 1)]
    points = [0.5 * (1 - math.cos(math.pi * float(angle))) for angle in angles]
    harmonics = np.arange(1, intervals // 2 + 1)
    factors = np.where(harmonics == intervals // 2, 1.0, 2.0) / (4 * harmonics**2 - 1)
    theta = np.pi * np.arange(intervals + 1) / intervals
    weights = (1 - np.cos(2 * np.outer(theta, harmonics)) @ factors) / intervals
    weights[[0, -1]] /= 2
    return points, weights


def gradient_shap(
    margin: MeteredMargin,
    window: np.ndarray,
    references: np.ndarray,
    sources: Sequence[str],
    settings: Settings,
) -> tuple[np.ndarray, int]:
    """GradientSHAP with a little noise, `settings.samples` points; values (T, N)."""
    device = device_of(margin)
    target = torch.from_numpy(window)[None].to(device)
    baselines = torch.from_numpy(references).to(device)
    explainer = GradientShap(margin)
    margin.meter.plan(settings.samples)
    total = np.zeros(window.shape)
    with seeded(settings.seed):
        for start in range(0, settings.samples, settings.batch):
            count = min(settings.batch, settings.samples - start)
            values = explainer.attribute(target, baselines, n_samples=count, stdevs=settings.noise)
            assert isinstance(values, Tensor)
            total += count * values[0].detach().cpu().double().numpy()
    return total / settings.samples, settings.samples


def gradient_times_input(
    margin: MeteredMargin,
    window: np.ndarray,
    references: np.ndarray,
    sources: Sequence[str],
    settings: Settings,
) -> tuple[np.ndarray, int]:
    """Slope at the window times its distance from the mean reference; values (T, N)."""
    margin.meter.plan(1)
    slope = slopes(margin, window[None])[0]
    return slope * (window - references.mean(0)), 1


def slopes(margin: Margin, windows: np.ndarray, batch: int = 8) -> np.ndarray:
    """Gradient of the margin with respect to every cell, (B, T, N) -> (B, T, N) float64."""
    device = device_of(margin)
    parts = []
    for part in torch.from_numpy(np.asarray(windows, dtype=np.float32)).split(batch):
        cells = part.to(device).requires_grad_()
        with torch.enable_grad():
            (gradient,) = torch.autograd.grad(margin(cells).sum(), cells)
        parts.append(gradient.cpu().double().numpy())
    return np.concatenate(parts)


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed the global generators Captum and shap draw from, and put them back afterwards."""
    state = np.random.get_state()
    with torch.random.fork_rng(devices=[]):
        np.random.seed(seed)
        torch.manual_seed(seed)
        try:
            yield
        finally:
            np.random.set_state(state)
