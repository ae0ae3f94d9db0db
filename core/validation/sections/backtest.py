"""What acting on the calls would have earned after costs, as the backtest measured it."""

from __future__ import annotations

import numpy as np

from core.trading.results import BacktestResult
from core.validation.defects.check import Check
from core.validation.defects.costs import check_costs
from core.validation.findings import Finding, Section, judge, percent
from core.validation.material import Material

TITLE = "Backtest"


def measure_backtest(material: Material) -> Section:
    """The backtest's own verdicts: what it must beat, the specification's targets, what costs take."""
    found, command = material.backtest, f"python -m core backtest --model {material.bundle.name}"
    if isinstance(found, str):
        what = "Acting on the calls earns more than its rivals after costs"
        return Section("backtest", TITLE, (judge(what, None, found, command),))
    measured = found.to_dict()
    trades = len(found.strategy.account.trades)
    comparisons = [
        {"against": one.against, **one.difference.to_dict(), "p": one.p, "holds": one.holds}
        for one in found.comparisons
    ]
    findings: list[Finding] = []
    for one in found.shown:
        spread = ""
        if np.isfinite(one.difference.low):
            spread = f" [{one.difference.low:+.2f}, {one.difference.high:+.2f}]"
        better = one.holds and one.difference.value > 0
        said = (
            f"Sharpe ratio {one.difference.value:+.2f}{spread} beside it, {trades:,} trades: "
            f"{'better' if better else 'not shown to be better'}, {len(comparisons)} comparisons counted."
        )
        holds = better if np.isfinite(one.p) else None
        findings.append(
            judge(f"After costs the strategy earns more than {one.against}", holds, said, command)
        )
    for target in found.targets:
        side = "above" if target.above else "below"
        holds = None if target.verdict == "not measured" else target.verdict == "met"
        said = f"Measured {target.measured.value:.3g} on {trades:,} trades."
        what = f"Backtest: {target.name.replace('_', ' ')} {side} {target.bound:g}"
        findings.append(judge(what, holds, said, command))
    tables = {
        "comparisons": comparisons,
        "costs": [
            {
                "costs_times": multiple,
                "return": float(run.account.equity[-1] - 1) if len(run.account.equity) else 0.0,
            }
            for multiple, run in found.costs.items()
        ],
    }
    acted = measured["acted"] / max(measured["calls"], 1)
    facts = {
        "traded": f"{found.timeframe} bars, {measured['from'][:10]} to {measured['to'][:10]}",
        "calls acted on": f"{measured['acted']:,} of {measured['calls']:,} ({percent(acted)})",
    }
    return Section("backtest", TITLE, tuple(findings), tables, facts)


def check_backtest(found: BacktestResult) -> Check:
    """Costs of every trade beside the rules, and of all together beside what became of the equity."""
    account, trades = found.strategy.account, found.strategy.account.trades
    traded = np.abs(trades.units) * (trades.entry_price + trades.exit_price)
    costs = [found.rules.costs.of(name) for name in found.market.instruments]
    rate = min((one.commission_bp + one.slippage_bp) / 1e4 for one in costs)
    if not len(trades):
        return check_costs(trades.gross, trades.cost, trades.net, traded, rate)
    # The last line is the account: its equity knows nothing of how trades are summed up.
    earned = account.equity[-1] - 1 + trades.borrow.sum()
    return check_costs(
        np.append(trades.gross, trades.gross.sum()),
        np.append(trades.cost, trades.cost.sum()),
        np.append(trades.net + trades.borrow, earned),
        np.append(traded, traded.sum()),
        rate,
    )
