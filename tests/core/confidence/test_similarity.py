import numpy as np
import pytest
from scipy.spatial.distance import mahalanobis

from core.confidence.similarity import DistanceReference, TrainingReference, window_statistics


@pytest.fixture(scope="module")
def draws():
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(6, 6))
    return rng.normal(size=(4000, 6)) @ mixing + 3, rng.normal(size=(2000, 6)) @ mixing + 3


def test_distance_equals_scipys(draws):
    training, calibration = draws
    reference = DistanceReference.fit(training, calibration)
    expected = [mahalanobis(row, reference.mean, reference.precision) for row in calibration[:20]]
    np.testing.assert_allclose(reference.distance(calibration[:20]), expected, rtol=1e-10)


def test_the_median_training_window_has_similarity_exp_minus_a_half(draws):
    training, calibration = draws
    reference = DistanceReference.fit(training, calibration)
    median = np.median(reference.similarity(reference.distance(training)))
    assert median == pytest.approx(np.exp(-0.5), rel=1e-6)


def test_one_calibration_window_in_a_hundred_is_flagged(draws):
    training, calibration = draws
    reference = DistanceReference.fit(training, calibration)
    assert (reference.distance(calibration) > reference.limit).mean() == pytest.approx(0.01, abs=0.001)


def test_a_scaled_window_is_flagged_and_a_training_like_one_is_not(draws):
    training, calibration = draws
    reference = DistanceReference.fit(training, calibration)
    centre = training.mean(0, keepdims=True)
    assert reference.similarity(reference.distance(centre))[0] > 0.9
    assert reference.distance(centre)[0] < reference.limit
    assert reference.distance(centre + 10 * (training[:1] - centre))[0] > reference.limit


def test_without_correlations_each_number_counts_by_its_own_spread(draws):
    training, calibration = draws
    reference = DistanceReference.fit(training, calibration, correlated=False)
    z = (calibration - training.mean(0)) / training.std(0)
    np.testing.assert_allclose(reference.distance(calibration), np.sqrt((z**2).sum(1)), rtol=1e-10)


def test_a_number_that_never_moved_in_training_does_not_flag_by_rounding():
    rng = np.random.default_rng(2)
    training = np.column_stack([rng.normal(size=500), np.full(500, 0.1)])
    reference = DistanceReference.fit(training, training, correlated=False)
    plain, rounded, moved = reference.distance(training[0] + np.array([[0, 0], [0, 1e-4], [0, 1]]))
    assert rounded == pytest.approx(plain, abs=0.01)
    assert moved > reference.limit


def test_windows_of_an_instrument_of_its_own_habits_are_not_flagged_for_want_of_training_windows():
    rng = np.random.default_rng(3)

    def overlapping(habits):
        walk = rng.normal(size=(900, 40)).cumsum(0)
        return ((walk[300:] - walk[:-300]) / 300**0.5 + habits) @ loadings

    loadings = rng.normal(size=(40, 60))
    loadings = np.column_stack([loadings, loadings + 0.01 * rng.normal(size=(40, 60))])
    known = [overlapping(0.5 * rng.normal(size=40)) for _ in range(10)]
    training = np.concatenate([windows[:300] for windows in known])
    later = np.concatenate([windows[300:] for windows in known])
    new = np.concatenate([overlapping(0.5 * rng.normal(size=40)) for _ in range(10)])
    flagged = {
        correlated: (reference.distance(new) > reference.limit).mean()
        for correlated in (True, False)
        for reference in [DistanceReference.fit(training, later, correlated=correlated)]
    }
    assert flagged[False] < 0.1 < flagged[True]


def test_window_statistics_of_a_known_window():
    window = np.array([[[0.0, 1.0], [2.0, 1.0], [4.0, 1.0]]])
    np.testing.assert_allclose(window_statistics(window), [[2, 1, np.sqrt(8 / 3), 0, 2, 0]])


def test_the_flag_sees_what_the_representation_hides(draws):
    training, calibration = draws
    rng = np.random.default_rng(1)
    smooth = np.cumsum(rng.normal(size=(300, 40, 3)), axis=1)
    statistics = window_statistics(smooth)
    reference = TrainingReference.fit((training, statistics[:200]), (calibration, statistics[200:]))
    jumbled = smooth[:1, rng.permutation(40)]
    familiar = reference.representation.distance(training.mean(0, keepdims=True))
    assert reference.strangeness(familiar, statistics[:1])[0] < 1
    assert reference.strangeness(familiar, window_statistics(jumbled))[0] > 1
    assert reference.strangeness(familiar, window_statistics(5 * smooth[:1]))[0] > 1
