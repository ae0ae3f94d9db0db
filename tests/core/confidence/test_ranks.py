import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, logit
from scipy.stats import percentileofscore

from core.confidence.ranks import MOST_POINTS, Distribution, RankedMix, SourceRanks
from core.errors import BundleError, InputError


def test_ranks_of_a_few_known_values():
    distribution = Distribution.fit(np.array([1.0, 2.0, 2.0, 4.0]))
    # Below 1 nothing; 1 itself is half a tie of one in four; 2 has one below and two ties; above 4 all.
    expected = [0.0, 0.125, 0.5, 0.6875, 0.875, 1.0]
    np.testing.assert_allclose(distribution.rank(np.array([0.5, 1, 2, 3, 4, 5])), expected)


@given(st.lists(st.integers(0, 30), min_size=1, max_size=MOST_POINTS))
def test_a_small_distribution_ranks_its_own_values_as_scipy_does(values):
    distribution = Distribution.fit(np.array(values, float))
    expected = [percentileofscore(values, value, kind="mean") / 100 for value in values]
    np.testing.assert_allclose(distribution.rank(np.array(values)), expected, atol=1e-12)


@given(st.lists(st.floats(0, 1, width=32), min_size=1, max_size=900))
def test_ranks_rise_with_the_value_and_stay_within_their_bounds(values):
    distribution = Distribution.fit(np.array(values))
    assert len(distribution.points) <= MOST_POINTS
    ranks = distribution.rank(np.linspace(-0.1, 1.1, 300))
    assert (np.diff(ranks) >= 0).all()
    assert (ranks[0], ranks[-1]) == (0, 1)


def test_a_large_distribution_is_kept_within_half_a_percent():
    values = np.random.default_rng(0).beta(40, 1, 20_000)
    distribution = Distribution.fit(values)
    fresh = np.random.default_rng(1).beta(40, 1, 500)
    expected = (values < fresh[:, None]).mean(axis=1)
    np.testing.assert_allclose(distribution.rank(fresh), expected, atol=0.005)


def test_a_value_that_most_bars_share_counts_as_half_a_tie_with_them():
    values = np.concatenate([np.full(6000, 1.0), np.linspace(0.9, 0.99, 4000)])
    distribution = Distribution.fit(values)
    assert distribution.rank(np.array(1.0)) == pytest.approx(0.7, abs=0.005)
    assert distribution.rank(np.array(0.945)) == pytest.approx(0.2, abs=0.005)


def test_ranks_keep_through_any_rising_change_of_scale():
    values = np.random.default_rng(2).random((150, 4))
    ranks = SourceRanks.fit(values).rank(values)
    np.testing.assert_allclose(SourceRanks.fit(values**3).rank(values**3), ranks, atol=1e-12)
    np.testing.assert_allclose(ranks.mean(axis=0), 0.5)


def test_the_sum_of_ranks_weighs_them_as_told_and_is_one_for_the_best_of_all_bars():
    values = np.random.default_rng(3).random((400, 4))
    ranks = SourceRanks.fit(values)
    weights = (0.3, 0.25, 0.25, 0.2)
    np.testing.assert_allclose(ranks.weighted(values, weights), ranks.rank(values) @ weights)
    assert ranks.weighted(np.full(4, 2.0), weights) == pytest.approx(1)
    assert ranks.weighted(np.full(4, -1.0), weights) == 0


def test_sources_added_later_have_no_rank():
    ranks = SourceRanks.fit(np.random.default_rng(4).random((50, 4)))
    wider = np.random.default_rng(5).random((7, 5))
    np.testing.assert_array_equal(ranks.rank(wider), ranks.rank(wider[:, :4]))
    with pytest.raises(InputError, match="4 sources"):
        ranks.rank(wider[:, :3])


def test_a_source_that_never_moved_tells_nothing():
    rng = np.random.default_rng(0)
    ranks = SourceRanks.fit(np.column_stack([rng.uniform(size=500), np.ones(500)]))
    assert ranks.telling == (True, False)
    assert ranks.rank(np.array([0.5, 1.0]))[1] == 0.5


def test_a_mix_of_probability_and_ranks_finds_the_planted_weights():
    rng = np.random.default_rng(6)
    probability, ranks = rng.uniform(0.35, 0.9, 60_000), rng.random((60_000, 4))
    right = rng.random(60_000) < expit(0.8 * logit(probability) + 1.5 * ranks[:, 3] - 0.7)
    mix = RankedMix.fit(probability, ranks, right)
    assert mix.slope == pytest.approx(0.8, abs=0.06)
    np.testing.assert_allclose(mix.weights, [0, 0, 0, 1.5], atol=0.12)
    assert mix.intercept == pytest.approx(-0.7, abs=0.12)


def test_a_mix_without_weights_states_the_probability_itself():
    mix = RankedMix(1.0, (0.0, 0.0, 0.0, 0.0), 0.0)
    probability = np.linspace(0.34, 0.99, 20)
    np.testing.assert_allclose(mix.apply(probability, np.ones((20, 4))), probability)


def test_json_brings_both_back():
    values = np.random.default_rng(7).random((999, 4))
    ranks = SourceRanks.fit(values)
    restored = SourceRanks.from_dict(json.loads(json.dumps(ranks.to_dict())))
    assert restored == ranks
    np.testing.assert_array_equal(restored.rank(values), ranks.rank(values))
    mix = RankedMix(0.5, (1.0, 2.0, 3.0, 4.0), -1.0)
    assert RankedMix.from_dict(json.loads(json.dumps(mix.to_dict()))) == mix


@pytest.mark.parametrize(
    "broken",
    [
        [],
        [{"points": [1.0, 2.0], "rows": 3}],
        [{"points": [2.0, 1.0], "rows": 2}],
        [{"points": [1.0], "rows": 0}],
        [{"points": [float("nan")], "rows": 1}],
    ],
)
def test_a_damaged_distribution_is_refused(broken):
    with pytest.raises(BundleError):
        SourceRanks.from_dict(broken)


def test_nothing_to_rank_against_is_refused():
    for values in (np.empty(0), np.array([1.0, np.nan])):
        with pytest.raises(InputError, match="finite values"):
            Distribution.fit(values)
