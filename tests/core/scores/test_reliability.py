import numpy as np
import pytest
from sklearn.calibration import calibration_curve

from core.scores.bootstrap import BlockBootstrap
from core.scores.calibration_error import expected_calibration_error
from core.scores.reliability import bootstrap_band, consistency_band, reliability_curve, rolling_calibration


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
    for band in (
        consistency_band(np.array([0.5, 0.52, 0.97]), curve.edges),
        bootstrap_band(
            np.array([0.5, 0.52, 0.97]),
            np.array([1, 0, 1]),
            curve.edges,
            BlockBootstrap.over(np.arange(3), 1),
        ),
    ):
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
        curve = reliability_curve(confidence, rng.random(1500) < confidence, bins=10, binning="mass")
        band = consistency_band(confidence, curve.edges, 400, level=0.9, seed=seed)
        inside.append((band.low <= curve.accuracy) & (curve.accuracy <= band.high))
    assert 0.87 <= np.mean(inside) <= 0.95


def test_an_overconfident_forecaster_leaves_the_band():
    rng = np.random.default_rng(4)
    confidence = rng.uniform(0.4, 0.95, 4000)
    curve = reliability_curve(confidence, rng.random(4000) < confidence - 0.12)
    band = consistency_band(confidence, curve.edges)
    crowded = curve.count > 100
    assert crowded.sum() >= 7
    assert (curve.accuracy < band.low)[crowded].mean() > 0.8


def test_consistency_band_narrows_to_the_diagonal():
    confidence = np.random.default_rng(5).uniform(0, 1, 200_000)
    curve = reliability_curve(confidence, confidence > 0.5)
    band = consistency_band(confidence, curve.edges)
    assert (band.low < curve.confidence).all()
    assert (curve.confidence < band.high).all()
    assert (band.high - band.low).max() < 0.03


def test_bootstrap_band_widens_when_outcomes_come_in_runs():
    rng = np.random.default_rng(6)
    confidence = rng.uniform(0.5, 0.9, 3000)
    correct = np.repeat(rng.random(150) < 0.7, 20)
    edges = reliability_curve(confidence, correct, bins=3, binning="mass").edges
    single, blocks = (
        bootstrap_band(confidence, correct, edges, BlockBootstrap.over(np.arange(3000), block))
        for block in (1, 40)
    )
    assert ((blocks.high - blocks.low) / (single.high - single.low)).mean() > 2
    curve = reliability_curve(confidence, correct, bins=3, binning="mass")
    assert ((blocks.low < curve.accuracy) & (curve.accuracy < blocks.high)).all()


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
