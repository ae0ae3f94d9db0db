"""The scaler: bounds, what it drops, what it was fitted on."""

from __future__ import annotations

import json

import numpy as np
import pytest

from core.data.scaling import FeatureScaler
from core.errors import InputError

QUANTILES = (0.005, 0.995)


def _fit(values: np.ndarray, train: np.ndarray | None = None) -> FeatureScaler:
    train = np.ones(len(values), dtype=bool) if train is None else train
    return FeatureScaler.fit([f"f{i}" for i in range(values.shape[1])], values, train, QUANTILES)


def test_training_quantiles_map_to_zero_and_a_hundred():
    values = np.linspace(-3, 5, 1001)[:, None]
    scaler = _fit(values)
    scaled = scaler.transform(np.array([[-3.0], [-3 + 8 * 0.005], [1.0], [-3 + 8 * 0.995], [9.0]]))
    np.testing.assert_allclose(scaled[:, 0], [0, 0, 50, 100, 100], atol=1e-4)
    assert scaled.dtype == np.float32


def test_rows_outside_training_change_nothing():
    rng = np.random.default_rng(0)
    values = rng.standard_normal((500, 3))
    train = np.arange(500) < 300
    before = _fit(values, train)
    values[300:] = 1e9
    assert _fit(values, train).to_dict() == before.to_dict()


def test_unknown_values_become_the_training_median():
    scaler = _fit(np.array([[0.0], [1.0], [2.0], [10.0], [np.nan]]))
    expected = scaler.transform(np.array([[1.5]]))
    np.testing.assert_array_equal(scaler.transform(np.array([[np.nan]])), expected)


def test_constant_and_unknown_features_are_dropped_with_a_warning():
    rng = np.random.default_rng(0)
    values = np.column_stack([np.full(99, 0.3), rng.standard_normal(99), np.full(99, np.nan)])
    with pytest.warns(UserWarning, match=r"f0 \(constant\), f2 \(unknown\)"):
        scaler = _fit(values)
    assert scaler.columns == ("f1",)


def test_a_flag_rarer_than_the_quantiles_keeps_its_full_range():
    values = np.zeros((1000, 1))
    values[5] = 1
    scaler = _fit(values)
    np.testing.assert_array_equal(scaler.transform(np.array([[0.0], [1.0]]))[:, 0], [0, 100])


def test_a_scaler_survives_json_to_the_bit():
    values = np.random.default_rng(0).standard_normal((200, 4))
    scaler = _fit(values).with_column("missing_share", 0, 1, 0)
    again = FeatureScaler.from_dict(json.loads(json.dumps(scaler.to_dict())))
    assert again.columns == scaler.columns
    probe = np.column_stack([values, np.full(200, 0.25)])
    assert again.transform(probe).tobytes() == scaler.transform(probe).tobytes()
    np.testing.assert_array_equal(again.transform(probe)[:, -1], 25)


def test_inverse_undoes_the_scaling_inside_the_bounds():
    values = np.random.default_rng(0).uniform(-1, 1, (400, 2))
    scaler = _fit(values)
    inside = (values > scaler.low) & (values < scaler.high)
    restored = scaler.inverse(scaler.transform(values))
    np.testing.assert_allclose(restored[inside], values[inside], atol=1e-6)


def test_no_training_row_and_no_varying_feature_are_refused():
    with pytest.raises(InputError, match="training segment"):
        _fit(np.ones((5, 1)), np.zeros(5, dtype=bool))
    with pytest.warns(UserWarning, match="constant"), pytest.raises(InputError, match="varies"):
        _fit(np.ones((5, 1)))
