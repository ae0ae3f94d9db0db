import numpy as np
import pytest
import scipy.integrate
import scipy.optimize
import scipy.stats
import torch
from torchmetrics.functional.classification import binary_calibration_error

from core.errors import InputError
from core.scores.calibration_error import (
    bin_edges,
    expected_calibration_error,
    maximum_calibration_error,
    perfect_model_ece,
    smooth_calibration_error,
)
from core.scores.stretches import Stretches


@pytest.fixture
def forecasts():
    rng = np.random.default_rng(0)
    confidence = rng.beta(4, 3, size=3000)
    return confidence, rng.random(3000) < confidence**1.5


@pytest.mark.parametrize(
    ("norm", "measure"), [("l1", expected_calibration_error), ("max", maximum_calibration_error)]
)
@pytest.mark.parametrize("bins", [7, 15])
def test_binned_errors_agree_with_torchmetrics(forecasts, norm, measure, bins):
    confidence, correct = forecasts
    oracle = binary_calibration_error(
        torch.tensor(confidence), torch.tensor(correct.astype(int)), n_bins=bins, norm=norm
    )
    assert measure(confidence, correct, bins) == pytest.approx(float(oracle), abs=1e-6)


def test_equal_mass_error_agrees_with_sorting_into_equal_runs(forecasts):
    confidence, correct = forecasts
    runs = np.array_split(np.argsort(confidence), 15)
    gaps = [len(r) * abs(correct[r].mean() - confidence[r].mean()) for r in runs]
    assert expected_calibration_error(confidence, correct, 15, "mass") == pytest.approx(
        sum(gaps) / 3000, abs=1e-12
    )


def test_equal_mass_bins_merge_at_ties():
    confidence = np.r_[np.full(90, 0.5), np.linspace(0.6, 0.9, 10)]
    edges = bin_edges(confidence, 15, "mass")
    assert (np.diff(edges) > 0).all()
    assert len(edges) < 16


@pytest.mark.parametrize("shift", [0.0, 0.05, 0.15])
def test_a_constant_overconfidence_is_recovered(shift):
    rng = np.random.default_rng(1)
    confidence = rng.uniform(0.3, 0.95, size=200_000)
    correct = rng.random(confidence.size) < confidence - shift
    for binning in ("width", "mass"):
        assert expected_calibration_error(confidence, correct, 15, binning) == pytest.approx(shift, abs=0.006)
    # Reflection at 0 and 1 keeps the mass of a residual of one sign, so smoothing does not shrink it.
    assert smooth_calibration_error(confidence, correct) == pytest.approx(shift, abs=0.006)


def test_a_squared_probability_has_error_one_sixth():
    rng = np.random.default_rng(2)
    confidence = rng.random(400_000)
    correct = rng.random(confidence.size) < confidence**2
    assert expected_calibration_error(confidence, correct) == pytest.approx(1 / 6, abs=0.003)
    assert smooth_calibration_error(confidence, correct) == pytest.approx(1 / 6, abs=0.003)
    assert maximum_calibration_error(confidence, correct) == pytest.approx(0.25, abs=0.01)


def test_smooth_error_agrees_with_direct_integration():
    rng = np.random.default_rng(3)
    confidence = rng.beta(5, 2, size=80)
    # Calibrated, so that residuals of both signs make the kernel's width matter.
    residual = (rng.random(80) < confidence) - confidence

    def at(width):
        t = np.linspace(0, 1, 2001)[:, None]
        images = np.concatenate(
            [confidence + 2 * k for k in range(-2, 3)] + [2 * k - confidence for k in range(-2, 3)]
        )
        kernel = np.exp(-0.5 * ((t - images) / width) ** 2) / (width * np.sqrt(2 * np.pi))
        smoothed = kernel @ np.tile(residual, 10) / 80
        return scipy.integrate.simpson(np.abs(smoothed), x=t[:, 0])

    oracle = scipy.optimize.brentq(lambda width: at(width) - width, 0.01, 0.9)
    assert smooth_calibration_error(confidence, residual + confidence > 0.5) == pytest.approx(
        oracle, rel=2e-3
    )


