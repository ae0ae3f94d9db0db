import json
from dataclasses import replace

import numpy as np
import pytest
import sklearn.metrics
from scipy.special import expit, logit, softmax

from core.confidence.calibrators import Isotonic, LearnedMix, Platt
from core.confidence.choice import (
    ALONE,
    METHODS,
    TaskCalibration,
    binary_log_losses,
    fit_task_calibration,
    keeps_what_was_known,
    time_folds,
)
from core.confidence.ranks import SourceRanks
from core.errors import BundleError, InputError
from core.scores.intervals import TOO_ALIKE, Interval
from core.scores.stretches import Stretches


def two_classes(rng, stated, right):
    """Logits whose call has probability `stated`, and labels by which it is right as told."""
    call = rng.integers(2, size=stated.size)
    sign = np.where(call == 1, 1, -1)
    logits = np.column_stack([-sign, sign]) * logit(stated)[:, None] / 2
    return logits, np.where(right, call, 1 - call)


def constant(n):
    """Sources that never vary, and so know nothing."""
    return np.full((n, 4), 0.5)


def test_isotonic_does_not_win_by_overfitting():
    rng = np.random.default_rng(0)
    chosen, beaten = [], []
    for _ in range(12):
        raw = rng.uniform(0.2, 0.9, 250)
        right = rng.random(250) < expit(0.5 * logit(raw) + 0.2)
        logits, labels = two_classes(rng, rng.uniform(0.51, 0.99, 250), right)
        calibration = fit_task_calibration(logits, labels, constant(250), raw, np.arange(250))
        chosen.append(min(("temperature", "platt", "isotonic"), key=calibration.log_losses.__getitem__))
        in_sample = [
            binary_log_losses(fit.apply(raw), right).mean()
            for fit in (calibration.platt, calibration.isotonic)
        ]
        beaten.append(in_sample[1] < in_sample[0])
    assert all(beaten)
    assert chosen.count("platt") >= 10


def test_isotonic_is_chosen_for_a_step():
    rng = np.random.default_rng(1)
    raw = rng.uniform(0.2, 0.9, 6000)
    right = rng.random(6000) < np.where(raw < 0.7, 0.3, 0.85)
    logits, labels = two_classes(rng, rng.uniform(0.51, 0.99, 6000), right)
    assert fit_task_calibration(logits, labels, constant(6000), raw, np.arange(6000)).chosen == "isotonic"


def test_temperature_is_chosen_where_only_the_logits_know():
    rng = np.random.default_rng(2)
    stated = rng.uniform(0.51, 0.99, 4000)
    right = rng.random(4000) < expit(logit(stated) / 2)
    logits, labels = two_classes(rng, stated, right)
    calibration = fit_task_calibration(
        logits, labels, rng.random((4000, 4)), rng.random(4000), np.arange(4000)
    )
    assert calibration.chosen == "temperature"
    for name in ("platt", "isotonic", "mix", "ranked"):
        assert calibration.beside[name].low > 0
    assert calibration.beside["joint"].value == pytest.approx(0, abs=2e-3)
    assert calibration.temperature.temperature == pytest.approx(2, rel=0.1)
    np.testing.assert_allclose(
        calibration.confidence(logits, constant(4000), rng.random(4000)),
        calibration.probabilities(logits).max(1),
    )


def test_a_confidence_that_knows_nothing_does_not_beat_the_base_rate():
    rng = np.random.default_rng(3)
    right = rng.random(3000) < 0.6
    logits, labels = two_classes(rng, rng.uniform(0.51, 0.99, 3000), right)
    noise = rng.random((3000, 4))
    losses = fit_task_calibration(logits, labels, noise, rng.random(3000), np.arange(3000)).log_losses
    assert set(losses) == {*METHODS, "uncalibrated", "raw", "base_rate"}
    assert losses["base_rate"] < min(losses["isotonic"], losses["raw"])
    for name in ("platt", "mix", "ranked"):
        assert losses[name] == pytest.approx(losses["base_rate"], abs=2e-3)


def test_the_probability_and_the_ranks_together_are_chosen_where_both_know():
    rng = np.random.default_rng(9)
    stated, sources = rng.uniform(0.51, 0.95, 5000), 1 - rng.random((5000, 4)) ** 4 / 100
    ranks = np.argsort(np.argsort(sources, axis=0), axis=0) / 5000
    right = rng.random(5000) < expit(logit(stated) + 2 * ranks[:, 3] - 1)
    logits, labels = two_classes(rng, stated, right)
    calibration = fit_task_calibration(logits, labels, sources, sources.mean(axis=1), np.arange(5000), gap=5)
    assert calibration.chosen == "joint"
    assert calibration.beside["joint"].high < 0
    np.testing.assert_allclose(calibration.joint.weights, [0, 0, 0, 2], atol=0.4)


