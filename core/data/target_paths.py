"""Paths after a bar: the return from the next open, barriers touched on the way, gaps in between."""

from __future__ import annotations

import numpy as np

_UPPER, _LOWER, _TIME = range(3)


def spans_gap(gaps: np.ndarray, first: int, last: int) -> np.ndarray:
    """Whether a gap lies between any two neighbours of the bars t + first .. t + last.

    Parameters
    ----------
    gaps
        Whether too many bars are missing before each bar, shape (T,) bool.
    first, last
        Offsets from t, first <= last.

    Returns
    -------
    ndarray
        Shape (T,) bool; bars outside the series count as no gap.
    """
    count = len(gaps)
    before = np.concatenate([[0], np.cumsum(gaps)])
    steps = np.arange(count)
    start = np.clip(steps + first + 1, 0, count)
    stop = np.clip(steps + last + 1, 0, count)
    return before[stop] - before[start] > 0


def forward_return(open_: np.ndarray, close: np.ndarray, horizon: int) -> np.ndarray:
    """ln(C[t+h] / O[t+1]), shape (T,): entry at the next open, exit at the close of bar t + h."""
    returns = np.full(len(close), np.nan)
    if len(close) > horizon:
        returns[:-horizon] = np.log(close[horizon:] / open_[1 : len(open_) - horizon + 1])
    return returns


def triple_barrier(
    open_: np.ndarray, high: np.ndarray, low: np.ndarray, band: np.ndarray, horizon: int
) -> tuple[np.ndarray, np.ndarray]:
    """First barrier touched within `horizon` bars of an entry at the next open.

    Barriers stand at O[t+1] exp(band) and O[t+1] exp(-band). A bar that touches both counts as the lower one:
    its order within is unknown, and a long position is assumed to have met the adverse side first.

    Parameters
    ----------
    open_, high, low
        Prices, shape (T,).
    band
        Log distance of the barriers, shape (T,), NaN where unknown.

    Returns
    -------
    touched
        Shape (T,): 0 upper, 1 lower, 2 neither; -1 where the whole horizon is not there or the band unknown.
    end
        Shape (T,): index of the bar that touched, else t + horizon.

    References
    ----------
    Lopez de Prado, Advances in Financial Machine Learning, 2018, section 3.4.
    """
    count = len(open_)
    touched = np.full(count, -1)
    end = np.arange(count) + horizon
    whole = count - horizon
    if whole <= 0:
        return touched, end
    entry = np.log(open_[1 : whole + 1])
    width = band[:whole]
    path_known = np.isfinite(entry) & np.isfinite(width)
    pending = np.full(whole, True)
    outcome = np.full(whole, _TIME)
    for step in range(1, horizon + 1):
        highest, lowest = np.log(high[step : step + whole]), np.log(low[step : step + whole])
        path_known &= ~pending | (np.isfinite(highest) & np.isfinite(lowest))
        below = pending & (lowest - entry <= -width)
        above = pending & ~below & (highest - entry >= width)
        outcome[below], outcome[above] = _LOWER, _UPPER
        end[:whole][below | above] = np.flatnonzero(below | above) + step
        pending &= ~(below | above)
    touched[:whole] = np.where(path_known, outcome, -1)
    return touched, end
