"""Attribution from gradients along paths from a reference to the window."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from fractions import Fraction

import numpy as np
import torch
from captum.attr import GradientShap
from torch import Tensor

from core.device import device_of
from core.explain.margin import Margin, MeteredMargin
from core.explain.methods.settings import Explicand, Settings

NEGLIGIBLE = 0.01
"""Log-odds; a smaller difference is not divided by when the missing share is stated."""


def integrated_gradients(
    margin: MeteredMargin, explicand: Explicand, settings: Settings
) -> tuple[np.ndarray, int]:
    """Integrated Gradients, mean over the references; values (T, N) and the gradients taken.

    Every path is sampled at Fejer points, which are about as exact as Gauss's and nested, so that a path
    sampled more densely keeps the gradients it has. The references share the work: ``settings.first_steps``
    are divided among them, and as long as the mean over all misses its sum by more than the tolerance, the
    quarter of the paths that miss most is sampled twice as densely. Errors of single paths cancel in the
    mean, so that 16 references cost two to four times one of them instead of 16 times (on the bundled model
    16 to 42 gradients at four bars).
    """
    window, references = explicand.window, explicand.references
    count = len(references)
    distance = window - references
    changes = margin.changes
    assert changes is not None
    accepted = settings.tolerance * max(abs(changes.mean()), NEGLIGIBLE)
    steps = np.full(count, max(2, 2 ** math.ceil(math.log2(settings.first_steps / count))))
    parts: list[dict[float, np.ndarray]] = [{} for _ in range(count)]
    found = np.zeros((count, *window.shape))
    stale = np.arange(count)
    while True:
        points, weights = zip(*(fejer(int(steps[path])) for path in stale), strict=True)
        jobs = [
            (path, point)
            for path, along in zip(stale, points, strict=True)
            for point in along
            if point not in parts[path]
        ]
        margin.meter.plan(len(jobs))
        for start in range(0, len(jobs), settings.batch):
            chosen = jobs[start : start + settings.batch]
            paths = [path for path, _ in chosen]
            positions = np.array([point for _, point in chosen], dtype=np.float32)[:, None, None]
            slope = slopes(margin, references[paths] + positions * distance[paths], settings.batch)
            for (path, point), part in zip(chosen, slope * distance[paths], strict=True):
                parts[path][point] = part
        for path, along, weight in zip(stale, points, weights, strict=True):
            found[path] = sum(w * parts[path][point] for point, w in zip(along, weight, strict=True))
        missed = changes - found.sum((1, 2))
        refinable = np.flatnonzero(2 * steps <= settings.max_steps)
        if abs(missed.mean()) <= accepted or not len(refinable):
            return found.mean(0), sum(map(len, parts))
        worst = np.argsort(-np.abs(missed[refinable]), kind="stable")[: max(1, count // 4)]
        stale = refinable[worst]
        steps[stale] *= 2


def fejer(intervals: int) -> tuple[list[float], np.ndarray]:
    """Points and weights of Fejer's second quadrature on [0, 1], n - 1 of them; `intervals` n is even.

    The points for n are among those for 2 n, as equal floats. Exact for polynomials of degree n - 1.

    Notes
    -----
    Waldvogel 2006, Fast Construction of the Fejer and Clenshaw-Curtis Quadrature Rules.
    """
    # Reduced fractions make a point of n and of 2 n the same float.
    angles = [Fraction(k, intervals) for k in range(1, intervals)]
    points = [0.5 * (1 - math.cos(math.pi * float(angle))) for angle in angles]
    theta = np.pi * np.arange(1, intervals) / intervals
    odd = 2 * np.arange(1, intervals // 2 + 1) - 1
    weights = 2 / intervals * np.sin(theta) * (np.sin(np.outer(theta, odd)) / odd).sum(1)
    return points, weights


def gradient_shap(margin: MeteredMargin, explicand: Explicand, settings: Settings) -> tuple[np.ndarray, int]:
    """GradientSHAP with a little noise, `settings.samples` points; values (T, N)."""
    window, references = explicand.window, explicand.references
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
    margin: MeteredMargin, explicand: Explicand, settings: Settings
) -> tuple[np.ndarray, int]:
    """Slope at the window times its distance from the mean reference; values (T, N)."""
    window, references = explicand.window, explicand.references
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
