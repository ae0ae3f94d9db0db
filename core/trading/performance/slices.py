"""Where and when the strategy earned: months, groups of trades, multiples of the costs, and time redrawn.

Shape legend: m trades, T steps of the clock, D draws, P points of a path, Q quantiles.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from core.disk import plain
from core.scores.intervals import Interval, share_interval
from core.scores.stretches import Stretches, label_span
from core.trading.account import Account
from core.trading.calls import Calls
from core.trading.performance.bootstrap import Blocks
from core.trading.performance.metrics import FEWEST
from core.trading.performance.vetoes import TOO_FEW, mean_return
from core.trading.rules import REGIMES

KINDS = ("instrument", "side", "regime", "confidence", "weekday", "fold")
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
BANDS = 4
COST_MULTIPLES = (0.0, 1.0, 2.0, 4.0)
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
POINTS = 200


@dataclass(frozen=True)
class Slice:
    """Trades of one kind.

    Attributes
    ----------
    kind, name
        Out of `KINDS`, and which: an instrument, long or short, the regime predicted at the call, a band of
        confidence ("41.0% to 46.2%"), the weekday of the call's bar, or a fold's number.
    trades
        Counted.
    mean
        Net return of a trade, of its value, with its interval; blank with few trades.
    won
        Share that earned after costs, with its interval.
    total
        Earned in all, in units of the equity at the start.
    """

    kind: str
    name: str
    trades: int
    mean: Interval
    won: Interval
    total: float

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return plain(asdict(self) | {"mean": self.mean.to_dict(), "won": self.won.to_dict()})


@dataclass(frozen=True)
class Month:
    """Return of the account in one calendar month, UTC, by the opens of its bars, and trades closed in it."""

    year: int
    month: int
    value: float
    trades: int


@dataclass(frozen=True)
class Fan:
    """The account with its time drawn again in blocks: what else could have come of the same returns.

    Attributes
    ----------
    times
        (P,) of the clock.
    equity
        (Q, P) quantiles of `QUANTILES` of the equity at each.
    final, depth
        (Q,) of the equity at the end, and of the deepest drawdown.
    loss
        Share of the draws that end below the start.
    block
        Steps in a block.
    draws
        D; 0 where there is too little time, and everything else is then empty.
    """

    times: np.ndarray
    equity: np.ndarray
    final: np.ndarray
    depth: np.ndarray
    loss: float
    block: int
    draws: int

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; times in ISO 8601, UTC."""
        whole = {name: getattr(self, name) for name in ("equity", "final", "depth", "loss", "block", "draws")}
        return plain(whole | {"times": [f"{time}Z" for time in self.times], "quantiles": QUANTILES})


def slice_trades(calls: Calls, account: Account) -> tuple[Slice, ...]:
    """Every slice that has a trade, kinds in the order of `KINDS`."""
    trades = account.trades
    times, ends = account.times[trades.entry], account.times[trades.exit]
    earned, net = trades.net_return, trades.net
    found = []
    for kind, name, chosen in _groups(calls, account):
        count = int(chosen.sum())
        if not count:
            continue
        share = float((net[chosen] > 0).mean())
        won = Interval(share, math.nan, math.nan, blank=TOO_FEW)
        if count >= FEWEST:
            span = label_span(times[chosen], ends[chosen])
            stretches = Stretches.over(times[chosen], span)
            won = share_interval(net[chosen] > 0, np.ones(count, bool), stretches)
        mean = mean_return(times, ends, earned, chosen)
        found.append(Slice(kind, name, count, mean, won, float(net[chosen].sum())))
    return tuple(found)


def list_months(account: Account) -> tuple[Month, ...]:
    """Every month from the first to the last of the clock that has a step."""
    months = account.times.astype("datetime64[M]")
    growth = np.log1p(np.maximum(account.returns, -0.999999))
    unique, place = np.unique(months, return_inverse=True)
    values = np.expm1(np.bincount(place, weights=growth))
    closed = np.bincount(place[account.trades.exit], minlength=len(unique))
    return tuple(
        Month(int(str(month)[:4]), int(str(month)[5:7]), float(value), int(count))
        for month, value, count in zip(unique, values, closed, strict=True)
    )


def draw_fan(account: Account, blocks: Blocks) -> Fan:
    """Redraw the account's time; see `core.trading.performance.bootstrap`."""
    if not len(blocks):
        nothing = np.zeros(0)
        return Fan(account.times[:0], np.zeros((len(QUANTILES), 0)), nothing, nothing, math.nan, 0, 0)
    cells = blocks.total(np.log1p(np.maximum(account.returns, -0.999999)))
    points = np.unique(np.linspace(0, blocks.count - 1, min(POINTS, blocks.count)).astype(int))
    paths, depth = [], []
    for rows in blocks.chunks():
        path = np.cumsum(blocks.draw(cells, rows), axis=1)
        fallen = path - np.maximum(np.maximum.accumulate(path, axis=1), 0)
        depth.append(np.abs(np.expm1(fallen.min(axis=1))))
        paths.append(path[:, points])
    equity = np.exp(np.concatenate(paths))
    ends = np.searchsorted(blocks.cell, points, side="right") - 1
    return Fan(
        times=account.times[ends],
        equity=np.quantile(equity, QUANTILES, axis=0),
        final=np.quantile(equity[:, -1], QUANTILES),
        depth=np.quantile(np.concatenate(depth), QUANTILES),
        loss=float((equity[:, -1] < 1).mean()),
        block=round(blocks.length * len(account.times) / blocks.count),
        draws=len(blocks),
    )


def _groups(calls: Calls, account: Account) -> Iterator[tuple[str, str, np.ndarray]]:
    trades = account.trades
    call = trades.call
    instrument = calls.instrument[call]
    for k, name in enumerate(calls.instruments):
        yield "instrument", name, instrument == k
    for name, side in (("long", 1), ("short", -1)):
        yield "side", name, trades.side == side
    for code, name in (*enumerate(REGIMES), (-1, "unknown")):
        yield "regime", name, calls.regime[call] == code
    yield from (("confidence", name, chosen) for name, chosen in _bands(calls.confidence[call]))
    weekday = pd.DatetimeIndex(calls.times[call]).dayofweek.to_numpy()
    for day, name in enumerate(WEEKDAYS):
        yield "weekday", name, weekday == day
    for fold in np.unique(calls.fold):
        yield "fold", str(fold), calls.fold[call] == fold


def _bands(confidence: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Equally many trades each, where confidences differ."""
    if not confidence.size:
        return
    edges = np.unique(np.quantile(confidence, np.linspace(0, 1, BANDS + 1)))
    band = np.searchsorted(edges[1:-1], confidence, side="right")
    for place in np.unique(band):
        chosen = band == place
        low, high = confidence[chosen].min(), confidence[chosen].max()
        yield f"{100 * low:.1f}% to {100 * high:.1f}%", chosen
