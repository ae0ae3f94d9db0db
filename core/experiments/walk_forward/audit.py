"""Features that may know what was not yet known."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
from scipy.stats import rankdata

from core.baselines.measures import SeriesMeasures
from core.data.dataset import PreparedData
from core.data.segments import bars_in_train

SUSPICIOUS_CORRELATION = 0.3
"""Absolute rank correlation with the coming move that no single honest feature reaches."""

_LEAST_ROWS = 100
_MOST_ROWS = 20_000


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


def find_suspicious(data: PreparedData, measures: list[SeriesMeasures]) -> dict[str, float]:
    """Features that go with the coming move of training bars as none should; warns of them."""
    features, moves = [], []
    for series, measured in zip(data.series, measures, strict=True):
        mine = bars_in_train(series.ts, series.timeframe, data.borders) & series.usable
        # The coming move must lie in train too, or the check itself would look ahead.
        reach = np.append(np.flatnonzero(mine)[-1:], -1)[0]
        mine &= (measured.quantities.direction_end <= reach) & (measured.quantities.direction_end >= 0)
        features.append(series.features[mine])
        moves.append(measured.quantities.direction_score[mine])
    found = suspicious_features(data.feature_names, np.concatenate(features), np.concatenate(moves))
    if found:
        named = ", ".join(f"{name} ({value:+.2f})" for name, value in found.items())
        warnings.warn(
            f"features that may know the future, by rank correlation with it: {named}", stacklevel=2
        )
    return found
