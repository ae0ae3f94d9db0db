"""Fills against trades worked out by hand; prices are chosen so that every number can be checked at sight."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.trading.account import run_account
from core.trading.market import gather_market
from core.trading.rules import load_rules
from core.trading.stance import Stances
from core.trading.walk import REASONS, walk_market
from tests.core.trading.synthetic_trading import bars_of, calls_of, daily_bars

PLAIN = [
    "costs.commission_bp=0.0", "costs.slippage_bp=0.0", "costs.borrow_per_year=0.0", "exits.stop=null",
    "exits.take_profit=null", "exits.bars=3", "exposure.total=9.0", "brake.drawdown=null",
]  # fmt: skip


def stances_of(side, size=1.0, expected=0.01):
    side = np.asarray(side, np.int8)
    sizes = np.broadcast_to(np.asarray(size, float), side.shape).copy()
    return Stances(side, sizes, side, sizes, np.full(side.shape, expected), {}, np.where(side == 0, 0, -1))


def run(frames, side, *sets, size=1.0, expected=0.01, multiple=1.0, spans=None):
    """Calls at every bar of every frame, `side` by frame and bar."""
    names = [frame["instrument"].iloc[0] for frame in frames]
    times = [frame["ts"].dt.tz_localize(None).to_numpy("datetime64[us]") for frame in frames]
    ends = min(t[0] for t in times), max(t[-1] for t in times)
    market = gather_market(dict(zip(names, frames, strict=True)), names, spans or {0: ends})
    calls = calls_of(np.concatenate(times), np.repeat(np.arange(len(frames)), [len(t) for t in times]), names)
    rules = load_rules(sets=[*PLAIN, *sets])
    stances = stances_of(np.concatenate(side), size, expected)
    return run_account(calls, stances, market, rules, 5, multiple)


def flat(name="AAA", closes=(100,) * 8, **changed):
    closes = np.array(closes, float)
    parts = {"open_": np.r_[closes[0], closes[:-1]], "close": closes} | {
        key: np.array(value, float) for key, value in changed.items()
    }
    parts.setdefault("high", np.maximum(parts["open_"], parts["close"]))
    parts.setdefault("low", np.minimum(parts["open_"], parts["close"]))
    return bars_of(name, **parts)


def test_a_call_enters_at_the_next_open_and_leaves_at_the_close_of_its_last_bar():
    bars = flat(
        closes=[100, 102, 103, 106, 110, 120, 120, 120], open_=[100, 101, 103, 104, 107, 110, 120, 120]
    )
    account = run([bars], [[1, 0, 0, 0, 0, 0, 0, 0]])
    trades = account.trades
    assert (trades.entry[0], trades.exit[0]) == (1, 3)
    assert (trades.entry_price[0], trades.exit_price[0]) == (101, 106)
    assert REASONS[trades.reason[0]] == "time"
    np.testing.assert_allclose(account.equity, 1 + np.array([0, 1, 2, 5, 5, 5, 5, 5]) / 101)


@pytest.mark.parametrize("side", [1, -1])
def test_the_stop_goes_before_the_take_profit_where_one_bar_touches_both(side):
    bars = flat(high=[100, 100, 110, 100, 100, 100, 100, 100], low=[100, 100, 90, 100, 100, 100, 100, 100])
    account = run([bars], [[side, 0, 0, 0, 0, 0, 0, 0]], "exits.stop=2.0", "exits.take_profit=3.0")
    assert REASONS[account.trades.reason[0]] == "stop"
    assert account.trades.exit_price[0] == pytest.approx(100 * np.exp(-side * 0.02))
    assert account.equity[-1] == pytest.approx(1 + side * (np.exp(-side * 0.02) - 1))


@pytest.mark.parametrize("side", [1, -1])
def test_a_level_touched_is_filled_at_its_price(side):
    bars = flat(high=[100, 110, 100, 100, 100, 100, 100, 100], low=[100, 90, 100, 100, 100, 100, 100, 100])
    taken = run([bars], [[side, 0, 0, 0, 0, 0, 0, 0]], "exits.take_profit=3.0").trades
    assert REASONS[taken.reason[0]] == "take profit"
    assert taken.exit_price[0] == pytest.approx(100 * np.exp(side * 0.03))
    assert (taken.entry[0], taken.exit[0]) == (1, 1)


@pytest.mark.parametrize(("jump", "reason"), [(80, "stop"), (120, "take profit")])
def test_a_gap_through_a_level_fills_at_the_open(jump, reason):
    closes = [100, 100, 100, 100, 100, 100, 100, 100]
    bars = flat(closes=closes, open_=[100, 100, jump, 100, 100, 100, 100, 100])
    trades = run([bars], [[1, 0, 0, 0, 0, 0, 0, 0]], "exits.stop=2.0", "exits.take_profit=3.0").trades
    assert REASONS[trades.reason[0]] == reason
    assert trades.exit_price[0] == jump


def test_an_opposite_call_closes_and_opens_at_the_same_open():
    bars = flat(closes=[100, 100, 110, 121, 121, 121, 121, 121])
    account = run([bars], [[1, 0, -1, 0, 0, 0, 0, 0]])
    assert [REASONS[reason] for reason in account.trades.reason] == ["opposite call", "time"]
    np.testing.assert_array_equal(account.trades.side, [1, -1])
    assert account.trades.entry[1] == account.trades.exit[0] == 3
    # 1 -> 1.1 at the close before; the short is opened at 110 with the equity of then and loses 10%.
    assert account.equity[-1] == pytest.approx(1.1 * 0.9)
    ignored = run([bars], [[1, 0, -1, 0, 0, 0, 0, 0]], "exits.opposite_call=false")
    assert [REASONS[reason] for reason in ignored.trades.reason] == ["time"]
    np.testing.assert_array_equal(ignored.lapsed, [2])


def test_a_call_to_the_same_side_starts_the_count_again_only_where_the_rules_say_so():
    bars = flat(closes=[100] * 9)
    side = [[1, 0, 1, 0, 0, 0, 0, 0, 0]]
    assert run([bars], side).trades.exit[0] == 3
    assert run([bars], side, "exits.renew=true").trades.exit[0] == 5


def test_costs_are_paid_on_the_value_of_both_fills_and_doubled_costs_cost_double():
    bars = flat(closes=[100, 100, 100, 110, 110, 110, 110, 110])
    sets = ["costs.commission_bp=30.0", "costs.slippage_bp=20.0"]
    account = run([bars], [[1, 0, 0, 0, 0, 0, 0, 0]], *sets, size=0.5)
    # 0.5 bought and 0.55 sold at half a percent.
    assert account.trades.cost[0] == pytest.approx(0.005 * 1.05)
    assert account.equity[-1] == pytest.approx(1.05 - 0.005 * 1.05)
    np.testing.assert_allclose(account.cost[[1, 3]], [0.0025, 0.00275])
    double = run([bars], [[1, 0, 0, 0, 0, 0, 0, 0]], *sets, size=0.5, multiple=2.0)
    assert double.cost.sum() == pytest.approx(2 * account.cost.sum())


def test_an_instrument_pays_its_own_costs():
    frames = [flat("AAA"), flat("BBB")]
    sets = ["costs.commission_bp=10.0", "costs.instruments={BBB: {commission_bp: 0.0, slippage_bp: 0.0}}"]
    trades = run(frames, [[1, 0, 0, 0, 0, 0, 0, 0]] * 2, *sets).trades
    np.testing.assert_allclose(trades.cost[np.argsort(trades.instrument)], [0.002, 0.0])


def test_a_short_pays_borrow_for_the_days_it_is_held_overnight():
    account = run([flat()], [[-1, 0, 0, 0, 0, 0, 0, 0]], "costs.borrow_per_year=0.365")
    # Opened at the open of bar 1, closed at the close of bar 3: two nights at 0.1% a day.
    assert account.trades.borrow[0] == pytest.approx(0.002)
    assert account.equity[-1] == pytest.approx(0.998)
    assert run([flat()], [[1, 0, 0, 0, 0, 0, 0, 0]], "costs.borrow_per_year=0.365").borrow.sum() == 0


def test_no_position_is_opened_in_a_bar_without_volume():
    bars = flat()
    bars.loc[1, "volume"] = 0.0
    account = run([bars], [[1, 0, 0, 1, 0, 0, 0, 0]])
    np.testing.assert_array_equal(account.trades.entry, [4])
    np.testing.assert_array_equal(account.lapsed, [0])
    bars["volume"] = 0.0
    assert run([bars], [[1, 0, 0, 0, 0, 0, 0, 0]]).trades.entry[0] == 1


def test_two_instruments_share_the_limit_in_proportion_to_what_they_ask_for():
    frames = [flat("AAA"), flat("BBB")]
    size = np.repeat([0.9, 0.3], 8)
    account = run(frames, [[1, 0, 0, 0, 0, 0, 0, 0]] * 2, "exposure.total=0.6", size=size)
    value = account.trades.value[np.argsort(account.trades.instrument)]
    np.testing.assert_allclose(value, [0.45, 0.15])
    assert account.gross.max() == pytest.approx(0.6)


def test_what_is_held_already_leaves_less_room():
    frames = [flat("AAA"), flat("BBB")]
    account = run(
        frames, [[1, 0, 0, 0, 0, 0, 0, 0], [0, 1, 0, 0, 0, 0, 0, 0]], "exposure.total=0.6", size=0.4
    )
    np.testing.assert_allclose(account.trades.value, [0.4, 0.2])


def test_positions_are_closed_at_the_fold_s_last_close_and_nothing_is_carried_over():
    bars = flat(closes=[100, 101, 102, 103, 104, 105, 106, 107])
    times = bars["ts"].dt.tz_localize(None).to_numpy("datetime64[us]")
    account = run(
        [bars], [[0, 1, 0, 1, 0, 0, 0, 0]], spans={0: (times[0], times[3]), 1: (times[4], times[7])}
    )
    assert [REASONS[reason] for reason in account.trades.reason] == ["fold ends"]
    assert account.trades.exit[0] == 3
    np.testing.assert_array_equal(account.lapsed, [3])


def test_the_brake_cuts_new_positions_until_the_loss_is_made_good():
    closes = [100, 100, 80, 80, 80, 100, 100, 100, 100, 100]
    side = [[1, 0, 1, 0, 1, 0, 1, 0, 0, 0]]
    sets = ["exits.bars=1", "brake.drawdown=0.05", "brake.recovered=0.04"]
    bars = flat(closes=closes, open_=[100, 100, 80, 80, 80, 80, 100, 100, 100, 100])
    bars.loc[1, "close"] = 90.0
    bars["low"] = bars[["open", "close", "low"]].min(axis=1)
    halved = run([bars], side, *sets)
    # 10% lost at bar 1; the position of bar 3 is half of 0.9, that of bar 5 wins 25% of 0.45 and ends it.
    np.testing.assert_allclose(halved.trades.value, [1.0, 0.45, 0.45, 1.0125])
    stopped = run([bars], side, *sets, "brake.action=stop")
    np.testing.assert_allclose(stopped.trades.value, [1.0])
    waited = run([bars], side, *sets, "brake.action=stop", "brake.bars=3")
    np.testing.assert_allclose(waited.trades.value, [1.0, 0.9, 1.125])


def _market(seed, count=120):
    frames = [daily_bars(name, count, seed + k) for k, name in enumerate(("AAA", "BBB"))]
    rng = np.random.default_rng(seed)
    return frames, rng.choice([-1, 0, 0, 1], (2, count))


REAL = [
    "costs.commission_bp=3.0", "costs.borrow_per_year=0.05", "exits.stop=1.5", "exits.take_profit=2.0",
    "exposure.total=1.2", "brake.drawdown=0.02", "brake.recovered=0.01", "brake.bars=10",
]  # fmt: skip


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_equity_is_the_sum_of_what_the_fills_brought(seed):
    frames, side = _market(seed)
    account = run(frames, side, *REAL, size=0.8)
    trades = account.trades
    assert len(trades) > 5
    for step in (40, 80, len(account.equity) - 1):
        done = trades.exit <= step
        held = (trades.entry <= step) & ~done
        marked = 0.0
        if held.any():
            marks = np.array([frames[k]["close"].iloc[step] for k in trades.instrument[held]])
            marked = (trades.units[held] * (marks - trades.entry_price[held])).sum()
        paid = account.cost[: step + 1].sum() + account.borrow[: step + 1].sum()
        assert account.equity[step] == pytest.approx(1 + trades.gross[done].sum() + marked - paid, abs=1e-12)
    assert account.equity[-1] == pytest.approx(1 + trades.net.sum(), abs=1e-12)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(10, 110))
def test_bars_after_a_moment_move_nothing_that_was_done_by_then(seed, moment):
    frames, side = _market(seed)
    later = [frame.copy() for frame in frames]
    rng = np.random.default_rng(seed + 1)
    for frame in later:
        factor = np.exp(0.2 * rng.standard_normal(len(frame) - moment - 1))
        for name in ("open", "high", "low", "close"):
            frame.loc[moment + 1 :, name] *= factor
    other = side.copy()
    other[:, moment + 1 :] = rng.choice([-1, 0, 1], other[:, moment + 1 :].shape)
    first, second = run(frames, side, *REAL), run(later, other, *REAL)
    np.testing.assert_array_equal(first.equity[: moment + 1], second.equity[: moment + 1])
    entered = [
        [tuple(getattr(one.trades, n)[i] for n in ("instrument", "side", "entry", "entry_price", "units"))
         for i in np.lexsort((one.trades.instrument, one.trades.entry)) if one.trades.entry[i] <= moment]
        for one in (first, second)
    ]  # fmt: skip
    assert entered[0] == entered[1]


def test_the_compiled_loop_does_what_the_plain_one_does(monkeypatch):
    frames, side = _market(3, 60)
    compiled = run(frames, side, *REAL)
    monkeypatch.setattr("core.trading.account.walk_market", walk_market.py_func)
    slow = run(frames, side, *REAL)
    np.testing.assert_allclose(compiled.equity, slow.equity, rtol=1e-12)
    np.testing.assert_array_equal(compiled.trades.reason, slow.trades.reason)


def test_perfect_foresight_earns_and_a_bar_s_delay_loses_it():
    bars = daily_bars("AAA", 500, 1)
    close, opens = bars["close"].to_numpy(), bars["open"].to_numpy()
    coming = np.sign(close[1:] / opens[1:] - 1)
    side = np.r_[coming, 0].astype(int)
    sets = ["exits.bars=1", "costs.commission_bp=1.0"]
    seen = run([bars], [side], *sets)
    late = run([bars], [np.r_[0, side[:-1]]], *sets)
    assert np.log(seen.equity[-1]) > 2
    assert (seen.trades.gross >= 0).all()
    assert abs(np.log(late.equity[-1])) < 0.5


def test_random_entries_earn_nothing_beyond_their_costs():
    bars = daily_bars("AAA", 3000, 2)
    rng = np.random.default_rng(0)
    sets = ["exits.bars=1", "costs.commission_bp=2.0"]
    rates = []
    for _ in range(30):
        account = run([bars], [rng.choice([-1, 1], 3000)], *sets, size=0.5)
        rates.append(account.trades.net.sum() + account.cost.sum())
        assert account.equity[-1] < 1 + account.trades.gross.sum()
    rates = np.array(rates)
    assert abs(rates.mean()) < 3 * rates.std(ddof=1) / np.sqrt(len(rates))
