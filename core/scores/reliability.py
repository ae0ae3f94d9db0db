"""Reliability curves: how often predictions of a stated confidence came true, with two bands.

Shape legend: n rows, B bins. Drawing is elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.errors import InputError
from core.scores.calibration_error import (
    BINS,
    Binning,
    assign_bins,
    bin_edges,
    binned_error,
    check_confidence,
    draw_perfect,
)
from core.scores.intervals import share_bounds
from core.scores.stretches import Stretches


@dataclass(frozen=True)
class ReliabilityCurve:
    """Mean stated confidence and share right in every bin.

    `edges` (B + 1,), `count` (B,) int, `confidence` and `accuracy` (B,): NaN where count is 0.
    """

    edges: np.ndarray
    count: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray


@dataclass(frozen=True)
class Band:
    """Lower and upper end per bin, (B,); NaN where the bin is empty or too few stretches of time are left."""

    low: np.ndarray
    high: np.ndarray
    level: float


def reliability_curve(
    confidence: np.ndarray,
    correct: np.ndarray,
    bins: int = BINS,
    binning: Binning = "width",
    edges: np.ndarray | None = None,
) -> ReliabilityCurve:
    """Reliability of confidence (n,) in [0, 1] against correctness (n,); empty bins are kept.

    `edges` (B + 1,) over [0, 1] take the place of `bins` and `binning`. Also serves one class: its
    probability as confidence, label == class as correctness.
    """
    confidence, correct = check_confidence(confidence, correct)
    edges = bin_edges(confidence, bins, binning) if edges is None else edges
    cell, size = assign_bins(confidence, edges), len(edges) - 1
    count = np.bincount(cell, minlength=size)
    stated, right = np.bincount(cell, confidence, size), np.bincount(cell, correct, size)
    return ReliabilityCurve(edges, count, _ratio(stated, count), _ratio(right, count))


def consistency_band(
    confidence: np.ndarray,
    correct: np.ndarray,
    edges: np.ndarray,
    stretches: Stretches,
    n_draws: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Band:
    """Where the share right of each bin would lie, at `level`, were the forecaster perfectly calibrated.

    The band is pointwise: of 15 bins a perfect forecaster leaves it in about one. Rows swing together as much
    as these do, see `core.scores.calibration_error.draw_perfect`; without draws there is no band.
    """
    confidence, correct = check_confidence(confidence, correct)
    cell, size = assign_bins(confidence, edges), len(edges) - 1
    count = np.bincount(cell, minlength=size)
    low, high = np.full(size, np.nan), np.full(size, np.nan)
    sums = draw_perfect(confidence, correct, edges, stretches, n_draws, seed)
    held = count > 0
    if len(sums):
        ends = np.quantile(sums[:, held], [(1 - level) / 2, (1 + level) / 2], axis=0) / count[held]
        low[held], high[held] = np.clip(np.bincount(cell, confidence, size)[held] / count[held] + ends, 0, 1)
    return Band(low, high, level)


def sampling_band(
    confidence: np.ndarray,
    correct: np.ndarray,
    edges: np.ndarray,
    stretches: Stretches,
    level: float = 0.95,
) -> Band:
    """Uncertainty of each bin's share right, from rows that swing together over time."""
    confidence, correct = check_confidence(confidence, correct)
    cell, size = assign_bins(confidence, edges), len(edges) - 1
    right, count = (stretches.total_by_cell(cell, size, values) for values in (correct, None))
    return Band(*share_bounds(right, count, stretches, level), level)


def _ratio(sums: np.ndarray, count: np.ndarray) -> np.ndarray:
    return np.divide(sums, count, out=np.full(np.shape(sums), np.nan), where=np.asarray(count) > 0)


@dataclass(frozen=True)
class RollingCalibration:
    """Calibration of the rows of trailing windows, oldest window first, all (K,).

    `last` is the position, in the order of time, of each window's last row; `gap` is mean confidence minus
    share right.
    """

    last: np.ndarray
    time: np.ndarray
    ece: np.ndarray
    gap: np.ndarray


def rolling_calibration(
    confidence: np.ndarray,
    correct: np.ndarray,
    times: np.ndarray,
    window: int,
    step: int = 1,
    bins: int = BINS,
) -> RollingCalibration:
    """ECE (equal width) and mean gap over trailing windows of `window` rows in time order.

    A window ends at every `step`-th row from the first full one on; none when there are fewer rows.
    """
    confidence, correct = check_confidence(confidence, correct)
    if window < 1 or step < 1 or len(times) != confidence.size:
        raise InputError(
            "a window and step of at least 1 and a time per row",
            f"{window}, {step} and {len(times)} times",
            "mend the arguments",
        )
    times = np.asarray(times)
    order = np.argsort(times, kind="stable")
    last = np.arange(window - 1, confidence.size, step)
    cell = assign_bins(confidence[order], bin_edges(confidence, bins))
    running = np.zeros((confidence.size + 1, bins))
    running[np.arange(1, confidence.size + 1), cell] = (correct - confidence)[order]
    np.cumsum(running, axis=0, out=running)
    residual = running[last + 1] - running[last + 1 - window]
    ece = binned_error(residual, np.full((last.size, 1), window))
    return RollingCalibration(last, times[order][last], ece, -residual.sum(axis=1) / window)
