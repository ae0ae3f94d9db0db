"""Where each source stands among past bars, and a confidence made of those ranks.

The sources lie close to 1 and hardly move, so their values say little by themselves; their ranks among the
bars of the calibrate segment do. Shape legend: n rows, S sources, K stored points.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import expit

from core.confidence.calibrators import fit_logistic, logit_of, read_number, read_numbers
from core.errors import BundleError, InputError

MOST_POINTS = 201


@dataclass(frozen=True)
class Distribution:
    """An empirical distribution of `rows` values, kept as at most `MOST_POINTS` of its quantiles.

    Attributes
    ----------
    points
        (K,) rising float32 values; the lowest and the highest are among them, and all of them when they are
        few.
    """

    points: tuple[float, ...]
    rows: int

    @classmethod
    def fit(cls, values: np.ndarray) -> Distribution:
        """From finite values (n,), n at least 1."""
        values = np.asarray(values, np.float64).ravel()
        if not values.size or not np.isfinite(values).all():
            raise InputError("finite values, at least one", f"{values.size}", "rank against measured bars")
        points = np.quantile(values, _levels(values.size), method="hazen").astype(np.float32)
        # The shortest decimals that read back as the same float32.
        return cls(tuple(float(str(point)) for point in points), values.size)

    def rank(self, values: np.ndarray) -> np.ndarray:
        """Share of the distribution below each value, its ties halved, in [0, 1]; any shape.

        Exact for a distribution of at most `MOST_POINTS` rows at its own values and outside them; else by
        straight lines between the points, so it never falls as the value rises.
        """
        values = np.asarray(values, np.float32)
        points, levels = np.asarray(self.points, np.float32), _levels(self.rows)
        first = np.searchsorted(points, points, side="left")
        last = np.searchsorted(points, points, side="right") - 1
        kept = np.unique(first)
        middle = (levels[first] + levels[last]) / 2
        return np.interp(values, points[kept], middle[kept], left=0.0, right=1.0)

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers for the bundle."""
        return {"points": list(self.points), "rows": self.rows}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Distribution:
        """The inverse of `to_dict`; BundleError when points are missing, falling or too few."""
        rows = int(read_number(stored, "rows"))
        if rows < 1:
            raise BundleError("a distribution of at least one row", str(rows), "save the bundle again")
        points = read_numbers(stored, "points", min(rows, MOST_POINTS))
        if np.any(np.diff(points) < 0):
            raise BundleError("rising points of a distribution", "falling ones", "save the bundle again")
        return cls(points, rows)


def _levels(rows: int) -> np.ndarray:
    """Shares, ties halved, at which the kept quantiles of `rows` values stand."""
    return np.linspace(0.5 / rows, 1 - 0.5 / rows, min(rows, MOST_POINTS))


@dataclass(frozen=True)
class SourceRanks:
    """Every source's distribution over the calibrate segment's bars, in the order of the sources."""

    distributions: tuple[Distribution, ...]

    @classmethod
    def fit(cls, sources: np.ndarray) -> SourceRanks:
        """From the sources (n, S) of calibrate bars."""
        return cls(tuple(Distribution.fit(column) for column in np.asarray(sources).T))

    @property
    def rows(self) -> int:
        """Bars the ranks are counted among."""
        return self.distributions[0].rows

    @property
    def telling(self) -> tuple[bool, ...]:
        """Whether each source moved at all among those bars; the rank of one that did not says nothing."""
        return tuple(one.points[0] < one.points[-1] for one in self.distributions)

    def rank(self, sources: np.ndarray) -> np.ndarray:
        """Ranks (..., S) of sources (..., S), in [0, 1]; see `Distribution.rank`.

        Sources added since the fit come last and have no rank.
        """
        sources = np.asarray(sources)
        if not sources.ndim or sources.shape[-1] < len(self.distributions):
            raise InputError(
                f"{len(self.distributions)} sources on the last axis",
                f"shape {sources.shape}",
                "stack them in the order of the sources",
            )
        columns = [one.rank(sources[..., i]) for i, one in enumerate(self.distributions)]
        return np.stack(columns, axis=-1)

    def weighted(self, sources: np.ndarray, weights: Sequence[float]) -> np.ndarray:
        """The sources' weighted sum with each value replaced by its rank, (...), in [0, 1]."""
        known = np.asarray(weights, float)[: len(self.distributions)]
        return (self.rank(sources) @ (known / known.sum())).clip(0, 1)

    def to_dict(self) -> list[dict[str, Any]]:
        """Plain numbers for the bundle."""
        return [one.to_dict() for one in self.distributions]

    @classmethod
    def from_dict(cls, stored: Sequence[Mapping[str, Any]]) -> SourceRanks:
        """The inverse of `to_dict`; BundleError when there is no distribution."""
        if not isinstance(stored, list) or not stored:
            raise BundleError("distributions of the sources", "none", "save the bundle again")
        return cls(tuple(Distribution.from_dict(one) for one in stored))


@dataclass(frozen=True)
class RankedMix:
    """P(correct) = 1 / (1 + exp(-(slope logit(p) + weights . ranks + intercept))).

    p is the largest probability of the call, ranks are those of the sources.
    """

    slope: float
    weights: tuple[float, ...]
    intercept: float

    @classmethod
    def fit(cls, probability: np.ndarray, ranks: np.ndarray, correct: np.ndarray) -> RankedMix:
        """Fit on largest probabilities (n,), ranks (n, S) and correctness (n,); see `fit_logistic`."""
        features = np.column_stack([logit_of(probability), ranks])
        slopes, intercept = fit_logistic(features, correct)
        return cls(float(slopes[0]), tuple(slopes[1:].tolist()), intercept)

    def apply(self, probability: np.ndarray, ranks: np.ndarray) -> np.ndarray:
        """P(correct) (...) for largest probabilities (...) and ranks (..., S)."""
        ranks = np.asarray(ranks, float)
        return expit(self.slope * logit_of(probability) + ranks @ np.array(self.weights) + self.intercept)

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers for the bundle."""
        return {"slope": self.slope, "weights": list(self.weights), "intercept": self.intercept}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> RankedMix:
        """The inverse of `to_dict`; BundleError when a number is missing."""
        weights = read_numbers(stored, "weights")
        return cls(read_number(stored, "slope"), weights, read_number(stored, "intercept"))
