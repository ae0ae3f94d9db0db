import numpy as np
import pytest
from sklearn.calibration import calibration_curve

from core.scores.calibration_error import expected_calibration_error
from core.scores.reliability import (
    consistency_band,
    reliability_curve,
    rolling_calibration,
    sampling_band,
)
from core.scores.stretches import Stretches


def test_filled_bins_agree_with_scikit_learn():
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.35, 0.9, 3000)
    correct = rng.random(3000) < confidence
    curve = reliability_curve(confidence, correct)
    accuracy, stated = calibration_curve(correct, confidence, n_bins=15)
    filled = curve.count > 0
    np.testing.assert_allclose(curve.accuracy[filled], accuracy)
    np.testing.assert_allclose(curve.confidence[filled], stated)


def test_empty_bins_stay_empty_and_are_never_zero():
    curve = reliability_curve(np.array([0.5, 0.52, 0.97]), np.array([1, 0, 1]))
    empty = curve.count == 0
    assert (empty.size, empty.sum()) == (15, 13)
    assert np.isnan(curve.accuracy[empty]).all()
    assert np.isnan(curve.confidence[empty]).all()
    stated, right = np.tile([0.5, 0.52, 0.97], 40), np.tile([1, 0, 1], 40)
    for make in (consistency_band, sampling_band):
        band = make(stated, right, curve.edges, Stretches.over(np.arange(120)))
        assert np.isfinite(band.low[~empty]).all()
        assert np.isnan(band.low[empty]).all()
        assert np.isnan(band.high[empty]).all()


def test_counts_weigh_the_gaps_to_the_calibration_error():
    rng = np.random.default_rng(1)
    confidence = rng.beta(4, 2, 2000)
    correct = rng.random(2000) < confidence**2
    for binning in ("width", "mass"):
        curve = reliability_curve(confidence, correct, binning=binning)
        gap = np.nansum(curve.count * np.abs(curve.accuracy - curve.confidence)) / 2000
        assert gap == pytest.approx(expected_calibration_error(confidence, correct, binning=binning))
    assert np.ptp(curve.count) <= 2


def test_a_known_curve_is_recovered():
    rng = np.random.default_rng(2)
    confidence = rng.random(200_000)
    curve = reliability_curve(confidence, rng.random(200_000) < confidence**2)
    np.testing.assert_allclose(curve.accuracy, curve.confidence**2, atol=0.02)


def test_a_perfect_forecaster_lies_inside_the_band_at_the_stated_rate():
    rng = np.random.default_rng(3)
    inside = []
    for seed in range(80):
        confidence = rng.beta(5, 3, 1500)
        correct = rng.random(1500) < confidence
        curve = reliability_curve(confidence, correct, bins=10, binning="mass")
        stretches = Stretches.over(np.arange(1500))
        band = consistency_band(confidence, correct, curve.edges, stretches, 400, level=0.9, seed=seed)
        inside.append((band.low <= curve.accuracy) & (curve.accuracy <= band.high))
    assert 0.87 <= np.mean(inside) <= 0.96


def test_an_overconfident_forecaster_leaves_the_band():
    rng = np.random.default_rng(4)
    confidence = rng.uniform(0.4, 0.95, 4000)
    correct = rng.random(4000) < confidence - 0.12
    curve = reliability_curve(confidence, correct)
    band = consistency_band(confidence, correct, curve.edges, Stretches.over(np.arange(4000)))
    crowded = curve.count > 100
    assert crowded.sum() >= 7
    assert (curve.accuracy < band.low)[crowded].mean() > 0.8


def test_consistency_band_narrows_to_the_diagonal():
    rng = np.random.default_rng(5)
    confidence = rng.uniform(0, 1, 200_000)
    correct = rng.random(200_000) < confidence
    curve = reliability_curve(confidence, correct)
    band = consistency_band(confidence, correct, curve.edges, Stretches.over(np.arange(200_000)))
    assert (band.low < curve.confidence).all()
    assert (curve.confidence < band.high).all()
    assert (band.high - band.low).max() < 0.03


def test_both_bands_widen_when_outcomes_come_in_runs():
    rng = np.random.default_rng(6)
    confidence = rng.uniform(0.5, 0.9, 3000)
    runs, apart = np.repeat(rng.random(150) < 0.7, 20), rng.random(3000) < 0.7
    edges, stretches = (
        reliability_curve(confidence, runs, bins=3, binning="mass").edges,
        Stretches.over(np.arange(3000)),
    )
    for make in (sampling_band, consistency_band):
        wide, narrow = (make(confidence, correct, edges, stretches) for correct in (runs, apart))
        assert ((wide.high - wide.low) / (narrow.high - narrow.low)).mean() > 1.7
    curve, band = (
        reliability_curve(confidence, runs, bins=3, binning="mass"),
        sampling_band(confidence, runs, edges, stretches),
    )
    assert ((band.low < curve.accuracy) & (curve.accuracy < band.high)).all()


def test_a_bin_of_one_row_has_a_wide_band():
    stated, right = np.r_[np.full(300, 0.5), 0.95], np.r_[np.arange(300) % 2, 1]
    curve, stretches = reliability_curve(stated, right), Stretches.over(np.arange(301))
    for make in (sampling_band, consistency_band):
        band = make(stated, right, curve.edges, stretches)
        assert band.high[-1] - band.low[-1] > 0.35


def test_rolling_numbers_are_those_of_each_window():
    rng = np.random.default_rng(7)
    confidence, times = rng.random(300), rng.permutation(300)
    correct = rng.random(300) < confidence
    rolling = rolling_calibration(confidence, correct, times, window=80, step=30)
    order = np.argsort(times)
    assert rolling.last.tolist() == [79, 109, 139, 169, 199, 229, 259, 289]
    for k, last in enumerate(rolling.last):
        rows = order[last - 79 : last + 1]
        assert rolling.time[k] == times[rows].max()
        assert rolling.ece[k] == pytest.approx(expected_calibration_error(confidence[rows], correct[rows]))
        assert rolling.gap[k] == pytest.approx(confidence[rows].mean() - correct[rows].mean())
    assert rolling_calibration(confidence, correct, times, window=301).ece.size == 0
