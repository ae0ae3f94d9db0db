"""How far stated confidences lie from the frequencies that came true.

Shape legend: n rows, B bins, G grid cells, D draws. Bins are [low, high), the last one closed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, cast

import numpy as np
import scipy.fft
import scipy.sparse

from core.errors import InputError
from core.scores.stretches import Stretches

BINS = 15
GRID = 512

Binning = Literal["width", "mass"]
Measure = Literal["ece", "ece_mass", "mce", "smooth_ece"]


def check_confidence(confidence: np.ndarray, correct: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Confidence (n,) and correctness (n,) as float64.

    Raises
    ------
    InputError
        When they are empty, of different lengths, or outside [0, 1].
    """
    confidence, correct = np.asarray(confidence, float), np.asarray(correct, float)
    if confidence.ndim != 1 or confidence.shape != correct.shape or not confidence.size:
        raise InputError(
            "one confidence and one correctness per row",
            f"shapes {confidence.shape} and {correct.shape}",
            "score the same rows, at least one",
        )
    for values in (confidence, correct):
        if not (np.isfinite(values).all() and values.min() >= 0 and values.max() <= 1):
            raise InputError(
                "numbers from 0 to 1",
                f"{values.min():g} to {values.max():g}",
                "remove the other rows",
            )
    return confidence, correct


def bin_edges(confidence: np.ndarray, bins: int = BINS, binning: Binning = "width") -> np.ndarray:
    """(B + 1,) edges over [0, 1].

    `width` bins are equally wide. `mass` bins hold equally many rows; where equal confidences make that
    impossible, neighbouring bins are one, so B may be smaller than `bins`.
    """
    if bins < 1:
        raise InputError("at least 1 bin", str(bins), "raise the number of bins")
    if binning == "width":
        return np.linspace(0, 1, bins + 1)
    inner = np.quantile(confidence, np.linspace(0, 1, bins + 1)[1:-1])
    return np.concatenate([[0.0], np.unique(inner[(inner > 0) & (inner < 1)]), [1.0]])


