import numpy as np
import pytest
import sklearn.metrics
import torch
from torchmetrics.functional.classification import multiclass_calibration_error

from core.errors import InputError
from core.scores.calibration_error import expected_calibration_error, smooth_calibration_error
from core.scores.metrics import brier_losses, log_losses, score_intervals, score_task
from core.scores.selective import selective_areas
from core.scores.stretches import Stretches

PRIOR = np.array([0.3, 0.45, 0.25])


def draw(rng, n, sharpness=1.0, classes=3):
    logits = rng.normal(size=(n, classes)) * 1.2
    true = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    labels = (true.cumsum(1) < rng.random((n, 1))).sum(1).clip(0, classes - 1)
    stated = np.exp(logits * sharpness)
    return stated / stated.sum(1, keepdims=True), labels


@pytest.fixture
def scored():
    return draw(np.random.default_rng(0), 2000, 1.6)


def test_call_scores_agree_with_scikit_learn(scored):
    probabilities, labels = scored
    call = probabilities.argmax(1)
    scores = score_task(probabilities, labels, PRIOR)
    assert scores.accuracy == pytest.approx(sklearn.metrics.accuracy_score(labels, call))
    assert scores.macro_f1 == pytest.approx(sklearn.metrics.f1_score(labels, call, average="macro"))
    assert scores.precision == pytest.approx(sklearn.metrics.precision_score(labels, call, average="macro"))
    assert scores.recall == pytest.approx(sklearn.metrics.recall_score(labels, call, average="macro"))
    assert scores.mcc == pytest.approx(sklearn.metrics.matthews_corrcoef(labels, call))
    np.testing.assert_array_equal(scores.confusion, sklearn.metrics.confusion_matrix(labels, call))


def test_probability_scores_agree_with_scikit_learn_and_torchmetrics(scored):
    probabilities, labels = scored
    scores = score_task(probabilities, labels, PRIOR)
    assert scores.log_loss == pytest.approx(sklearn.metrics.log_loss(labels, probabilities))
    prior_loss = sklearn.metrics.log_loss(labels, np.tile(PRIOR, (len(labels), 1)))
    assert scores.prior_log_loss == pytest.approx(prior_loss)
    assert scores.log_loss_skill == pytest.approx(1 - scores.log_loss / prior_loss)
    assert scores.brier == pytest.approx(
        sklearn.metrics.brier_score_loss(labels, probabilities, scale_by_half=False)
    )
    ece, mce = (
        multiclass_calibration_error(torch.tensor(probabilities), torch.tensor(labels), 3, 15, norm)
        for norm in ("l1", "max")
    )
    assert scores.ece == pytest.approx(float(ece), abs=1e-6)
    assert scores.mce == pytest.approx(float(mce), abs=1e-6)


def test_rows_weigh_as_their_mean(scored):
    probabilities, labels = scored
    scores = score_task(probabilities, labels, PRIOR)
    assert log_losses(probabilities, labels).mean() == pytest.approx(scores.log_loss)
    assert brier_losses(probabilities, labels).mean() == pytest.approx(scores.brier)


@pytest.mark.parametrize(
    ("labels", "calls"),
    [([0, 0, 1, 1], [0, 1, 1, 1]), ([0, 0, 0], [0, 0, 2]), ([1, 1, 1], [1, 1, 1]), ([0, 1], [2, 2])],
)
def test_absent_classes_are_treated_as_scikit_learn_does(labels, calls):
    probabilities = np.eye(3)[calls] * 0.7 + 0.1
    scores = score_task(probabilities, np.array(labels), PRIOR)
    kept = {"average": "macro", "zero_division": 0}
    assert scores.macro_f1 == pytest.approx(sklearn.metrics.f1_score(labels, calls, **kept))
    assert scores.precision == pytest.approx(sklearn.metrics.precision_score(labels, calls, **kept))
    assert scores.recall == pytest.approx(sklearn.metrics.recall_score(labels, calls, **kept))
    assert scores.mcc == pytest.approx(sklearn.metrics.matthews_corrcoef(labels, calls))


def test_brier_parts_add_up(scored):
    scores = score_task(*scored, PRIOR)
    parts = scores.brier_reliability - scores.brier_resolution + scores.brier_uncertainty
    assert parts + scores.brier_within_bin == pytest.approx(scores.brier)
    shares = np.bincount(scored[1]) / len(scored[1])
    assert scores.brier_uncertainty == pytest.approx(1 - (shares**2).sum())


def test_brier_within_bin_is_the_variance_less_twice_the_covariance(scored):
    probabilities, labels = scored
    within = 0.0
    for k in range(3):
        stated, true = probabilities[:, k], (labels == k).astype(float)
        bins = np.minimum((stated * 15).astype(int), 14)
        for b in np.unique(bins):
            p, y = stated[bins == b], true[bins == b]
            within += ((p - p.mean()) ** 2 - 2 * (p - p.mean()) * (y - y.mean())).sum() / len(labels)
    assert score_task(probabilities, labels, PRIOR).brier_within_bin == pytest.approx(within)


def test_brier_parts_of_few_distinct_forecasts_are_murphys():
    rng = np.random.default_rng(1)
    up, labels = rng.choice([0.15, 0.45, 0.85], size=3000), rng.integers(2, size=3000)
    scores = score_task(np.column_stack([1 - up, up]), labels, np.array([0.5, 0.5]))
    rates = {p: labels[up == p].mean() for p in np.unique(up)}
    reliability = np.mean([(p - rates[p]) ** 2 for p in up])
    resolution = np.mean([(rates[p] - labels.mean()) ** 2 for p in up])
    # Both classes contribute the same.
    assert scores.brier_reliability == pytest.approx(2 * reliability)
    assert scores.brier_resolution == pytest.approx(2 * resolution)
    assert scores.brier_within_bin == pytest.approx(0, abs=1e-12)


