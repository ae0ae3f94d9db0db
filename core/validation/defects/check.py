"""What a check for one kind of defect says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.stats

from core.scores.intervals import hold_claims
from core.scores.stretches import Stretches


@dataclass(frozen=True)
class Check:
    """Whether one kind of defect shows.

    Attributes
    ----------
    defect
        Its name.
    statistic
        What is measured, in words, with its limit.
    flagged
        Whether it shows; None where nothing could be measured.
    said
        What was found, in a sentence with its numbers.
    """

    defect: str
    statistic: str
    flagged: bool | None
    said: str


def exceed_together(
    values: Sequence[np.ndarray], stretches: Sequence[Stretches], limit: Sequence[float]
) -> list[tuple[float, bool | None]]:
    """Means of several sets of rows, and whether each is above its limit with all of them counted.

    One-sided at 5% in all (Holm 1979), the rows' dependence over time counted.

    Returns
    -------
    list of tuple
        The mean and whether it exceeds; None where too few separate stretches of time are left.
    """
    means, chances = [], []
    for rows, over, most in zip(values, stretches, limit, strict=True):
        mean = float(rows.mean())
        (error,), (freedom,) = over.measure_errors(over.total(rows - mean) / rows.size)
        means.append(mean)
        chances.append(_one_sided(mean - most, float(error), int(freedom)))
    held = hold_claims(chances)
    return [
        (mean, None if np.isnan(p) else bool(holds))
        for mean, p, holds in zip(means, chances, held, strict=True)
    ]


def summarise_flags(flags: Sequence[bool | None]) -> bool | None:
    """True where any shows, None where none could be measured."""
    known = [flag for flag in flags if flag is not None]
    return any(known) if known else None


def _one_sided(beyond: float, error: float, freedom: int) -> float:
    if not np.isfinite(error):
        return float("nan")
    if error == 0:
        return 0.0 if beyond > 0 else 1.0
    return float(scipy.stats.t.sf(beyond / error, freedom))
