import numpy as np
import pytest
from statsmodels.stats.sandwich_covariance import S_hac_simple

from core.errors import InputError
from core.scores.stretches import LEAST_COSINES, STRETCHES, Stretches, find_swings, label_span


def autoregression(rng, steps, series, persistence):
    values = np.empty((steps, series))
    values[0] = rng.normal(size=series)
    for t in range(1, steps):
        noise = rng.normal(size=series) * np.sqrt(1 - persistence**2)
        values[t] = persistence * values[t - 1] + noise
    return values


def swings_of(values):
    """What each stretch of the rows' times adds to each column's mean."""
    steps = len(values)
    summed = np.zeros((min(steps, STRETCHES), values.shape[1]))
    np.add.at(summed, np.arange(steps) * len(summed) // steps, values - values.mean(axis=0))
    return summed / steps


def test_totals_group_rows_by_stretch_and_cell():
    stretches = Stretches.over(np.array(["b", "a", "b", "c"]))
    assert stretches.total(np.array([1.0, 2, 3, 4])).tolist() == [2, 4, 4]
    table = stretches.total_by_cell(np.array([0, 1, 1, 0]), 2, np.array([1.0, 2, 3, 4]))
    assert table.tolist() == [[0, 2], [1, 3], [4, 0]]


def test_stretches_are_consecutive_and_nearly_equally_long():
    times = np.random.default_rng(0).permutation(np.repeat(np.arange(3001), 2))
    stretches = Stretches.over(times)
    assert stretches.count == STRETCHES
    lengths = np.bincount(stretches.place) / 2
    assert set(lengths) == {7, 8}
    assert (np.diff(stretches.place[np.argsort(times, kind="stable")]) >= 0).all()


@pytest.mark.parametrize("persistence", [0.0, 0.6, 0.95])
def test_the_standard_error_is_that_of_the_mean_itself(persistence):
    values = autoregression(np.random.default_rng(1), 2000, 400, persistence)
    errors, freedom = Stretches.over(np.arange(2000)).measure_errors(swings_of(values))
    assert np.sqrt((errors**2).mean()) == pytest.approx(values.mean(axis=0).std(), rel=0.12)
    assert (freedom >= LEAST_COSINES).all()


def test_the_standard_error_agrees_with_the_kernel_estimate_of_statsmodels():
    values = autoregression(np.random.default_rng(2), 4000, 1, 0.5)
    errors, _ = Stretches.over(np.arange(4000)).measure_errors(swings_of(values))
    kernel = np.sqrt(S_hac_simple(values - values.mean(), nlags=30).item()) / 4000
    assert errors[0] == pytest.approx(kernel, rel=0.25)


def test_the_more_persistent_the_fewer_cosines_are_taken():
    rng = np.random.default_rng(3)
    taken = [
        np.median(
            Stretches.over(np.arange(2000)).count_cosines(swings_of(autoregression(rng, 2000, 40, rho)))
        )
        for rho in (0.0, 0.5, 0.9, 0.98)
    ]
    assert taken == sorted(taken, reverse=True)
    assert taken[0] > 5 * taken[-1]


def test_slow_swings_under_noise_are_not_overlooked():
    rng = np.random.default_rng(4)
    noisy = autoregression(rng, 2000, 60, 0.97) + 2 * rng.normal(size=(2000, 60))
    errors, _ = Stretches.over(np.arange(2000)).measure_errors(swings_of(noisy))
    assert np.sqrt((errors**2).mean()) == pytest.approx(noisy.mean(axis=0).std(), rel=0.2)


def test_no_cosine_swings_within_two_label_spans():
    white = np.random.default_rng(5).normal(size=(300, 20))
    free, bound = (Stretches.over(np.arange(300), span).count_cosines(swings_of(white)) for span in (1, 30))
    assert free.max() > 5
    assert bound.max() <= 5


def test_rows_of_one_time_swing_together():
    shock = np.random.default_rng(6).normal(size=400)
    values, times = np.repeat(shock, 10), np.repeat(np.arange(400), 10)
    stretches = Stretches.over(times)
    errors, _ = stretches.measure_errors(stretches.total((values - values.mean()) / values.size))
    assert errors[0] == pytest.approx(shock.std() / 20, rel=0.2)


def test_what_hangs_together_over_all_of_its_time_has_no_error():
    errors, freedom = Stretches.over(np.arange(200)).measure_errors(
        swings_of(np.linspace(0, 1, 200)[:, None])
    )
    assert np.isnan(errors[0])
    assert freedom[0] < LEAST_COSINES
    assert len(Stretches.over(np.arange(200)).draw_sums(swings_of(np.linspace(0, 1, 200)[:, None]), 10)) == 0


def test_drawn_sums_have_the_covariance_of_the_sums():
    rng = np.random.default_rng(7)
    first = rng.normal(size=2000)
    swings = np.column_stack([first, 0.8 * first + 0.6 * rng.normal(size=2000)])
    draws = Stretches.over(np.arange(2000)).draw_sums(
        np.add.reduceat(swings - swings.mean(0), np.arange(0, 2000, 5)), 4000
    )
    assert np.abs(draws.mean(axis=0)).max() < 3
    assert draws.std(axis=0) == pytest.approx(np.sqrt(2000) * np.ones(2), rel=0.2)
    assert np.corrcoef(draws.T)[0, 1] == pytest.approx(0.8, abs=0.15)


def test_swings_of_a_mean_are_each_stretchs_share_of_it_and_add_up_to_nothing():
    rng = np.random.default_rng(8)
    per_stretch = np.column_stack([rng.normal(size=50), rng.integers(1, 9, 50)])
    swings = find_swings(per_stretch, lambda sums: sums[..., 0] / sums[..., 1])
    total, count = per_stretch.sum(axis=0)
    expected = (per_stretch[:, 0] - total / count * per_stretch[:, 1]) / count
    np.testing.assert_allclose(swings, expected, rtol=1e-3, atol=1e-6)
    assert swings.sum() == pytest.approx(0, abs=1e-4)


def test_label_span_counts_the_time_stamps_of_all_instruments():
    # Instrument one trades at 0, 2, 4, ..., the other at every step; a label reaches 2 own bars ahead.
    slow, fast = np.arange(0, 20, 2), np.arange(20)
    times, ends = np.r_[slow, fast], np.r_[np.minimum(slow + 4, 18), np.minimum(fast + 2, 19)]
    assert label_span(fast, np.minimum(fast + 2, 19)) == 3
    assert label_span(times, ends) == 5


@pytest.mark.parametrize(("times", "span"), [(np.array([]), 1), (np.arange(3), 0), (np.zeros((2, 2)), 1)])
def test_impossible_stretches_are_refused(times, span):
    with pytest.raises(InputError):
        Stretches.over(times, span)