def test_ranks_serve_where_the_raw_sum_is_drowned_by_one_source_of_wide_spread():
    rng = np.random.default_rng(10)
    known = rng.random(4000)
    sources = np.column_stack([rng.random(4000), *[0.999 + known / 1000] * 3])
    logits, labels = two_classes(rng, np.full(4000, 0.6), rng.random(4000) < 0.3 + 0.6 * known)
    raw = sources @ [0.3, 0.25, 0.25, 0.2]
    losses = fit_task_calibration(logits, labels, sources, raw, np.arange(4000)).log_losses
    assert losses["ranked"] < losses["platt"] - 0.02
    assert losses["platt"] == pytest.approx(losses["base_rate"], abs=5e-3)


def test_what_a_form_adds_is_its_loss_less_that_of_the_probability_alone():
    rng = np.random.default_rng(11)
    logits, labels = rng.normal(size=(500, 3)), rng.integers(3, size=500)
    found = fit_task_calibration(logits, labels, rng.random((500, 4)), rng.random(500), np.arange(500), gap=5)
    assert set(found.beside) == set(METHODS) - {ALONE}
    for name, beside in found.beside.items():
        assert beside.value == pytest.approx(found.log_losses[name] - found.log_losses[ALONE])
        assert beside.low < beside.value < beside.high


def test_sources_that_know_nothing_hardly_ever_take_the_place_of_the_probability():
    chosen, best = [], []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        stated = rng.uniform(0.4, 0.8, 400)
        logits, labels = two_classes(rng, stated, rng.random(400) < stated)
        noise = rng.random((400, 4))
        found = fit_task_calibration(logits, labels, noise, noise.mean(axis=1), np.arange(400), gap=5)
        chosen.append(found.chosen)
        best.append(min(METHODS, key=lambda name: found.log_losses[name]))
    assert chosen.count(ALONE) >= 19
    # By least log-loss alone noise would be stated more often.
    assert best.count(ALONE) < chosen.count(ALONE)


def test_kept_calibrators_are_fitted_on_all_rows_and_picked_by_name():
    rng = np.random.default_rng(4)
    raw = rng.uniform(0.2, 0.9, 400)
    logits = rng.normal(size=(400, 3))
    labels = rng.integers(3, size=400)
    sources = rng.random((400, 4))
    calibration = fit_task_calibration(logits, labels, sources, raw, np.arange(400))
    correct = logits.argmax(1) == labels
    assert calibration.platt == Platt.fit(raw, correct)
    assert calibration.isotonic == Isotonic.fit(raw, correct)
    assert calibration.mix == LearnedMix.fit(sources, correct)
    assert calibration.ranks == SourceRanks.fit(sources)
    ranks, weights = calibration.ranks.rank(sources), [0.3, 0.25, 0.25, 0.2]
    top = softmax(logits / calibration.temperature.temperature, axis=1).max(1)
    expected = {
        "temperature": top,
        "platt": calibration.platt.apply(raw),
        "isotonic": calibration.isotonic.apply(raw),
        "mix": calibration.mix.apply(sources),
        "ranked": calibration.ranked.apply(ranks @ weights),
        "joint": calibration.joint.apply(top, ranks),
    }
    assert set(expected) == set(METHODS)
    for name, stated in expected.items():
        np.testing.assert_allclose(calibration.confidence(logits, sources, raw, name), stated)
    whole = calibration.confidence(logits, sources, raw)
    np.testing.assert_allclose(calibration.confidence(logits[0], sources[0], raw[0]), whole[0])


def test_the_order_of_the_rows_does_not_matter():
    rng = np.random.default_rng(5)
    raw, times = rng.uniform(0.2, 0.9, 300), np.arange(300) // 2
    logits, labels = rng.normal(size=(300, 3)), rng.integers(3, size=300)
    rows = logits, labels, rng.random((300, 4)), raw, times
    shuffle = rng.permutation(300)
    one = fit_task_calibration(*rows, gap=5)
    other = fit_task_calibration(*(part[shuffle] for part in rows), gap=5)
    assert one.chosen == other.chosen
    for name in one.log_losses:
        assert one.log_losses[name] == pytest.approx(other.log_losses[name], abs=1e-6)


