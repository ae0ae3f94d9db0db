import numpy as np
import pytest

from core.trading.account import run_account
from core.trading.market import gather_market
from core.trading.performance.bootstrap import Blocks
from core.trading.performance.slices import KINDS, QUANTILES, draw_fan, list_months, slice_trades
from core.trading.rules import load_rules
from tests.core.trading.synthetic_trading import calls_of, daily_bars
from tests.core.trading.test_account import stances_of


@pytest.fixture(scope="module")
def traded():
    frames = [daily_bars("AAA", 700, 1), daily_bars("BBB", 700, 2)]
    times = frames[0]["ts"].dt.tz_localize(None).to_numpy("datetime64[us]")
    market = gather_market({"AAA": frames[0], "BBB": frames[1]}, ["AAA", "BBB"], {0: (times[0], times[-1])})
    rng = np.random.default_rng(0)
    calls = calls_of(
        np.tile(times, 2), np.repeat([0, 1], 700), ("AAA", "BBB"),
        regime=rng.integers(-1, 3, 1400), confidence=rng.uniform(0.4, 0.7, 1400),
    )  # fmt: skip
    stances = stances_of(rng.choice([-1, 0, 1], 1400), 0.3)
    return calls, run_account(calls, stances, market, load_rules(), 5)


def test_every_kind_of_slice_parts_the_trades_and_their_profit(traded):
    calls, account = traded
    slices = slice_trades(calls, account)
    for kind in KINDS:
        mine = [one for one in slices if one.kind == kind]
        assert sum(one.trades for one in mine) == len(account.trades), kind
        assert sum(one.total for one in mine) == pytest.approx(account.equity[-1] - 1), kind
    longs = next(one for one in slices if one.name == "long")
    chosen = account.trades.side == 1
    assert longs.mean.value == pytest.approx(account.trades.net_return[chosen].mean())
    assert longs.won.value == pytest.approx((account.trades.net[chosen] > 0).mean())
    assert longs.mean.low < longs.mean.value < longs.mean.high


def test_months_multiply_to_the_whole(traded):
    _, account = traded
    months = list_months(account)
    assert np.prod([1 + month.value for month in months]) == pytest.approx(account.equity[-1])
    assert sum(month.trades for month in months) == len(account.trades)
    assert (months[0].year, months[0].month) == (2010, 1)


def test_the_fan_is_in_order_and_holds_the_account_where_its_returns_are_typical(traded):
    _, account = traded
    fan = draw_fan(account, Blocks.over(account.returns, 5))
    assert (np.diff(fan.equity, axis=0) >= 0).all()
    assert fan.equity.shape[0] == len(QUANTILES)
    assert fan.final[0] < account.equity[-1] < fan.final[-1]
    assert 0 <= fan.loss <= 1
    assert fan.times[-1] == account.times[-1]
    assert draw_fan(account, Blocks.over(np.zeros(700), 5)).draws == 0