def assign_bins(confidence: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """(n,) bin of each confidence, 0..B-1."""
    return np.clip(np.searchsorted(edges, confidence, side="right") - 1, 0, len(edges) - 2)


def binned_error(residuals: np.ndarray, count: np.ndarray) -> np.ndarray:
    """ECE from the sums of (correct - confidence) and the row counts of every bin, both (..., B)."""
    return np.abs(residuals).sum(-1) / count.sum(-1)


def largest_binned_error(residuals: np.ndarray, count: np.ndarray) -> np.ndarray:
    """MCE from sums as in `binned_error`; empty bins do not count."""
    return (np.abs(residuals) / np.maximum(count, 1)).max(-1)


def expected_calibration_error(
    confidence: np.ndarray, correct: np.ndarray, bins: int = BINS, binning: Binning = "width"
) -> float:
    """Mean over rows of |accuracy - mean confidence| of the row's bin (Naeini et al. 2015)."""
    confidence, correct = check_confidence(confidence, correct)
    return float(binned_error(*_bin_sums(confidence, correct, bin_edges(confidence, bins, binning))))


def maximum_calibration_error(
    confidence: np.ndarray, correct: np.ndarray, bins: int = BINS, binning: Binning = "width"
) -> float:
    """Largest |accuracy - mean confidence| of any bin that is not empty; one row in a bin can set it."""
    confidence, correct = check_confidence(confidence, correct)
    return float(largest_binned_error(*_bin_sums(confidence, correct, bin_edges(confidence, bins, binning))))


def _bin_sums(
    confidence: np.ndarray, correct: np.ndarray, edges: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    cell, size = assign_bins(confidence, edges), len(edges) - 1
    return np.bincount(cell, correct - confidence, size), np.bincount(cell, minlength=size)


def smooth_calibration_error(confidence: np.ndarray, correct: np.ndarray) -> float:
    """Smooth ECE (Blasiok and Nakkiran 2023): no bins, the kernel's width chosen by the data.

    smECE_s is the integral over [0, 1] of the absolute residual smoothed by a Gaussian kernel of width s
    reflected at 0 and 1; the value is the one s with smECE_s = s. The residuals are placed on 512 cells.
    """
    confidence, correct = check_confidence(confidence, correct)
    return float(smooth_error((correct - confidence) @ grid_positions(confidence) / confidence.size))


def grid_positions(confidence: np.ndarray, cells: int = GRID) -> scipy.sparse.csr_array:
    """(n, G) share of each row that falls to the two grid cells nearest to its confidence."""
    place = np.clip(confidence * cells - 0.5, 0, cells - 1)
    left = np.minimum(place.astype(int), cells - 2)
    upper = place - left
    rows = np.arange(confidence.size + 1) * 2
    data = np.column_stack([1 - upper, upper]).ravel()
    columns = np.column_stack([left, left + 1]).ravel()
    return scipy.sparse.csr_array((data, columns, rows), shape=(confidence.size, cells))


def smooth_error(residuals: np.ndarray) -> np.ndarray:
    """Smooth ECE from (..., G) sums of (correct - confidence) / n in equal cells of [0, 1]."""
    # Cosines are the eigenvectors of a Gaussian reflected at both ends, so smoothing by any width is one
    # product in the cosine domain.
    spectrum = scipy.fft.dct(residuals, type=2, norm="ortho", axis=-1)
    decay = -0.5 * (np.pi * np.arange(residuals.shape[-1])) ** 2
    low, high = np.zeros(residuals.shape[:-1]), np.ones(residuals.shape[:-1])
    for _ in range(24):  # halving to 6e-8
        width = (low + high) / 2
        kept = np.exp(decay * width[..., None] ** 2)
        smoothed = np.asarray(scipy.fft.idct(spectrum * kept, type=2, norm="ortho", axis=-1))
        above = np.abs(smoothed).sum(-1) > width
        low, high = np.where(above, width, low), np.where(above, high, width)
    return (low + high) / 2


@dataclass(frozen=True)
class CalibrationFloor:
    """Calibration error that a perfectly calibrated forecaster shows on the same rows.

    `draws` is (D,) simulated errors, ascending; none where too few separate stretches of time are left.
    """

    measure: Measure
    draws: np.ndarray

    @property
    def median(self) -> float:
        """Half of the perfect forecasters show more; NaN without draws."""
        return float(np.median(self.draws)) if self.draws.size else float("nan")

    @property
    def p95(self) -> float:
        """An error above this is shown by one perfect forecaster in twenty; NaN without draws."""
        return float(np.quantile(self.draws, 0.95)) if self.draws.size else float("nan")


def perfect_model_ece(
    confidence: np.ndarray,
    correct: np.ndarray,
    stretches: Stretches,
    bins: int = BINS,
    n_draws: int = 1000,
    seed: int = 0,
    measure: Measure = "ece",
    share: float = 1.0,
    within: np.ndarray | None = None,
) -> CalibrationFloor:
    """Distribution of a calibration error had every bin's confidence been true, rows hanging together as now.

    Rows whose labels overlap, or which share a time, come right or wrong together, and a perfect forecaster
    is then off by more than independent rows would have it.

    Parameters
    ----------
    confidence, correct
        (n,) in [0, 1], and whether the call came true.
    stretches
        Of the times of the same rows.
    bins
        Number of bins; of `smooth_ece` those the residuals are centred in.
    n_draws, seed
        Simulated forecasters.
    measure
        `ece` (equal width), `ece_mass` (equal mass), `mce` (equal width) or `smooth_ece`.
    share
        Of the rows, for the error of a shorter time like these.
    within
        (n,) numbers from 0 on; residuals are centred in each apart, so that a drift from one to the next is
        no chance. None centres all together.
    """
    confidence, correct = check_confidence(confidence, correct)
    edges = bin_edges(confidence, bins, "mass" if measure == "ece_mass" else "width")
    if measure == "smooth_ece":
        residual = _centre(confidence, correct, edges, within)
        cells = _by_stretch(confidence, residual, stretches)
        draws = smooth_error(stretches.draw_sums(cells, n_draws, seed) / (confidence.size * np.sqrt(share)))
    else:
        count = np.bincount(assign_bins(confidence, edges), minlength=len(edges) - 1)
        sums = draw_perfect(confidence, correct, edges, stretches, n_draws, seed, within)
        formula = largest_binned_error if measure == "mce" else binned_error
        draws = formula(sums, count) / np.sqrt(share)
    return CalibrationFloor(measure, np.sort(draws))


def draw_perfect(
    confidence: np.ndarray,
    correct: np.ndarray,
    edges: np.ndarray,
    stretches: Stretches,
    n_draws: int,
    seed: int = 0,
    within: np.ndarray | None = None,
) -> np.ndarray:
    """(D, B) sums of (correct - confidence) by bin of perfectly calibrated forecasters, jointly.

    The residuals' own dependence decides how far the sums swing, but never less than independent rows of
    these confidences would make them: a bin of one row has no residual left once it is centred. None, (0, B),
    where too few separate stretches of time are left.
    """
    cell, size = assign_bins(confidence, edges), len(edges) - 1
    swings = stretches.total_by_cell(cell, size, _centre(confidence, correct, edges, within))
    sums = stretches.draw_sums(swings, n_draws, seed)
    if not len(sums):
        return sums
    cosines = int(stretches.count_cosines(swings, together=True)[0])
    estimated = (stretches.project(swings, cosines) ** 2).mean(axis=0)
    independent = np.bincount(cell, confidence * (1 - confidence), size)
    missing = np.sqrt(np.maximum(independent - estimated, 0))
    return sums + missing * np.random.default_rng(seed + 1).normal(size=sums.shape)


def draw_residuals(
    confidence: np.ndarray,
    correct: np.ndarray,
    cell: np.ndarray,
    size: int,
    stretches: Stretches,
    n_draws: int,
    seed: int = 0,
) -> np.ndarray:
    """(D, B) sums of (correct - confidence) by bin `cell` (n,), as other times like these would give them."""
    swings = stretches.total_by_cell(cell, size, correct - confidence)
    rows = stretches.total(np.ones(cell.size))
    whole = swings.sum(axis=0)
    return whole + stretches.draw_sums(swings - np.outer(rows / rows.sum(), whole), n_draws, seed)


def draw_smooth(
    confidence: np.ndarray, correct: np.ndarray, stretches: Stretches, n_draws: int, seed: int = 0
) -> np.ndarray:
    """(D,) smooth ECE, as other times like these would give it."""
    swings = _by_stretch(confidence, correct - confidence, stretches)
    rows = stretches.total(np.ones(confidence.size))
    whole = swings.sum(axis=0)
    drawn = stretches.draw_sums(swings - np.outer(rows / rows.sum(), whole), n_draws, seed)
    return smooth_error((whole + drawn) / confidence.size)


def _centre(
    confidence: np.ndarray, correct: np.ndarray, edges: np.ndarray, within: np.ndarray | None
) -> np.ndarray:
    """(n,) correct - confidence less its mean over the row's bin, in its part of `within`."""
    cell, size = assign_bins(confidence, edges), len(edges) - 1
    if within is not None:
        cell, size = within * size + cell, (int(within.max()) + 1) * size
    residual = correct - confidence
    count = np.maximum(np.bincount(cell, minlength=size), 1)
    return residual - (np.bincount(cell, residual, size) / count)[cell]


def _by_stretch(confidence: np.ndarray, residual: np.ndarray, stretches: Stretches) -> np.ndarray:
    """Residuals summed by stretch (rows) and cell of `grid_positions` (columns)."""
    rows = np.arange(confidence.size)
    at = scipy.sparse.csr_array((residual, (stretches.place, rows)), shape=(stretches.count, rows.size))
    return cast(Any, at @ grid_positions(confidence)).toarray()
