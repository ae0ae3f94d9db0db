from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.special import logit

from core.data.store import BarStore
from core.errors import InputError
from core.explain.margin import evaluate
from core.explain.moment import Moment
from core.predictor import Predictor

AT = pd.Timestamp("2009-06-05", tz="UTC")


@pytest.fixture(scope="module")
def predictor(walks, walk_bundle, tmp_path_factory):
    store = BarStore(tmp_path_factory.mktemp("moments"))
    for bars in walks.values():
        store.upsert(bars)
    return Predictor(walk_bundle, store)


@pytest.fixture(scope="module")
def moment(predictor):
    return Moment.at(predictor, "AAA", "1d", AT)


def test_the_last_bar_at_or_before_a_time_is_taken(predictor, moment):
    assert moment.ts == AT
    weekend = Moment.at(predictor, "AAA", "1d", AT + pd.Timedelta(days=2))
    assert weekend.data_fingerprint == moment.data_fingerprint == moment.prediction.data_fingerprint


@pytest.mark.parametrize("task", ["direction", "volatility", "regime"])
def test_the_margin_is_the_log_odds_of_the_predicted_probability(moment, task):
    said = moment.prediction.tasks[task]
    for name, probability in zip(said.classes, said.probabilities, strict=True):
        found = evaluate(moment.margin(task, name), moment.features[None])[0]
        assert found == pytest.approx(logit(float(probability)), abs=1e-4)
    assert moment.margin(task).target == said.call == moment.target(task)


def test_attention_by_layer_is_the_last_row_of_the_full_maps(predictor, moment):
    full = predictor.attention("AAA", "1d", AT).weights
    np.testing.assert_allclose(moment.attention_by_layer(), full[:, :, -1].mean(1), atol=1e-5)
    np.testing.assert_allclose(moment.last_attention(), full[:, :, -1].mean((0, 1)), atol=1e-5)


def test_market_values_scale_back_to_the_window(moment):
    scaled = moment.bundle.scaler.transform(moment.market_values())
    np.testing.assert_allclose(scaled, moment.features, atol=1e-2)


def test_the_windows_own_mean_stands_still_and_is_judged(predictor, moment):
    reference = moment.reference("window_mean", "direction")
    np.testing.assert_array_equal(reference.windows[0], np.tile(moment.features.mean(0), (300, 1)))
    still = replace(moment.window, features=reference.windows[0])
    assert reference.distance == pytest.approx(predictor.predict_window(still).distance)


def test_an_explanation_without_a_class_is_of_the_one_called(moment):
    called = moment.prediction.tasks["regime"].call
    found, named = (moment.reference("ordinary_windows", "regime", name) for name in (None, called))
    np.testing.assert_array_equal(found.windows, named.windows)


@pytest.mark.parametrize("name", ["zero", "", "Window_Mean"])
def test_an_unknown_reference_is_refused(moment, name):
    with pytest.raises(InputError, match="a reference out of ordinary_windows"):
        moment.reference(name, "direction")


def test_an_unknown_task_or_class_is_refused(moment):
    with pytest.raises(InputError, match="a task out of direction"):
        moment.task("weather")
    with pytest.raises(InputError, match="a class out of Bullish"):
        moment.margin("direction", "Low")
