"""Detectors for features that know the future.

Two kinds of leak need two checks. A feature *computed* from later bars changes when those bars are taken
away; a column that came with the future already in it does not, but predicts the next move better than any
market allows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from core.errors import InputError

SUSPICIOUS_CORRELATION = 0.3
"""Absolute rank correlation with the coming move that no single honest feature reaches."""

_LEAST_ROWS = 100
_MOST_ROWS = 20_000

FeatureFunction = Callable[[pd.DataFrame], pd.DataFrame]


class LeakError(InputError):
    """A feature that uses what was not yet known."""


def leaking_features(
    feature_function: FeatureFunction, bars: pd.DataFrame, cuts: Sequence[int] | None = None
) -> list[str]:
    """Names of the columns whose past values change when later bars are taken away.

    Parameters
    ----------
    feature_function
        Bars of one series -> one row of features per bar.
    cuts
        Numbers of bars kept, each below ``len(bars)``; by default three, in the later half. A leak that
        shows in the last `cut` rows of none of them is not found.

    Raises
    ------
    InputError
        If a cut leaves no bar, or takes none away.
    """
    kept = [len(bars) * part // 8 for part in (4, 6, 7)] if cuts is None else list(cuts)
    if any(not 0 < cut < len(bars) for cut in kept):
        raise InputError(f"cuts between 1 and {len(bars) - 1} bars", f"{kept}", "move the cuts")
    whole = feature_function(bars)
    leaking: set[str] = set()
    for cut in kept:
        past = feature_function(bars.iloc[:cut])
        for name in whole.columns:
            if name not in past.columns or not _identical(
                past[name].to_numpy(float), whole[name].to_numpy(float)[:cut]
            ):
                leaking.add(str(name))
    return [str(name) for name in whole.columns if str(name) in leaking]


def audit_features(
    feature_function: FeatureFunction, bars: pd.DataFrame, cuts: Sequence[int] | None = None
) -> None:
    """Refuse features whose past values depend on later bars; see `leaking_features`.

    Raises
    ------
    LeakError
        Naming the columns.
    """
    leaking = leaking_features(feature_function, bars, cuts)
    if leaking:
        raise LeakError(
            "features that stay as they were when later bars are taken away",
            f"changes in {', '.join(leaking)}",
            "compute them from the bar and earlier ones alone",
        )


def suspicious_features(
    names: Sequence[str], features: np.ndarray, coming_move: np.ndarray, limit: float = SUSPICIOUS_CORRELATION
) -> dict[str, float]:
    """Features that go with the coming move as none should, and their rank correlation with it.

    Parameters
    ----------
    features
        (n, N) of training rows, in any monotone scale.
    coming_move
        (n,) signed return after each row, NaN where unknown.

    Returns
    -------
    dict
        Empty when fewer than 100 rows are known: nothing can be said then.
    """
    known = np.isfinite(coming_move)
    features, coming_move = features[known], coming_move[known]
    if len(coming_move) < _LEAST_ROWS:
        return {}
    step = -(-len(coming_move) // _MOST_ROWS)
    ranks = rankdata(features[::step], axis=0)
    move = rankdata(coming_move[::step])
    ranks, move = ranks - ranks.mean(axis=0), move - move.mean()
    spread = np.sqrt((ranks**2).sum(axis=0) * (move**2).sum())
    correlation = np.divide(move @ ranks, spread, out=np.zeros(len(spread)), where=spread > 0)
    return {name: float(value) for name, value in zip(names, correlation, strict=True) if abs(value) > limit}


def _identical(first: np.ndarray, second: np.ndarray) -> bool:
    return bool(((first == second) | (np.isnan(first) & np.isnan(second))).all())
