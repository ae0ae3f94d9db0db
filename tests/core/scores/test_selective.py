import numpy as np
import pytest

from core.errors import InputError
from core.scores.selective import (
    find_area_swings,
    hit_rate_interval,
    hit_rates,
    risk_coverage,
    selective_areas,
)
from core.scores.stretches import Stretches


def area_by_definition(confidence, correct):
    wrong = 1 - correct[np.argsort(-confidence, kind="stable")]
    return np.mean(np.cumsum(wrong) / np.arange(1, len(wrong) + 1))


def test_area_follows_its_definition():
    rng = np.random.default_rng(0)
    confidence, correct = rng.random(300), rng.integers(2, size=300)
    area, excess = selective_areas(confidence, correct)
    assert area == pytest.approx(area_by_definition(confidence, correct))
    assert excess == pytest.approx(area - area_by_definition(correct + 0.0, correct))


def test_ties_count_as_the_mean_over_their_orders():
    rng = np.random.default_rng(1)
    confidence, correct = rng.integers(4, size=60) / 4, rng.integers(2, size=60)
    shuffled = [area_by_definition(confidence + rng.random(60) * 1e-3, correct) for _ in range(4000)]
    assert selective_areas(confidence, correct)[0] == pytest.approx(np.mean(shuffled), abs=2e-3)


def test_areas_at_the_extremes():
    correct = np.r_[np.ones(70), np.zeros(30)].astype(int)
    assert selective_areas(correct * 0.5 + 0.25, correct)[1] == pytest.approx(0, abs=1e-12)
    assert selective_areas(np.full(100, 0.5), correct)[0] == pytest.approx(0.3)
    assert selective_areas(np.linspace(0, 1, 50), np.ones(50))[0] == pytest.approx(0, abs=1e-12)
    assert selective_areas(np.linspace(0, 1, 50), np.zeros(50))[0] == pytest.approx(1)


def test_curve_ends_at_the_error_rate_and_stays_above_the_oracle():
    rng = np.random.default_rng(2)
    confidence = rng.integers(50, size=500) / 50
    correct = rng.random(500) < confidence
    curve = risk_coverage(confidence, correct)
    assert curve.coverage[-1] == 1
    assert curve.risk[-1] == pytest.approx(1 - correct.mean())
    assert curve.random == pytest.approx(1 - correct.mean())
    assert (curve.risk >= curve.oracle - 1e-12).all()
    acted = confidence >= curve.threshold[7]
    assert curve.coverage[7] == pytest.approx(acted.mean())
    assert curve.risk[7] == pytest.approx(1 - correct[acted].mean())


@pytest.fixture
def calls():
    rng = np.random.default_rng(3)
    return rng.dirichlet(np.ones(3), size=400), rng.integers(3, size=400)


def test_hit_rates_agree_with_filtering_the_rows(calls):
    probabilities, labels = calls
    thresholds = [0.0, 0.4, 0.6, 0.99999]
    rates = hit_rates(probabilities, labels, 2, 0, thresholds)
    for k, threshold in enumerate(thresholds):
        acted = np.maximum(probabilities[:, 2], probabilities[:, 0]) >= threshold
        up = probabilities[:, 2] > probabilities[:, 0]
        assert rates.calls[k] == acted.sum()
        assert rates.up_hits[k] == (acted & up & (labels == 2)).sum()
        assert rates.down_hits[k] == (acted & ~up & (labels == 0)).sum()
        assert rates.opposite[k] == (acted & np.where(up, labels == 0, labels == 2)).sum()
        assert rates.hits[k] == rates.up_hits[k] + rates.down_hits[k]
        assert rates.up_calls[k] + rates.down_calls[k] == rates.calls[k]
    assert rates.coverage[0] == 1
    assert np.isnan(rates.hit_rate[-1])


def test_confident_sideways_predictions_make_no_call():
    probabilities = np.array([[0.02, 0.96, 0.02], [0.1, 0.1, 0.8]])
    assert hit_rates(probabilities, np.array([1, 2]), 2, 0, [0.5]).calls.tolist() == [1]


def test_hit_rate_interval_holds_the_hit_rate(calls):
    probabilities, labels = calls
    stretches = Stretches.over(np.arange(400), 5)
    found = hit_rate_interval(probabilities, labels, 2, 0, 0.5, stretches)
    rates = hit_rates(probabilities, labels, 2, 0, [0.5])
    assert found["hit_rate"].value == pytest.approx(rates.hit_rate[0])
    assert found["coverage"].value == pytest.approx(rates.coverage[0])
    for measured in found.values():
        assert measured.low < measured.value < measured.high
    assert np.isnan(hit_rate_interval(probabilities, labels, 2, 0, 1.0, stretches)["hit_rate"].low)


def test_one_class_cannot_be_both_sides(calls):
    with pytest.raises(InputError):
        hit_rates(*calls, up=1, down=1, thresholds=[0.5])


def test_what_a_stretch_adds_to_the_area_is_what_its_rows_twice_over_change():
    rng = np.random.default_rng(4)
    confidence, correct = rng.random(300), (rng.random(300) < 0.6).astype(float)
    stretches = Stretches.over(np.arange(300) // 30)
    swings = find_area_swings(confidence, correct, stretches, 300)
    for stretch in range(stretches.count):
        mine = np.flatnonzero(stretches.place == stretch)
        heavier = np.r_[np.tile(np.arange(300), 50), mine]
        twice = selective_areas(confidence[heavier], correct[heavier])
        before = selective_areas(np.tile(confidence, 50), np.tile(correct, 50))
        np.testing.assert_allclose(swings[stretch], 50 * np.subtract(twice, before), atol=8e-3)


def test_grouping_ranks_hardly_moves_what_a_stretch_adds():
    rng = np.random.default_rng(5)
    confidence, correct = rng.random(4000), (rng.random(4000) < 0.6).astype(float)
    stretches = Stretches.over(np.arange(4000))
    one, other = (find_area_swings(confidence, correct, stretches, ranks) for ranks in (200, 4000))
    assert np.abs(one - other)[:, 0].max() < 0.1 * np.abs(other[:, 0]).max()
