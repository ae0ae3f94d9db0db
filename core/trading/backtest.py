"""What acting on a model's calls would have earned: one account over the test bars of its walk-forward."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd

from core.bundle import Bundle
from core.data.inputs import BarsBySeries
from core.data.store import BarStore
from core.errors import InputError
from core.experiments.walk_forward.find import find_walk_forward
from core.experiments.walk_forward.records import WalkForwardResult
from core.experiments.walk_forward.results import load_walk_forward
from core.progress import Progress
from core.trading.account import run_account
from core.trading.calls import MODEL, Calls, from_walk_forward
from core.trading.kept import FOLDER, Kept, count_trial, result_key, setting_key
from core.trading.market import Market, as_moment, gather_market
from core.trading.performance.bootstrap import Blocks
from core.trading.performance.rivals import (
    HOLDING,
    RandomEntries,
    Run,
    buy_and_hold,
    compare_runs,
    enter_at_random,
    measure_run,
)  # fmt: skip
from core.trading.performance.slices import COST_MULTIPLES, draw_fan, list_months, slice_trades
from core.trading.performance.vetoes import weigh_vetoes
from core.trading.results import HAR_SIZES, BacktestResult, Target
from core.trading.rules import Rules
from core.trading.stance import Thresholds, judge_calls
from core.trading.thresholds import choose_by_fold

COMMAND = "python -m core walk-forward"
HAR = "har"


TARGETS = (
    ("sharpe", 1.5, True),
    ("max_drawdown", 0.15, False),
    ("win_rate", 0.55, True),
    ("profit_factor", 1.3, True),
)
"""The specification's: measure, bound, and whether it is to lie above it."""


def backtest_model(
    store: BarStore,
    bundle: Bundle,
    folder: Path,
    rules: Rules,
    *,
    timeframe: str | None = None,
    start: pd.Timestamp | None = None,
    end: pd.Timestamp | None = None,
    progress: Progress | None = None,
) -> BacktestResult:
    """Backtest a model's own walk-forward on the stored bars; counts as a trial, goes on after a kill.

    Parameters
    ----------
    folder
        Of the bundle.
    timeframe, start, end
        As `run_backtest`.

    Raises
    ------
    InputError
        If the model has no walk-forward with calibrate rows, or bars are missing.
    """
    place = find_walk_forward(store.home, folder, bundle.name)
    if place is None:
        raise InputError(
            f"a walk-forward of {bundle.name}, whose calls no model had seen",
            "none",
            f"make it: {COMMAND} --name {bundle.name}",
        )
    result = load_walk_forward(place)
    chosen = choose_timeframe(result, timeframe)
    direct = result.rows[(result.rows["timeframe"] == chosen).to_numpy()]
    names = {str(name) for name in direct["instrument"]}
    if result.calibrate is not None:
        before = result.calibrate[(result.calibrate["timeframe"] == chosen).to_numpy()]
        names |= {str(name) for name in before["instrument"]}
    bars = {(name, chosen): store.read_range(name, chosen) for name in sorted(names)}
    dates = [None if one is None else one.isoformat() for one in (start, end)]
    setting = setting_key(str(result.plan["fingerprint"]), rules, chosen, *dates)
    key = result_key(setting, bars)
    # Refused before it counts as a trial.
    from_walk_forward(result, bars, chosen, segment="calibrate")
    return run_backtest(
        result,
        bars,
        rules,
        model=bundle.name,
        timeframe=chosen,
        start=start,
        end=end,
        trials=count_trial(store.home, setting),
        kept=Kept(store.home / FOLDER / key),
        key=key,
        progress=progress,
    )


