import numpy as np
import pytest
from sklearn.isotonic import IsotonicRegression

from core.confidence.calibrators import Isotonic
from core.errors import BundleError


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


def test_plain_numbers_bring_it_back(rows):
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
