"""Conformal prediction sets: classes that together contain the truth at a chosen rate.

Split conformal: a score of how badly a class fits is measured for the true class of rows with known
outcome; a set holds every class whose score is within their quantile. Shape legend: n rows, C classes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.confidence.calibrators import read_number
from core.errors import BundleError, InputError

_KIND = "lac"
"""What bundles call the score, least ambiguous classes; there is one."""

# Cells of one batch of sliding windows, about 64 MB.
_CHUNK_CELLS = 8_000_000


def conformity_scores(probabilities: np.ndarray) -> np.ndarray:
    """(..., C) score of every class, larger for classes that fit worse: 1 - p.

    Notes
    -----
    Sadinle, Lei & Wasserman 2019, Least Ambiguous Set-Valued Classifiers: the smallest sets of all scores.
    """
    return 1 - np.asarray(probabilities, float)


@dataclass(frozen=True)
class ConformalSets:
    """Prediction sets at a marginal coverage of at least `level`, when rows are exchangeable.

    `threshold` is infinite (every class) when too few rows were seen for the level.
    """

    level: float
    threshold: float

    @classmethod
    def fit(cls, probabilities: np.ndarray, labels: np.ndarray, level: float = 0.9) -> ConformalSets:
        """Threshold from probabilities (n, C) and labels (n,) of the calibrate segment."""
        scores = true_scores(probabilities, labels)
        position = _position(scores.size, _checked_level(level))
        threshold = np.partition(scores, position)[position] if position < scores.size else math.inf
        return cls(level, float(threshold))

    def apply(self, probabilities: np.ndarray) -> np.ndarray:
        """(..., C) bool membership; the likeliest class is always a member."""
        scores = conformity_scores(probabilities)
        return _members(scores, np.asarray(probabilities), self.threshold)

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers and names for the bundle; an infinite threshold is null."""
        return {
            "kind": _KIND,
            "level": self.level,
            "threshold": self.threshold if math.isfinite(self.threshold) else None,
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> ConformalSets:
        """The inverse of `to_dict`; BundleError when a part is missing or unknown."""
        kind: Any = stored.get("kind") if isinstance(stored, Mapping) else None
        if kind != _KIND:
            raise BundleError(f"prediction sets of the kind {_KIND}", repr(kind), "train the model again")
        infinite = "threshold" in stored and stored["threshold"] is None
        threshold = math.inf if infinite else read_number(stored, "threshold")
        return cls(read_number(stored, "level"), threshold)


def true_scores(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """(n,) score of each row's true class; see `conformity_scores`."""
    probabilities, labels = np.asarray(probabilities, float), np.asarray(labels)
    if probabilities.ndim != 2 or labels.shape != probabilities.shape[:1] or not labels.size:
        raise InputError(
            "(n, classes) probabilities and n labels",
            f"shapes {probabilities.shape} and {labels.shape}",
            "pass the same rows, at least one",
        )
    scores = conformity_scores(probabilities)
    return np.take_along_axis(scores, labels[:, None], axis=1)[:, 0]


@dataclass(frozen=True)
class RollingSets:
    """Sets from a trailing window: `members` (n, C) bool, `covered` (n,) bool, `threshold` (n,)."""

    members: np.ndarray
    covered: np.ndarray
    threshold: np.ndarray


def rolling_sets(
    probabilities: np.ndarray,
    labels: np.ndarray,
    known_from: np.ndarray,
    decided_at: np.ndarray,
    window: int = 500,
    level: float = 0.9,
    earlier_scores: np.ndarray | None = None,
) -> RollingSets:
    """Sets whose threshold follows the market: each uses the last `window` outcomes known when it is made.

    Parameters
    ----------
    probabilities, labels
        (n, C) and (n,).
    known_from
        (n,) time each label becomes known.
    decided_at
        (n,) time each set is made; outcomes known by then, that instant included, are used.
    window
        Outcomes.
    level
        As for `ConformalSets`.
    earlier_scores
        (m,) `true_scores` of the calibrate segment, oldest first, known before all of these; without them
        the first sets hold every class.
    """
    scores = true_scores(probabilities, labels)
    if window < 1 or not len(known_from) == len(decided_at) == scores.size:
        raise InputError(
            f"a window of at least 1 and two times for each of {scores.size} rows",
            f"{window}, {len(known_from)} and {len(decided_at)}",
            "mend the arguments",
        )
    earlier = np.empty(0) if earlier_scores is None else np.asarray(earlier_scores, float)
    known = np.argsort(known_from, kind="stable")
    history = np.concatenate([earlier, scores[known]])
    seen = np.searchsorted(np.asarray(known_from)[known], decided_at, side="right") + earlier.size
    distinct, inverse = np.unique(seen, return_inverse=True)
    threshold = _trailing_thresholds(history, distinct, window, _checked_level(level))[inverse]
    every = conformity_scores(probabilities)
    members = _members(every, np.asarray(probabilities), threshold[:, None])
    return RollingSets(members, np.take_along_axis(members, np.asarray(labels)[:, None], 1)[:, 0], threshold)


def rolling_coverage(covered: np.ndarray, times: np.ndarray, window: int = 500) -> np.ndarray:
    """(n,) share covered among the `window` rows up to each, in time order; NaN before the window is full.

    Row i of the answer is the i-th row by time, ties in the given order.
    """
    covered = np.asarray(covered, float)[np.argsort(times, kind="stable")]
    running = np.concatenate([[0.0], np.cumsum(covered)])
    share = np.full(covered.size, np.nan)
    if 0 < window <= covered.size:
        share[window - 1 :] = (running[window:] - running[:-window]) / window
    return share


def _trailing_thresholds(history: np.ndarray, seen: np.ndarray, window: int, level: float) -> np.ndarray:
    """(k,) conformal quantile of the last `window` of the first `seen` (k,) scores; inf where too few."""
    threshold = np.full(seen.size, np.inf)
    for i in np.flatnonzero((seen < window) & (seen > 0)):
        position = _position(seen[i], level)
        if position < seen[i]:
            threshold[i] = np.partition(history[: seen[i]], position)[position]
    full, position = np.flatnonzero(seen >= window), _position(window, level)
    if full.size and position < window:
        windows = np.lib.stride_tricks.sliding_window_view(history, window)
        for part in np.array_split(full, math.ceil(full.size * window / _CHUNK_CELLS)):
            threshold[part] = np.partition(windows[seen[part] - window], position, axis=1)[:, position]
    return threshold


def _position(n: int, level: float) -> int:
    """Index of the ceil((n + 1) * level)-th smallest of n scores; n when there are too few."""
    # The tiny term keeps (n + 1) * level that is whole in decimals from being rounded up.
    return min(math.ceil((n + 1) * level - 1e-9) - 1, n)


def _members(scores: np.ndarray, probabilities: np.ndarray, threshold: np.ndarray | float) -> np.ndarray:
    # Scores summed in another order differ in the last bit.
    members = scores <= threshold + 1e-12
    best = probabilities.argmax(axis=-1)
    np.put_along_axis(members, best[..., None], True, axis=-1)
    return members


def _checked_level(level: float) -> float:
    if not 0 < level < 1:
        raise InputError(
            "a level between 0 and 1", str(level), "use 0.9 for sets that hold the truth 9 times in 10"
        )
    return level
