"""Trailing borders against a plain loop, what they may know, and labels cut at them."""

from __future__ import annotations

import math
from dataclasses import fields

import numpy as np
import pytest

from core.config import LabelConfig, TaskConfig
from core.data.labels.assign import assign_labels, persistence_labels
from core.data.labels.borders import Borders, fit_thresholds, series_borders, trailing_borders
from core.data.labels.measure import measure_targets
from core.data.labels.past import measure_past
from tests.core.data.synthetic_bars import make_bars, scale_bars

CONFIG = LabelConfig(reference_bars=120, reference_minimum=40)
TASKS = [
    TaskConfig(name="volatility", classes=["Low", "Medium", "High"], label="volatility"),
    TaskConfig(name="regime", classes=["Trending", "Ranging", "Volatile"], label="regime"),
]
COUNT = 400


def _gappy_bars():
    bars = make_bars(COUNT + 10, seed=3)
    bars = bars.drop(index=range(200, 210)).reset_index(drop=True)
    bars.loc[300, ["open", "high", "low", "close"]] = np.nan
    return bars


def _arrays(borders: Borders) -> dict[str, np.ndarray]:
    return {field.name: getattr(borders, field.name) for field in fields(Borders)}


def test_borders_equal_a_plain_loop_over_the_values_known_at_each_bar():
    past = measure_past(_gappy_bars().drop(index=300).reset_index(drop=True), CONFIG)
    borders = _arrays(trailing_borders(past, CONFIG))
    rules = {
        "volatility_low": (past.volatility, lambda known: np.quantile(known, 1 / 3)),
        "volatility_high": (past.volatility, lambda known: np.quantile(known, 2 / 3)),
        "volatility_mean": (past.volatility, np.mean),
        "volatility_std": (past.volatility, np.std),
        "regime_ratio": (past.ratio, lambda known: np.quantile(known, 0.67)),
        "regime_efficiency": (past.efficiency, np.median),
    }
    for name, (values, rule) in rules.items():
        for t in range(len(values)):
            known = [values[i] for i in range(max(0, t - 119), t + 1) if not math.isnan(values[i])]
            expected = rule(known) if len(known) >= 40 else math.nan
            assert borders[name][t] == pytest.approx(expected, rel=1e-9, nan_ok=True), (name, t)


def test_truncating_the_bars_leaves_every_border_up_to_there_bit_identical():
    bars = _gappy_bars()
    whole = _arrays(series_borders(bars, CONFIG, None))
    for cut in (60, 199, 205, 300, 350):
        part = _arrays(series_borders(bars.iloc[: cut + 1], CONFIG, None))
        for name, values in part.items():
            assert values.tobytes() == whole[name][: cut + 1].tobytes(), name


def test_prices_times_seven_move_the_borders_by_nothing():
    bars = _gappy_bars()
    for name, values in _arrays(series_borders(scale_bars(bars, 7), CONFIG, None)).items():
        expected = _arrays(series_borders(bars, CONFIG, None))[name]
        np.testing.assert_allclose(values, expected, rtol=1e-9, atol=1e-12)


def test_a_bar_without_prices_has_no_border_and_no_label_and_the_next_has():
    bars = _gappy_bars()
    borders = series_borders(bars, CONFIG, None)
    assert np.isnan(borders.volatility_low[300])
    assert np.isfinite(borders.volatility_low[[299, 301]]).all()
    labels, _ = assign_labels(measure_targets(bars, CONFIG), borders, CONFIG, TASKS)
    assert labels["volatility"].values[300] == -1


def test_nothing_is_guessed_before_enough_bars_are_known():
    bars = make_bars(COUNT)
    borders = series_borders(bars, CONFIG, None)
    labels, intensity = assign_labels(measure_targets(bars, CONFIG), borders, CONFIG, TASKS)
    first = CONFIG.reference_minimum + CONFIG.horizon - 2
    assert (labels["volatility"].values[:first] == -1).all()
    assert labels["volatility"].values[first] >= 0
    assert (labels["volatility"].end[:first] == -1).all()
    assert np.isnan(intensity[:first]).all()
    assert np.isfinite(intensity[first])


def test_a_label_never_depends_on_bars_after_its_end():
    bars = make_bars(COUNT, seed=8)
    before, _ = assign_labels(
        measure_targets(bars, CONFIG), series_borders(bars, CONFIG, None), CONFIG, TASKS
    )
    for cut in (180, 260, 333):
        part = bars.iloc[: cut + 1]
        after, _ = assign_labels(
            measure_targets(part, CONFIG), series_borders(part, CONFIG, None), CONFIG, TASKS
        )
        for task, labels in before.items():
            settled = (labels.end >= 0) & (labels.end <= cut)
            np.testing.assert_array_equal(
                after[task].values[settled[: cut + 1]], labels.values[: cut + 1][settled[: cut + 1]]
            )


def test_label_and_persistence_are_cut_at_the_same_borders():
    bars = make_bars(COUNT, seed=4)
    quantities, borders = measure_targets(bars, CONFIG), series_borders(bars, CONFIG, None)
    labels, intensity = assign_labels(quantities, borders, CONFIG, TASKS)
    past = persistence_labels(quantities, borders, CONFIG, TASKS)
    for t in range(100, 380):
        cuts = borders.volatility_low[t], borders.volatility_high[t]
        assert labels["volatility"].values[t] == np.searchsorted(cuts, quantities.volatility[t])
        assert past["volatility"][t] == np.searchsorted(cuts, quantities.volatility_past[t])
        expected = (quantities.volatility[t] - borders.volatility_mean[t]) / borders.volatility_std[t]
        assert intensity[t] == pytest.approx(expected, rel=1e-5)


def test_calm_after_a_storm_is_low_and_a_storm_of_the_same_size_later_is_high():
    bars = make_bars(COUNT, seed=1)
    returns = 0.001 * (-1.0) ** np.arange(COUNT)
    returns[150:200] *= 10
    close = 100 * np.exp(np.cumsum(returns))
    open_ = np.r_[100.0, close[:-1]]
    bars = bars.assign(open=open_, close=close, high=np.maximum(open_, close), low=np.minimum(open_, close))
    config = LabelConfig(reference_bars=120, reference_minimum=40, volatility="close_to_close")
    labels, _ = assign_labels(
        measure_targets(bars, config), series_borders(bars, config, None), config, TASKS[:1]
    )
    values = labels["volatility"].values
    assert (values[146:190] == 2).all()
    assert (values[205:240] == 0).all()


def test_frozen_borders_are_the_training_numbers_at_every_bar_and_unknown_without_them():
    bars = make_bars(COUNT)
    config = LabelConfig(reference="frozen")
    thresholds = fit_thresholds(measure_targets(bars, config), np.arange(COUNT) < 250, config)
    borders = series_borders(bars, config, thresholds)
    assert set(borders.volatility_low) == {thresholds.volatility_low}
    assert np.isnan(series_borders(bars, config, None).regime_ratio).all()
