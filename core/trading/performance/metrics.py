"""What an account is judged by, each measure with an interval from time drawn again in blocks.

Shape legend: T steps of the clock, G cells, D draws, m trades.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.stats

from core.disk import plain
from core.scores.intervals import Interval
from core.trading.account import Account
from core.trading.performance.bootstrap import Blocks, drawn_interval

FEWEST = 10
"""Trades with fewer of which the measures of single trades have no interval."""
TRADE_MEASURES = ("win_rate", "profit_factor", "payoff")
MEASURES = (
    "sharpe", "sortino", "calmar", "max_drawdown", "annual_return", "annual_volatility", *TRADE_MEASURES,
    "exposure", "turnover", "cost_share",
)  # fmt: skip
"""Names of what is measured, in the order of tables; see `Measures`."""


@dataclass(frozen=True)
class Drawdown:
    """The deepest fall of the equity.

    Attributes
    ----------
    depth
        Share lost, 0 or positive.
    peak, trough
        Times of the highest equity before it and of its lowest; None where nothing was lost, `peak` also
        where it was the start.
    recovered
        First time the peak was reached again; None where it was not.
    """

    depth: float
    peak: np.datetime64 | None
    trough: np.datetime64 | None
    recovered: np.datetime64 | None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; times in ISO 8601, UTC."""
        ends = {name: getattr(self, name) for name in ("peak", "trough", "recovered")}
        return {"depth": self.depth} | {k: None if t is None else f"{t}Z" for k, t in ends.items()}


@dataclass(frozen=True)
class Measures:
    """Everything an account is judged by.

    Attributes
    ----------
    values
        By name of `MEASURES`. ``sharpe``, ``sortino``: annual, without a rate of interest; ``calmar``: annual
        return over the deepest drawdown; ``max_drawdown``: 0 or positive; ``win_rate``: trades that earned
        after costs; ``profit_factor``: all earned over all lost; ``payoff``: mean gain over mean loss;
        ``exposure``: mean value of positions over equity; ``turnover``: value of fills over equity, a year;
        ``cost_share``: costs and borrow over what the winning trades earned before them. NaN where undefined.
    drawdown
        The deepest one, with its dates.
    trades, steps, per_year
        Counted; steps of the clock in a year.
    deflated_sharpe
        Probability that the true Sharpe ratio is positive, given how many settings were looked at; NaN where
        undefined. See `deflate_sharpe`.
    trials
        How many.
    """

    values: dict[str, Interval]
    drawdown: Drawdown
    trades: int
    steps: int
    per_year: float
    deflated_sharpe: float
    trials: int

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {name: interval.to_dict() for name, interval in self.values.items()} | {
            "drawdown": self.drawdown.to_dict(),
            "trades": self.trades,
            "steps": self.steps,
            "per_year": self.per_year,
            "deflated_sharpe": plain(self.deflated_sharpe),
            "trials": self.trials,
        }


def measure_account(account: Account, blocks: Blocks, trials: int = 1) -> Measures:
    """Every measure of an account, with intervals where there is enough time."""
    per_year = steps_per_year(account.times)
    cells = _cells(account, blocks)
    values = _ratios(cells.sum(axis=0), per_year)
    drawn = _ratios(blocks.draw_sums(cells), per_year) if len(blocks) else {}
    fallen = find_drawdown(account)
    values |= {"max_drawdown": fallen.depth, "calmar": _over(values["annual_return"], fallen.depth)}
    if len(blocks):
        drawn["max_drawdown"] = _draw_depths(np.log1p(np.maximum(account.returns, -0.999999)), blocks)
        drawn["calmar"] = _over(drawn["annual_return"], drawn["max_drawdown"])
    few = len(account.trades) < FEWEST
    nothing = np.zeros(0)
    return Measures(
        {
            name: drawn_interval(
                float(values[name]), nothing if few and name in TRADE_MEASURES else drawn.get(name, nothing)
            )
            for name in MEASURES
        },
        fallen,
        len(account.trades),
        len(account.times),
        per_year,
        deflate_sharpe(account.returns, trials),
        trials,
    )


def draw_sharpes(account: Account, blocks: Blocks) -> np.ndarray:
    """(D,) annual Sharpe ratio in each draw; the same draws for every account on the clock."""
    if not len(blocks):
        return np.zeros(0)
    return _ratios(blocks.draw_sums(_cells(account, blocks)), steps_per_year(account.times))["sharpe"]


def sharpe_ratio(returns: np.ndarray, per_year: float) -> float:
    """Annual; NaN where the returns (T,) do not vary."""
    spread = returns.std(ddof=1) if len(returns) > 1 else 0.0
    return float(returns.mean() / spread * math.sqrt(per_year)) if spread > 0 else math.nan


def steps_per_year(times: np.ndarray) -> float:
    """How many steps of a clock (T,) fall into 365.25 days; NaN for fewer than two."""
    if len(times) < 2:
        return math.nan
    years = (times[-1] - times[0]).astype("timedelta64[us]").astype(float) / (365.25 * 86400e6)
    return (len(times) - 1) / years


