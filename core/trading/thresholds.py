"""How sure a call must be to be acted on, chosen on each fold's calibrate rows alone.

Every pair out of a grid of quantiles trades the fold's calibrate segment, costs, exits and limits included;
the pair with the highest Sharpe ratio is taken. Pairs with fewer trades than ``entry.least_trades`` are not
considered; of equal ones the loosest is taken, since a threshold that kept nothing out has shown nothing. Where
no pair earns anything the fold makes no trade.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from core.data.inputs import BarsBySeries
from core.errors import InputError
from core.experiments.walk_forward.records import WalkForwardResult
from core.trading.account import run_account
from core.trading.calls import MODEL, Calls, from_walk_forward
from core.trading.market import Market, gather_market
from core.trading.metrics import sharpe_ratio, steps_per_year
from core.trading.rules import Rules
from core.trading.stance import Thresholds, judge_calls, no_trade

QUANTILES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
"""Of the candidates' strength and confidence, that thresholds are chosen from."""
FULL_QUANTILE = 0.95
"""Of the confidence of the candidates that pass, from which on a position has its full size."""
_TICK = np.timedelta64(1, "us")


def choose_by_fold(
    result: WalkForwardResult, bars: BarsBySeries, rules: Rules, timeframe: str, forecaster: str = MODEL
) -> dict[int, Thresholds]:
    """Thresholds of every fold that has calls of the forecaster at the timeframe.

    Raises
    ------
    InputError
        If the walk-forward holds no calibrate rows, or bars are missing.
    """
    calls = from_walk_forward(result, bars, timeframe, forecaster, "calibrate")
    return {int(fold): _of_fold(result, bars, calls, rules, int(fold)) for fold in np.unique(calls.fold)}


def latest(result: WalkForwardResult, bars: BarsBySeries, rules: Rules, timeframe: str) -> Thresholds:
    """The model's thresholds of the newest fold, for bars after all folds.

    Raises
    ------
    InputError
        As `choose_by_fold`.
    """
    calls = from_walk_forward(result, bars, timeframe, segment="calibrate")
    return _of_fold(result, bars, calls, rules, int(calls.fold.max()))


def choose_thresholds(calls: Calls, market: Market, rules: Rules, horizon: int, fold: int) -> Thresholds:
    """Thresholds of one fold from its calibrate calls and the market up to its first test bar."""
    open_to_all = judge_calls(calls, rules, Thresholds(fold, 0.0, 0.0, 1.0))
    candidate = open_to_all.side != 0
    grids = [
        np.unique(np.quantile(values[candidate], QUANTILES)) if isinstance(given, str) else np.array([given])
        for values, given in (
            (calls.strength, rules.entry.probability),
            (calls.confidence, rules.entry.confidence),
        )
        if candidate.any() or not isinstance(given, str)
    ]
    count = int(candidate.sum())
    if len(grids) < 2 or not count:
        return no_trade(fold, count)
    chosen = not all(isinstance(given, float) for given in (rules.entry.probability, rules.entry.confidence))
    best, per_year, tried = no_trade(fold, count), steps_per_year(market.times), set()
    for confidence in grids[1]:
        for probability in grids[0]:
            passing = candidate & (calls.strength >= probability) & (calls.confidence >= confidence)
            same = passing.tobytes()
            if same in tried or not passing.any():
                continue
            tried.add(same)
            full = float(np.quantile(calls.confidence[passing], FULL_QUANTILE))
            one = Thresholds(fold, float(probability), float(confidence), full, 0, count)
            account = run_account(calls, judge_calls(calls, rules, one), market, rules, horizon)
            utility, trades = sharpe_ratio(account.returns, per_year), len(account.trades)
            measured = Thresholds(fold, one.probability, one.confidence, full, trades, count, utility)
            if not chosen:
                return measured
            if trades >= rules.entry.least_trades and utility > (best.utility if best.trading else 0.0):
                best = measured
    return best


def _of_fold(
    result: WalkForwardResult, bars: BarsBySeries, calls: Calls, rules: Rules, fold: int
) -> Thresholds:
    mine = calls.take(calls.fold == fold)
    end = result.folds[fold].borders.calibrate_end
    span = (mine.times.min(), _moment(end) - _TICK)
    if span[1] <= span[0]:
        raise InputError(
            f"calibrate rows of fold {fold} before its test", "later ones", "make the walk-forward again"
        )
    held = {name: bars[name, calls.timeframe] for name in calls.instruments}
    market = gather_market(held, calls.instruments, {fold: span})
    return choose_thresholds(mine, market, rules, result.config.labels.horizon, fold)


def _moment(time: pd.Timestamp) -> np.datetime64:
    return np.datetime64(time.tz_convert("UTC").tz_localize(None), "us")
