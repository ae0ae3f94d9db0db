"""Whether prediction sets hold what happened as often as they promise, and how little they rule out.

Shape legend: n rows, K windows, C classes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from core.confidence.conformal import rolling_coverage, rolling_sets
from core.data.bars import one_column
from core.experiments.walk_forward.records import WalkForwardResult
from core.experiments.walk_forward.results import read_distribution
from core.review.calibration import POINTS, choose_window, fold_borders
from core.review.rows import ReviewRows, RowFilter, mask_rows
from core.scores.intervals import Interval, share_interval
from core.scores.stretches import Stretches
from core.timeframe import duration

FOLLOWED = 500
"""Outcomes that the threshold of the following sets looks back on."""


@dataclass(frozen=True)
class FollowingSets:
    """Sets of one task whose threshold follows the last outcomes known, fold by fold.

    `position` (n,), ascending, is the place of each in the walk-forward's rows; `size` and `covered` (n,).
    """

    position: np.ndarray
    size: np.ndarray
    covered: np.ndarray

    def of(self, rows: ReviewRows) -> tuple[np.ndarray, np.ndarray]:
        """Size and coverage of `rows`."""
        place = np.searchsorted(self.position, rows.position)
        return self.size[place], self.covered[place]


@dataclass(frozen=True)
class SetsHeld:
    """How often sets held what happened, and how many classes were in one, mean; then by the threshold that
    follows; then of the `ones`, the sets that name one class alone."""

    classes: int
    held: Interval
    size: float
    following: float
    following_size: float
    ones: int
    ones_held: Interval


@dataclass(frozen=True)
class SetsThroughTime:
    """Trailing windows of `window` rows, oldest first; NaN where a window has rows without a set.

    Attributes
    ----------
    time
        (K,) of each window's last row.
    held, following
        (K,) share of sets that held what happened, by the threshold of the calibrate segment and by the one
        that follows.
    size, following_size
        (K,) classes in a set, mean.
    """

    level: float
    window: int
    classes: int
    time: np.ndarray
    held: np.ndarray
    following: np.ndarray
    size: np.ndarray
    following_size: np.ndarray
    borders: list[np.datetime64]


def follow_outcomes(result: WalkForwardResult, task: str, level: float) -> FollowingSets:
    """Sets at `level` from the last `FOLLOWED` outcomes known when each was made, of all series of a fold.

    A fold begins without outcomes, and its first sets hold every class.
    """
    classes = len(next(t.classes for t in result.config.tasks if t.name == task))
    every = mask_rows(result.rows, RowFilter(task))
    positions, sizes, covered = [], [], []
    for fold in result.folds:
        place = np.flatnonzero(every & (result.rows["fold"] == fold.index).to_numpy())
        if not place.size:
            continue
        rows = result.rows.iloc[place]
        frames = one_column(rows, "timeframe")
        lasts = frames.map({name: duration(str(name)) for name in frames.cat.categories}).to_numpy(
            "timedelta64[us]"
        )
        opens, ends = (
            one_column(rows, name).dt.tz_localize(None).to_numpy("datetime64[us]")
            for name in ("ts", "label_end")
        )
        found = rolling_sets(
            read_distribution(rows, "p", classes),
            one_column(rows, "label").to_numpy(np.int64),
            known_from=ends + lasts,
            decided_at=opens + lasts,
            window=FOLLOWED,
            level=level,
        )
        positions.append(place)
        sizes.append(found.members.sum(axis=1))
        covered.append(found.covered)
    return FollowingSets(*(np.concatenate(part) for part in (positions, sizes, covered)))


def follow_sets(rows: ReviewRows, following: FollowingSets, level: float) -> SetsThroughTime:
    """Rolling coverage and size of both kinds of sets; rows are in time order."""
    n, window = len(rows), choose_window(len(rows))
    last = np.arange(window - 1, n, max(1, (n - window) // POINTS))
    size, covered = rows.set_size[level], rows.covered[level]
    fitted = rolling_coverage(size >= 0, rows.times, window)[last] == 1

    def mean(values: np.ndarray) -> np.ndarray:
        return rolling_coverage(values, rows.times, window)[last]

    their_size, their_covered = following.of(rows)
    return SetsThroughTime(
        level, window, len(rows.classes), rows.times[last],
        np.where(fitted, mean(covered), np.nan), mean(their_covered),
        np.where(fitted, mean(size), np.nan), mean(their_size),
        fold_borders(rows),
    )  # fmt: skip


def measure_sets(
    rows: ReviewRows, following: FollowingSets, level: float, stretches: Stretches
) -> SetsHeld | None:
    """Coverage with its interval and size of both kinds of sets; None where some rows have no set."""
    size = rows.set_size[level]
    if (size < 0).any():
        return None
    their_size, their_covered = following.of(rows)
    return SetsHeld(
        len(rows.classes),
        share_interval(rows.covered[level], size >= 0, stretches),
        float(size.mean()),
        float(their_covered.mean()),
        float(their_size.mean()),
        int((size == 1).sum()),
        share_interval(rows.covered[level], size == 1, stretches),
    )


def count_sets(rows: ReviewRows, level: float) -> pd.DataFrame:
    """One row for each size a set had: ``classes``, ``sets``, ``share`` of all, ``held``."""
    size, covered = rows.set_size[level], rows.covered[level]
    lines = []
    for k in np.unique(size[size > 0]):
        mine = size == k
        lines.append({"classes": k, "sets": mine.sum(), "share": mine.mean(), "held": covered[mine].mean()})
    return pd.DataFrame(lines, columns=["classes", "sets", "share", "held"])
