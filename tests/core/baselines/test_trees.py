import json

import numpy as np
import pytest

from core.baselines.simple import BaselineRows, ClassPrior
from core.baselines.trees import LAGS, BoostedTrees, lagged_rows, plain_config
from core.data.segments import CALIBRATE, TEST, TRAIN
from core.data.windows import LastBarWindows
from core.scores.metrics import log_losses
from tests.core.training.synthetic_series import PLANTED_ACCURACY, planted_config, planted_data


def keys(windows: LastBarWindows) -> list[str]:
    return [series.key for series in windows.data.series]


@pytest.fixture(scope="module")
def windows():
    config, data = planted_config(), planted_data(bars=1500)
    return config, [LastBarWindows(data, segment, config) for segment in (TRAIN, CALIBRATE, TEST)]


@pytest.fixture(scope="module")
def trees(windows):
    _, parts = windows
    rows = [lagged_rows(part, "regime", keys(part)) for part in parts]
    return BoostedTrees.fit(rows[0], rows[1], 3), rows


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
    rows = lagged_rows(train, "direction", keys(train))
    item = train[7]
    width = item["x"].shape[1]
    for place, lag in enumerate((0, *LAGS)):
        part = rows.features[7, place * width : (place + 1) * width]
        assert np.array_equal(part, item["x"][-1 - lag].numpy())
    assert rows.features[7, -1] == item["series"]
    assert (lagged_rows(train, "direction", ["ELSE|1d"]).features[:, -1] == -1).all()


def test_the_plain_transformer_differs_in_windows_and_bias_alone():
    config = planted_config()
    plain = plain_config(config)
    assert plain.model.windows == [None, None]
    assert not plain.model.temporal_bias
    restored = plain.model.model_copy(update={"windows": [10, None], "temporal_bias": True})
    assert plain.model_copy(update={"model": restored}) == config
