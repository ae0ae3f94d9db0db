"""Block bootstrap over time: intervals that respect overlapping labels and rows sharing a time stamp.

Shape legend: n rows, T unique time stamps, R resamples, M statistics.

Blocks are runs of consecutive unique time stamps, so the rows of all instruments at one time are drawn
together and cross-sectional dependence is kept. The blocks are circular (Politis and Romano 1992): every
time stamp is equally likely to be drawn.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from core.errors import InputError

# About 32 MB of weights at a time.
_CHUNK_CELLS = 4_000_000


@dataclass(frozen=True)
class Interval:
    """A measured value with its bootstrap interval.

    `low` and `high` are NaN when fewer than half of the resamples gave a number.
    """

    value: float
    low: float
    high: float
    level: float = 0.95

    @property
    def excludes_zero(self) -> bool:
        """Whether zero lies strictly outside; False for an interval of NaN."""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True)
class BlockBootstrap:
    """Resamples of time-ordered rows in circular blocks of unique time stamps.

    Two sets of scores on the same rows and the same seed are resampled alike, so their intervals are paired.

    Parameters
    ----------
    time_index
        (n,) position of each row's time among the T unique, ascending times.
    n_times
        T.
    block
        Time stamps per block, 1 to T; at least the label horizon for rows whose labels overlap.
    n_resamples
        R.
    seed
        The same seed gives the same resamples.
    """

    time_index: np.ndarray
    n_times: int
    block: int
    n_resamples: int = 1000
    seed: int = 0

    @classmethod
    def over(cls, times: np.ndarray, block: int, n_resamples: int = 1000, seed: int = 0) -> BlockBootstrap:
        """Blocks over the unique values of `times` (n,), in any order; `block` is cut to T.

        Raises
        ------
        InputError
            When there are no rows, or `block` or `n_resamples` is below 1.
        """
        times = np.asarray(times)
        if times.ndim != 1 or not times.size:
            raise InputError("a time for every scored row", f"shape {times.shape}", "score at least one row")
        if block < 1 or n_resamples < 1:
            raise InputError(
                "block and n_resamples of at least 1", f"{block} and {n_resamples}", "raise the smaller one"
            )
        unique, index = np.unique(times, return_inverse=True)
        return cls(index, unique.size, min(int(block), unique.size), n_resamples, seed)

    def total(self, values: np.ndarray) -> np.ndarray:
        """(T,) sum of `values` (n,) over the rows of each time stamp."""
        return np.bincount(self.time_index, weights=values, minlength=self.n_times)

    def total_by_cell(self, cell: np.ndarray, n_cells: int, values: np.ndarray | None = None) -> np.ndarray:
        """(T, n_cells) sum of `values` (n,), or row counts, per time stamp and `cell` (n,)."""
        flat = np.bincount(self.time_index * n_cells + cell, weights=values, minlength=self.n_times * n_cells)
        return flat.reshape(self.n_times, n_cells)

    def sums(self, per_time: np.ndarray) -> np.ndarray:
        """(R, M) sums over each resample's rows of the totals `per_time` (T,) or (T, M).

        A resample is T // block whole blocks and one of T % block, T time stamps in all.
        """
        per_time = per_time.reshape(self.n_times, -1).astype(float)
        whole, rest = _block_sums(per_time, self.block), _block_sums(per_time, self.n_times % self.block)
        return np.concatenate([begun.astype(float) @ whole + rest[last] for begun, last in self._begun()])

    def weights(self) -> Iterator[np.ndarray]:
        """How often each time stamp is drawn, in chunks (r, T) whose r add up to R.

        The same resamples as `sums`, for statistics whose totals are too many or too sparse for it.
        """
        rest = self.n_times % self.block
        for begun, last in self._begun():
            weights = _covering(begun, self.block)
            if rest:
                short = np.zeros_like(begun)
                short[np.arange(len(begun)), last] = 1
                weights += _covering(short, rest)
            yield weights

    def _begun(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """(r, T) whole blocks begun at each time stamp, and (r,) where the short block begins."""
        rng = np.random.default_rng(self.seed)
        times, drawn = self.n_times, self.n_times // self.block
        chunk = max(1, _CHUNK_CELLS // times)
        for first in range(0, self.n_resamples, chunk):
            rows = min(chunk, self.n_resamples - first)
            starts = rng.integers(times, size=(rows, drawn + 1))
            flat = starts[:, :drawn] + np.arange(rows)[:, None] * times
            begun = np.bincount(flat.ravel(), minlength=rows * times).reshape(rows, times)
            yield begun.astype(np.int32), starts[:, drawn]


def _block_sums(per_time: np.ndarray, block: int) -> np.ndarray:
    """(T, M) sum over the `block` time stamps from each one on, wrapping at the end."""
    if block == 0:
        return np.zeros_like(per_time)
    if block == 1:
        return per_time
    running = np.concatenate([np.zeros((1, per_time.shape[1])), per_time, per_time[: block - 1]])
    np.cumsum(running, axis=0, out=running)
    return running[block:] - running[:-block]


def _covering(begun: np.ndarray, block: int) -> np.ndarray:
    """(r, T) blocks covering each time stamp, given how many begin at each; float64."""
    rows, times = begun.shape
    running = np.zeros((rows, times + block), dtype=begun.dtype)
    running[:, 1:block] = begun[:, times - block + 1 :]
    running[:, block:] = begun
    np.cumsum(running, axis=1, out=running)
    return np.subtract(running[:, block:], running[:, :-block], dtype=float)


def interval(
    value: float,
    draws: np.ndarray,
    level: float = 0.95,
    method: Literal["percentile", "basic"] = "percentile",
) -> Interval:
    """Interval of a statistic from its resampled `draws` (R,).

    `percentile` takes the quantiles of the draws. `basic` mirrors them at the value (2 * value - quantile,
    cut at 0), which undoes the upward bias that binned absolute errors such as the ECE have: a resample
    adds sampling noise to the noise already there. Where the bias exceeds the spread the mirrored interval
    lies wholly below the value and is widened to end there. NaN draws (a resample without any call, say)
    are left out.

    Raises
    ------
    InputError
        When `level` is not between 0 and 1.
    """
    if not 0 < level < 1:
        raise InputError("a level between 0 and 1", str(level), "use 0.95 for a 95% interval")
    kept = draws[np.isfinite(draws)]
    if 2 * kept.size < draws.size or not np.isfinite(value):
        return Interval(float(value), math.nan, math.nan, level)
    low, high = np.quantile(kept, [(1 - level) / 2, (1 + level) / 2])
    if method == "basic":
        low, high = max(0.0, 2 * value - high), max(value, 2 * value - low)
    return Interval(float(value), float(low), float(high), level)


def mean_interval(values: np.ndarray, bootstrap: BlockBootstrap, level: float = 0.95) -> Interval:
    """Mean of `values` (n,) over rows, with its interval."""
    per_time = np.column_stack([bootstrap.total(values), bootstrap.total(np.ones(len(values)))])
    sums = bootstrap.sums(per_time)
    return interval(float(np.mean(values)), sums[:, 0] / sums[:, 1], level)


def paired_difference(
    model_loss: np.ndarray, baseline_loss: np.ndarray, bootstrap: BlockBootstrap, level: float = 0.95
) -> Interval:
    """Mean of (model - baseline) loss on the same rows (n,), with its interval; below zero the model wins.

    Raises
    ------
    InputError
        When the two were not measured on the same rows.
    """
    model_loss, baseline_loss = np.asarray(model_loss, float), np.asarray(baseline_loss, float)
    if model_loss.shape != baseline_loss.shape or model_loss.shape != bootstrap.time_index.shape:
        raise InputError(
            f"two losses on the same {bootstrap.time_index.size} rows",
            f"shapes {model_loss.shape} and {baseline_loss.shape}",
            "score model and baseline on the same rows",
        )
    return mean_interval(model_loss - baseline_loss, bootstrap, level)


def label_span(times: np.ndarray, ends: np.ndarray) -> int:
    """Unique time stamps a label reaches over at most: the smallest block that holds one label whole.

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


