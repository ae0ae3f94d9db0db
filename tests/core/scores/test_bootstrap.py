import arch.bootstrap
import numpy as np
import pytest

from core.errors import InputError
from core.scores.bootstrap import (
    BlockBootstrap,
    Share,
    block_length,
    count_apart,
    interval,
    label_span,
    mean_interval,
    paired_difference,
)

DAY = np.timedelta64(1, "D")
START = np.datetime64("2020-01-01", "us")


def autoregression(rng, steps, series, persistence):
    values = np.empty((steps, series))
    values[0] = rng.normal(size=series) / np.sqrt(1 - persistence**2)
    for t in range(1, steps):
        values[t] = persistence * values[t - 1] + rng.normal(size=series)
    return values


@pytest.mark.parametrize(("n_times", "block"), [(50, 1), (50, 7), (50, 50), (3, 2), (1, 1)])
def test_every_resample_draws_as_many_time_stamps_as_there_are(n_times, block):
    weights = np.concatenate(list(BlockBootstrap.over(np.arange(n_times), block, 40).weights()))
    assert weights.shape == (40, n_times)
    assert (weights.sum(axis=1) == n_times).all()
    assert weights.min() >= 0


@pytest.mark.parametrize("block", [1, 4, 9, 30])
def test_sums_equal_weighted_totals_of_the_same_resamples(block):
    rng = np.random.default_rng(0)
    times = rng.integers(30, size=200)
    bootstrap = BlockBootstrap.over(times, block, 60, seed=3)
    values = rng.normal(size=200)
    per_time = np.column_stack([bootstrap.total(values), bootstrap.total(np.ones(200))])
    weights = np.concatenate(list(bootstrap.weights()))
    np.testing.assert_allclose(bootstrap.sums(per_time), weights @ per_time, atol=1e-9)


def test_drawn_time_stamps_come_in_whole_circular_blocks():
    weights = next(BlockBootstrap.over(np.arange(12), 12, 50).weights())
    assert (weights == 1).all()
    weights = next(BlockBootstrap.over(np.arange(20), 19, 200).weights())
    rises = (np.diff(np.column_stack([weights, weights[:, :1]]), axis=1) != 0).sum(axis=1)
    assert rises.max() <= 4


def test_every_time_stamp_is_drawn_equally_often():
    weights = np.concatenate(list(BlockBootstrap.over(np.arange(11), 4, 4000).weights()))
    np.testing.assert_allclose(weights.mean(axis=0), 1, atol=0.06)


def test_totals_group_rows_by_time_and_cell():
    bootstrap = BlockBootstrap.over(np.array(["b", "a", "b", "c"]), 1)
    assert bootstrap.total(np.array([1.0, 2, 3, 4])).tolist() == [2, 4, 4]
    table = bootstrap.total_by_cell(np.array([0, 1, 1, 0]), 2, np.array([1.0, 2, 3, 4]))
    assert table.tolist() == [[0, 2], [1, 3], [4, 0]]


def test_spread_of_the_mean_agrees_with_the_circular_bootstrap_of_arch():
    values = autoregression(np.random.default_rng(1), 300, 1, 0.6)[:, 0]
    draws = BlockBootstrap.over(np.arange(300), 12, 4000).sums(values)[:, 0] / 300
    oracle = arch.bootstrap.CircularBlockBootstrap(12, values, seed=0).apply(np.mean, 4000)
    assert draws.std() == pytest.approx(oracle.std(), rel=0.05)


def test_rows_of_one_time_stamp_are_drawn_together():
    rng = np.random.default_rng(2)
    shock = rng.normal(size=400)
    values, times = np.repeat(shock, 10), np.repeat(np.arange(400), 10)
    shared = mean_interval(values, BlockBootstrap.over(times, 1, 2000))
    apart = mean_interval(values, BlockBootstrap.over(np.arange(4000), 1, 2000))
    assert shared.high - shared.low == pytest.approx(2 * 1.96 * shock.std() / 20, rel=0.1)
    assert (shared.high - shared.low) / (apart.high - apart.low) == pytest.approx(np.sqrt(10), rel=0.1)


