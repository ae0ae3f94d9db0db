"""What windows of a planted market are compared with: other windows of the same market and series."""

from __future__ import annotations

import numpy as np

from core.confidence.similarity import window_statistics
from core.explain.evidence.planted.markets import Generator
from core.explain.margin import Margin, evaluate, probability
from core.explain.past_windows import POOL
from core.explain.references import (
    COUNT,
    ORDINARY,
    TYPICAL,
    WINDOW_MEAN,
    Reference,
    rank_ordinary,
    rank_typical,
    real_windows,
    window_mean,
)

_SEED = 11


def draw_references(
    generator: Generator, margin: Margin, bars: int, features: int
) -> dict[int, dict[str, Reference]]:
    """By series: ordinary windows, chosen as for a real series, and the typical one.

    Parameters
    ----------
    margin
        Of the model explained.
    bars, features
        T and N.
    """
    pool = generator.draw(POOL * len(generator.scales), _SEED, bars, features)
    found = {}
    for series in range(len(generator.scales)):
        windows = pool.windows[pool.series == series][:POOL]
        ordinary = rank_ordinary(probability(evaluate(margin, windows)))[:COUNT]
        typical = rank_typical(window_statistics(windows))[:1]
        found[series] = {
            ORDINARY: real_windows(ORDINARY, windows[ordinary]),
            TYPICAL: real_windows(TYPICAL, windows[typical]),
        }
    return found


def with_mean(references: dict[str, Reference], window: np.ndarray) -> dict[str, Reference]:
    """Those of a series and the mean of the very window (T, N)."""
    return references | {WINDOW_MEAN: window_mean(window)}
