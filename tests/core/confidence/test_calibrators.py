import numpy as np
import pytest
import scipy.optimize
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

from core.confidence.calibrators import Platt, fit_logistic
from core.errors import BundleError, InputError


def test_the_curve_is_recovered():
    rng = np.random.default_rng(0)
    raw = rng.uniform(0.05, 0.95, 60_000)
    correct = rng.random(raw.size) < expit(0.6 * logit(raw) - 0.4)
    fitted = Platt.fit(raw, correct)
    assert fitted.slope == pytest.approx(0.6, abs=0.03)
    assert fitted.intercept == pytest.approx(-0.4, abs=0.03)


def test_the_fit_is_the_maximum_of_the_softened_likelihood():
    rng = np.random.default_rng(1)
    features, outcomes = rng.normal(size=(400, 2)) * [1, 50] + [0, 300], rng.integers(2, size=400)
    ones, zeros = outcomes.sum(), 400 - outcomes.sum()
    target = np.where(outcomes, (ones + 1) / (ones + 2), 1 / (zeros + 2))

    def loss(parameters):
        stated = (features - [0, 300]) / [1, 50] @ parameters[:2] + parameters[2]
        return np.mean(np.logaddexp(0, stated) - target * stated)

    best = scipy.optimize.minimize(loss, np.zeros(3), method="BFGS", options={"gtol": 1e-9}).x
    slopes, intercept = fit_logistic(features, outcomes)
    np.testing.assert_allclose(slopes, best[:2] / [1, 50], rtol=1e-3, atol=1e-6)
    assert intercept == pytest.approx(best[2] - 300 * best[1] / 50, abs=1e-3)


def test_with_many_rows_softening_vanishes():
    rng = np.random.default_rng(2)
    feature = rng.normal(size=(20_000, 1))
    outcomes = rng.random(20_000) < expit(feature[:, 0] * 0.8)
    plain = LogisticRegression(C=np.inf).fit(feature, outcomes)
    assert fit_logistic(feature, outcomes)[0][0] == pytest.approx(plain.coef_[0, 0], abs=1e-3)


def test_no_change_maps_confidence_to_itself_and_certainty_stays_finite():
    raw = np.array([0.0, 0.2, 0.5, 0.99, 1.0])
    np.testing.assert_allclose(Platt().apply(raw), raw, atol=1e-5)
    assert np.isfinite(Platt(3.0, 1.0).apply(raw)).all()


@pytest.mark.parametrize("right", [0, 1])
def test_one_sided_outcomes_give_a_finite_curve(right):
    raw = np.linspace(0.3, 0.9, 48)
    stated = Platt.fit(raw, np.full(48, right)).apply(raw)
    np.testing.assert_allclose(stated, 49 / 50 if right else 1 / 50, atol=1e-3)


def test_separable_outcomes_give_a_finite_curve():
    raw = np.linspace(0.01, 0.99, 50)
    fitted = Platt.fit(raw, raw > 0.5)
    assert np.isfinite([fitted.slope, fitted.intercept]).all()
    assert fitted.slope > 0


def test_constant_confidence_becomes_the_base_rate():
    correct = np.r_[np.ones(60), np.zeros(40)]
    fitted = Platt.fit(np.full(100, 0.7), correct)
    assert fitted.slope == 0
    assert fitted.apply(np.array(0.7)) == pytest.approx(0.6, abs=0.01)


def test_plain_numbers_bring_it_back():
    assert Platt.from_dict(Platt(0.7, -0.1).to_dict()) == Platt(0.7, -0.1)
    with pytest.raises(BundleError, match="intercept"):
        Platt.from_dict({"slope": 1.0})


def test_features_and_outcomes_must_match():
    with pytest.raises(InputError):
        fit_logistic(np.zeros((3, 1)), np.zeros(2))
    with pytest.raises(InputError):
        fit_logistic(np.full((2, 1), np.nan), np.zeros(2))
