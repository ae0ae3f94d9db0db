import numpy as np
import pytest
from scipy.spatial.distance import mahalanobis

from core.models.similarity import RepresentationReference


@pytest.fixture(scope="module")
def draws():
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(6, 6))
    return rng.normal(size=(4000, 6)) @ mixing + 3, rng.normal(size=(2000, 6)) @ mixing + 3


def test_distance_equals_scipys(draws):
    training, calibration = draws
    reference = RepresentationReference.fit(training, calibration)
    expected = [mahalanobis(row, reference.mean, reference.precision) for row in calibration[:20]]
    np.testing.assert_allclose(reference.distance(calibration[:20]), expected, rtol=1e-10)


def test_the_median_training_window_has_similarity_exp_minus_a_half(draws):
    training, calibration = draws
    reference = RepresentationReference.fit(training, calibration)
    median = np.median(reference.similarity(reference.distance(training)))
    assert median == pytest.approx(np.exp(-0.5), rel=1e-6)


def test_one_calibration_window_in_a_hundred_is_flagged(draws):
    training, calibration = draws
    reference = RepresentationReference.fit(training, calibration)
    assert (reference.distance(calibration) > reference.limit).mean() == pytest.approx(0.01, abs=0.001)


def test_a_scaled_window_is_flagged_and_a_training_like_one_is_not(draws):
    training, calibration = draws
    reference = RepresentationReference.fit(training, calibration)
    centre = training.mean(0, keepdims=True)
    assert reference.similarity(reference.distance(centre))[0] > 0.9
    assert reference.distance(centre)[0] < reference.limit
    assert reference.distance(centre + 10 * (training[:1] - centre))[0] > reference.limit
