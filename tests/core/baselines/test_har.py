import json

import numpy as np
import pytest
from scipy.stats import norm

from core.baselines.har import Har, VolatilityRows, har_windows, in_task_order
from core.config import TaskConfig
from core.errors import InputError

CUTS = (-0.43, 0.43)


def volatility_rows(n=4000, seed=0, noise=0.6, weights=(0.2, 0.3, 0.4), names=("A|1d", "B|1d"), leverage=0.0):
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(n, 3))
    balances = rng.uniform(-1, 1, (n, 2)) if leverage else np.zeros((n, 2))
    target = 0.1 + features @ weights + leverage * balances[:, 0] + noise * rng.normal(size=n)
    return VolatilityRows(
        features=features,
        labels=np.digitize(target, CUTS),
        persistence=np.full(n, -1),
        target=target,
        low=np.full(n, CUTS[0]),
        high=np.full(n, CUTS[1]),
        series=np.array(names, dtype=object)[rng.integers(0, len(names), n)],
        balances=balances,
    )


def test_har_recovers_the_regression_that_made_the_data_and_its_error():
    fitted = Har.fit(volatility_rows(), volatility_rows(seed=1))
    np.testing.assert_allclose(fitted.coefficients["|1d"], [0.1, 0.2, 0.3, 0.4], atol=0.04)
    assert fitted.deviation["|1d"] == pytest.approx(0.6, abs=0.02)


def test_har_probabilities_are_those_of_a_normal_cut_at_the_terciles():
    train = volatility_rows(names=("A|1d",))
    fitted = Har.fit(train, train)
    x = np.clip(train.features, *np.asarray(fitted.clip))
    slopes = np.linalg.lstsq(np.column_stack([np.ones(len(x)), x]), train.target, rcond=None)[0]
    centre = np.column_stack([np.ones(len(x)), x]) @ slopes
    spread = np.sqrt(np.mean((train.target - centre) ** 2))
    low, high = (norm.cdf((cut - centre) / spread) for cut in CUTS)
    np.testing.assert_allclose(fitted.predict(train), np.column_stack([low, high - low, 1 - high]), atol=2e-4)


def test_har_takes_semivariances_up_where_falls_raise_what_follows():
    fitted = Har.fit(volatility_rows(leverage=0.5), volatility_rows(seed=1, leverage=0.5))
    assert fitted.semivariances
    np.testing.assert_allclose(fitted.coefficients["|1d"], [0.1, 0.2, 0.3, 0.4, 0.5, 0], atol=0.04)


def test_har_keeps_a_regression_per_series_only_where_series_differ():
    def rows(seed, second):
        parts = [
            volatility_rows(1500, seed, names=("A|1d",)),
            volatility_rows(1500, seed + 50, weights=second, names=("B|1d",)),
        ]
        joined = {
            name: np.concatenate([getattr(part, name) for part in parts])
            for name in VolatilityRows.__dataclass_fields__
        }
        return VolatilityRows(**joined)

    differing = Har.fit(rows(0, (-0.3, 0.5, -0.2)), rows(1, (-0.3, 0.5, -0.2)))
    assert not differing.pooled
    np.testing.assert_allclose(differing.coefficients["B|1d"][1:], [-0.3, 0.5, -0.2], atol=0.06)


def test_har_knows_nothing_of_a_series_without_terciles_and_survives_json():
    train = volatility_rows()
    fitted = Har.fit(train, train)
    unknown = VolatilityRows(
        **{
            name: getattr(train, name)
            for name in VolatilityRows.__dataclass_fields__
            if name not in ("low", "high")
        },
        low=np.full(len(train.labels), np.nan),
        high=np.full(len(train.labels), np.nan),
    )
    np.testing.assert_allclose(fitted.predict(unknown), 1 / 3)
    again = Har.from_dict(json.loads(json.dumps(fitted.to_dict())))
    assert np.array_equal(again.predict(train), fitted.predict(train))


def test_har_looks_back_a_day_a_week_and_a_month_or_their_bars():
    assert har_windows("1d") == har_windows("1w") == (1, 5, 22)
    assert har_windows("1h") == (1, 5, 24, 120)


def test_columns_follow_the_task_s_own_order_of_classes():
    task = TaskConfig(name="v", classes=["High", "Low", "Medium"], label="volatility")
    assert in_task_order(np.array([[0.1, 0.2, 0.7]]), task).tolist() == [[0.7, 0.1, 0.2]]


def test_without_labels_nothing_is_fitted():
    rows = volatility_rows(50)
    empty = VolatilityRows(
        **{name: getattr(rows, name) for name in VolatilityRows.__dataclass_fields__ if name != "labels"},
        labels=np.full(50, -1),
    )
    with pytest.raises(InputError, match="rows with a label"):
        Har.fit(empty, rows)
