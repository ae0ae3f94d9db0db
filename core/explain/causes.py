"""The strongest causes of one prediction, in market units, each with what the model says without it.

Shapes: T bars, N features.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.errors import InputError
from core.explain.attribution import Attribution
from core.explain.baselines import Baseline
from core.explain.margin import Margin, check_window, evaluate, probability

BLOCK = 10
"""Bars of one feature taken together as one cause: a course of prices speaks over days, not over one bar."""
COUNT = 3


@dataclass(frozen=True)
class Cause:
    """Cells that spoke together for or against a class.

    Attributes
    ----------
    features
        One name, or none when the method tells bars apart but not features.
    first, last
        Bars of the window, both included; the whole window when the method tells features apart but not bars.
    value
        Sum of the attribution over these cells, log-odds.
    scaled, usual_scaled
        Mean of the cells, and of the baseline there, on the 0..100 scale; NaN without a feature.
    market, usual
        The same in the feature's own unit.
    before, after
        Probability of the class as it is, and with these cells at the baseline.
    """

    features: tuple[str, ...]
    first: int
    last: int
    value: float
    scaled: float
    usual_scaled: float
    market: float
    usual: float
    before: float
    after: float


def find_causes(
    attribution: Attribution,
    margin: Margin,
    window: np.ndarray,
    baseline: Baseline,
    market: np.ndarray,
    usual: np.ndarray,
    *,
    count: int = COUNT,
    block: int = BLOCK,
) -> tuple[Cause, ...]:
    """The `count` strongest causes by absolute attribution, strongest first.

    Parameters
    ----------
    window
        (T, N), the one explained.
    market, usual
        The window and the mean baseline in the features' own units, (T, N).
    block
        Bars of one cause, counted back from the last bar; a method that cannot tell bars apart gives the
        whole window instead.

    Raises
    ------
    InputError
        If shapes differ or a number is below 1.
    """
    window = check_window(window)
    if attribution.values.shape != window.shape or min(count, block) < 1:
        raise InputError(
            f"an attribution of shape {window.shape}", f"{attribution.values.shape}", "explain this window"
        )
    cells = _units(attribution.resolution, window.shape, block)
    sums = np.bincount(cells.ravel(), weights=attribution.values.ravel().astype(float))
    strongest = np.argsort(-np.abs(sums), kind="stable")[:count]
    masks = cells[None] == strongest[:, None, None]
    after = np.mean(
        [probability(evaluate(margin, np.where(masks, r, window))) for r in baseline.references], axis=0
    )
    before = float(probability(evaluate(margin, window[None]))[0])
    reference = baseline.references.mean(0)
    causes = []
    for unit, mask, without in zip(strongest, masks, after, strict=True):
        bars, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        one = len(columns) == 1
        means = [float(v[mask].mean()) if one else float("nan") for v in (window, reference, market, usual)]
        causes.append(
            Cause(
                (attribution.feature_names[columns[0]],) if one else (),
                int(bars[0]),
                int(bars[-1]),
                float(sums[unit]),
                *means,
                before,
                float(without),
            )
        )
    return tuple(causes)


def _units(resolution: str, shape: tuple[int, int], block: int) -> np.ndarray:
    """Which cells are one cause, an integer per cell, (T, N)."""
    back = np.arange(shape[0])[::-1] // block
    blocks = np.broadcast_to((back.max() - back)[:, None], shape)
    columns = np.broadcast_to(np.arange(shape[1])[None], shape)
    if resolution == "bar":
        return blocks
    return columns if resolution == "feature" else blocks * shape[1] + columns
