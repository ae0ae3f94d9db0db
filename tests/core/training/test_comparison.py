from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import softmax
from sklearn.metrics import log_loss

from core.baselines.simple import Baselines
from core.data.segments import CALIBRATE, TEST, TRAIN
from core.data.windows import LastBarWindows
from core.training.comparison import OF_TWO_CLASSES, compare, scale
from core.training.members import train
from tests.core.training.synthetic_series import planted_config, planted_data


def shares(rows: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet([4, 2, 2], rows)


@pytest.mark.parametrize(("labels", "blank"), [([0] * 60, True), ([0, 1] * 30, False)])
def test_scores_that_need_two_classes_are_blank_where_one_happened(labels, blank):
    times = np.arange(60).astype("datetime64[D]").astype("datetime64[us]")
    forecasts = {"prior": np.tile([0.5, 0.3, 0.2], (60, 1))}
    found = compare(shares(60, 0), forecasts, np.array(labels), times, 5)
    for entry in (found.model, found.baselines["prior"]):
        assert all((entry[score] is None) == blank for score in OF_TWO_CLASSES)
        assert entry["accuracy"] is not None


def test_a_class_no_training_bar_has_is_named(tmp_path):
    data = planted_data(bars=400)
    still = [
        replace(one, labels=one.labels | {"direction": np.minimum(one.labels["direction"], 1)})
        for one in data.series
    ]
    absent = planted_config().tasks[0].classes[2]
    with pytest.warns(UserWarning, match=f"direction: no training bar is {absent}; the model cannot learn"):
        train(replace(data, series=still), planted_config(training={"epochs": 1}), tmp_path, progress=False)


def test_a_baseline_gets_the_temperature_that_suits_it_on_calibrate_and_a_count_none():
    data = planted_data(bars=900)
    config = planted_config()
    train_windows, calibrate, tested = (
        LastBarWindows(data, part, config) for part in (TRAIN, CALIBRATE, TEST)
    )
    fitted = Baselines.fit(train_windows, calibrate, config.tasks)
    before, now = (fitted.predict(part, "direction") for part in (calibrate, tested))
    labels = calibrate.last_labels("direction")
    known = labels >= 0
    scaled = scale(now, before, calibrate, "direction")
    assert np.array_equal(scaled["prior"], now["prior"])
    for name in now.keys() - {"prior", "persistence"}:
        logits = np.log(before[name][known])

        def loss(temperature, logits=logits):
            return log_loss(labels[known], softmax(logits / temperature, axis=1), labels=[0, 1, 2])

        best = minimize_scalar(loss, bounds=(0.05, 20), method="bounded").x
        np.testing.assert_allclose(scaled[name], softmax(np.log(now[name]) / best, axis=1), atol=2e-3)
