import json

import numpy as np
import pytest
import sklearn.metrics
from scipy.special import expit, logit, softmax

from core.confidence.calibrators import Isotonic, Platt
from core.confidence.choice import METHODS, TaskCalibration, binary_log_loss, fit_task_calibration, time_folds
from core.errors import BundleError, InputError


def two_classes(rng, stated, right):
    """Logits whose call has probability `stated`, and labels by which it is right as told."""
    call = rng.integers(2, size=stated.size)
    sign = np.where(call == 1, 1, -1)
    logits = np.column_stack([-sign, sign]) * logit(stated)[:, None] / 2
    return logits, np.where(right, call, 1 - call)


def test_isotonic_does_not_win_by_overfitting():
    rng = np.random.default_rng(0)
    chosen, beaten = [], []
    for _ in range(12):
        raw = rng.uniform(0.2, 0.9, 250)
        right = rng.random(250) < expit(0.5 * logit(raw) + 0.2)
        logits, labels = two_classes(rng, rng.uniform(0.51, 0.99, 250), right)
        calibration = fit_task_calibration(logits, labels, raw, np.arange(250))
        chosen.append(calibration.chosen)
        in_sample = [
            binary_log_loss(fit.apply(raw), right) for fit in (calibration.platt, calibration.isotonic)
        ]
        beaten.append(in_sample[1] < in_sample[0])
    assert all(beaten)
    assert chosen.count("platt") >= 10


def test_isotonic_is_chosen_for_a_step():
    rng = np.random.default_rng(1)
    raw = rng.uniform(0.2, 0.9, 6000)
    right = rng.random(6000) < np.where(raw < 0.7, 0.3, 0.85)
    logits, labels = two_classes(rng, rng.uniform(0.51, 0.99, 6000), right)
    assert fit_task_calibration(logits, labels, raw, np.arange(6000)).chosen == "isotonic"


def test_temperature_is_chosen_where_only_the_logits_know():
    rng = np.random.default_rng(2)
    stated = rng.uniform(0.51, 0.99, 4000)
    right = rng.random(4000) < expit(logit(stated) / 2)
    logits, labels = two_classes(rng, stated, right)
    calibration = fit_task_calibration(logits, labels, rng.random(4000), np.arange(4000))
    assert calibration.chosen == "temperature"
    assert calibration.temperature.temperature == pytest.approx(2, rel=0.1)
    np.testing.assert_allclose(
        calibration.confidence(rng.random(4000), logits), calibration.probabilities(logits).max(1)
    )


def test_a_confidence_that_knows_nothing_does_not_beat_the_base_rate():
    rng = np.random.default_rng(3)
    right = rng.random(3000) < 0.6
    logits, labels = two_classes(rng, rng.uniform(0.51, 0.99, 3000), right)
    losses = fit_task_calibration(logits, labels, rng.random(3000), np.arange(3000)).log_losses
    assert set(losses) == {*METHODS, "raw", "base_rate"}
    assert losses["base_rate"] < min(losses["isotonic"], losses["raw"])
    assert losses["platt"] == pytest.approx(losses["base_rate"], abs=2e-3)


def test_kept_calibrators_are_fitted_on_all_rows_and_picked_by_name():
    rng = np.random.default_rng(4)
    raw = rng.uniform(0.2, 0.9, 400)
    logits = rng.normal(size=(400, 3))
    labels = rng.integers(3, size=400)
    calibration = fit_task_calibration(logits, labels, raw, np.arange(400))
    correct = logits.argmax(1) == labels
    assert calibration.platt == Platt.fit(raw, correct)
    assert calibration.isotonic == Isotonic.fit(raw, correct)
    np.testing.assert_allclose(calibration.confidence(raw, logits, "platt"), calibration.platt.apply(raw))
    np.testing.assert_allclose(
        calibration.confidence(raw, logits, "isotonic"), calibration.isotonic.apply(raw)
    )
    expected = softmax(logits / calibration.temperature.temperature, axis=1).max(1)
    np.testing.assert_allclose(calibration.confidence(raw, logits, "temperature"), expected)
    np.testing.assert_allclose(
        calibration.confidence(raw[0], logits[0]), calibration.confidence(raw, logits)[0]
    )


def test_the_order_of_the_rows_does_not_matter():
    rng = np.random.default_rng(5)
    raw, times = rng.uniform(0.2, 0.9, 300), np.arange(300) // 2
    logits, labels = rng.normal(size=(300, 3)), rng.integers(3, size=300)
    shuffle = rng.permutation(300)
    one = fit_task_calibration(logits, labels, raw, times, gap=5)
    other = fit_task_calibration(logits[shuffle], labels[shuffle], raw[shuffle], times[shuffle], gap=5)
    assert one.chosen == other.chosen
    for name in one.log_losses:
        assert one.log_losses[name] == pytest.approx(other.log_losses[name], abs=1e-6)


def test_stretches_score_every_row_once_and_keep_their_distance():
    times = np.repeat(np.arange(53), 3)
    folds = time_folds(times, 5, gap=4)
    assert (np.sum([score for _, score in folds], axis=0) == 1).all()
    for fit, score in folds:
        assert np.abs(times[fit][:, None] - times[score]).min() == 5
        assert np.ptp(times[score]) + 1 == np.unique(times[score]).size


def test_too_short_a_segment_is_refused():
    with pytest.raises(InputError, match="calibrate segment"):
        time_folds(np.arange(12), 5, gap=5)
    with pytest.raises(InputError):
        time_folds(np.arange(12), 1, gap=0)


def test_log_loss_agrees_with_scikit_learn():
    rng = np.random.default_rng(6)
    confidence, correct = rng.random(200), rng.integers(2, size=200)
    assert binary_log_loss(confidence, correct) == pytest.approx(
        sklearn.metrics.log_loss(correct, confidence)
    )
    assert np.isfinite(binary_log_loss(np.array([0.0, 1.0]), np.array([1, 0])))


def test_json_brings_it_back():
    rng = np.random.default_rng(7)
    calibration = fit_task_calibration(
        rng.normal(size=(200, 3)), rng.integers(3, size=200), rng.random(200), np.arange(200)
    )
    assert TaskCalibration.from_dict(json.loads(json.dumps(calibration.to_dict()))) == calibration
    with pytest.raises(BundleError, match="temperature, platt, isotonic"):
        TaskCalibration.from_dict(calibration.to_dict() | {"chosen": "guess"})
    with pytest.raises(BundleError):
        TaskCalibration.from_dict(calibration.to_dict() | {"platt": {}})
