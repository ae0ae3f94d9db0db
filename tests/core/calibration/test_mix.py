import numpy as np
import pytest
from scipy.special import expit

from core.calibration.mix import SOURCES, LearnedMix
from core.errors import BundleError, InputError


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
    sources[:, SOURCES.index("mc_dropout")] = 1.0
    mix = LearnedMix.fit(sources, rng.integers(2, size=500))
    assert mix.weights[3] == 0
    assert np.isfinite(mix.apply(np.zeros(4)))


def test_one_row_is_a_batch_of_one():
    mix = LearnedMix((1.0, -2.0, 0.5, 3.0), 0.2)
    sources = np.random.default_rng(2).random((6, 4))
    np.testing.assert_allclose([mix.apply(row) for row in sources], mix.apply(sources))


def test_plain_numbers_bring_it_back():
    mix = LearnedMix((1.0, -2.0, 0.5, 3.0), 0.2)
    assert LearnedMix.from_dict(mix.to_dict()) == mix
    with pytest.raises(BundleError):
        LearnedMix.from_dict({"weights": [1.0, 2.0], "intercept": 0.0})


def test_all_four_sources_are_needed():
    with pytest.raises(InputError, match="mc_dropout"):
        LearnedMix.fit(np.zeros((5, 3)), np.zeros(5))