def find_drawdown(account: Account) -> Drawdown:
    """The deepest fall of an account's equity, the start of 1 counted."""
    fallen = -account.drawdown
    trough = int(fallen.argmax()) if len(fallen) else 0
    if not len(fallen) or fallen[trough] <= 0:
        return Drawdown(0.0, None, None, None)
    before = account.equity[: trough + 1]
    peak = int(before.argmax())
    height = max(before[peak], 1.0)
    again = account.times[trough:][account.equity[trough:] >= height]
    return Drawdown(
        float(fallen[trough]),
        account.times[peak] if before[peak] >= 1.0 else None,
        account.times[trough],
        again[0] if again.size else None,
    )


def deflate_sharpe(returns: np.ndarray, trials: int) -> float:
    """Probability that the true Sharpe ratio is above what the best of `trials` worthless ones would show.

    Notes
    -----
    Bailey and Lopez de Prado 2014, The Deflated Sharpe Ratio. The variance over trials is that of the
    estimate itself, 1 / (T - 1), since most trials (trainings) have no Sharpe ratio of their own. The formula
    takes returns of different steps as independent, but not as normal.
    """
    steps = len(returns)
    spread = returns.std(ddof=1) if steps > 2 else 0.0
    if not spread > 0:
        return math.nan
    ratio = returns.mean() / spread
    skew, kurtosis = scipy.stats.skew(returns), scipy.stats.kurtosis(returns, fisher=False)
    expected = expected_best(trials) / math.sqrt(steps - 1)
    error = 1 - skew * ratio + (kurtosis - 1) / 4 * ratio**2
    if not error > 0:
        return math.nan
    return float(scipy.stats.norm.cdf((ratio - expected) * math.sqrt((steps - 1) / error)))


def expected_best(trials: int) -> float:
    """Expected largest of so many standard normal numbers (Bailey and Lopez de Prado); 0 for one."""
    if trials < 2:
        return 0.0
    quantile = scipy.stats.norm.ppf
    tail = np.euler_gamma * (quantile(1 - 1 / (trials * math.e)) - quantile(1 - 1 / trials))
    return float(quantile(1 - 1 / trials) + tail)


_SUMS = (
    "steps", "returns", "squares", "falls", "logs", "exposure", "traded", "costs", "trades", "wins", "losses",
    "gains", "lost", "won_gross",
)  # fmt: skip


def _cells(account: Account, blocks: Blocks) -> np.ndarray:
    """(G, S) what every ratio is made of, summed by cell; trades at the step they were closed."""
    returns, trades = account.returns, account.trades
    by_step = np.zeros((len(returns), len(_SUMS)))
    by_step[:, 0], by_step[:, 1], by_step[:, 2] = 1.0, returns, returns**2
    by_step[:, 3] = np.minimum(returns, 0) ** 2
    by_step[:, 4] = np.log1p(np.maximum(returns, -0.999999))
    by_step[:, 5], by_step[:, 6] = account.gross, account.traded
    by_step[:, 7] = account.cost + account.borrow
    net = trades.net
    counted = (np.ones(len(net)), net > 0, net < 0, np.maximum(net, 0), np.maximum(-net, 0))
    for column, values in enumerate((*counted, np.maximum(trades.gross, 0)), 8):
        np.add.at(by_step[:, column], trades.exit, values)
    return blocks.total(by_step)


def _ratios(sums: np.ndarray, per_year: float) -> dict[str, Any]:
    """By name, ratios of sums (..., S); NaN where a denominator is none."""
    part = {name: sums[..., place] for place, name in enumerate(_SUMS)}
    steps, year = part["steps"], math.sqrt(per_year)
    mean = part["returns"] / steps
    variance = np.maximum(part["squares"] - steps * mean**2, 0) / np.maximum(steps - 1, 1)
    # What rounding leaves of returns that are all the same is no spread.
    spread = np.sqrt(np.where(variance > 1e-14 * mean**2 + 1e-30, variance, 0))
    return {
        "sharpe": _over(mean, spread) * year,
        "sortino": _over(mean, np.sqrt(part["falls"] / steps)) * year,
        "annual_return": np.expm1(part["logs"] / steps * per_year),
        "annual_volatility": spread * year,
        "win_rate": _over(part["wins"], part["trades"]),
        "profit_factor": _over(part["gains"], part["lost"]),
        "payoff": _over(_over(part["gains"], part["wins"]), _over(part["lost"], part["losses"])),
        "exposure": part["exposure"] / steps,
        "turnover": part["traded"] / steps * per_year,
        "cost_share": _over(part["costs"], part["won_gross"]),
    }


def _over(top: Any, bottom: Any) -> Any:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(np.asarray(bottom) > 0, np.divide(top, bottom), np.nan)


def _draw_depths(logs: np.ndarray, blocks: Blocks) -> np.ndarray:
    """(D,) deepest drawdown of each draw, at the cells' ends."""
    cells = blocks.total(logs)
    found = []
    for rows in blocks.chunks():
        path = np.cumsum(blocks.draw(cells, rows), axis=1)
        fallen = path - np.maximum(np.maximum.accumulate(path, axis=1), 0.0)
        found.append(np.abs(np.expm1(fallen.min(axis=1))))
    return np.concatenate(found)
