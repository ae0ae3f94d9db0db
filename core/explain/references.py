"""What a cell is compared with: the input that stands for "nothing to see here"."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.errors import WindowError
from core.explain.margin import check_window

BASELINES = {
    "window_mean": "Each feature at its mean over this window: explained is the shape within the window.",
    "training_median": "Each feature at its median over the training bars: explained is how this window "
    "differs from an ordinary one.",
    "multi_reference": "Several real training windows, averaged over: explained is how this window differs "
    "from them, at the cost of one run per reference.",
}
"""Baselines offered. All zeros is none: after scaling it means "everything at its low"."""


@dataclass(frozen=True)
class Baseline:
    """References a window is compared with.

    Attributes
    ----------
    name
        One of `BASELINES`.
    references
        Shape (K, T, N) float32; results are averaged over the K.
    """

    name: str
    references: np.ndarray


def window_mean(window: np.ndarray) -> Baseline:
    """Each feature at its mean over `window` (T, N)."""
    window = check_window(window)
    return Baseline("window_mean", np.repeat(window.mean(0, keepdims=True), len(window), 0)[None])


def training_median(window: np.ndarray, median: np.ndarray) -> Baseline:
    """Each feature at its training median.

    Parameters
    ----------
    window
        The window to be explained, (T, N); only its shape counts.
    median
        Median of each feature over the training bars, on the scale of the windows, (N,).

    Raises
    ------
    WindowError
        If there is not one finite median per feature.
    """
    window = check_window(window)
    median = np.asarray(median, dtype=np.float32)
    if median.shape != (window.shape[1],) or not np.isfinite(median).all():
        raise WindowError(
            f"one training median for each of {window.shape[1]} features",
            f"shape {median.shape}",
            "give the medians of the model's own features",
        )
    return Baseline("training_median", np.tile(median, (1, len(window), 1)))


def multi_reference(window: np.ndarray, references: np.ndarray) -> Baseline:
    """Several training windows (K, T, N) of the same shape as `window` (T, N).

    Raises
    ------
    WindowError
        If there is no reference, or it has another shape.
    """
    window = check_window(window)
    references = np.asarray(references)
    if references.ndim != 3 or not len(references) or references.shape[1:] != window.shape:
        raise WindowError(
            f"reference windows of shape (K, {window.shape[0]}, {window.shape[1]})",
            f"shape {references.shape}",
            "take them from the training windows of this model",
        )
    return Baseline("multi_reference", np.stack([check_window(reference) for reference in references]))
