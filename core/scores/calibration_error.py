"""How far stated confidences lie from the frequencies that came true.

Shape legend: n rows, B bins, G grid cells. Bins are [low, high), the last one closed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import scipy.fft
import scipy.sparse

from core.errors import InputError

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
    """Calibration error that a perfectly calibrated forecaster shows with the same confidences.

    `draws` is (D,) simulated errors, ascending.
    """

    measure: Measure
    draws: np.ndarray

    @property
    def median(self) -> float:
        """Half of the perfect forecasters show more."""
        return float(np.median(self.draws))

    @property
    def p95(self) -> float:
        """An error above this is shown by one perfect forecaster in twenty."""
        return float(np.quantile(self.draws, 0.95))


def perfect_model_ece(
    confidence: np.ndarray,
    bins: int = BINS,
    n_draws: int = 1000,
    seed: int = 0,
    measure: Measure = "ece",
) -> CalibrationFloor:
    """Distribution of a calibration error when every row is right with exactly its stated confidence.

    Rows are drawn independently. Overlapping labels make real errors larger than that, so the floor is on
    the strict side.

    Parameters
    ----------
    confidence
        (n,) in [0, 1].
    bins
        Number of bins; unused by `smooth_ece`.
    n_draws, seed
        Simulated forecasters.
    measure
        `ece` (equal width), `ece_mass` (equal mass), `mce` (equal width) or `smooth_ece`.
    """
    confidence, _ = check_confidence(confidence, confidence)
    edges = bin_edges(confidence, bins, "mass" if measure == "ece_mass" else "width")
    if measure == "smooth_ece":
        edges = np.linspace(0, 1, GRID + 1)
    count, stated, right, of_bin = draw_perfect(confidence, edges, n_draws, np.random.default_rng(seed))
    residuals = right - stated
    if measure == "smooth_ece":
        # A cell's mean confidence can lie outside [0, 1] by rounding alone.
        positions = grid_positions(np.clip(stated / count, 0, 1))
        draws = smooth_error(residuals @ positions / confidence.size)
    else:
        in_bin = scipy.sparse.csr_array(
            (np.ones(of_bin.size), (np.arange(of_bin.size), of_bin)), shape=(of_bin.size, len(edges) - 1)
        )
        formula = largest_binned_error if measure == "mce" else binned_error
        draws = formula(residuals @ in_bin, count @ in_bin)
    return CalibrationFloor(measure, np.sort(draws))


def draw_perfect(
    confidence: np.ndarray, edges: np.ndarray, n_draws: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Correct rows per cell of nearly equal confidence, for perfectly calibrated forecasters.

    Cells are at most 1/512 wide and never cross a bin's edge. Their count of correct rows is drawn as
    binomial with the cell's mean confidence; against row-by-row draws its variance is too large by less
    than 1/512**2 per row, and it is a hundred times faster.

    Returns
    -------
    count (K,), stated (K,), right (D, K), of_bin (K,)
        Rows, sum of confidences, drawn correct rows, and bin of each of the K cells that are not empty.
    """
    cell = assign_bins(confidence, edges) * GRID + np.minimum((confidence * GRID).astype(int), GRID - 1)
    kept, cell = np.unique(cell, return_inverse=True)
    count = np.bincount(cell).astype(float)
    stated = np.bincount(cell, weights=confidence)
    right = rng.binomial(count.astype(int), np.clip(stated / count, 0, 1), size=(n_draws, kept.size))
    return count, stated, right.astype(float), kept // GRID
