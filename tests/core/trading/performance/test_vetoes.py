import numpy as np
import pytest

from core.trading.account import run_account
from core.trading.market import gather_market
from core.trading.performance.vetoes import price_calls, weigh_vetoes
from core.trading.rules import load_rules
from core.trading.stance import Thresholds, judge_calls
from tests.core.trading.synthetic_trading import bars_of, calls_of, daily_bars
from tests.core.trading.test_account import REAL, stances_of

SETS = [*REAL, "exposure.total=99.0", "brake.drawdown=null"]


def _market(bars):
    times = bars["ts"].dt.tz_localize(None).to_numpy("datetime64[us]")
    return gather_market({"AAA": bars}, ["AAA"], {0: (times[0], times[-1])}), times


@pytest.mark.parametrize("side", [1, -1])
def test_a_call_by_itself_earns_what_the_account_earns_on_it_alone(side):
    bars = daily_bars("AAA", 200, 4)
    market, times = _market(bars)
    rules = load_rules(sets=SETS)
    calls = calls_of(times)
    earned = price_calls(calls, stances_of(np.full(200, side)), market, rules, 5)
    for place in (0, 17, 60, 121, 194, 197):
        only = np.zeros(200, int)
        only[place] = side
        trades = run_account(calls, stances_of(only), market, rules, 5).trades
        assert earned[place] == pytest.approx(trades.net_return[0], abs=1e-14)
    assert np.isnan(earned[-1])


def test_a_doubt_that_keeps_losers_out_has_paid_and_one_that_keeps_winners_out_has_cost():
    rng = np.random.default_rng(0)
    count = 900
    kind = rng.integers(0, 3, count)
    moves = np.choose(kind, [0.0, -0.01, 0.01]) + 0.002 * rng.standard_normal(count)
    opens, closes = np.full(count + 1, 100.0), np.r_[100.0, 100 * (1 + moves)]
    bars = bars_of("AAA", opens, np.maximum(opens, closes), np.minimum(opens, closes), closes)
    market, times = _market(bars)
    calls = calls_of(times[:-1], out_of_distribution=kind == 1, both_directions=kind == 2)
    sets = ["exits.bars=1", "exits.stop=null", "exits.take_profit=null"]
    rules = load_rules(sets=sets)
    stances = judge_calls(calls, rules, Thresholds(0, 0.0, 0.0, 1.0))
    found = {one.name: one for one in weigh_vetoes(calls, stances, market, rules, 5)}
    ood, both = found["out_of_distribution"], found["both_directions"]
    assert (ood.verdict, both.verdict) == ("paid", "cost")
    assert ood.calls == ood.alone == (kind == 1).sum()
    # Two basis points on each of two fills.
    assert ood.mean.value == pytest.approx(moves[kind == 1].mean() - 0.0004, abs=2e-5)
    assert found["regime"].verdict == "not shown"
    assert found["regime"].mean.blank


def test_a_call_that_two_doubts_keep_out_counts_for_neither():
    bars = daily_bars("AAA", 100, 4)
    market, times = _market(bars)
    calls = calls_of(times, out_of_distribution=np.ones(100, bool), both_directions=np.ones(100, bool))
    rules = load_rules()
    stances = judge_calls(calls, rules, Thresholds(0, 0.0, 0.0, 1.0))
    found = {one.name: one for one in weigh_vetoes(calls, stances, market, rules, 5)}
    assert found["both_directions"].calls == 100
    assert found["both_directions"].alone == 0
