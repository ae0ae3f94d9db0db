"""What would have happened had one acted only above a confidence.

Everything is counted once for every whole percent, so that moving the line only looks up.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.review.rows import ReviewRows
from core.scores.intervals import TOO_ALIKE, Interval, share_bounds
from core.scores.stretches import Stretches

STEPS = 101
LINES = np.arange(STEPS) / 100


@dataclass(frozen=True)
class Acting:
    """Counts at each of the confidences 0%, 1%, ... 100%, that confidence included.

    Attributes
    ----------
    calls, right
        (C, 101) by class called.
    low, high
        (101,) ends of the share right's interval; NaN where nothing is acted on, or the interval is blank.
    total
        Rows in all.
    """

    classes: tuple[str, ...]
    calls: np.ndarray
    right: np.ndarray
    low: np.ndarray
    high: np.ndarray
    total: int

    def share_right(self, percent: int) -> Interval:
        """Share right of what is acted on, with its interval; NaN without a call."""
        calls, right = self.calls[:, percent].sum(), self.right[:, percent].sum()
        low, high = float(self.low[percent]), float(self.high[percent])
        blank = TOO_ALIKE if calls and not np.isfinite(low) else ""
        return Interval(right / calls if calls else np.nan, low, high, blank=blank)


def count_acting(rows: ReviewRows, name: str, stretches: Stretches) -> Acting:
    """Count what each confidence would have let through.

    Parameters
    ----------
    rows
        All of which state `name`.
    stretches
        Of their times.
    """
    step = np.searchsorted(LINES, rows.stated[name], side="right") - 1
    size = len(rows.classes) * STEPS
    cell = rows.call * STEPS + step
    calls = np.bincount(cell, minlength=size).reshape(-1, STEPS)
    right = np.bincount(cell, rows.correct, size).astype(int).reshape(-1, STEPS)
    held, made = (_above(stretches.total_by_cell(step, STEPS, values)) for values in (rows.correct, None))
    low, high = share_bounds(held, made, stretches)
    return Acting(rows.classes, _above(calls), _above(right), low, high, len(rows))


def _above(counts: np.ndarray) -> np.ndarray:
    return counts[..., ::-1].cumsum(axis=-1)[..., ::-1]
