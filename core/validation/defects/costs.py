"""Whether what trading is said to earn is net of what it costs.

Shape legend: n trades.
"""

from __future__ import annotations

import numpy as np

from core.validation.defects.check import Check

TOLERANCE = 1e-6
"""Difference allowed between a net profit and its parts, as a share of what was traded."""


def check_costs(
    gross: np.ndarray, costs: np.ndarray, net: np.ndarray, traded: np.ndarray, least_rate: float
) -> Check:
    """Every trade is charged at least the rate of its rules, and its net profit is gross less costs.

    Parameters
    ----------
    gross, costs, net
        (n,) profit before costs, costs as a positive number, profit after them, in one currency.
    traded
        (n,) value bought plus value sold.
    least_rate
        Cost of each unit traded by the rules, as a fraction; borrow and the like come on top.
    """
    statistic = (
        "trades whose net profit is not gross less costs, or that cost less than the rules say "
        f"({1e4 * least_rate:g} "
        "basis points of what is traded), none allowed; rules that charge nothing"
    )
    if not len(net):
        return Check("wrong costs", statistic, None, "There is no trade to look at.")
    room = TOLERANCE * np.maximum(np.abs(traded), 1e-12)
    unequal = int((np.abs(net - (gross - costs)) > room).sum())
    cheap = int((costs < least_rate * traded - room).sum())
    said = (
        f"Of {len(net):,} trades {unequal:,} do not add up and {cheap:,} cost less than the rules "
        "say; costs are "
        f"{1e4 * costs.sum() / max(traded.sum(), 1e-12):.2f} basis points of what was traded, the "
        "rules say at "
        f"least {1e4 * least_rate:.2f}."
    )
    return Check("wrong costs", statistic, bool(unequal or cheap or least_rate <= 0), said)
