import numpy as np
import pytest
import scipy.special
import sklearn.metrics

from core.confidence.calibrators import Temperature
from core.errors import BundleError, InputError
from core.scores.calibration_error import expected_calibration_error, perfect_model_ece


def overconfident(rng, n, temperature):
    """Logits that state `temperature` times what they know, and the labels."""
    logits = rng.normal(size=(n, 3)) * 1.5
    true = scipy.special.softmax(logits, axis=1)
    labels = (true.cumsum(1) < rng.random((n, 1))).sum(1).clip(0, 2)
    return logits * temperature, labels


@pytest.mark.parametrize("temperature", [0.4, 1.0, 2.5])
def test_the_temperature_is_recovered(temperature):
    logits, labels = overconfident(np.random.default_rng(0), 30_000, temperature)
    assert Temperature.fit(logits, labels).temperature == pytest.approx(temperature, rel=0.03)


def test_the_fit_has_the_least_log_loss():
    logits, labels = overconfident(np.random.default_rng(1), 2000, 2.0)
    fitted = Temperature.fit(logits, labels)
    losses = [
        sklearn.metrics.log_loss(labels, Temperature(fitted.temperature * factor).apply(logits))
        for factor in (0.98, 1.0, 1.02)
    ]
    assert min(losses) == losses[1]


def test_an_overconfident_forecaster_is_repaired_out_of_sample():
    logits, labels = overconfident(np.random.default_rng(2), 40_000, 2.5)
    half, tested = slice(0, 20_000), slice(20_000, None)
    correct = logits[tested].argmax(1) == labels[tested]
    before = Temperature().apply(logits[tested]).max(1)
    after = Temperature.fit(logits[half], labels[half]).apply(logits[tested]).max(1)
    assert expected_calibration_error(before, correct) > 3 * perfect_model_ece(before).p95
    assert expected_calibration_error(after, correct) < perfect_model_ece(after).p95


def test_calls_never_change_and_one_row_works():
    logits, labels = overconfident(np.random.default_rng(3), 500, 3.0)
    fitted = Temperature.fit(logits, labels)
    np.testing.assert_array_equal(fitted.apply(logits).argmax(1), logits.argmax(1))
    np.testing.assert_allclose(fitted.apply(logits[0]), fitted.apply(logits)[0])
    np.testing.assert_allclose(fitted.apply(logits).sum(1), 1)


def test_labels_that_have_nothing_to_do_with_the_logits_flatten_them():
    rng = np.random.default_rng(4)
    fitted = Temperature.fit(rng.normal(size=(5000, 3)), rng.integers(3, size=5000))
    assert fitted.temperature > 10
    assert fitted.temperature <= 100


def test_plain_numbers_bring_it_back():
    assert Temperature.from_dict(Temperature(1.7).to_dict()) == Temperature(1.7)
    for broken in ({}, {"temperature": "2"}, {"temperature": float("nan")}, {"temperature": -1.0}):
        with pytest.raises(BundleError):
            Temperature.from_dict(broken)


@pytest.mark.parametrize(
    ("logits", "labels"), [(np.zeros((0, 3)), []), (np.zeros((2, 3)), [0]), ([[np.inf, 0]], [1])]
)
def test_unusable_rows_are_refused(logits, labels):
    with pytest.raises(InputError):
        Temperature.fit(np.array(logits), np.array(labels, dtype=int))