def test_block_interval_covers_the_mean_of_an_autoregression_and_single_rows_do_not():
    series = autoregression(np.random.default_rng(3), 600, 300, 0.7)
    inside = {}
    for block in (1, 30):
        bootstrap = BlockBootstrap.over(np.arange(600), block, 400)
        draws = bootstrap.sums(series) / 600
        low, high = np.quantile(draws, [0.025, 0.975], axis=0)
        inside[block] = np.mean((low <= 0) & (high >= 0))
    assert 0.88 <= inside[30] <= 0.98
    assert inside[1] < 0.75


def test_paired_difference_cancels_what_both_share():
    rng = np.random.default_rng(4)
    shared, times = rng.normal(size=2000) * 10, np.arange(2000)
    bootstrap = BlockBootstrap.over(times, 5)
    better = paired_difference(shared - 0.1 + rng.normal(size=2000) * 0.1, shared, bootstrap)
    assert better.value == pytest.approx(-0.1, abs=0.01)
    assert better.low < -0.1 < better.high
    assert better.excludes_zero
    same = paired_difference(shared + rng.normal(size=2000) * 0.1, shared, bootstrap)
    assert same.low < 0 < same.high
    assert not same.excludes_zero


def test_paired_difference_refuses_other_rows():
    with pytest.raises(InputError, match="the same"):
        paired_difference(np.zeros(3), np.zeros(4), BlockBootstrap.over(np.arange(4), 1))


def test_the_seed_fixes_the_resamples():
    values = np.random.default_rng(5).normal(size=100)
    one, again, other = (
        mean_interval(values, BlockBootstrap.over(np.arange(100), 5, 50, seed=s)) for s in (0, 0, 1)
    )
    assert one == again
    assert one != other


def test_basic_interval_mirrors_the_draws_and_keeps_the_value():
    draws = np.linspace(0.1, 0.3, 1001)
    mirrored = interval(0.25, draws, method="basic")
    assert mirrored.low == pytest.approx(0.5 - 0.295)
    assert mirrored.high == pytest.approx(0.5 - 0.105)
    biased = interval(0.08, draws, method="basic")
    assert (biased.low, biased.high) == (0.0, 0.08)


def test_mostly_undefined_draws_give_no_interval():
    draws = np.r_[np.full(60, np.nan), np.ones(40)]
    assert np.isnan(interval(1.0, draws).low)
    assert interval(1.0, draws[40:]).low == 1.0


def test_label_span_counts_the_time_stamps_of_all_instruments():
    # Instrument one trades at 0, 2, 4, ..., the other at every step; a label reaches 2 own bars ahead.
    slow, fast = np.arange(0, 20, 2), np.arange(20)
    times, ends = np.r_[slow, fast], np.r_[np.minimum(slow + 4, 18), np.minimum(fast + 2, 19)]
    assert label_span(fast, np.minimum(fast + 2, 19)) == 3
    assert label_span(times, ends) == 5


def test_block_length_grows_with_horizon_sample_and_memory():
    times = np.arange(1000)
    assert block_length(times, 5) == 10
    assert block_length(times, 40) == 40
    assert block_length(np.arange(3), 40) == 3
    rng = np.random.default_rng(6)
    assert block_length(times, 5, rng.normal(size=1000)) < 25
    assert block_length(times, 5, autoregression(rng, 1000, 1, 0.9)[:, 0]) > 25


@pytest.mark.parametrize(("times", "block"), [(np.array([]), 1), (np.arange(3), 0)])
def test_impossible_blocks_are_refused(times, block):
    with pytest.raises(InputError):
        BlockBootstrap.over(times, block)


def test_what_moments_picked_blindly_would_give_is_within_chance():
    assert Share(6, 10, 0.31, 0.83, base=0.38).within_chance
    assert not Share(6, 10, 0.31, 0.83, base=0.2).within_chance


def test_futures_that_overlap_count_once():
    start = START + np.array([0, 3, 5, 20, 40, 41]) * DAY
    end = start + np.array([5, 5, 5, 5, 5, 1]) * DAY
    assert count_apart(start, end) == 3
    assert count_apart(start[::-1], end[::-1]) == 3
    assert count_apart(start[:0], end[:0]) == 0
