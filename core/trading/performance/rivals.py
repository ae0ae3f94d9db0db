"""What the strategy must beat: holding, the same rules on the baselines' calls, and entries at random times.

Shape legend: n calls, T steps of the clock, K instruments, D draws, R random runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from core.disk import plain
from core.scores.intervals import Interval, hold_claims
from core.trading.account import BP, Account, Trades, run_account
from core.trading.calls import Calls
from core.trading.market import Market
from core.trading.performance.bootstrap import Blocks, drawn_interval, drawn_p
from core.trading.performance.metrics import (
    Measures,
    draw_sharpes,
    measure_account,
    sharpe_ratio,
    steps_per_year,
)
from core.trading.rules import Rules
from core.trading.stance import Stances
from core.trading.walk import END

RUNS = 200
HOLDING = "buy and hold"
RANDOM = "random entries"
NOTHING = "nothing"
"""The comparison with a Sharpe ratio of zero."""


@dataclass(frozen=True)
class Run:
    """One forecaster's account and what it is judged by."""

    name: str
    account: Account
    measures: Measures


@dataclass(frozen=True)
class RandomEntries:
    """The strategy's own sides and sizes at other times; see `enter_at_random`.

    Attributes
    ----------
    sharpe, total, exposure
        (R,) annual Sharpe ratio, return over all, and mean exposure of each run.
    """

    sharpe: np.ndarray
    total: np.ndarray
    exposure: np.ndarray

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return plain({name: getattr(self, name) for name in ("sharpe", "total", "exposure")})

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> RandomEntries:
        """The inverse of `to_dict`."""
        # What is unknown stands as null.
        return cls(*(np.array(raw[name], dtype=float) for name in ("sharpe", "total", "exposure")))


@dataclass(frozen=True)
class Comparison:
    """The strategy's Sharpe ratio less another's.

    Attributes
    ----------
    against
        `NOTHING`, `HOLDING`, `RANDOM`, or a rival's name.
    difference
        With its interval; blank where there is too little time.
    p
        Two-sided; NaN where unknown.
    holds
        Whether the claim that they differ holds among all comparisons made (Holm).
    """

    against: str
    difference: Interval
    p: float
    holds: bool

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "against": self.against,
            "difference": self.difference.to_dict(),
            "p": plain(self.p),
            "holds": self.holds,
        }


def buy_and_hold(market: Market, rules: Rules) -> Account:
    """The same share of the equity in every instrument from a fold's first open to its last close.

    In each fold anew, over the instruments that have bars in it, with the costs of both fills.
    """
    steps = len(market)
    rate = BP * np.array([_rate(rules, name) for name in market.instruments])
    equity, gross, traded, cost = np.ones(steps), np.zeros(steps), np.zeros(steps), np.zeros(steps)
    rows, before = [], 1.0
    for first, last in sorted(market.spans.values()):
        prices = market.close[first : last + 1]
        there = np.isfinite(prices)
        held = np.flatnonzero(there.any(axis=0))
        begin, end = there[:, held].argmax(axis=0), prices.shape[0] - 1 - there[::-1, held].argmax(axis=0)
        entry, leave = market.open[first + begin, held], prices[end, held]
        units = before / len(held) / entry
        filled = _carry_forward(prices[:, held])
        step = np.arange(prices.shape[0])[:, None]
        value = np.where(step < begin, before / len(held), units * np.where(step > end, leave, filled))
        inside = (step >= begin) & (step < end)
        paid = (step == begin) * (units * entry * rate[held]) + (step == end) * (units * leave * rate[held])
        span = slice(first, last + 1)
        cost[span] = paid.sum(axis=1)
        equity[span] = value.sum(axis=1) - np.cumsum(cost[span])
        gross[span] = (value * inside).sum(axis=1) / equity[span]
        bought = (step == begin) * (units * entry) + (step == end) * (units * leave)
        traded[span] = bought.sum(axis=1) / np.r_[before, equity[span][:-1]]
        both = units * (entry + leave) * rate[held]
        rows += [
            (-1, k, 1, first + b, first + e, p, q, u, c, 0.0, END)
            for k, b, e, p, q, u, c in zip(held, begin, end, entry, leave, units, both, strict=True)
        ]
        # Between folds nothing is held.
        equity[last + 1 :] = before = float(equity[last])
    columns = [np.array(column) for column in zip(*rows, strict=True)]
    return Account(
        market.times, equity, gross, gross, traded, cost, np.zeros(steps), np.zeros(steps, bool),
        Trades(*columns), np.zeros(0, int),
    )  # fmt: skip


