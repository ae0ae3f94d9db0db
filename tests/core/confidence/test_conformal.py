import json

import numpy as np
import pytest

from core.confidence.conformal import (
    ConformalSets,
    conformity_scores,
    rolling_coverage,
    rolling_sets,
    true_scores,
)
from core.errors import BundleError, InputError


def draw(rng, n, shift=0.0):
    """Misstated probabilities of four classes, and labels; `shift` makes the stated ones worse."""
    logits = rng.normal(size=(n, 4)) * 1.5
    true = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    labels = (true.cumsum(1) < rng.random((n, 1))).sum(1).clip(0, 3)
    stated = np.exp(1.7 * logits + shift * rng.normal(size=(n, 4)))
    return stated / stated.sum(1, keepdims=True), labels


@pytest.mark.parametrize("level", [0.8, 0.9])
def test_coverage_is_the_level_whatever_the_model_states(level):
    rng = np.random.default_rng(0)
    covered = []
    for _ in range(150):
        probabilities, labels = draw(rng, 700)
        sets = ConformalSets.fit(probabilities[:200], labels[:200], level)
        covered.append(sets.apply(probabilities[200:])[np.arange(500), labels[200:]].mean())
    # Between level and level + 1 / 201; the class always included can only add.
    assert level - 0.008 <= np.mean(covered) <= level + 0.013


def test_a_class_fits_worse_by_what_its_probability_lacks():
    np.testing.assert_allclose(conformity_scores(np.array([[0.2, 0.5, 0.3]])), [[0.8, 0.5, 0.7]])


def test_threshold_is_the_finite_sample_quantile():
    probabilities = np.column_stack([np.arange(1, 20) / 20, 1 - np.arange(1, 20) / 20])
    sets = ConformalSets.fit(probabilities, np.zeros(19, int), 0.9)
    # ceil(20 * 0.9) = 18th smallest of 19.
    assert sets.threshold == pytest.approx(np.sort(1 - probabilities[:, 0])[17])


def test_too_few_rows_for_the_level_give_every_class():
    probabilities, labels = draw(np.random.default_rng(1), 8)
    sets = ConformalSets.fit(probabilities, labels, 0.9)
    assert sets.apply(probabilities).all()
    assert ConformalSets.fit(*draw(np.random.default_rng(1), 9), 0.9).threshold < np.inf


def test_sets_grow_with_the_level_and_hold_the_likeliest_class():
    probabilities, labels = draw(np.random.default_rng(2), 1000)
    small, large = (
        ConformalSets.fit(probabilities, labels, level).apply(probabilities) for level in (0.7, 0.95)
    )
    assert (large >= small).all()
    assert large.sum() > small.sum()
    assert small[np.arange(1000), probabilities.argmax(1)].all()


def rolling_by_definition(probabilities, labels, known_from, decided_at, window, level):
    order = np.argsort(known_from, kind="stable")
    scores = true_scores(probabilities, labels)[order]
    thresholds = []
    for at in decided_at:
        past = np.sort(scores[known_from[order] <= at][-window:])
        position = int(np.ceil((past.size + 1) * level - 1e-9)) - 1
        thresholds.append(past[position] if position < past.size else np.inf)
    return np.array(thresholds)


def test_rolling_thresholds_follow_their_definition():
    rng = np.random.default_rng(3)
    probabilities, labels = draw(rng, 300)
    decided = np.sort(rng.integers(200, size=300))
    known = decided + rng.integers(1, 8, size=300)
    rolling = rolling_sets(probabilities, labels, known, decided, 60, 0.8)
    oracle = rolling_by_definition(probabilities, labels, known, decided, 60, 0.8)
    np.testing.assert_array_equal(rolling.threshold, oracle)
    np.testing.assert_array_equal(rolling.covered, rolling.members[np.arange(300), labels])
    assert rolling.members[0].all()


def test_outcomes_not_yet_known_change_nothing():
    rng = np.random.default_rng(4)
    probabilities, labels = draw(rng, 400)
    decided = np.arange(400)
    other = np.where(decided + 5 > 250, (labels + 1) % 4, labels)
    one, two = (rolling_sets(probabilities, truth, decided + 5, decided, 100) for truth in (labels, other))
    np.testing.assert_array_equal(one.threshold[:251], two.threshold[:251])
    assert (one.threshold[260:] != two.threshold[260:]).any()


def test_earlier_scores_serve_until_the_window_fills():
    rng = np.random.default_rng(5)
    probabilities, labels = draw(rng, 500)
    earlier = true_scores(probabilities[:200], labels[:200])
    rolling = rolling_sets(
        probabilities[200:], labels[200:], np.arange(300) + 3, np.arange(300), 200, earlier_scores=earlier
    )
    fixed = ConformalSets.fit(probabilities[:200], labels[:200])
    assert rolling.threshold[0] == fixed.threshold
    np.testing.assert_array_equal(rolling.members[0], fixed.apply(probabilities[200]))


def test_rolling_sets_recover_their_coverage_after_the_model_worsens():
    rng = np.random.default_rng(6)
    before, after = draw(rng, 3000), draw(rng, 3000, shift=4.0)
    probabilities, labels = (np.concatenate(pair) for pair in zip(before, after, strict=True))
    times = np.arange(6000)
    fixed = ConformalSets.fit(*before).apply(probabilities)[times, labels]
    rolling = rolling_sets(probabilities, labels, times + 5, times, 400).covered
    assert rolling_coverage(fixed, times, 2000)[-1] < 0.8
    assert rolling_coverage(rolling, times, 2000)[-1] == pytest.approx(0.9, abs=0.03)


def test_rolling_coverage_is_a_trailing_mean_in_time_order():
    covered, times = np.array([1, 0, 1, 1]), np.array([3, 1, 0, 2])
    np.testing.assert_allclose(rolling_coverage(covered, times, 2), [np.nan, 0.5, 0.5, 1.0])
    assert np.isnan(rolling_coverage(covered, times, 5)).all()


@pytest.mark.parametrize("threshold", [0.83, np.inf])
def test_json_brings_it_back(threshold):
    sets = ConformalSets(0.9, threshold)
    stored = sets.to_dict()
    assert ConformalSets.from_dict(json.loads(json.dumps(stored, allow_nan=False))) == sets
    # Bundles of other days hold settings of scores that are no longer offered.
    assert ConformalSets.from_dict(stored | {"penalty": 0.1, "free_classes": 1}) == sets
    for broken in (stored | {"kind": "raps"}, {"kind": "lac"}):
        with pytest.raises(BundleError):
            ConformalSets.from_dict(broken)


@pytest.mark.parametrize("level", [0.0, 1.0, 90])
def test_a_level_that_is_no_share_is_refused(level):
    with pytest.raises(InputError, match="level"):
        ConformalSets.fit(*draw(np.random.default_rng(7), 20), level)
