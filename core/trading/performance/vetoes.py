"""What each doubt was worth: what the trades that it alone kept out would have earned after costs.

Shape legend: n calls.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from core.disk import plain
from core.scores.intervals import Interval, hold_claims, mean_interval
from core.scores.stretches import Stretches, label_span
from core.trading.account import BP, exit_settings
from core.trading.calls import Calls
from core.trading.market import Market
from core.trading.performance.metrics import FEWEST
from core.trading.rules import Rules
from core.trading.stance import VETOES, Stances
from core.trading.walk import walk_single

TOO_FEW = f"fewer than {FEWEST} trades"


@dataclass(frozen=True)
class VetoWorth:
    """What one reason to stay out kept out.

    Attributes
    ----------
    name
        Of `core.trading.stance.VETOES`.
    calls
        Calls it held for, whatever else did.
    alone
        Calls that nothing else kept out and of which a position could have been opened.
    mean
        What those would have earned on average after costs, of their value; each by itself, so that their
        times may overlap, which the interval counts. NaN without any.
    won
        Share of them that would have earned.
    total
        What they would have earned in all at their sizes, in units of the equity; no limits counted.
    verdict
        ``paid`` where the mean is below zero, ``cost`` where it is above, and the claims of all doubts
        together hold; ``not shown`` otherwise.
    """

    name: str
    calls: int
    alone: int
    mean: Interval
    won: float
    total: float
    verdict: str

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return plain(asdict(self) | {"mean": self.mean.to_dict()})


def weigh_vetoes(
    calls: Calls, stances: Stances, market: Market, rules: Rules, horizon: int
) -> tuple[VetoWorth, ...]:
    """Every veto, in the order of `VETOES`."""
    earned = price_calls(calls, stances, market, rules, horizon)
    _, _, bars = exit_settings(rules, horizon)
    ends = market.times[(market.step_of(calls.times) + bars).clip(max=len(market) - 1)]
    ends = np.maximum(ends, calls.times)
    lines = []
    for name in VETOES:
        alone = stances.alone(name) & np.isfinite(earned)
        lines.append(
            (name, int(stances.vetoes[name].sum()), alone, mean_return(calls.times, ends, earned, alone))
        )
    held = hold_claims([mean.p for _, _, _, mean in lines])
    return tuple(
        VetoWorth(
            name,
            count,
            int(alone.sum()),
            mean,
            float((earned[alone] > 0).mean()) if alone.any() else math.nan,
            float((stances.full_size * earned)[alone].sum()),
            ("paid" if mean.value < 0 else "cost") if holds else "not shown",
        )
        for (name, count, alone, mean), holds in zip(lines, held, strict=True)
    )


def price_calls(calls: Calls, stances: Stances, market: Market, rules: Rules, horizon: int) -> np.ndarray:
    """(n,) what each call by itself would have earned after costs, of its value; NaN where it could not.

    Exits are those of the rules but for opposite calls, since no other call is looked at.
    """
    costs = [rules.costs.of(name) for name in market.instruments]
    column = np.array([market.instruments.index(name) for name in calls.instruments])
    return walk_single(
        market.step_of(calls.times),
        column[calls.instrument],
        stances.lean.astype(np.int64),
        stances.expected,
        *market.walked,
        BP * np.array([one.commission_bp + one.slippage_bp for one in costs]),
        np.array([one.borrow_per_year for one in costs]),
        *exit_settings(rules, horizon),
    )


def mean_return(times: np.ndarray, ends: np.ndarray, earned: np.ndarray, chosen: np.ndarray) -> Interval:
    """Mean of `earned` (n,) over the chosen, which hang together where they overlap from `times` to `ends`.

    Blank with fewer than `FEWEST`.
    """
    count = int(chosen.sum())
    if count < FEWEST:
        value = float(earned[chosen].mean()) if count else math.nan
        return Interval(value, math.nan, math.nan, blank=TOO_FEW)
    stretches = Stretches.over(times[chosen], label_span(times[chosen], ends[chosen]))
    return mean_interval(earned[chosen], stretches)
