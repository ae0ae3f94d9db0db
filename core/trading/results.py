"""What a finished backtest holds.

Shape legend: n calls, T steps of the clock, K instruments.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from core.disk import plain
from core.scores.intervals import Interval
from core.trading.account import Account
from core.trading.calls import Calls
from core.trading.market import Market
from core.trading.performance.rivals import HOLDING, NOTHING, RANDOM, Comparison, RandomEntries, Run
from core.trading.performance.slices import Fan, Month, Slice
from core.trading.performance.vetoes import VetoWorth
from core.trading.rules import Rules
from core.trading.stance import Stances, Thresholds
from core.trading.walk import REASONS

HAR_SIZES = "model, sized by HAR"


@dataclass(frozen=True)
class Target:
    """One of the specification's targets beside what was measured.

    Attributes
    ----------
    name
        Of `core.trading.performance.metrics.MEASURES`.
    bound, above
        Whether the measure is to lie above the bound or below it.
    measured
        With its interval.
    verdict
        ``met``, ``not met``, or ``not measured`` without a value or trade. The value decides, not its
        interval.
    """

    name: str
    bound: float
    above: bool
    measured: Interval
    verdict: str

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "name": self.name, "bound": self.bound, "above": self.above, "verdict": self.verdict,
            "measured": self.measured.to_dict(),
        }  # fmt: skip


@dataclass(frozen=True)
class BacktestResult:
    """A finished backtest.

    Attributes
    ----------
    model, timeframe
        What was traded.
    horizon
        Bars of the direction label; positions are held so long unless the rules say otherwise.
    rules
        As given.
    calls
        The model's, of the test bars within the dates asked for.
    stances
        What the rules say to each, in their order.
    thresholds
        By fold, chosen on its calibrate rows.
    market
        Bars on the one clock; ``spans`` holds the folds' borders, as steps.
    strategy
        The model's account and measures: equity, trades, drawdown.
    rivals
        `HOLDING` first, then the same rules on the calls of each baseline, their own thresholds chosen in the
        same way, and `HAR_SIZES`: the model's calls and thresholds with HAR's volatility classes for sizes.
    random
        The strategy's sides and sizes at random times.
    comparisons
        Against `NOTHING`, each rival and `RANDOM`, their claims counted together.
    targets
        The specification's four.
    costs
        By multiple of all costs, the account and its measures; 1 is the strategy. Thresholds stay.
    months, slices, vetoes, fan
        See `core.trading.performance.slices` and `core.trading.performance.vetoes`.
    trials
        Settings and trainings looked at so far, this one counted.
    test_step
        Every so many bars has a call; in between positions go on.
    key
        Digest of everything the numbers depend on; empty where nothing is kept.
    """

    model: str
    timeframe: str
    horizon: int
    rules: Rules
    calls: Calls
    stances: Stances
    thresholds: dict[int, Thresholds]
    market: Market
    strategy: Run
    rivals: tuple[Run, ...]
    random: RandomEntries
    comparisons: tuple[Comparison, ...]
    targets: tuple[Target, ...]
    costs: dict[float, Run]
    months: tuple[Month, ...]
    slices: tuple[Slice, ...]
    vetoes: tuple[VetoWorth, ...]
    fan: Fan
    trials: int
    test_step: int
    key: str

    @property
    def shown(self) -> tuple[Comparison, ...]:
        """The comparisons that decide whether anything is shown: with nothing, holding and random entries."""
        return tuple(one for one in self.comparisons if one.against in (NOTHING, HOLDING, RANDOM))

    @property
    def anything_shown(self) -> bool:
        """Whether the strategy beats all three, each claim holding beside the others."""
        return all(one.holds and one.difference.value > 0 for one in self.shown)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON: the measures, not the bars; the equity of each account by time."""
        runs = {run.name: run for run in (self.strategy, *self.rivals)}
        whole = {
            "model": self.model,
            "timeframe": self.timeframe,
            "horizon": self.horizon,
            "test_step": self.test_step,
            "rules": self.rules.model_dump(mode="json"),
            "instruments": list(self.market.instruments),
            "from": f"{self.market.times[0]}Z",
            "to": f"{self.market.times[-1]}Z",
            "calls": len(self.calls),
            "acted": int((self.stances.side != 0).sum()),
            "trials": self.trials,
            "key": self.key,
            "anything_shown": self.anything_shown,
            "comparisons": [one.to_dict() for one in self.comparisons],
            "targets": [one.to_dict() for one in self.targets],
            "measures": {name: run.measures.to_dict() for name, run in runs.items()},
            "random": self.random.to_dict(),
            "thresholds": [one.to_dict() for one in self.thresholds.values()],
            "costs": {f"{multiple:g}": run.measures.to_dict() for multiple, run in self.costs.items()},
            "months": [vars(month) for month in self.months],
            "slices": [one.to_dict() for one in self.slices],
            "vetoes": [one.to_dict() for one in self.vetoes],
            "fan": self.fan.to_dict(),
            "times": [f"{time}Z" for time in self.market.times],
            "equity": {name: run.account.equity for name, run in runs.items()},
            "trades": _list_trades(self.strategy.account, self.market),
        }
        return plain(whole)


def _list_trades(account: Account, market: Market) -> list[dict[str, Any]]:
    trades = account.trades
    return [
        {
            "instrument": market.instruments[trades.instrument[i]],
            "side": int(trades.side[i]),
            "entry": f"{market.times[trades.entry[i]]}Z",
            "exit": f"{market.times[trades.exit[i]]}Z",
            "entry_price": trades.entry_price[i],
            "exit_price": trades.exit_price[i],
            "value": trades.value[i],
            "net": trades.net[i],
            "reason": REASONS[trades.reason[i]],
        }
        for i in range(len(trades))
    ]
