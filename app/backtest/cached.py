"""What the Backtest page keeps between runs: finished backtests, shared by all sessions and never changed."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import streamlit as st

import core.bundle
from app.backtest.choices import Setting
from app.live import cached as live_cached
from app.shell import cached
from app.shell.jobs import Work, await_result
from app.words.challengers import NAMES
from core.data.bars import adjust_prices
from core.data.store import BarStore, home_folder
from core.progress import Cancelled, Progress
from core.review.disagreement import Disagreement, measure_disagreement
from core.trading.backtest import backtest_model
from core.trading.performance.split import TradeSplit, split_trades
from core.trading.results import BacktestResult

CHALLENGERS = ("logistic", "lightgbm")
"""Simpler models of direction that each trade is set beside."""


def backtest(model: cached.ModelKey, setting: Setting) -> BacktestResult | None:
    """The backtest of a setting, or None while a progress bar stands in its place.

    Raises
    ------
    InputError
        If the model has no walk-forward to trade, or a setting cannot be used.
    """
    rules = setting.rules()
    record = live_cached.walk_forward_result(model)
    stamp = "" if record is None else str(record.plan["fingerprint"])
    # Bars are part of the key: an ingest asks for another backtest.
    bars = tuple((one.instrument, one.timeframe, one.bars, str(one.last)) for one in cached.series())

    def work(progress: Progress, cancelled: Cancelled) -> BacktestResult:
        return backtest_model(
            BarStore(home_folder()), core.bundle.load_bundle(Path(model.folder)), Path(model.folder), rules,
            timeframe=setting.timeframe, progress=progress,
        )  # fmt: skip

    job: Work[BacktestResult] = work
    return await_result(
        ("backtest", model, setting, stamp, bars), "Trading every call of the walk-forward", job
    )


def splits(model: cached.ModelKey, found: BacktestResult) -> list[TradeSplit]:
    """Each trade beside what simpler models said of its bar; empty without a walk-forward."""
    past = live_cached.walk_forward_result(model)
    if past is None:
        return []
    trades = found.strategy.account.trades
    made = (split_trades(past, found.calls, trades, found.market.times, name) for name in CHALLENGERS)
    return [one for one in made if one is not None]


def bars_of(instrument: str, timeframe: str, first: pd.Timestamp, last: pd.Timestamp) -> pd.DataFrame:
    """Adjusted bars that open in [first, last], as the account traded them."""
    return adjust_prices(cached.store().read_range(instrument, timeframe, first, last))


@st.cache_resource(max_entries=8, show_spinner=False)
def _disagreements(model: cached.ModelKey, fingerprint: str) -> list[Disagreement]:
    found = live_cached.walk_forward_result(model)
    if found is None:
        return []
    pairs = found.baselines[["task", "baseline"]].astype(str).drop_duplicates().to_numpy()
    records = (measure_disagreement(found, task, name) for task, name in pairs if name in NAMES)
    return [one for one in records if one is not None]


def disagreements(model: cached.ModelKey) -> list[Disagreement]:
    """Where the walk-forward's models and simpler ones called differently; empty without one."""
    found = live_cached.walk_forward_result(model)
    return [] if found is None else _disagreements(model, str(found.plan["fingerprint"]))
