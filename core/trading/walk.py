"""The account's loop over the bars, compiled: arrays in, arrays out; what it does is said in `account`.

Shape legend: n calls, T steps of the clock, K instruments, m trades.
"""

from __future__ import annotations

import numba
import numpy as np

REASONS = ("stop", "take profit", "time", "opposite call", "fold ends")
STOP, TAKE, TIME, OPPOSITE, END = range(5)
UNITS, PRICE, ENTRY, CALL, AGE, STOP_AT, TAKE_AT, PAID, BORROWED, MARK = range(10)
"""What the book holds of each instrument's position; the last close in any case."""


@numba.njit(cache=True)
def touch_level(side, open_, high, low, stop, take, fresh):
    """Price at which a bar fills a stop or take-profit, and which; NaN and -1 where it touches neither."""
    if not fresh:
        if side * (open_ - stop) <= 0:
            return open_, STOP
        if side * (open_ - take) >= 0:
            return open_, TAKE
    adverse, better = (low, high) if side > 0 else (high, low)
    if side * (adverse - stop) <= 0:
        return stop, STOP
    if side * (better - take) >= 0:
        return take, TAKE
    return np.nan, -1


@numba.njit(cache=True)
def settle(position, step, price, reason, rate, trades, made):
    """Close a position: writes the trade, empties the position; cash that comes back, and the fill's cost."""
    units = position[UNITS]
    cost = abs(units) * price * rate
    row = trades[made]
    row[0] = position[CALL]
    row[2] = 1.0 if units > 0 else -1.0
    row[3], row[4], row[5] = position[ENTRY], step, reason
    row[6], row[7], row[8] = position[PRICE], price, units
    row[9], row[10] = position[PAID] + cost, position[BORROWED]
    position[UNITS] = 0.0
    return units * price - cost, cost


