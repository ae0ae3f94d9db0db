"""What a window is compared with, and how ordinary that is.

Shapes: K windows of a reference, n candidates, T bars, N features.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.errors import InputError, WindowError
from core.explain.margin import check_window

ORDINARY, TYPICAL, WINDOW_MEAN = "ordinary_windows", "typical_window", "window_mean"

REFERENCES = {
    ORDINARY: "Real, earlier windows of this series, none of them strange to the model, of which it says "
    "about what it says of the series on average. Explained is how this window differs from each of them, on "
    "average (expected gradients, Erion et al. 2021).",
    TYPICAL: "The one real, earlier window of this series that is most like all the others. Explained is how "
    "this window differs from it, whatever the model says of it.",
    WINDOW_MEAN: "Each feature at its mean over this window: a market that stands still, which no model was "
    "trained on. Explained is the shape within the window.",
}
"""References offered. A constant all windows share is none of them: all zeros means "everything at its low",
and the training medians at every bar lay 11.6 times beyond the limit of what a bundled model had seen."""

REAL = (ORDINARY, TYPICAL)
"""Those that are windows which have been."""

RENAMED = {"multi_reference": ORDINARY, "training_median": ORDINARY}
"""Names that links and scripts may still carry, and what is meant now."""

COUNT = 16
"""Windows of `ORDINARY`."""

SAME = 0.03
"""Difference of probabilities up to which a reference already says what the window says."""


@dataclass(frozen=True)
class Reference:
    """What a window is compared with.

    Attributes
    ----------
    name
        One of `REFERENCES`, or what a caller made by itself is called.
    windows
        Shape (K, T, N) float32, most ordinary first; results are averaged over them.
    distance
        The farthest window's distance from what the model was trained on, in units of its own limit; above 1
        is out of distribution. None where no model judges it.
    """

    name: str
    windows: np.ndarray
    distance: float | None = None

    def first(self, count: int) -> Reference:
        """The same with its `count` most ordinary windows alone."""
        return Reference(self.name, self.windows[:count], self.distance)


def window_mean(window: np.ndarray, distance: float | None = None) -> Reference:
    """Each feature at its mean over `window` (T, N)."""
    return Reference(WINDOW_MEAN, mean_window(window)[None], distance)


def mean_window(window: np.ndarray) -> np.ndarray:
    """Each feature of `window` (T, N) at its mean, at every bar; (T, N) float32."""
    window = check_window(window)
    return np.repeat(window.mean(0, keepdims=True), len(window), 0)


def real_windows(name: str, windows: np.ndarray, distance: float | None = None) -> Reference:
    """Windows (K, T, N) that have been, most ordinary first.

    Raises
    ------
    WindowError
        If there is none, or a cell is not finite.
    """
    windows = np.asarray(windows)
    if windows.ndim != 3 or not len(windows):
        raise WindowError(
            "reference windows (K, bars, features)",
            f"shape {windows.shape}",
            "take them from the windows of this model's series",
        )
    return Reference(name, np.stack([check_window(window) for window in windows]), distance)


def rank_ordinary(probabilities: np.ndarray) -> np.ndarray:
    """Candidates in the order in which they are taken to stand for the base rate, (n,) -> (n,) indices.

    The base rate is the mean over all candidates, which are spread evenly over a series. Taken is the nearest
    candidate on the side that brings the mean of those taken back to it: where the model is mostly sure one
    way or the other, the nearest ones alone would all lie on the crowded side.
    """
    offset = np.asarray(probabilities, dtype=float)
    offset = offset - offset.mean()
    sides = [
        [i for i in np.argsort(np.abs(offset), kind="stable") if bool(offset[i] < 0) is low]
        for low in (False, True)
    ]
    order, total = [], 0.0
    while sides[0] or sides[1]:
        nearest = [side for side in sides if side]
        wanted = sides[int(total >= 0)] if order else min(nearest, key=lambda side: abs(offset[side[0]]))
        order.append((wanted or nearest[0]).pop(0))
        total += offset[order[-1]]
    return np.array(order, dtype=int)


def rank_typical(statistics: np.ndarray) -> np.ndarray:
    """Candidates nearest to all others first, (n, S) -> (n,) indices; the first is the medoid.

    Parameters
    ----------
    statistics
        What describes a window, such as `core.confidence.similarity.window_statistics`; every column is
        divided by its spread, and columns without any are left out.

    Notes
    -----
    Euclidean distance; Kaufman & Rousseeuw 1987 for the medoid.
    """
    spread = statistics.std(0)
    varied = spread > 1e-9
    scaled = statistics[:, varied] / spread[varied]
    squares = (scaled**2).sum(1)
    squared = squares[:, None] + squares[None] - 2 * scaled @ scaled.T
    return np.argsort(np.sqrt(np.maximum(squared, 0)).sum(1), kind="stable")


def check_name(name: str) -> str:
    """A reference by its name of today.

    Raises
    ------
    InputError
        If none is called so.
    """
    name = RENAMED.get(name, name)
    if name not in REFERENCES:
        raise InputError(f"a reference out of {', '.join(REFERENCES)}", repr(name), "choose one of them")
    return name