def test_the_prior_has_no_skill(scored):
    _, labels = scored
    scores = score_task(np.tile(PRIOR, (len(labels), 1)), labels, PRIOR)
    assert scores.log_loss_skill == pytest.approx(0)
    assert scores.mcc == 0
    by_row = score_task(np.tile(PRIOR, (len(labels), 1)), labels, np.tile(PRIOR, (len(labels), 1)))
    assert by_row == scores


def test_a_perfect_forecaster_has_the_best_of_every_score():
    labels = np.array([0, 1, 2, 2, 1])
    scores = score_task(np.eye(3)[labels], labels, PRIOR)
    assert (scores.accuracy, scores.macro_f1, scores.mcc) == (1, 1, pytest.approx(1))
    best = (scores.log_loss, scores.brier, scores.ece, scores.mce, scores.smooth_ece, scores.aurc)
    np.testing.assert_allclose(best, 0, atol=1e-6)


def test_a_stated_confidence_replaces_the_largest_probability(scored):
    probabilities, labels = scored
    confidence = np.random.default_rng(2).random(len(labels))
    correct = probabilities.argmax(1) == labels
    scores = score_task(probabilities, labels, PRIOR, confidence)
    assert scores.ece == pytest.approx(expected_calibration_error(confidence, correct))
    assert scores.ece_mass == pytest.approx(expected_calibration_error(confidence, correct, 15, "mass"))
    assert scores.smooth_ece == pytest.approx(smooth_calibration_error(confidence, correct))
    assert (scores.aurc, scores.excess_aurc) == selective_areas(confidence, correct)
    assert scores.mean_confidence == pytest.approx(confidence.mean())
    assert scores.accuracy == score_task(probabilities, labels, PRIOR).accuracy


def test_intervals_reach_as_far_as_the_jackknife_over_stretches(scored):
    probabilities, labels = (rows[:600] for rows in scored)
    stretches = Stretches.over(np.arange(600))
    found = score_intervals(probabilities, labels, PRIOR, stretches=stretches)
    groups = np.arange(600) // 10
    left = [score_task(probabilities[groups != g], labels[groups != g], PRIOR).to_dict() for g in range(60)]
    for name in ("accuracy", "macro_f1", "mcc", "log_loss", "log_loss_skill", "brier", "aurc"):
        jackknife = np.sqrt(59 / 60 * np.sum([(one[name] - found[name].value) ** 2 for one in left]))
        assert found[name].high - found[name].value == pytest.approx(2 * jackknife, rel=0.5), name


def test_every_score_gets_an_interval_around_it(scored):
    probabilities, labels = scored
    stretches = Stretches.over(np.arange(len(labels)), 10)
    found = score_intervals(probabilities, labels, PRIOR, stretches=stretches)
    scores = score_task(probabilities, labels, PRIOR).to_dict()
    assert set(found) == set(scores) - {"n", "confusion"}
    for name in found:
        assert found[name].value == scores[name]
        assert found[name].low <= scores[name] <= found[name].high, name
    short = score_intervals(probabilities, labels, PRIOR, stretches=stretches, ranked=False)
    assert set(found) - set(short) == {"smooth_ece", "aurc", "excess_aurc"}
    assert all(short[name] == found[name] for name in short)


def test_intervals_of_known_scores_cover_them():
    rng = np.random.default_rng(4)
    shift, n, repeats = 0.08, 1500, 100
    inside = {"ece": 0, "accuracy": 0}
    for _ in range(repeats):
        confidence = rng.uniform(0.55, 0.95, n)
        correct = rng.random(n) < confidence - shift
        probabilities = np.column_stack([1 - confidence, confidence])
        found = score_intervals(
            probabilities,
            correct.astype(int),
            np.array([0.5, 0.5]),
            stretches=Stretches.over(np.arange(n), 5),
            ranked=False,
        )
        inside["ece"] += found["ece"].low <= shift <= found["ece"].high
        inside["accuracy"] += found["accuracy"].low <= 0.75 - shift <= found["accuracy"].high
    assert inside["accuracy"] / repeats >= 0.88
    assert inside["ece"] / repeats >= 0.88


@pytest.mark.parametrize(
    ("probabilities", "labels", "prior", "message"),
    [
        ([[0.5, 0.5]], [2], [0.5, 0.5], "labels 0..1"),
        ([[0.5, 0.5]], [-1], [0.5, 0.5], "labels 0..1"),
        ([[0.5, 0.6]], [0], [0.5, 0.5], "sum to 1"),
        ([[np.nan, 0.5]], [0], [0.5, 0.5], "sum to 1"),
        ([[0.5, 0.5]], [0, 1], [0.5, 0.5], "shapes"),
        ([[0.5, 0.5]], [0], [1.0], "prior of 2"),
    ],
)
def test_what_cannot_be_scored_is_refused(probabilities, labels, prior, message):
    with pytest.raises(InputError, match=message):
        score_task(np.array(probabilities), np.array(labels), np.array(prior))


def test_an_error_of_shares_never_exceeds_one_in_its_interval():
    confidence = np.r_[np.full(400, 0.4), 0.95]
    labels = np.r_[np.tile([0, 1], 200), 1].astype(int)
    probabilities = np.column_stack(
        [np.maximum(confidence, 1 - confidence), np.minimum(confidence, 1 - confidence)]
    )
    stretches = Stretches.over(np.arange(401), 5)
    found = score_intervals(probabilities, labels, np.array([0.5, 0.5]), stretches=stretches)
    assert found["mce"].value > 0.9
    assert all(found[name].high <= 1 for name in ("ece", "ece_mass", "mce", "smooth_ece"))