@numba.njit(cache=True)
def walk_market(
    grid, side, size, expected, open_, high, low, close, tradable, closing, years, rate, borrow_rate,
    stop, take, bars, opposite, renew, total, brake_at, brake_factor, recovered, brake_bars,
):  # fmt: skip
    """The account of `run_account` on plain arrays; compiled, and a plain loop as ``walk_market.py_func``.

    Returns
    -------
    path
        (7, T): equity, gross, net, traded, cost, borrow, braked, as in `Account`.
    trades
        (m, 11): call, instrument, side, entry, exit, reason, entry and exit price, units, cost, borrow.
    """
    steps, count = grid.shape
    path = np.zeros((7, steps))
    trades = np.zeros((np.sum(side != 0), 11))
    book = np.zeros((count, 10))
    pending = np.full(count, -1)
    made, since, braked = 0, 0, False
    cash, equity, peak = 1.0, 1.0, 1.0
    for t in range(steps):
        before, factor = equity, brake_factor if braked else 1.0
        spent, lent, filled, held, wanted = 0.0, 0.0, 0.0, 0.0, 0.0
        for k in range(count):
            position, call = book[k], pending[k]
            units, there = position[UNITS], close[t, k] == close[t, k]
            if units < 0:
                due = -units * position[MARK] * borrow_rate[k] * years[t]
                position[BORROWED] += due
                lent += due
            turned = opposite and there and call >= 0 and side[call] * units < 0
            if units != 0 and not turned:
                held += abs(units) * position[MARK]
            elif there and call >= 0 and tradable[t, k]:
                wanted += size[call] * factor * before
        cash -= lent
        room = max(total * before - held, 0.0)
        scale = 1.0 if wanted <= room else room / wanted
        worth, net = 0.0, 0.0
        for k in range(count):
            position = book[k]
            if close[t, k] == close[t, k]:
                call, fresh = pending[k], False
                pending[k] = -1
                if call >= 0 and position[UNITS] != 0:
                    same = side[call] * position[UNITS] > 0
                    if same and renew:
                        position[AGE] = 0
                    if not same and opposite:
                        filled += abs(position[UNITS]) * open_[t, k]
                        back, cost = settle(position, t, open_[t, k], OPPOSITE, rate[k], trades, made)
                        trades[made, 1] = k
                        cash, spent, made, fresh = cash + back, spent + cost, made + 1, True
                    else:
                        call = -1
                if call >= 0 and tradable[t, k]:
                    value = size[call] * factor * scale * before
                    if value > 0:
                        price, way = open_[t, k], side[call]
                        position[UNITS] = way * value / price
                        position[PRICE], position[ENTRY], position[CALL], position[AGE] = price, t, call, 0
                        position[STOP_AT] = price * np.exp(-way * stop * expected[call])
                        position[TAKE_AT] = price * np.exp(way * take * expected[call])
                        position[PAID], position[BORROWED] = value * rate[k], 0.0
                        cash -= position[UNITS] * price + value * rate[k]
                        spent, filled, fresh = spent + value * rate[k], filled + value, True
                if position[UNITS] != 0:
                    way = 1 if position[UNITS] > 0 else -1
                    price, reason = touch_level(
                        way, open_[t, k], high[t, k], low[t, k], position[STOP_AT], position[TAKE_AT], fresh
                    )
                    position[AGE] += 1
                    if reason < 0 and (position[AGE] >= bars or closing[t, k]):
                        price, reason = close[t, k], TIME if position[AGE] >= bars else END
                    if reason >= 0:
                        filled += abs(position[UNITS]) * price
                        back, cost = settle(position, t, price, reason, rate[k], trades, made)
                        trades[made, 1] = k
                        cash, spent, made = cash + back, spent + cost, made + 1
                position[MARK] = close[t, k]
                if grid[t, k] >= 0 and side[grid[t, k]] != 0 and not closing[t, k]:
                    pending[k] = grid[t, k]
            worth += abs(position[UNITS]) * position[MARK]
            net += position[UNITS] * position[MARK]
        equity = cash + net
        peak = max(peak, equity)
        fallen = 1 - equity / peak
        if braked:
            since += 1
            if since >= brake_bars:
                peak = equity
            braked = fallen > recovered and since < brake_bars
        elif fallen >= brake_at:
            braked, since = True, 0
        path[0, t], path[1, t], path[2, t], path[3, t] = equity, worth / equity, net / equity, filled / before
        path[4, t], path[5, t], path[6, t] = spent, lent, 1.0 if braked else 0.0
    return path, trades[:made]


@numba.njit(cache=True)
def walk_single(
    steps, columns, side, expected, open_, high, low, close, tradable, closing, years, rate, borrow_rate,
    stop, take, bars,
):  # fmt: skip
    """What each call by itself, at `steps` and `columns` (n,), would have earned after costs.

    Returns
    -------
    (n,) of the value at the entry; NaN where no position could be opened.
    """
    earned = np.full(len(steps), np.nan)
    for i in range(len(steps)):
        k, age, entry, held, lent = columns[i], 0, np.nan, 0.0, 0.0
        if steps[i] < 0 or closing[steps[i], k]:
            continue
        for t in range(steps[i] + 1, len(close)):
            if age > 0 and side[i] < 0:
                lent += held * borrow_rate[k] * years[t]
            if close[t, k] != close[t, k]:
                continue
            fresh = age == 0
            if fresh:
                if not tradable[t, k]:
                    break
                entry = open_[t, k]
                stop_at = entry * np.exp(-side[i] * stop * expected[i])
                take_at = entry * np.exp(side[i] * take * expected[i])
            age += 1
            price, reason = touch_level(side[i], open_[t, k], high[t, k], low[t, k], stop_at, take_at, fresh)
            if reason < 0 and (age >= bars or closing[t, k]):
                price, reason = close[t, k], TIME
            held = close[t, k]
            if reason >= 0:
                earned[i] = (side[i] * (price - entry) - rate[k] * (price + entry) - lent) / entry
                break
    return earned
