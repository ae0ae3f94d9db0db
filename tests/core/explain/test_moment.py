from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.special import logit

from core.data.segments import TRAIN
from core.data.store import BarStore
from core.errors import InputError, WindowError
from core.explain.margin import evaluate
from core.explain.moment import REFERENCES, Moment
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


def test_the_training_median_is_the_scalers_own(moment):
    reference = moment.baseline("training_median").references[0]
    assert (reference == reference[0]).all()
    median = moment.market_values(reference[:1])[0]
    np.testing.assert_allclose(median, moment.bundle.scaler.median, atol=1e-3, rtol=1e-3)


def test_references_are_training_windows_of_the_same_series(predictor, moment):
    references = moment.baseline("multi_reference").references
    assert references.shape == (REFERENCES, *moment.features.shape)
    series = predictor.label_range("AAA", "1d", end=moment.bundle.borders.train_end)
    for reference in references:
        ends = [
            end
            for end in range(299, len(series.ts))
            if np.array_equal(series.features[end - 299 : end + 1], reference)
        ]
        assert len(ends) == 1
        assert any(series.segments[task][ends[0]] == TRAIN for task in series.segments)


def test_a_strange_instrument_borrows_references_of_a_known_one(predictor, moment):
    stranger = Moment(predictor, replace(moment.window, instrument="ZZZ"))
    np.testing.assert_array_equal(
        stranger.baseline("multi_reference").references, moment.baseline("multi_reference").references
    )


def test_a_store_without_training_bars_says_so(walks, walk_bundle, tmp_path):
    store = BarStore(tmp_path)
    late = walks["AAA", "1d"]
    store.upsert(late[late["ts"] > walk_bundle.borders.train_end])
    moment = Moment.at(Predictor(walk_bundle, store), "AAA", "1d")
    with pytest.raises(WindowError, match="training windows of a 1d series"):
        moment.baseline("multi_reference")
    store.upsert(walks["BBB", "1d"])
    assert len(moment.baseline("multi_reference").references) == REFERENCES


@pytest.mark.parametrize("name", ["zero", "", "Window_Mean"])
def test_an_unknown_baseline_is_refused(moment, name):
    with pytest.raises(InputError, match="a baseline out of window_mean"):
        moment.baseline(name)


def test_an_unknown_task_or_class_is_refused(moment):
    with pytest.raises(InputError, match="a task out of direction"):
        moment.task("weather")
    with pytest.raises(InputError, match="a class out of Bullish"):
        moment.margin("direction", "Low")
