import numpy as np
import pytest
import scipy.optimize
import scipy.special
import sklearn.metrics
from scipy.special import expit, logit
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from core.confidence.calibrators import Isotonic, LearnedMix, Platt, Temperature, fit_logistic
from core.confidence.sources import SOURCES
from core.errors import BundleError, InputError
from core.scores.calibration_error import expected_calibration_error, perfect_model_ece
from core.scores.stretches import Stretches


def test_the_platt_curve_is_recovered():
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


def test_plain_numbers_bring_a_platt_curve_back():
    assert Platt.from_dict(Platt(0.7, -0.1).to_dict()) == Platt(0.7, -0.1)
    with pytest.raises(BundleError, match="intercept"):
        Platt.from_dict({"slope": 1.0})


def test_features_and_outcomes_must_match():
    with pytest.raises(InputError):
        fit_logistic(np.zeros((3, 1)), np.zeros(2))
    with pytest.raises(InputError):
        fit_logistic(np.full((2, 1), np.nan), np.zeros(2))


@pytest.fixture
def rows():
    rng = np.random.default_rng(0)
    raw = rng.random(4000)
    return raw, rng.random(4000) < raw**2


def test_stored_points_give_scikit_learns_curve(rows):
    fitted = Isotonic.fit(*rows)
    oracle = IsotonicRegression(out_of_bounds="clip", y_min=1 / 4002, y_max=1 - 1 / 4002).fit(*rows)
    grid = np.linspace(0, 1, 1001)
    np.testing.assert_allclose(fitted.apply(grid), oracle.predict(grid), atol=1e-12)


def test_a_curve_logistic_cannot_bend_to_is_recovered():
    rng = np.random.default_rng(1)
    raw = rng.random(60_000)
    true = np.where(raw < 0.6, 0.35, 0.8)
    fitted = Isotonic.fit(raw, rng.random(raw.size) < true)
    assert np.abs(fitted.apply(raw) - true).mean() < 0.01


def test_the_curve_rises_and_never_claims_certainty(rows):
    stated = Isotonic.fit(*rows).apply(np.linspace(0, 1, 500))
    assert (np.diff(stated) >= 0).all()
    always = Isotonic.fit(np.linspace(0, 1, 8), np.ones(8)).apply(np.array([0.0, 1.0]))
    np.testing.assert_allclose(always, 0.9)


def test_plain_numbers_bring_an_isotonic_curve_back(rows):
    fitted = Isotonic.fit(*rows)
    assert Isotonic.from_dict(fitted.to_dict()) == fitted
    assert Isotonic().apply(np.array(0.3)) == pytest.approx(0.3)


@pytest.mark.parametrize(
    "stored",
    [
        {},
        {"raw": [0, 1], "probability": [0.5]},
        {"raw": [0, 1], "probability": [0.5, 0.4]},
        {"raw": [1, 0], "probability": [0.4, 0.5]},
        {"raw": [0, 1], "probability": [0.4, 1.5]},
        {"raw": [0, 1], "probability": [0.4, None]},
        {"raw": [], "probability": []},
    ],
)
def test_points_that_are_no_curve_are_refused(stored):
    with pytest.raises(BundleError):
        Isotonic.from_dict(stored)


def test_the_informative_source_gets_the_weight():
    rng = np.random.default_rng(0)
    sources = rng.random((40_000, 4))
    correct = rng.random(40_000) < expit(2.0 * sources[:, 2] - 0.7)
    mix = LearnedMix.fit(sources, correct)
    np.testing.assert_allclose(mix.weights, [0, 0, 2, 0], atol=0.15)
    assert mix.intercept == pytest.approx(-0.7, abs=0.15)
    assert mix.apply(sources).mean() == pytest.approx(correct.mean(), abs=1e-3)


def test_a_source_that_never_varies_has_no_weight():
    rng = np.random.default_rng(1)
    sources = rng.random((500, 4))
    sources[:, list(SOURCES).index("mc_dropout")] = 1.0
    mix = LearnedMix.fit(sources, rng.integers(2, size=500))
    assert mix.weights[3] == 0
    assert np.isfinite(mix.apply(np.zeros(4)))


@pytest.mark.parametrize("source", SOURCES)
def test_without_a_source_the_others_are_weighed_as_if_it_had_never_been(source):
    rng = np.random.default_rng(3)
    sources = rng.random((5000, 4))
    correct = rng.random(5000) < expit(sources @ [1.0, -2.0, 1.5, 2.0] - 1)
    mix = LearnedMix.fit(sources, correct, without=source)
    left = [i for i, name in enumerate(SOURCES) if name != source]
    theirs = LogisticRegression(C=np.inf, tol=1e-8).fit(sources[:, left], correct)
    assert mix.weights[list(SOURCES).index(source)] == 0
    np.testing.assert_allclose(np.array(mix.weights)[left], theirs.coef_[0], atol=5e-3)
    assert not np.allclose(mix.weights, LearnedMix.fit(sources, correct).weights, atol=1e-2)


def test_one_row_is_a_batch_of_one():
    mix = LearnedMix((1.0, -2.0, 0.5, 3.0), 0.2)
    sources = np.random.default_rng(2).random((6, 4))
    np.testing.assert_allclose([mix.apply(row) for row in sources], mix.apply(sources))


def test_plain_numbers_bring_a_mix_back():
    mix = LearnedMix((1.0, -2.0, 0.5, 3.0), 0.2)
    assert LearnedMix.from_dict(mix.to_dict()) == mix
    with pytest.raises(BundleError):
        LearnedMix.from_dict({"weights": [1.0, 2.0], "intercept": 0.0})


def test_all_four_sources_are_needed():
    with pytest.raises(InputError, match="mc_dropout"):
        LearnedMix.fit(np.zeros((5, 3)), np.zeros(5))


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
    stretches = Stretches.over(np.arange(20_000))
    for stated, repaired in ((before, False), (after, True)):
        error, limit = (
            expected_calibration_error(stated, correct),
            perfect_model_ece(stated, correct, stretches).p95,
        )
        assert error < limit if repaired else error > 3 * limit


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


def test_plain_numbers_bring_a_temperature_back():
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
