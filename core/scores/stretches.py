"""How far sums over rows swing that overlap, share their times and hang together over time.

Sums over stretches of time are projected on slow cosines; the mean square of K projections estimates their
long-run variance with K degrees of freedom (the equal-weighted cosine estimator, Lazarus, Lewis, Stock and
Watson 2018). Rows of all series at one time lie in one stretch, so that cross-sectional dependence is kept.
K is as large as the persistence of the sums themselves allows.

Shape legend: n rows, T unique time stamps, G stretches, K cosines, M statistics, D draws.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from core.errors import InputError

STRETCHES = 400
"""At most so many, of consecutive time stamps each."""
LEAST_COSINES = 2
"""With fewer degrees of freedom nothing can be said of a sum's variance."""

_BIAS = 0.05
"""Share of the variance that the fastest cosine taken may miss, were the sums an autoregression."""
_COARSE = 4
_LEAST_COARSE = 40
_MOST_CORRELATED = 0.995
_STEP = 1e-2
"""Additional weight of one stretch at which derivatives are taken."""


@dataclass(frozen=True)
class Stretches:
    """Equally long, consecutive stretches of the times of some rows.

    Attributes
    ----------
    place
        (n,) stretch of each row, 0..G-1.
    count
        G.
    most
        Cosines that may be taken at most.
    """

    place: np.ndarray
    count: int
    most: int

    @classmethod
    def over(cls, times: np.ndarray, span: int = 1) -> Stretches:
        """Stretches of the unique values of `times` (n,), in any order.

        Parameters
        ----------
        span
            Time stamps one label reaches over, see `label_span`; no cosine swings within two of them.

        Raises
        ------
        InputError
            When there are no rows, or `span` is below 1.
        """
        times = np.asarray(times)
        if times.ndim != 1 or not times.size:
            raise InputError("a time for every scored row", f"shape {times.shape}", "score at least one row")
        if span < 1:
            raise InputError("a span of at least 1", str(span), "count the label's own time stamp")
        unique, index = np.unique(times, return_inverse=True)
        count = min(unique.size, STRETCHES)
        # The rate at which the estimator's error vanishes fastest (Lazarus et al. 2018, section 4).
        most = min(math.floor(0.4 * unique.size ** (2 / 3)), unique.size // (2 * span), count - 1)
        return cls(index * count // unique.size, count, max(most, 0))

    def total(self, values: np.ndarray) -> np.ndarray:
        """(G,) sum of `values` (n,) over the rows of each stretch."""
        return np.bincount(self.place, weights=values, minlength=self.count)

    def total_by_cell(self, cell: np.ndarray, n_cells: int, values: np.ndarray | None = None) -> np.ndarray:
        """(G, n_cells) sum of `values` (n,), or row counts, per stretch and `cell` (n,)."""
        flat = np.bincount(self.place * n_cells + cell, weights=values, minlength=self.count * n_cells)
        return flat.reshape(self.count, n_cells).astype(float)

    def count_cosines(self, swings: np.ndarray, together: bool = False) -> np.ndarray:
        """How many cosines to take for `swings` (G, M), what each stretch adds to each statistic: (M,) int.

        As many as keep the variance missed by an autoregression of the same first correlation below 5%,
        by single stretches and by four together, whichever asks for fewer. With `together` one number, (1,),
        for all statistics and their sum, each in the measure of its variance.
        """
        fewest = np.full(1 if together else swings.shape[1], float(self.most))
        for joined in (1, _COARSE):
            count = self.count // joined
            if joined > 1 and count < _LEAST_COARSE:
                continue
            sums = swings[: count * joined].reshape(count, joined, -1).sum(axis=1)
            parts = (sums, sums.sum(axis=1, keepdims=True)) if together else (sums,)
            for part in parts:
                curvature, variance = _curvature(part)
                if together:
                    curvature = np.atleast_1d((curvature * variance).sum() / max(variance.sum(), 1e-300))
                allowed = count * np.sqrt(6 * _BIAS / np.pi**2 / np.maximum(curvature, 1e-9))
                fewest = np.minimum(fewest, allowed)
        return np.floor(fewest).astype(int)

    def project(self, swings: np.ndarray, cosines: int) -> np.ndarray:
        """(K, M) projections of `swings` (G, M) on the `cosines` slowest; each has the sum's variance."""
        phase = np.pi * (np.arange(self.count) + 0.5) / self.count
        return np.sqrt(2) * np.cos(np.arange(1, cosines + 1)[:, None] * phase) @ swings

    def measure_errors(self, swings: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Standard error of the sum over stretches of each column of `swings` (G, M), and its freedom.

        Returns
        -------
        error
            (M,); NaN where fewer than `LEAST_COSINES` are left, or a swing is not finite.
        freedom
            (M,) int, degrees of freedom of Student's t.
        """
        swings = swings[:, None] if swings.ndim == 1 else swings
        known = np.isfinite(swings).all(axis=0)
        swings = np.where(known, swings, 0.0)
        freedom = np.where(known, self.count_cosines(swings), 0)
        error = np.full(freedom.shape, np.nan)
        enough = freedom >= LEAST_COSINES
        if enough.any():
            squares = np.cumsum(self.project(swings, int(freedom.max())) ** 2, axis=0)
            taken = squares[freedom[enough] - 1, np.flatnonzero(enough)]
            error[enough] = np.sqrt(taken / freedom[enough])
        return error, freedom

    def draw_sums(self, swings: np.ndarray, n_draws: int, seed: int = 0) -> np.ndarray:
        """(D, M) sums such as `swings` (G, M) would have given by chance alone, around 0 and jointly.

        Normal with the long-run covariance, the draws' scale as uncertain as its estimate. Empty, (0, M),
        where fewer than `LEAST_COSINES` are left.
        """
        cosines = int(self.count_cosines(swings, together=True)[0])
        if cosines < LEAST_COSINES:
            return np.empty((0, swings.shape[1]))
        rng = np.random.default_rng(seed)
        weights = rng.normal(size=(n_draws, cosines)) / np.sqrt(rng.chisquare(cosines, size=(n_draws, 1)))
        return weights @ self.project(swings, cosines)


def find_swings(
    per_stretch: np.ndarray, formula: Callable[[np.ndarray], np.ndarray], value: np.ndarray | None = None
) -> np.ndarray:
    """What each stretch adds to a statistic of sums: its first derivative by the stretch's weight.

    Parameters
    ----------
    per_stretch
        (G, M) sums over the rows of each stretch.
    formula
        Sums (..., M) -> statistics (...) or (..., S) that stay as they are when every sum is doubled.
    value
        Of all rows, where it is known already.

    Returns
    -------
    (G,) or (G, S)
    """
    whole = per_stretch.sum(axis=0)
    value = formula(whole) if value is None else value
    return (formula(whole + _STEP * per_stretch) - value) / _STEP


def label_span(times: np.ndarray, ends: np.ndarray) -> int:
    """Unique time stamps a label reaches over at most: the shortest run that holds one label whole.

    With several calendars this exceeds the horizon in bars, because other instruments trade in between.

    Parameters
    ----------
    times
        (n,) time of each scored row.
    ends
        (n,) time of the last bar each row's label looks at, not before `times`.
    """
    unique = np.unique(times)
    reach = np.searchsorted(unique, ends, side="right") - np.searchsorted(unique, times, side="left")
    return max(1, int(reach.max()))


def _curvature(sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How peaked the spectrum of each column of `sums` (G, M) is at zero, and the column's sum of squares.

    The first is minus the second derivative over the spectrum of an autoregression of the same first
    correlation, which is corrected for its downward bias (Marriott and Pope 1954).
    """
    count = len(sums)
    centred = sums - sums.mean(axis=0)
    squares = (centred**2).sum(axis=0)
    products = (centred[1:] * centred[:-1]).sum(axis=0)
    first = np.divide(products, squares, out=np.zeros_like(squares), where=squares > 0)
    first = np.clip(first + (1 + 3 * first) / count, 0, _MOST_CORRELATED)
    return 2 * first / (1 - first) ** 2, squares
