"""Shares of a few beside the share of all: what could as well be chance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import norm


@dataclass(frozen=True)
class Share:
    """How many of the similar moments share something, beside all that could have been chosen.

    Attributes
    ----------
    count, total
        So many of so many.
    low, high
        95% interval of the share (Wilson 1927), each group of moments with a common future counted once.
    base
        Share among all candidates.
    """

    count: int
    total: int
    low: float
    high: float
    base: float

    @property
    def within_chance(self) -> bool:
        """Whether moments picked without looking could well have given the same."""
        return self.low <= self.base <= self.high


def wilson_interval(share: float, count: int, level: float = 0.95) -> tuple[float, float]:
    """Interval of a share seen in `count` independent trials (Wilson 1927), within [0, 1]."""
    z = float(norm.ppf(0.5 + level / 2))
    centre = (share + z**2 / (2 * count)) / (1 + z**2 / count)
    half = z * np.sqrt(share * (1 - share) / count + z**2 / (4 * count**2)) / (1 + z**2 / count)
    return max(float(centre - half), 0.0), min(float(centre + half), 1.0)


def count_apart(start: np.ndarray, end: np.ndarray) -> int:
    """Number of groups of spans [start, end) of which no two of different groups overlap."""
    groups, reached = 0, None
    for place in np.argsort(start, kind="stable"):
        if reached is None or start[place] >= reached:
            groups, reached = groups + 1, end[place]
        else:
            reached = max(reached, end[place])
    return groups
