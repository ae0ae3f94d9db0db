"""Intervals of scores that count how rows hang together, and claims that count how many are made.

Shape legend: n rows, G stretches, M statistics, D draws.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.stats

from core.errors import InputError
from core.scores.stretches import Stretches

LEVEL = 0.95
TOO_ALIKE = "too few separate stretches of time"
"""Why an interval is blank: what was measured hangs together over too much of the time there is."""


@dataclass(frozen=True)
class Interval:
    """A measured value with its interval.

    Attributes
    ----------
    low, high
        NaN where there is no interval; `blank` then says why.
    blank
        Empty where there is one.
    error, freedom
        Standard error and its degrees of freedom; NaN and 0 where the interval was not made of them.
    """

    value: float
    low: float
    high: float
    level: float = LEVEL
    blank: str = ""
    error: float = field(default=math.nan, compare=False)
    freedom: float = field(default=0, compare=False)

    @property
    def excludes_zero(self) -> bool:
        """Whether zero lies strictly outside; False without an interval."""
        return self.low > 0 or self.high < 0

    @property
    def p(self) -> float:
        """Two-sided probability that chance moves a true value of 0 as far as `value`; NaN if unknown."""
        if not math.isfinite(self.error):
            return math.nan
        if self.error == 0:
            return float(self.value == 0)
        return 2 * float(scipy.stats.t.sf(abs(self.value) / self.error, self.freedom))

    def to_dict(self) -> dict[str, Any]:
        """``value``, ``low`` and ``high`` as plain values, None where unknown, and ``blank`` if it is."""
        ends = {"value": self.value, "low": self.low, "high": self.high}
        plain: dict[str, Any] = {name: end if math.isfinite(end) else None for name, end in ends.items()}
        return plain | ({"blank": self.blank} if self.blank else {})


def interval(
    value: float,
    swings: np.ndarray,
    stretches: Stretches,
    level: float = LEVEL,
    least: float = -math.inf,
    most: float = math.inf,
) -> Interval:
    """Interval of a statistic: its value and Student's t times its standard error, both ways.

    Parameters
    ----------
    swings
        (G,) what each stretch adds to the statistic, see `core.scores.stretches.find_swings`.
    least, most
        Ends of the scale the statistic lives on; the interval stays within.

    Raises
    ------
    InputError
        When `level` is not between 0 and 1.
    """
    check_level(level)
    value = float(value)
    if not math.isfinite(value) or not np.isfinite(swings).all():
        return Interval(value, math.nan, math.nan, level)
    error, freedom = (part.item() for part in stretches.measure_errors(swings))
    if not math.isfinite(error):
        return Interval(value, math.nan, math.nan, level, TOO_ALIKE)
    reach = error * float(scipy.stats.t.ppf((1 + level) / 2, freedom))
    low, high = max(least, value - reach), min(most, value + reach)
    return Interval(value, low, high, level, "", error, freedom)


def mirrored_interval(
    value: float, draws: np.ndarray, level: float = LEVEL, most: float = math.inf
) -> Interval:
    """Interval of a statistic that noise can only raise, such as an ECE, from `draws` (D,) of it.

    A draw adds noise to the noise already there. Its quantiles are mirrored at the value (2 * value -
    quantile, cut at 0), which undoes the rise; where that exceeds the spread, the interval lies wholly below
    the value and is widened to end there. Blank without draws.
    """
    check_level(level)
    if not draws.size or not math.isfinite(value):
        return Interval(float(value), math.nan, math.nan, level, "" if draws.size else TOO_ALIKE)
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return Interval(
        float(value), float(max(0.0, 2 * value - high)), float(min(most, max(value, 2 * value - low))), level
    )


def mean_interval(values: np.ndarray, stretches: Stretches, level: float = LEVEL) -> Interval:
    """Mean of `values` (n,) over rows, with its interval."""
    values = np.asarray(values, float)
    mean = float(np.mean(values))
    return interval(mean, stretches.total(values - mean) / values.size, stretches, level)


def paired_difference(
    model_loss: np.ndarray, baseline_loss: np.ndarray, stretches: Stretches, level: float = LEVEL
) -> Interval:
    """Mean of (model - baseline) loss on the same rows (n,), with its interval; below zero the model wins.

    Raises
    ------
    InputError
        When the two were not measured on the same rows.
    """
    model_loss, baseline_loss = np.asarray(model_loss, float), np.asarray(baseline_loss, float)
    if model_loss.shape != baseline_loss.shape or model_loss.shape != stretches.place.shape:
        raise InputError(
            f"two losses on the same {stretches.place.size} rows",
            f"shapes {model_loss.shape} and {baseline_loss.shape}",
            "score model and baseline on the same rows",
        )
    return mean_interval(model_loss - baseline_loss, stretches, level)


def share_bounds(
    right: np.ndarray, count: np.ndarray, stretches: Stretches, level: float = LEVEL
) -> tuple[np.ndarray, np.ndarray]:
    """Ends (M,) of the intervals of M shares right / count, of their sums (G, M) by stretch.

    No narrower than independent rows would make them, two right and two wrong ones added (Agresti and Coull
    1998): three of three right is no certainty. NaN where nothing was counted or the interval is blank.
    """
    check_level(level)
    n, k = count.sum(axis=0), right.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(n > 0, k / n, np.nan)
        error, freedom = stretches.measure_errors((right - share * count) / n)
        careful = (k + 2) / (n + 4)
        error = np.maximum(error, np.sqrt(careful * (1 - careful) / n))
        reach = error * scipy.stats.t.ppf((1 + level) / 2, np.maximum(freedom, 1))
    return np.maximum(share - reach, 0.0), np.minimum(share + reach, 1.0)


def share_interval(
    right: np.ndarray, acted: np.ndarray, stretches: Stretches, level: float = LEVEL
) -> Interval:
    """Share `right` (n,) of the rows `acted` on (n,), both bool; NaN without any. See `share_bounds`."""
    held, made = (stretches.total(part)[:, None] for part in (right & acted, acted))
    value = float(held.sum() / made.sum()) if made.any() else math.nan
    low, high = (end.item() for end in share_bounds(held, made, stretches, level))
    blank = TOO_ALIKE if math.isfinite(value) and not math.isfinite(low) else ""
    return Interval(value, low, high, level, blank)


def hold_claims(p: Sequence[float], level: float = LEVEL) -> np.ndarray:
    """Which of several claims of one table hold together, (m,) bool (Holm 1979).

    All claims that do are true at once but in one table of twenty (for `level` 0.95). NaN is no claim.
    """
    check_level(level)
    values = np.asarray(p, float)
    held = np.zeros(values.size, bool)
    order = np.argsort(values, kind="stable")[: np.isfinite(values).sum()]
    # statsmodels has the same, but takes seconds to import, and a page waits for them.
    small = values[order] <= (1 - level) / np.arange(order.size, 0, -1)
    held[order[: int(np.logical_and.accumulate(small).sum())]] = True
    return held


def check_level(level: float) -> None:
    """InputError when `level` is not between 0 and 1."""
    if not 0 < level < 1:
        raise InputError("a level between 0 and 1", str(level), "use 0.95 for a 95% interval")


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
