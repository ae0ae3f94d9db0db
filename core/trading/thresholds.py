"""How sure a call must be to be acted on, chosen on each fold's calibrate rows alone.

Every pair out of a grid of quantiles trades the fold's calibrate segment, costs, exits and limits included;
the pair with the highest Sharpe ratio is taken. Pairs with fewer trades than ``entry.least_trades`` are not
considered; of equal ones the loosest is taken, since a threshold that kept nothing out has shown nothing.
Where no pair earns anything the fold makes no trade.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from core.data.inputs import BarsBySeries
from core.errors import InputError
from core.experiments.walk_forward.records import WalkForwardResult
from core.trading.account import run_account
from core.trading.calls import MODEL, Calls, from_walk_forward
from core.trading.market import Market, as_moment, gather_market
from core.trading.performance.metrics import sharpe_ratio, steps_per_year
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
    candidate = judge_calls(calls, rules, Thresholds(fold, 0.0, 0.0, 1.0)).side != 0
    strength, sure, count = rules.entry.probability, rules.entry.confidence, int(candidate.sum())
    if not isinstance(strength, str) and not isinstance(sure, str):
        passing = candidate & (calls.strength >= strength) & (calls.confidence >= sure)
        return Thresholds(fold, strength, sure, _full(calls, passing), 0, count)
    if not count:
        return no_trade(fold)
    grids = [
        np.unique(np.quantile(values[candidate], QUANTILES)) if isinstance(least, str) else np.array([least])
        for values, least in ((calls.strength, strength), (calls.confidence, sure))
    ]
    best, per_year, tried = no_trade(fold, count), steps_per_year(market.times), set()
    for confidence in grids[1]:
        for probability in grids[0]:
            passing = candidate & (calls.strength >= probability) & (calls.confidence >= confidence)
            same = passing.tobytes()
            if same in tried or not passing.any():
                continue
            tried.add(same)
            pair = Thresholds(fold, float(probability), float(confidence), _full(calls, passing), 0, count)
            account = run_account(calls, judge_calls(calls, rules, pair), market, rules, horizon)
            utility, trades = sharpe_ratio(account.returns, per_year), len(account.trades)
            if trades >= rules.entry.least_trades and utility > (best.utility if best.trading else 0.0):
                best = replace(pair, trades=trades, utility=utility)
    return best


def _full(calls: Calls, passing: np.ndarray) -> float:
    return float(np.quantile(calls.confidence[passing], FULL_QUANTILE)) if passing.any() else 1.0


def _of_fold(
    result: WalkForwardResult, bars: BarsBySeries, calls: Calls, rules: Rules, fold: int
) -> Thresholds:
    mine = calls.take(calls.fold == fold)
    end = result.folds[fold].borders.calibrate_end
    span = (mine.times.min(), as_moment(end) - _TICK)
    if span[1] <= span[0]:
        raise InputError(
            f"calibrate rows of fold {fold} before its test", "later ones", "make the walk-forward again"
        )
    held = {name: bars[name, calls.timeframe] for name in calls.instruments}
    market = gather_market(held, calls.instruments, {fold: span})
    return choose_thresholds(mine, market, rules, result.config.labels.horizon, fold)