@pytest.mark.parametrize("measure", ["ece", "ece_mass", "mce", "smooth_ece"])
def test_floor_of_independent_rows_has_the_distribution_of_row_by_row_draws(measure):
    rng = np.random.default_rng(4)
    confidence = rng.beta(4, 3, size=2000)
    error = {
        "ece": expected_calibration_error,
        "ece_mass": lambda c, y: expected_calibration_error(c, y, 15, "mass"),
        "mce": maximum_calibration_error,
        "smooth_ece": smooth_calibration_error,
    }[measure]
    direct = np.sort([error(confidence, rng.random(2000) < confidence) for _ in range(400)])
    floors = [
        perfect_model_ece(
            confidence, rng.random(2000) < confidence, Stretches.over(np.arange(2000)), measure=measure
        )
        for _ in range(8)
    ]
    assert np.mean([floor.median for floor in floors]) == pytest.approx(np.median(direct), rel=0.12)
    assert np.mean([floor.p95 for floor in floors]) == pytest.approx(np.quantile(direct, 0.95), rel=0.2)


def test_floor_shrinks_with_the_root_of_the_sample():
    rng = np.random.default_rng(5)
    confidence = rng.uniform(0.34, 0.9, 16_000)
    correct, times = rng.random(16_000) < confidence, np.arange(16_000)
    many = perfect_model_ece(confidence, correct, Stretches.over(times))
    few = perfect_model_ece(confidence[:1000], correct[:1000], Stretches.over(times[:1000]))
    short = perfect_model_ece(confidence, correct, Stretches.over(times), share=1 / 16)
    for floor in (few, short):
        assert floor.median / many.median == pytest.approx(4, rel=0.15)
    assert few.median < few.p95


@pytest.mark.parametrize("together", ["by overlap", "by series"])
def test_a_calibrated_model_whose_rows_hang_together_is_seldom_called_off(together):
    rng = np.random.default_rng(6)
    called, at_all = 0, 120
    for _ in range(at_all):
        shocks = rng.normal(size=(604, 1 if together == "by overlap" else 6))
        if together == "by series":
            shocks = np.sqrt(0.7) * shocks[:, :1] + np.sqrt(0.3) * shocks
        moves = sum(shocks[lag : lag + 600] for lag in range(5)) / np.sqrt(5)
        stated = rng.uniform(0.5, 0.9, moves.shape)
        right = scipy.stats.norm.cdf(moves / moves.std()) < stated
        times = np.repeat(np.arange(600), moves.shape[1])
        floor = perfect_model_ece(stated.ravel(), right.ravel(), Stretches.over(times, 5), n_draws=200)
        called += expected_calibration_error(stated.ravel(), right.ravel()) > floor.p95
    # 3% to 8%, and three standard errors of so many trials.
    assert called / at_all <= 0.08 + 3 * np.sqrt(0.05 * 0.95 / at_all)


def test_what_hangs_together_over_all_its_time_has_no_floor():
    stated, right = np.full(200, 0.5), np.arange(200) >= 100
    floor = perfect_model_ece(stated, right, Stretches.over(np.arange(200)))
    assert floor.draws.size == 0
    assert np.isnan([floor.median, floor.p95]).all()


def test_certain_and_right_has_no_floor():
    assert perfect_model_ece(np.ones(50), np.ones(50), Stretches.over(np.arange(50))).p95 == 0
    assert smooth_calibration_error(np.ones(50), np.ones(50)) < 1e-6


@pytest.mark.parametrize(
    ("confidence", "correct"), [([], []), ([0.5], [1, 0]), ([1.2], [1]), ([np.nan], [1]), ([0.5], [2])]
)
def test_what_is_no_confidence_is_refused(confidence, correct):
    with pytest.raises(InputError):
        expected_calibration_error(np.array(confidence), np.array(correct))