def test_stretches_score_every_row_once_and_keep_their_distance():
    times = np.repeat(np.arange(53), 3)
    folds = time_folds(times, 5, gap=4)
    assert (np.sum([score for _, score in folds], axis=0) == 1).all()
    for fit, score in folds:
        assert np.abs(times[fit][:, None] - times[score]).min() == 5
        assert np.ptp(times[score]) + 1 == np.unique(times[score]).size


def test_too_short_a_segment_is_refused():
    with pytest.raises(InputError, match="calibrate segment"):
        time_folds(np.arange(12), 5, gap=5)
    with pytest.raises(InputError):
        time_folds(np.arange(12), 1, gap=0)


def test_log_loss_agrees_with_scikit_learn():
    rng = np.random.default_rng(6)
    confidence, correct = rng.random(200), rng.integers(2, size=200)
    assert binary_log_losses(confidence, correct).mean() == pytest.approx(
        sklearn.metrics.log_loss(correct, confidence)
    )
    assert np.isfinite(binary_log_losses(np.array([0.0, 1.0]), np.array([1, 0]))).all()


def test_json_brings_it_back():
    rng = np.random.default_rng(7)
    logits, labels, sources = rng.normal(size=(200, 3)), rng.integers(3, size=200), rng.random((200, 4))
    calibration = fit_task_calibration(logits, labels, sources, rng.random(200), np.arange(200))
    assert TaskCalibration.from_dict(json.loads(json.dumps(calibration.to_dict()))) == calibration
    with pytest.raises(BundleError, match="temperature, platt, isotonic, mix, ranked, joint"):
        TaskCalibration.from_dict(calibration.to_dict() | {"chosen": "guess"})
    with pytest.raises(BundleError):
        TaskCalibration.from_dict(calibration.to_dict() | {"platt": {}})


def test_what_was_stored_before_ranks_were_kept_still_states_its_confidence():
    rng = np.random.default_rng(8)
    logits, labels, sources = rng.normal(size=(200, 3)), rng.integers(3, size=200), rng.random((200, 4))
    calibration = fit_task_calibration(logits, labels, sources, rng.random(200), np.arange(200))
    older = {
        k: v for k, v in calibration.to_dict().items() if k not in ("ranks", "ranked", "joint", "beside")
    }
    restored = TaskCalibration.from_dict(older | {"chosen": "platt"})
    assert (restored.ranks, restored.beside) == (None, {})
    assert restored.methods == ("temperature", "platt", "isotonic", "mix")
    raw = sources.mean(axis=1)
    np.testing.assert_array_equal(restored.confidence(logits, sources, raw), calibration.platt.apply(raw))
    with pytest.raises(InputError, match="ranks"):
        restored.confidence(logits, sources, raw, "joint")
    with pytest.raises(BundleError, match="joint"):
        TaskCalibration.from_dict(older | {"chosen": "joint"})


def test_a_form_may_not_undo_what_was_known_before_calibration():
    rng = np.random.default_rng(12)
    stated, stretches = rng.uniform(0.5, 0.9, 800), Stretches.over(np.arange(800))
    right = (rng.random(800) < stated).astype(float)
    shuffled, too_sure = rng.permutation(stated), 1 - (1 - stated) / 4
    assert keeps_what_was_known(stated, too_sure, right, stretches)
    assert not keeps_what_was_known(shuffled, stated, right, stretches)
    assert not keeps_what_was_known(too_sure, stated, right, stretches)


def test_forms_tried_are_counted_in_what_is_shown():
    chosen = 0
    for seed in range(8):
        rng = np.random.default_rng(100 + seed)
        stated = rng.uniform(0.4, 0.8, 300)
        logits, labels = two_classes(rng, stated, rng.random(300) < stated)
        noise = rng.random((300, 4))
        chosen += (
            fit_task_calibration(logits, labels, noise, noise.mean(axis=1), np.arange(300)).chosen != ALONE
        )
    assert chosen <= 1


def test_a_blank_interval_comes_back_as_blank():
    rng = np.random.default_rng(13)
    logits, labels, sources = rng.normal(size=(200, 3)), rng.integers(3, size=200), rng.random((200, 4))
    found = fit_task_calibration(logits, labels, sources, rng.random(200), np.arange(200))
    blank = replace(found, beside=found.beside | {"platt": Interval(0.1, np.nan, np.nan, blank=TOO_ALIKE)})
    restored = TaskCalibration.from_dict(json.loads(json.dumps(blank.to_dict()))).beside["platt"]
    assert (restored.value, restored.blank) == (0.1, TOO_ALIKE)
    assert np.isnan([restored.low, restored.high]).all()
