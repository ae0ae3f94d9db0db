"""Time an account over a million bars, compiled and as the same loop in plain Python.

Run: ``python -m tests.benchmarks.backtest [BARS]``.
"""

from __future__ import annotations

import sys
import time

import numpy as np

import core.trading.account
import core.trading.walk
from core.trading.account import run_account
from core.trading.market import Market
from core.trading.rules import load_rules
from core.trading.stance import Stances
from tests.core.trading.synthetic_trading import calls_of

INSTRUMENTS = 10
SAMPLE = 10


def build(bars: int) -> tuple[Market, np.ndarray]:
    """Random walks of minute bars on one clock; `bars` counts those of all instruments."""
    rng = np.random.default_rng(0)
    steps = bars // INSTRUMENTS
    close = 100 * np.exp(np.cumsum(0.0005 * rng.standard_normal((steps, INSTRUMENTS)), axis=0))
    open_ = np.vstack([close[:1], close[:-1]])
    high, low = np.maximum(open_, close) * 1.0003, np.minimum(open_, close) / 1.0003
    times = np.datetime64("2015-01-01", "us") + np.arange(steps) * np.timedelta64(60_000_000, "us")
    closing = np.zeros(close.shape, bool)
    closing[-1] = True
    names = tuple(f"I{k}" for k in range(INSTRUMENTS))
    years = np.full(steps, 1 / (365 * 1440))
    return Market(
        times, names, open_, high, low, close, np.ones(close.shape, bool), years, {0: (0, steps - 1)}, closing
    ), rng.choice([-1, 0, 0, 0, 1], steps * INSTRUMENTS).astype(np.int8)


def measure(bars: int) -> tuple[float, int]:
    """Seconds of one account with a call at every bar, and its trades."""
    market, side = build(bars)
    calls = calls_of(
        np.repeat(market.times, INSTRUMENTS), np.tile(np.arange(INSTRUMENTS), len(market)), market.instruments
    )
    size, expected = np.full(len(side), 0.2), np.full(len(side), 0.0005)
    stances = Stances(side, size, side, size, expected, {}, np.where(side == 0, 0, -1))
    start = time.perf_counter()
    account = run_account(calls, stances, market, load_rules(), 5)
    return time.perf_counter() - start, len(account.trades)


def main() -> None:
    bars = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    measure(1_000)
    seconds, trades = min(measure(bars) for _ in range(3))
    print(f"{bars:,} bars, {INSTRUMENTS} instruments, {trades:,} trades: {seconds:.2f} s")
    few = bars // SAMPLE
    compiled, _ = min(measure(few) for _ in range(3))
    for name in ("touch_level", "settle"):
        setattr(core.trading.walk, name, getattr(core.trading.walk, name).py_func)
    core.trading.account.walk_market = core.trading.walk.walk_market.py_func
    plain, _ = measure(few)
    print(
        f"plain Python over {few:,} bars: {plain:.2f} s against {compiled:.3f} s compiled, "
        f"{plain / compiled:.0f} times as long"
    )


if __name__ == "__main__":
    main()
