"""Do explanations agree: with themselves under a little noise, and with each other?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from core.explain.margin import check_window


@dataclass(frozen=True)
class Stability:
    """Rank correlation of an explanation with those of slightly changed inputs, shape (repeats,)."""

    noise: float
    correlations: np.ndarray

    @property
    def mean(self) -> float:
        return float(self.correlations.mean())

    @property
    def worst(self) -> float:
        return float(self.correlations.min())


def measure_stability(
    explain: Callable[[np.ndarray], np.ndarray],
    window: np.ndarray,
    *,
    noise: float = 0.5,
    repeats: int = 5,
    seed: int = 0,
) -> Stability:
    """Explain `window` and noisy copies of it.

    Parameters
    ----------
    explain
        Window (T, N) -> values (T, N).
    noise
        Standard deviation added to every cell, on the 0..100 scale.
    """
    window = check_window(window)
    generator = np.random.default_rng(seed)
    original = explain(window)
    copies = (
        (window + noise * generator.standard_normal(window.shape)).astype(np.float32) for _ in range(repeats)
    )
    return Stability(noise, np.array([rank_correlation(original, explain(copy)) for copy in copies]))


def measure_agreement(explanations: Mapping[str, np.ndarray]) -> tuple[tuple[str, ...], np.ndarray]:
    """Rank correlation between every two explanations (T, N) -> names and a symmetric matrix (M, M)."""
    names = tuple(explanations)
    matrix = np.eye(len(names))
    for i, first in enumerate(names):
        for j in range(i):
            matrix[i, j] = matrix[j, i] = rank_correlation(explanations[first], explanations[names[j]])
    return names, matrix


def rank_correlation(first: np.ndarray | Sequence[float], second: np.ndarray | Sequence[float]) -> float:
    """Spearman's rank correlation of all values; 0 where one side is constant, as it then ranks nothing."""
    first, second = np.ravel(first), np.ravel(second)
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return 0.0
    return float(np.corrcoef(rankdata(first), rankdata(second))[0, 1])