def run_backtest(
    result: WalkForwardResult,
    bars: BarsBySeries,
    rules: Rules,
    *,
    model: str,
    timeframe: str | None = None,
    start: pd.Timestamp | None = None,
    end: pd.Timestamp | None = None,
    trials: int = 1,
    kept: Kept | None = None,
    key: str = "",
    progress: Progress | None = None,
) -> BacktestResult:
    """Trade a walk-forward's test calls by the rules, beside rivals.

    Parameters
    ----------
    bars
        As stored, of every series of the timeframe in the walk-forward.
    timeframe
        None takes the one with most rows.
    start, end
        Trade calls and bars between these moments alone, both inside.
    trials
        Settings and trainings looked at so far, for the deflated Sharpe ratio.
    kept
        Where finished parts are kept; None keeps nothing.
    progress
        Called with (steps done, steps in all).

    Raises
    ------
    InputError
        If the walk-forward has no calibrate rows, bars are missing, or no call lies within the dates.
    """
    kept = Kept(None) if kept is None else kept
    timeframe, horizon = choose_timeframe(result, timeframe), result.config.labels.horizon
    calls = _within(from_walk_forward(result, bars, timeframe), start, end)
    market = _market(result, bars, calls, end)
    others = _baselines(result, timeframe, "direction")
    steps, done = len(others) + 6, 0

    def step() -> None:
        nonlocal done
        done += 1
        if progress:
            progress(done, steps)

    def choose(name: str) -> dict[int, Thresholds]:
        found = kept.recall(
            f"thresholds_{name}",
            lambda: {
                str(fold): one.to_dict()
                for fold, one in choose_by_fold(result, bars, rules, timeframe, name).items()
            },
        )
        return {int(fold): Thresholds.from_dict(raw) for fold, raw in found.items()}

    thresholds = choose(MODEL)
    step()
    stances = judge_calls(calls, rules, thresholds)
    account = run_account(calls, stances, market, rules, horizon)
    blocks = Blocks.over(account.returns, min(horizon, max(len(market) // 4, 1)))
    strategy = measure_run(MODEL, account, blocks, trials)
    step()
    rivals = [measure_run(HOLDING, buy_and_hold(market, rules), blocks)]
    for name in others:
        theirs = _within(from_walk_forward(result, bars, timeframe, name), start, end)
        judged = judge_calls(theirs, rules, choose(name))
        rivals.append(measure_run(name, run_account(theirs, judged, market, rules, horizon), blocks))
        step()
    if HAR in _baselines(result, timeframe, "volatility"):
        sized = _within(from_walk_forward(result, bars, timeframe, sizes_by=HAR), start, end)
        judged = judge_calls(sized, rules, thresholds)
        rivals.append(measure_run(HAR_SIZES, run_account(sized, judged, market, rules, horizon), blocks))
    step()
    drawn = kept.recall("random", lambda: enter_at_random(calls, stances, market, rules, horizon).to_dict())
    random = RandomEntries.from_dict(drawn)
    step()
    costs = {
        multiple: measure_run(
            f"costs x{multiple:g}", run_account(calls, stances, market, rules, horizon, multiple), blocks
        )
        for multiple in COST_MULTIPLES
    }
    step()
    found = BacktestResult(
        model=model,
        timeframe=timeframe,
        horizon=horizon,
        rules=rules,
        calls=calls,
        stances=stances,
        thresholds=thresholds,
        market=market,
        strategy=strategy,
        rivals=tuple(rivals),
        random=random,
        comparisons=compare_runs(strategy, rivals, random, blocks),
        targets=_targets(strategy),
        costs=costs,
        months=list_months(account),
        slices=slice_trades(calls, account),
        vetoes=weigh_vetoes(calls, stances, market, rules, horizon),
        fan=draw_fan(account, blocks),
        trials=trials,
        test_step=int(result.plan.get("test_step", 1)),
        key=key,
    )
    step()
    return found


def choose_timeframe(result: WalkForwardResult, timeframe: str | None) -> str:
    """The timeframe asked for, or the one with most rows.

    Raises
    ------
    InputError
        If the walk-forward has no rows at it.
    """
    counts = result.rows["timeframe"].astype(str).value_counts()
    if timeframe is None:
        return str(counts.index[0])
    if timeframe not in counts.index:
        raise InputError(
            f"a timeframe out of {', '.join(sorted(counts.index))}", repr(timeframe), "choose one of these"
        )
    return timeframe


def _baselines(result: WalkForwardResult, timeframe: str, label: str) -> list[str]:
    """Baselines with rows of the task with that label at the timeframe, in the walk-forward's order."""
    tasks = [task.name for task in result.config.tasks if task.label == label]
    rows = result.baselines
    chosen = (rows["timeframe"] == timeframe) & rows["task"].isin(tasks)
    there = set(rows.loc[chosen.to_numpy(), "baseline"].astype(str))
    return [name for name in result.plan["baselines"] if name in there]


def _within(calls: Calls, start: pd.Timestamp | None, end: pd.Timestamp | None) -> Calls:
    inside = np.ones(len(calls), bool)
    if start is not None:
        inside &= calls.times >= as_moment(start)
    if end is not None:
        inside &= calls.times <= as_moment(end)
    if not inside.any():
        raise InputError(
            f"dates between {str(calls.times[0])[:10]} and {str(calls.times[-1])[:10]}",
            "none with a call between them",
            "choose other dates",
        )
    return calls.take(inside)


def _market(result: WalkForwardResult, bars: BarsBySeries, calls: Calls, end: pd.Timestamp | None) -> Market:
    """Each fold from its first call to the border of its test, the last one to the end of its last label."""
    known = result.rows[(result.rows["timeframe"] == calls.timeframe).to_numpy()]
    spans = {}
    for fold in np.unique(calls.fold):
        border = result.folds[int(fold)].borders.test_end
        labelled = as_moment(known.loc[(known["fold"] == fold).to_numpy(), "label_end"].max())
        last = labelled if border is None else as_moment(border) - np.timedelta64(1, "us")
        if end is not None:
            last = min(last, as_moment(end))
        spans[int(fold)] = (calls.times[calls.fold == fold].min(), last)
    held = {name: bars[name, calls.timeframe] for name in calls.instruments}
    return gather_market(held, calls.instruments, spans)


def _targets(strategy: Run) -> tuple[Target, ...]:
    found = []
    for name, bound, above in TARGETS:
        measured = strategy.measures.values[name]
        met = measured.value > bound if above else measured.value < bound
        unknown = math.isnan(measured.value) or not strategy.measures.trades
        verdict = "not measured" if unknown else "met" if met else "not met"
        found.append(Target(name, bound, above, measured, verdict))
    return tuple(found)
