import numpy as np
import pytest

from core.trading.market import gather_market
from core.trading.rules import load_rules
from core.trading.stance import Thresholds, no_trade
from core.trading.thresholds import choose_by_fold, choose_thresholds, latest
from tests.core.review.synthetic_review import write_synthetic
from tests.core.trading.synthetic_trading import bars_of, calls_of, daily_bars

SETS = ["exits.bars=1", "exits.stop=null", "exits.take_profit=null", "brake.drawdown=null"]


def _foresight(count, sure_above, seed=0, gain=0.01):
    """Calls that are right where their strength exceeds `sure_above`, and lose their stake elsewhere."""
    rng = np.random.default_rng(seed)
    strength = rng.uniform(0.4, 0.8, count)
    confidence = rng.uniform(0.4, 0.8, count)
    right = strength > sure_above
    moves = np.where(right, gain, -gain) * rng.uniform(0.5, 1.5, count)
    opens = np.full(count + 1, 100.0)
    closes = np.r_[100.0, 100 * (1 + moves)]
    bars = bars_of("AAA", opens, np.maximum(opens, closes), np.minimum(opens, closes), closes)
    times = bars["ts"].dt.tz_localize(None).to_numpy("datetime64[us]")
    market = gather_market({"AAA": bars}, ["AAA"], {0: (times[0], times[-1])})
    probabilities = np.column_stack([strength, 1 - strength - 0.1 * (1 - strength), 0.1 * (1 - strength)])
    return calls_of(times[:-1], probabilities=probabilities, confidence=confidence), market


def test_the_threshold_parts_the_calls_that_pay_from_those_that_do_not():
    calls, market = _foresight(400, 0.6)
    found = choose_thresholds(calls, market, load_rules(sets=SETS), 5, 0)
    assert 0.55 < found.probability < 0.66
    assert found.trades >= 30
    assert found.utility > 1


def test_a_threshold_that_keeps_nothing_out_is_not_raised():
    calls, market = _foresight(300, 0.0)
    found = choose_thresholds(calls, market, load_rules(sets=[*SETS, "size.least_confident=1.0"]), 5, 0)
    assert found.confidence < np.quantile(calls.confidence, 0.4)


def test_where_nothing_pays_no_trade_is_made():
    calls, market = _foresight(300, 0.9)
    found = choose_thresholds(calls, market, load_rules(sets=SETS), 5, 3)
    assert not found.trading
    assert found.candidates > 200


def test_costs_can_make_everything_not_pay():
    calls, market = _foresight(300, 0.0, gain=0.001)
    assert choose_thresholds(calls, market, load_rules(sets=SETS), 5, 0).trading
    dear = load_rules(sets=[*SETS, "costs.commission_bp=20.0"])
    assert not choose_thresholds(calls, market, dear, 5, 0).trading


def test_a_lucky_handful_is_not_enough():
    calls, market = _foresight(300, 0.78)
    rules = load_rules(sets=[*SETS, "entry.least_trades=60"])
    assert not choose_thresholds(calls, market, rules, 5, 0).trading


def test_thresholds_given_by_the_rules_are_taken_as_they_are():
    calls, market = _foresight(100, 0.5)
    rules = load_rules(sets=[*SETS, "entry.probability=0.55", "entry.confidence=0.2"])
    found = choose_thresholds(calls, market, rules, 5, 0)
    assert (found.probability, found.confidence) == (0.55, 0.2)
    half = load_rules(sets=[*SETS, "entry.probability=0.7"])
    assert choose_thresholds(calls, market, half, 5, 0).probability in (0.7, np.inf)


@pytest.mark.parametrize("one", [no_trade(2), Thresholds(1, 0.5, 0.4, 0.7, 31, 90, 1.2)])
def test_thresholds_come_back_from_json_as_they_were(one):
    back = Thresholds.from_dict(one.to_dict())
    assert repr(back) == repr(one)


def test_nothing_from_a_fold_s_test_on_moves_its_thresholds(tmp_path):
    result = write_synthetic(tmp_path / "wf", bars=80)
    bars = {
        (name, "1d"): daily_bars(name, 2600, seed, "2009-06-01") for seed, name in enumerate(("AAA", "BBB"))
    }
    rules = load_rules(sets=["entry.least_trades=5"])
    before = choose_by_fold(result, bars, rules, "1d")
    assert repr(latest(result, bars, rules, "1d")) == repr(before[1])
    end = result.folds[1].borders.calibrate_end
    for frame in bars.values():
        later = frame["ts"] >= end
        frame.loc[later, ["open", "high", "low", "close"]] *= 1.7
    result.rows.loc[:, ["p_0", "p_1", "p_2"]] = 1 / 3
    assert repr(choose_by_fold(result, bars, rules, "1d")) == repr(before)
