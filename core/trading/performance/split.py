"""Which trades a simpler forecaster would have made too, and what the others earned.

Shape legend: m trades.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from core.data.bars import one_column
from core.experiments.walk_forward.records import WalkForwardResult
from core.experiments.walk_forward.results import read_distribution
from core.scores.intervals import Interval
from core.trading.account import Trades
from core.trading.calls import Calls
from core.trading.performance.vetoes import mean_return


@dataclass(frozen=True)
class TradeSplit:
    """What the model and a challenger said of the side of each trade, at the bar it was decided on.

    Attributes
    ----------
    challenger
        Name of the walk-forward's baseline.
    model, theirs
        (m,) calibrated probability of the traded side.
    alike
        (m,) bool: the challenger's most probable class is the traded side too.
    both, alone
        Net return of a trade, of its value, where it is and where it is not, with its interval.
    """

    challenger: str
    model: np.ndarray
    theirs: np.ndarray
    alike: np.ndarray
    both: Interval
    alone: Interval


def split_trades(
    result: WalkForwardResult, calls: Calls, trades: Trades, times: np.ndarray, challenger: str
) -> TradeSplit | None:
    """Set each trade beside what a baseline said of the same bar; None where it said nothing.

    Parameters
    ----------
    calls
        The traded model's, of the same walk-forward.
    times
        Of the market's clock.
    """
    task = next(task for task in result.config.tasks if task.label == "direction")
    kept = (result.baselines["task"] == task.name) & (result.baselines["baseline"] == challenger)
    kept &= result.baselines["timeframe"] == calls.timeframe
    rows = result.baselines.loc[kept.to_numpy()]
    if not len(rows) or not len(trades):
        return None
    opens = one_column(rows, "ts").dt.tz_localize(None).to_numpy("datetime64[us]")
    said = pd.MultiIndex.from_arrays([one_column(rows, "instrument").astype(str), opens])
    names = np.array(calls.instruments, dtype=object)[calls.instrument[trades.call]]
    asked = pd.MultiIndex.from_arrays([names, calls.times[trades.call].astype("datetime64[us]")])
    place = said.get_indexer(asked)
    if (place < 0).any():
        return None
    theirs = read_distribution(rows.iloc[place], "p", len(task.classes))
    side = np.where(trades.side > 0, task.classes.index("Bullish"), task.classes.index("Bearish"))
    alike = theirs.argmax(axis=1) == side
    begin, end = times[trades.entry], times[trades.exit]
    both, alone = (mean_return(begin, end, trades.net_return, part) for part in (alike, ~alike))
    every = np.arange(len(trades))
    return TradeSplit(
        challenger,
        calls.probabilities[trades.call, np.where(trades.side > 0, 0, 1)],
        theirs[every, side],
        alike,
        both,
        alone,
    )
