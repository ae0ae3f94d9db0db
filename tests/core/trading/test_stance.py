import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.trading.rules import Rules, load_rules
from core.trading.stance import VETOES, Thresholds, expected_volatility, judge_calls, no_trade
from tests.core.trading.synthetic_trading import calls_of

DAYS = np.arange("2020-01-01", "2020-01-04", dtype="datetime64[D]")
LOOSE = Thresholds(0, 0.0, 0.0, 1.0)
REASONS = {
    "no_call": {"probabilities": [0.4, 0.1, 0.5]},
    "probability": {"probabilities": [0.44, 0.3, 0.26]},
    "confidence": {"confidence": 0.3},
    "out_of_distribution": {"out_of_distribution": True},
    "both_directions": {"both_directions": True},
    "regime": {"regime": 2},
    "rank_ensemble": {"ranks": 0.1},
    "volume": {"has_volume": False},
    "volatility": {"sigma": np.nan},
}


def _doubted(reason):
    calls = calls_of(DAYS)
    for field, value in REASONS[reason].items():
        if field == "ranks":
            calls.ranks["ensemble"][1] = value
        else:
            getattr(calls, field)[1] = value
    return calls


@pytest.mark.parametrize("reason", REASONS)
def test_each_doubt_keeps_its_call_out_and_no_other(reason):
    rules = load_rules(sets=["doubts.least_ranks={ensemble: 0.25}", "doubts.regimes=[Trending, Ranging]"])
    stances = judge_calls(_doubted(reason), rules, Thresholds(0, 0.5, 0.5, 0.7))
    if reason == "no_call":
        stances = judge_calls(_doubted(reason), rules, Thresholds(0, 0.35, 0.5, 0.7))
    np.testing.assert_array_equal(stances.side, [1, 0, 1])
    assert stances.size[1] == 0
    assert stances.size[0] > 0
    assert list(VETOES)[stances.first_veto[1]] == reason
    assert stances.first_veto[0] == -1
    np.testing.assert_array_equal(stances.alone(reason), [False, True, False])


def test_every_veto_has_its_case_or_is_a_source_like_another():
    assert set(REASONS) == {name for name in VETOES if not name.startswith("rank_")} | {"rank_ensemble"}


def test_doubts_can_be_left_out():
    off = ["doubts.no_call=false", "doubts.out_of_distribution=false", "doubts.both_directions=false"]
    for reason in ("no_call", "out_of_distribution", "both_directions", "rank_ensemble"):
        assert judge_calls(_doubted(reason), load_rules(sets=off), LOOSE).side[1] == 1


def test_a_fold_in_which_nothing_paid_trades_nothing():
    calls = calls_of(DAYS, fold=np.array([0, 1, 1]))
    stances = judge_calls(calls, Rules(), {0: LOOSE, 1: no_trade(1)})
    np.testing.assert_array_equal(stances.side, [1, 0, 0])


def test_a_bearish_call_is_short():
    calls = calls_of(DAYS, probabilities=np.tile([0.1, 0.6, 0.3], (3, 1)))
    np.testing.assert_array_equal(judge_calls(calls, Rules(), LOOSE).side, -1)


def test_size_reaches_the_target_volatility_and_not_the_limit():
    rules = load_rules(sets=["size.least_confident=1.0", "size.target_volatility=0.05"])
    size = judge_calls(calls_of(DAYS), rules, LOOSE).size
    np.testing.assert_allclose(size * 0.01 * np.sqrt(252), 0.05)
    small = load_rules(sets=["exposure.per_instrument=0.1"])
    np.testing.assert_allclose(judge_calls(calls_of(DAYS), small, LOOSE).size, 0.1)


def test_size_rises_with_confidence_from_its_least_share_to_the_whole():
    calls = calls_of(DAYS, confidence=np.array([0.5, 0.6, 0.9]))
    rules = load_rules(sets=["size.least_confident=0.4", "exposure.per_instrument=9.0"])
    size = judge_calls(calls, rules, Thresholds(0, 0.0, 0.5, 0.7)).size
    np.testing.assert_allclose(size / size[2], [0.4, 0.7, 1.0])


def test_size_follows_the_regime_and_an_unknown_one_counts_whole():
    rules = load_rules(
        sets=["size.regime_factors={Trending: 0.5, Volatile: 0.0}", "exposure.per_instrument=9.0"]
    )
    size = judge_calls(calls_of(DAYS, regime=np.array([0, 2, -1])), rules, LOOSE).size
    np.testing.assert_allclose(size / size[2], [0.5, 0.0, 1.0])


@given(st.floats(0, 1), st.floats(0, 1))
def test_expected_variance_is_the_mix_of_sigma_and_the_predicted_class(weight, share):
    calls = calls_of(
        DAYS[:1],
        volatility=np.array([[1 - share, 0.0, share]]),
        levels=np.array([[0.005, 0.01, 0.02]]),
    )
    rules = load_rules(sets=[f"size.forecast_weight={weight:.6f}"])
    weight = float(f"{weight:.6f}")
    predicted = (1 - share) * 0.005**2 + share * 0.02**2
    expected = np.sqrt((1 - weight) * 0.01**2 + weight * predicted)
    np.testing.assert_allclose(expected_volatility(calls, rules), expected)
