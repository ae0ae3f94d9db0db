import numpy as np
import pytest
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from core.confidence.calibrators import LearnedMix
from core.confidence.sources import SOURCES
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


def test_plain_numbers_bring_it_back():
    mix = LearnedMix((1.0, -2.0, 0.5, 3.0), 0.2)
    assert LearnedMix.from_dict(mix.to_dict()) == mix
    with pytest.raises(BundleError):
        LearnedMix.from_dict({"weights": [1.0, 2.0], "intercept": 0.0})


def test_all_four_sources_are_needed():
    with pytest.raises(InputError, match="mc_dropout"):
        LearnedMix.fit(np.zeros((5, 3)), np.zeros(5))
