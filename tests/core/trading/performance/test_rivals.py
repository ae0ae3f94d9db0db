import numpy as np
import pytest

from core.trading.account import run_account
from core.trading.market import gather_market
from core.trading.performance.bootstrap import Blocks
from core.trading.performance.metrics import sharpe_ratio, steps_per_year
from core.trading.performance.rivals import (
    HOLDING,
    NOTHING,
    RANDOM,
    RandomEntries,
    buy_and_hold,
    compare_runs,
    enter_at_random,
    measure_run,
)
from core.trading.rules import load_rules
from tests.core.trading.synthetic_trading import bars_of, calls_of, daily_bars
from tests.core.trading.test_account import stances_of

FREE = ["costs.commission_bp=0.0", "costs.slippage_bp=0.0", "costs.borrow_per_year=0.0"]


def _market(frames, spans=None):
    names = [frame["instrument"].iloc[0] for frame in frames]
    times = frames[0]["ts"].dt.tz_localize(None).to_numpy("datetime64[us]")
    return gather_market(dict(zip(names, frames, strict=True)), names, spans or {0: (times[0], times[-1])})


def _bars(name, closes):
    closes = np.array(closes, float)
    opens = np.r_[closes[0], closes[:-1]]
    return bars_of(name, opens, np.maximum(opens, closes), np.minimum(opens, closes), closes)


def test_holding_earns_the_mean_of_the_instruments_from_first_open_to_last_close():
    market = _market([_bars("AAA", [100, 110, 120]), _bars("BBB", [50, 45, 40])])
    account = buy_and_hold(market, load_rules(sets=FREE))
    np.testing.assert_allclose(account.equity, [1.0, (1.1 + 0.9) / 2, (1.2 + 0.8) / 2])
    paid = buy_and_hold(market, load_rules(sets=["costs.commission_bp=99.0", "costs.slippage_bp=1.0"]))
    assert paid.equity[-1] == pytest.approx(1 - 0.01 * (1 + (1.2 + 0.8) / 2))
    assert paid.equity[-1] == pytest.approx(1 + paid.trades.net.sum())


def test_holding_starts_anew_in_each_fold():
    frames = [_bars("AAA", [100, 110, 110, 121])]
    times = frames[0]["ts"].dt.tz_localize(None).to_numpy("datetime64[us]")
    market = _market(frames, {0: (times[0], times[1]), 1: (times[2], times[3])})
    account = buy_and_hold(market, load_rules(sets=FREE))
    np.testing.assert_allclose(account.equity, [1, 1.1, 1.1, 1.21])
    assert len(account.trades) == 2


@pytest.fixture(scope="module")
def foreseen():
    frames = [daily_bars("AAA", 500, 1), daily_bars("BBB", 500, 2)]
    market = _market(frames)
    coming = [np.sign(f["close"].shift(-1) / f["open"].shift(-1) - 1).fillna(0).to_numpy(int) for f in frames]
    calls = calls_of(np.tile(market.times, 2), np.repeat([0, 1], 500), ("AAA", "BBB"))
    keep = np.random.default_rng(0).uniform(size=1000) < 0.3
    stances = stances_of(np.concatenate(coming) * keep, 0.4)
    rules = load_rules(sets=[*FREE, "exits.bars=1", "exits.stop=null", "exits.take_profit=null"])
    return calls, stances, market, rules


def test_random_entries_keep_the_exposure_and_lose_the_foresight(foreseen):
    calls, stances, market, rules = foreseen
    account = run_account(calls, stances, market, rules, 5)
    random = enter_at_random(calls, stances, market, rules, 5, runs=60)
    np.testing.assert_allclose(random.exposure, account.gross.mean(), rtol=0.05)
    mine = sharpe_ratio(account.returns, steps_per_year(market.times))
    assert mine > random.sharpe.max() + 3
    assert abs(random.sharpe.mean()) < 1
    again = enter_at_random(calls, stances, market, rules, 5, runs=60)
    np.testing.assert_array_equal(random.sharpe, again.sharpe)


def test_foresight_is_shown_against_everything_and_its_copy_against_nothing(foreseen):
    calls, stances, market, rules = foreseen
    account = run_account(calls, stances, market, rules, 5)
    blocks = Blocks.over(account.returns, 1)
    mine = measure_run("model", account, blocks)
    rivals = [measure_run(HOLDING, buy_and_hold(market, rules), blocks), measure_run("copy", account, blocks)]
    random = enter_at_random(calls, stances, market, rules, 5)
    found = {one.against: one for one in compare_runs(mine, rivals, random, blocks)}
    assert set(found) == {NOTHING, HOLDING, "copy", RANDOM}
    assert all(found[name].holds and found[name].difference.low > 0 for name in (NOTHING, HOLDING, RANDOM))
    assert not found["copy"].holds
    assert found["copy"].difference.value == 0


def test_random_entries_come_back_from_json_with_what_is_unknown():
    one = RandomEntries(np.array([1.0, np.nan]), np.array([0.1, 0.0]), np.array([0.2, 0.0]))
    np.testing.assert_array_equal(RandomEntries.from_dict(one.to_dict()).sharpe, one.sharpe)
