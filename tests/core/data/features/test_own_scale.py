"""Closed forms of the features on the series' own scale."""

from __future__ import annotations

import numpy as np
import pytest

from core.config import LabelConfig
from core.data.features.own_scale import WINDOWS, own_scale_features, semivariance_balances
from core.data.labels.borders import trailing_borders
from core.data.labels.past import measure_past
from tests.core.data.synthetic_bars import make_bars

CONFIG = LabelConfig(reference_bars=200, reference_minimum=100, volatility="close_to_close")
BARS = make_bars(600, seed=6)
PAST = measure_past(BARS, CONFIG)
BORDERS = trailing_borders(PAST, CONFIG)
COLUMNS = own_scale_features(PAST, BORDERS, CONFIG)


@pytest.mark.parametrize("t", [250, 431, 599])
def test_past_volatilities_are_measured_against_both_borders(t):
    low, high = BORDERS.volatility_low[t], BORDERS.volatility_high[t]
    for bars in WINDOWS:
        volatility = 0.5 * np.log(np.mean(PAST.returns[t - bars + 1 : t + 1] ** 2))
        bounded = np.clip([volatility - low, volatility - high], -4, 4)
        assert COLUMNS[f"volatility_{bars}_over_low"][t] == pytest.approx(bounded[0], rel=1e-9)
        assert COLUMNS[f"volatility_{bars}_over_high"][t] == pytest.approx(bounded[1], rel=1e-9)
        assert COLUMNS[f"volatility_{bars}_below_low"][t] == pytest.approx(max(-bounded[0], 0), rel=1e-9)
        assert COLUMNS[f"volatility_{bars}_above_high"][t] == pytest.approx(max(bounded[1], 0), rel=1e-9)
    assert COLUMNS["volatility_border_gap"][t] == pytest.approx(high - low)
    assert COLUMNS["sigma_over_low"][t] == pytest.approx(np.log(PAST.sigma[t]) - low)


@pytest.mark.parametrize("t", [250, 431, 599])
def test_the_known_half_of_the_regime_window_is_what_its_label_will_add_up(t):
    known = PAST.returns[t - 9 : t + 1]
    sigma, ratio = PAST.sigma[t], BORDERS.regime_ratio[t]
    share = np.sum(known**2) / (20 * (ratio * sigma) ** 2)
    assert COLUMNS["known_filled"][t] == pytest.approx(min(share, 4))
    root = np.sqrt(np.mean(known**2))
    assert COLUMNS["known_ratio"][t] == pytest.approx(np.log(root / sigma / ratio))
    assert COLUMNS["known_net"][t] == pytest.approx(min(abs(known.sum()) / (sigma * np.sqrt(10)), 4))
    assert COLUMNS["known_path"][t] == pytest.approx(np.abs(known).mean() / sigma)
    over = abs(known.sum()) / np.abs(known).sum() - BORDERS.regime_efficiency[t]
    assert COLUMNS["known_efficiency_over"][t] == pytest.approx(over)
    assert COLUMNS["known_efficiency_above"][t] == pytest.approx(max(over, 0))


def test_semivariance_balance_is_one_when_all_fell_minus_one_when_all_rose_and_zero_when_still():
    assert semivariance_balances(np.full(9, -0.01))["semivariance_balance_5"][-1] == pytest.approx(1)
    assert semivariance_balances(np.full(9, 0.01))["semivariance_balance_5"][-1] == pytest.approx(-1)
    assert semivariance_balances(np.zeros(9))["semivariance_balance_5"][-1] == 0
    mixed = semivariance_balances(np.array([0.0, -0.02, 0.01, 0.0, 0.0]))["semivariance_balance_5"][-1]
    assert mixed == pytest.approx((4 - 1) / 5)
