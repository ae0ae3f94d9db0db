import json

import numpy as np
import pytest
from scipy.stats import norm

from core.config import TaskConfig
from core.data.segments import CALIBRATE, TEST, TRAIN
from core.data.windows import LastBarWindows
from core.errors import InputError
from core.training.baselines import BaselineRows, ClassPrior
from core.training.metrics import log_losses
from core.training.strong_baselines import (
    LAGS,
    BoostedTrees,
    Har,
    VolatilityRows,
    har_windows,
    in_task_order,
    lagged_rows,
    plain_config,
)
from tests.core.training.synthetic_series import PLANTED_ACCURACY, planted_config, planted_data

CUTS = (-0.43, 0.43)


def volatility_rows(n=4000, seed=0, noise=0.6, weights=(0.2, 0.3, 0.4), names=("A|1d", "B|1d")):
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(n, 3))
    target = 0.1 + features @ weights + noise * rng.normal(size=n)
    return VolatilityRows(
        features=features,
        labels=np.digitize(target, CUTS),
        persistence=np.full(n, -1),
        target=target,
        low=np.full(n, CUTS[0]),
        high=np.full(n, CUTS[1]),
        series=np.array(names, dtype=object)[rng.integers(0, len(names), n)],
    )


@pytest.fixture(scope="module")
def windows():
    config, data = planted_config(), planted_data(bars=1500)
    return config, [LastBarWindows(data, segment, config) for segment in (TRAIN, CALIBRATE, TEST)]


@pytest.fixture(scope="module")
def trees(windows):
    _, parts = windows
    rows = [lagged_rows(part, "regime") for part in parts]
    return BoostedTrees.fit(rows[0], rows[1], 3), rows


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


def test_trees_find_an_interaction_of_features(trees):
    fitted, (_, _, test) = trees
    accuracy = (fitted.predict(test).argmax(1) == test.labels).mean()
    assert accuracy > 0.8 * PLANTED_ACCURACY


def test_trees_on_shuffled_labels_stay_near_the_prior(trees):
    _, rows = trees
    rng = np.random.default_rng(0)
    mixed = [BaselineRows(r.features, rng.permutation(r.labels), r.persistence) for r in rows]
    fitted = BoostedTrees.fit(mixed[0], mixed[1], 3)
    prior = ClassPrior.fit(mixed[0], mixed[1], 3)
    losses = [log_losses(kind.predict(mixed[2]), mixed[2].labels).mean() for kind in (fitted, prior)]
    assert abs(losses[0] - losses[1]) < 0.02


def test_trees_repeat_survive_json_and_give_distributions(trees):
    fitted, rows = trees
    assert BoostedTrees.fit(rows[0], rows[1], 3) == fitted
    again = BoostedTrees.from_dict(json.loads(json.dumps(fitted.to_dict())))
    predicted = fitted.predict(rows[2])
    assert np.array_equal(again.predict(rows[2]), predicted)
    np.testing.assert_allclose(predicted.sum(1), 1)
    assert (predicted > 0).all()


def test_lagged_rows_are_earlier_rows_of_the_window(windows):
    _, (train, _, _) = windows
    rows = lagged_rows(train, "direction")
    item = train[7]
    width = item["x"].shape[1]
    for place, lag in enumerate((0, *LAGS)):
        part = rows.features[7, place * width : (place + 1) * width]
        assert np.array_equal(part, item["x"][-1 - lag].numpy())
    assert rows.features[7, -1] == item["series"]


def test_without_labels_nothing_is_fitted(windows):
    rows = volatility_rows(50)
    empty = VolatilityRows(
        **{name: getattr(rows, name) for name in VolatilityRows.__dataclass_fields__ if name != "labels"},
        labels=np.full(50, -1),
    )
    with pytest.raises(InputError, match="rows with a label"):
        Har.fit(empty, rows)


def test_the_plain_transformer_differs_in_windows_and_bias_alone():
    config = planted_config()
    plain = plain_config(config)
    assert plain.model.windows == [None, None]
    assert not plain.model.temporal_bias
    restored = plain.model.model_copy(update={"windows": [10, None], "temporal_bias": True})
    assert plain.model_copy(update={"model": restored}) == config
