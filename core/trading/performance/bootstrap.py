"""Time drawn again in blocks: how far a measure of an account swings by the luck of when things happened.

Blocks are as long as returns hang together by `core.scores.stretches`, and at least two holding periods; the
clock is taken as a circle. Beyond `CELLS` steps, neighbouring steps are joined into cells first, and paths
within a draw are read at the cells' ends.

Shape legend: T steps of the clock, G cells, D draws, B blocks a draw.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from core.scores.intervals import LEVEL, TOO_ALIKE, Interval, check_level
from core.scores.stretches import LEAST_COSINES, Stretches

CELLS = 4000
DRAWS = 1000
LEAST_BLOCKS = 10
"""Of which a draw is made at least; with fewer there is no interval."""
_CHUNK_CELLS = 4_000_000


@dataclass(frozen=True)
class Blocks:
    """How a clock is drawn again.

    Attributes
    ----------
    cell
        (T,) cell of each step.
    count
        G.
    length
        Cells in a block; 0 where there are too few separate blocks.
    starts
        (D, B) first cell of each block.
    """

    cell: np.ndarray
    count: int
    length: int
    starts: np.ndarray

    @classmethod
    def over(cls, returns: np.ndarray, span: int, draws: int = DRAWS, seed: int = 0) -> Blocks:
        """Blocks for accounts whose returns (T,) hang together as these do.

        Parameters
        ----------
        span
            Steps a position is held.
        """
        steps = len(returns)
        count = min(steps, CELLS)
        cell = np.arange(steps) * count // max(steps, 1)
        stretches = Stretches.over(np.arange(steps), span)
        swings = stretches.total(returns - returns.mean())[:, None]
        moving = len(swings) >= 2 and bool(np.ptp(swings) > 0)
        cosines = int(stretches.count_cosines(swings)[0]) if moving else 0
        if cosines < LEAST_COSINES:
            return cls(cell, count, 0, np.zeros((0, 0), int))
        length = max(math.ceil(count / cosines), math.ceil(2 * span * count / steps))
        if count // length < LEAST_BLOCKS:
            return cls(cell, count, 0, np.zeros((0, 0), int))
        rng = np.random.default_rng(seed)
        starts = rng.integers(0, count, (draws, math.ceil(count / length)))
        return cls(cell, count, length, starts)

    def __len__(self) -> int:
        return len(self.starts)

    def total(self, values: np.ndarray) -> np.ndarray:
        """(G, ...) sums of `values` (T, ...) over the steps of each cell."""
        out = np.zeros((self.count, *values.shape[1:]))
        np.add.at(out, self.cell, values)
        return out

    def draw(self, cells: np.ndarray, rows: slice = slice(None)) -> np.ndarray:
        """(D, G, ...) `cells` (G, ...) in the order of each draw."""
        order = (self.starts[rows, :, None] + np.arange(self.length)) % self.count
        return cells[order.reshape(len(order), -1)[:, : self.count]]

    def draw_sums(self, cells: np.ndarray) -> np.ndarray:
        """(D, M) sums of `cells` (G, M) over each draw, the last block cut to the clock's length."""
        rest = self.count - self.length * (self.starts.shape[1] - 1)
        circle = np.concatenate([np.zeros((1, cells.shape[1])), np.cumsum(np.tile(cells, (2, 1)), axis=0)])
        whole = (circle[self.starts + self.length] - circle[self.starts])[:, :-1].sum(axis=1)
        last = self.starts[:, -1]
        return whole + circle[last + rest] - circle[last]

    def chunks(self) -> list[slice]:
        """Draws in parts of which each fits into memory."""
        size = max(1, _CHUNK_CELLS // max(self.count, 1))
        return [slice(first, first + size) for first in range(0, len(self), size)]


def drawn_interval(value: float, draws: np.ndarray, level: float = LEVEL) -> Interval:
    """Interval of a measure: the quantiles of its `draws` (D,), widened to hold the value.

    Blank without draws, or where a twentieth of them is undefined.
    """
    check_level(level)
    known = draws[np.isfinite(draws)]
    if not draws.size or not math.isfinite(value) or known.size < 0.95 * draws.size:
        return Interval(float(value), math.nan, math.nan, level, "" if draws.size else TOO_ALIKE)
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(value), float(min(low, value)), float(max(high, value)), level)


def drawn_p(draws: np.ndarray) -> float:
    """Two-sided probability that a measure drawn so is 0 or on the other side; NaN if unknown.

    Twice the smaller share of the draws (D,) on either side of 0, at least 2 / (D + 1): what `drawn_interval`
    at the level 1 - p just reaches.
    """
    known = draws[np.isfinite(draws)]
    if not draws.size or known.size < 0.95 * draws.size:
        return math.nan
    fewer = min((known <= 0).sum(), (known >= 0).sum())
    return min(1.0, 2 * float(1 + fewer) / (known.size + 1))
