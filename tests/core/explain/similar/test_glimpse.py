import numpy as np
import pytest
from scipy.special import softmax

from core.explain.similar.glimpse import AFTER, BEFORE, Glimpse, read_glimpse, state_probabilities
from core.predictor import naive_utc


@pytest.fixture
def opens(walks):
    return walks["AAA", "1d"]["ts"].dt.tz_localize(None).to_numpy("datetime64[us]")


@pytest.mark.parametrize("at", [700, 10])
@pytest.mark.parametrize("later", [0, 7, 500])
def test_a_glimpse_holds_what_had_closed_and_no_more_than_is_drawn(walk_store, opens, at, later):
    until = opens[at + later] + np.timedelta64(1, "D")
    found = read_glimpse(walk_store, "AAA|1d", opens[at], until)
    times = [naive_utc(ts) for ts in found.bars["ts"]]
    assert times[found.at] == opens[at]
    assert times == list(opens[max(at - BEFORE, 0) : at + 1 + min(later, AFTER)])
    given = read_glimpse(walk_store, "AAA|1d", opens[at], until, opens)
    assert given.bars.equals(found.bars)


def test_a_moment_that_has_not_closed_is_shown_without_a_future(walk_store, opens):
    found = read_glimpse(walk_store, "AAA|1d", opens[700], opens[600])
    assert found.at == len(found.bars) - 1
    np.testing.assert_array_equal(found.after, [0.0])


def test_percent_is_measured_from_the_moments_own_close(walks):
    bars = walks["AAA", "1d"].head(80)
    closes = bars["close"].to_numpy()
    np.testing.assert_allclose(Glimpse(bars, 60).after, 100 * (closes[60:] / closes[60] - 1))
    np.testing.assert_allclose(
        Glimpse(bars.assign(**{c: 7 * bars[c] for c in ("open", "high", "low", "close")}), 60).percent(),
        Glimpse(bars, 60).percent(),
    )


def test_probabilities_are_stated_as_a_prediction_states_them(walk_bundle):
    logits = np.random.default_rng(0).normal(size=(20, 3))
    stated = state_probabilities(walk_bundle, "direction", softmax(logits, axis=1))
    np.testing.assert_allclose(stated, walk_bundle.confidence["direction"].calibration.probabilities(logits))
    plain = softmax(logits, axis=1)
    np.testing.assert_array_equal(state_probabilities(walk_bundle, "unheard of", plain), plain)
