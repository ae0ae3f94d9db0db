"""Defects that show in series: one stored under two names, a feature that stopped moving.

Shape legend: T bars, N features.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
import pandas as pd

from core.data.bars import one_column
from core.experiments.walk_forward.records import WalkForwardResult
from core.validation.defects.check import Check

ALIKE = 0.9
"""Share of common bars at which two series may have the same outcome in every task."""
LEAST_COMMON = 100
LEAST_RUN = 20
TIMES_LONGER = 3
"""A run in test may be so many times as long as the longest in training."""


def check_duplicated(result: WalkForwardResult) -> Check:
    """Two different series do not have the same outcome in every task at almost every bar."""
    labels = result.rows.pivot_table(
        index=["ts", "timeframe", "instrument"], columns="task", values="label", observed=True
    )
    # Any mapping that keeps different outcomes apart will do.
    codes = (labels.fillna(-1) @ (100.0 ** np.arange(labels.shape[1]))).unstack("instrument")
    nearest, most, count = "", 0.0, 0
    for timeframe in codes.index.unique("timeframe"):
        part = pd.DataFrame(codes.xs(timeframe, level="timeframe"))
        for one, other in combinations(part.columns, 2):
            mine, theirs = (one_column(part, name).to_numpy(float) for name in (one, other))
            both = np.isfinite(mine) & np.isfinite(theirs)
            if both.sum() < LEAST_COMMON:
                continue
            count += 1
            share = float((mine == theirs)[both].mean())
            if share > most:
                nearest, most = f"{one} and {other} {timeframe}", share
    said = f"Of {count} pairs of series none has {LEAST_COMMON} common bars."
    if nearest:
        said = f"Of {count} pairs {nearest} are most alike: the same outcomes at {100 * most:.1f}% of bars."
    statistic = f"share of common bars with equal outcomes in every task, at most {100 * ALIKE:.0f}%"
    return Check("duplicated series", statistic, most > ALIKE if count else None, said)


def check_stale(
    features: Mapping[str, np.ndarray], in_test: Mapping[str, np.ndarray], names: Sequence[str]
) -> Check:
    """A feature that moved in training does not stand still in test.

    Parameters
    ----------
    features
        By series, (T, N) on the model's own scale of 0 to 100; values at either end are cut off there, and a
        run of them is no standstill.
    in_test
        By series, (T,) bool: bars after the training segment.
    names
        N.
    """
    worst, longest = "", 0
    stale = []
    for series, values in features.items():
        test = in_test[series]
        if not test.any() or test.all():
            continue
        for column, name in enumerate(names):
            before, after = (_longest_run(values[part, column]) for part in (~test, test))
            # What hardly ever moves in training says nothing by standing still.
            if np.unique(values[~test, column]).size < LEAST_RUN:
                continue
            if after > longest:
                worst, longest = f"{name} of {series}", after
            if after >= LEAST_RUN and after > TIMES_LONGER * before:
                stale.append(f"{name} of {series}: {after} bars, {before} in training")
    said = f"The longest standstill is {longest} bars, {worst}" if worst else "No feature stands still"
    if stale:
        said += f"; beyond the limit: {'; '.join(stale[:5])}" + (" and others" if len(stale) > 5 else "")
    statistic = (
        f"bars at one value in test, at least {LEAST_RUN} and more than {TIMES_LONGER} times as many as in "
        "training"
    )
    return Check("stale feature", statistic, bool(stale) if features else None, f"{said}.")


def _longest_run(values: np.ndarray) -> int:
    """Most consecutive equal values strictly between 0 and 100."""
    if not len(values):
        return 0
    free = (values > 0) & (values < 100)
    same = np.r_[False, (values[1:] == values[:-1]) & free[1:]]
    lengths = np.bincount((~same).cumsum())
    # Each group begins with the value that the others repeat.
    return int(lengths.max()) if free.any() else 0
