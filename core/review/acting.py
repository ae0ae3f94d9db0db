"""What would have happened had one acted only above a confidence.

Everything is counted once for every whole percent, so that moving the line only looks up.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.review.rows import ReviewRows
from core.scores.bootstrap import BlockBootstrap, Interval, interval

STEPS = 101
LINES = np.arange(STEPS) / 100


@dataclass(frozen=True)
class Acting:
    """Counts at each of the confidences 0%, 1%, ... 100%, that confidence included.

    Attributes
    ----------
    calls, right
        (C, 101) by class called.
    drawn
        (R, 101) share right in each resample; NaN where a resample acts on nothing.
    total
        Rows in all.
    """

    classes: tuple[str, ...]
    calls: np.ndarray
    right: np.ndarray
    drawn: np.ndarray
    total: int

    def share_right(self, percent: int) -> Interval:
        """Share right of what is acted on, with its interval; NaN without a call."""
        calls, right = self.calls[:, percent].sum(), self.right[:, percent].sum()
        return interval(right / calls if calls else np.nan, self.drawn[:, percent])


def count_acting(rows: ReviewRows, name: str, bootstrap: BlockBootstrap) -> Acting:
    """Count what each confidence would have let through.

    Parameters
    ----------
    rows
        All of which state `name`.
    bootstrap
        Over their times.
    """
    step = np.searchsorted(LINES, rows.stated[name], side="right") - 1
    size = len(rows.classes) * STEPS
    cell = rows.call * STEPS + step
    calls = np.bincount(cell, minlength=size).reshape(-1, STEPS)
    right = np.bincount(cell, rows.correct, size).astype(int).reshape(-1, STEPS)
    per_time = [bootstrap.total_by_cell(step, STEPS, values) for values in (rows.correct, None)]
    sums = bootstrap.sums(np.concatenate(per_time, axis=1))
    drawn_right, drawn_calls = (_above(part) for part in np.split(sums, 2, axis=1))
    with np.errstate(invalid="ignore", divide="ignore"):
        drawn = np.where(drawn_calls > 0, drawn_right / drawn_calls, np.nan)
    return Acting(rows.classes, _above(calls), _above(right), drawn, len(rows))


def _above(counts: np.ndarray) -> np.ndarray:
    return counts[..., ::-1].cumsum(axis=-1)[..., ::-1]
