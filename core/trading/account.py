"""One account that many instruments share, run bar by bar: what each fill cost and what it all came to.

In what order a bar goes: borrow since the step before is paid; at the open, positions that a call has turned
against are closed, levels the open has jumped over are filled at it, and new positions are opened; within the
bar a touched level is filled at its price, the stop first where both are; at the close, positions that have
had their bars, or whose fold ends, are closed. Calls made at the close are carried to the next bar.

Shape legend: n calls, T steps of the clock, K instruments, m trades.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.trading.calls import Calls
from core.trading.market import Market
from core.trading.rules import Rules
from core.trading.stance import Stances
from core.trading.walk import walk_market

BP = 1e-4


@dataclass(frozen=True)
class Trades:
    """Positions opened and closed, in the order in which they were closed; arrays (m,).

    Attributes
    ----------
    call
        Place of the call acted on.
    instrument, side
        Place among the market's instruments; 1 long, -1 short.
    entry, exit
        Steps of the clock.
    entry_price, exit_price
        Adjusted, before costs.
    units
        Signed; times a price it is a value in units of the equity at the start.
    cost, borrow
        Commission and slippage of both fills, and what borrowing cost.
    reason
        Place in `core.trading.walk.REASONS`.
    """

    call: np.ndarray
    instrument: np.ndarray
    side: np.ndarray
    entry: np.ndarray
    exit: np.ndarray
    entry_price: np.ndarray
    exit_price: np.ndarray
    units: np.ndarray
    cost: np.ndarray
    borrow: np.ndarray
    reason: np.ndarray

    def __len__(self) -> int:
        return len(self.call)

    @property
    def value(self) -> np.ndarray:
        """(m,) absolute value at the entry."""
        return np.abs(self.units) * self.entry_price

    @property
    def gross(self) -> np.ndarray:
        """(m,) earned before costs and borrow."""
        return self.units * (self.exit_price - self.entry_price)

    @property
    def net(self) -> np.ndarray:
        """(m,) earned after costs and borrow, in units of the equity at the start."""
        return self.gross - self.cost - self.borrow

    @property
    def net_return(self) -> np.ndarray:
        """(m,) of the value at the entry."""
        return self.net / self.value

    def take(self, chosen: np.ndarray) -> Trades:
        """The trades of a mask or index."""
        return Trades(*(getattr(self, name)[chosen] for name in self.__dataclass_fields__))


@dataclass(frozen=True)
class Account:
    """How an account of 1 went; arrays (T,) at each step's close.

    Attributes
    ----------
    equity
        Cash and positions at their last closes.
    gross, net
        Value of all positions, and of longs less shorts, as a share of the equity.
    traded
        Value of the step's fills, as a share of the equity at the close before.
    cost, borrow
        Paid at the step, in units of the equity at the start.
    braked
        Bool: new positions are cut by the drawdown brake after this close.
    lapsed
        Places of calls that no position came of: the bar after had no volume, the instrument was already
        held, there was no room, or the brake or the fold's end forbade it.
    """

    times: np.ndarray
    equity: np.ndarray
    gross: np.ndarray
    net: np.ndarray
    traded: np.ndarray
    cost: np.ndarray
    borrow: np.ndarray
    braked: np.ndarray
    trades: Trades
    lapsed: np.ndarray

    @property
    def returns(self) -> np.ndarray:
        """(T,) simple, after costs; the first from an equity of 1."""
        return self.equity / np.r_[1.0, self.equity[:-1]] - 1

    @property
    def drawdown(self) -> np.ndarray:
        """(T,) share lost since the highest equity so far, the 1 at the start included; 0 or negative."""
        return self.equity / np.maximum(np.maximum.accumulate(self.equity), 1.0) - 1


def run_account(
    calls: Calls, stances: Stances, market: Market, rules: Rules, horizon: int, multiple: float = 1.0
) -> Account:
    """Trade the stances through the market.

    Parameters
    ----------
    market
        Whose instruments are those of `calls`; calls at times that are not on its clock are left out.
    horizon
        Bars after which a position is closed where ``exits.bars`` is null.
    multiple
        Of all costs and borrow.
    """
    grid = place_on_clock(calls, market)
    costs = [rules.costs.of(name) for name in market.instruments]
    brake = rules.brake
    found = walk_market(
        grid,
        stances.side.astype(np.int64),
        stances.size,
        stances.expected,
        *market.walked,
        multiple * BP * np.array([one.commission_bp + one.slippage_bp for one in costs]),
        multiple * np.array([one.borrow_per_year for one in costs]),
        *exit_settings(rules, horizon),
        rules.exits.opposite_call,
        rules.exits.renew,
        rules.exposure.total,
        np.inf if brake.drawdown is None else brake.drawdown,
        0.5 if brake.action == "halve" else 0.0,
        brake.recovered,
        brake.bars,
    )
    return _account(market, grid, stances, *found)


def exit_settings(rules: Rules, horizon: int) -> tuple[float, float, int]:
    """Stop and take-profit in expected volatilities, infinite where there is none, and most bars held."""
    exits = rules.exits
    return (
        np.inf if exits.stop is None else exits.stop,
        np.inf if exits.take_profit is None else exits.take_profit,
        horizon if exits.bars is None else exits.bars,
    )


def place_on_clock(calls: Calls, market: Market) -> np.ndarray:
    """(T, K) place of the call made at each bar; -1 where none was."""
    grid = np.full((len(market), len(market.instruments)), -1, np.int64)
    step = market.step_of(calls.times)
    column = np.array([market.instruments.index(name) for name in calls.instruments])
    inside = step >= 0
    grid[step[inside], column[calls.instrument[inside]]] = np.flatnonzero(inside)
    return grid


def _account(
    market: Market, grid: np.ndarray, stances: Stances, path: np.ndarray, trades: np.ndarray
) -> Account:
    equity, gross, net, traded, cost, borrow, braked = path
    call, instrument, side, entry, end, reason = trades[:, :6].astype(np.int64).T
    entry_price, exit_price, units, paid, lent = trades[:, 6:].T
    made = Trades(call, instrument, side, entry, end, entry_price, exit_price, units, paid, lent, reason)
    called = grid[grid >= 0]
    wanted = called[stances.side[called] != 0]
    opened = np.zeros(len(stances.side), bool)
    opened[made.call] = True
    lapsed = np.sort(wanted[~opened[wanted]])
    return Account(market.times, equity, gross, net, traded, cost, borrow, braked > 0, made, lapsed)