def block_length(times: np.ndarray, horizon: int, values: np.ndarray | None = None) -> int:
    """Time stamps per block: the label horizon, T ** (1/3), or what the data ask for, whichever is longest.

    Parameters
    ----------
    times
        (n,) time of each scored row.
    horizon
        Time stamps one label reaches over (see `label_span`).
    values
        (n,) losses or loss differences. Given, the automatic length of Politis and White (2004) for the
        circular bootstrap, of their mean at each time, is a lower bound too; never more than a tenth of T.
    """
    unique, index = np.unique(times, return_inverse=True)
    length = max(horizon, math.ceil(unique.size ** (1 / 3)))
    if values is not None and unique.size >= 50 and np.ptp(values) > 0:
        from arch.bootstrap import optimal_block_length  # over a second to import, and rarely wanted

        means = np.bincount(index, weights=values) / np.bincount(index)
        automatic = float(optimal_block_length(means)["circular"].iloc[0])
        if math.isfinite(automatic):
            length = max(length, min(math.ceil(automatic), unique.size // 10))
    return min(length, unique.size)


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


def count_apart(start: np.ndarray, end: np.ndarray) -> int:
    """Number of groups of spans [start, end) of which no two of different groups overlap."""
    groups, reached = 0, None
    for place in np.argsort(start, kind="stable"):
        if reached is None or start[place] >= reached:
            groups, reached = groups + 1, end[place]
        else:
            reached = max(reached, end[place])
    return groups