def enter_at_random(
    calls: Calls,
    stances: Stances,
    market: Market,
    rules: Rules,
    horizon: int,
    runs: int = RUNS,
    seed: int = 0,
) -> RandomEntries:
    """Run the strategy's sides and sizes through the market at random times of the same fold.

    Each run moves them, in every fold, along each instrument's calls by one random share of the fold, the end
    continued at the beginning: how often, on which side, how large, in what clusters and at which times
    together stays; only the moments are others.
    """
    rng = np.random.default_rng(seed)
    per_year = steps_per_year(market.times)
    groups = [
        [
            np.flatnonzero((calls.fold == fold) & (calls.instrument == k))
            for k in range(len(calls.instruments))
        ]
        for fold in np.unique(calls.fold)
    ]
    found = np.full((3, runs), np.nan)
    for run in range(runs):
        place = np.arange(len(calls))
        for group in groups:
            share = rng.uniform()
            for mine in group:
                if len(mine):
                    place[mine] = np.roll(mine, 1 + int(share * (len(mine) - 1)))
        moved = replace(stances, side=stances.side[place], size=stances.size[place])
        account = run_account(calls, moved, market, rules, horizon)
        found[:, run] = (
            sharpe_ratio(account.returns, per_year), account.equity[-1] - 1, account.gross.mean(),
        )  # fmt: skip
    return RandomEntries(*found)


def compare_runs(
    strategy: Run, rivals: list[Run], random: RandomEntries, blocks: Blocks
) -> tuple[Comparison, ...]:
    """The strategy's Sharpe ratio beside nothing, each rival and random entries, all claims counted."""
    mine, own = strategy.measures.values["sharpe"].value, draw_sharpes(strategy.account, blocks)
    made: list[tuple[str, Interval, float]] = [(NOTHING, drawn_interval(mine, own), drawn_p(own))]
    for rival in rivals:
        difference = mine - rival.measures.values["sharpe"].value
        drawn = own - draw_sharpes(rival.account, blocks)
        made.append((rival.name, drawn_interval(difference, drawn), drawn_p(drawn)))
    known = random.sharpe[np.isfinite(random.sharpe)]
    if known.size and np.isfinite(mine):
        p = drawn_p(mine - known)
        beside = drawn_interval(mine - float(np.median(known)), mine - known)
    else:
        p, beside = float("nan"), Interval(float("nan"), float("nan"), float("nan"))
    made.append((RANDOM, beside, p))
    held = hold_claims([p for _, _, p in made])
    return tuple(
        Comparison(name, difference, p, bool(holds))
        for (name, difference, p), holds in zip(made, held, strict=True)
    )


def measure_run(name: str, account: Account, blocks: Blocks, trials: int = 1) -> Run:
    """An account with its measures."""
    return Run(name, account, measure_account(account, blocks, trials))


def _rate(rules: Rules, name: str) -> float:
    return rules.costs.of(name).commission_bp + rules.costs.of(name).slippage_bp


def _carry_forward(prices: np.ndarray) -> np.ndarray:
    """Each column's last known value at each row; NaN before the first."""
    rows = np.where(np.isfinite(prices), np.arange(len(prices))[:, None], 0)
    return np.take_along_axis(prices, np.maximum.accumulate(rows, axis=0), axis=0)
