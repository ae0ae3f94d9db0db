import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch

from core.data.segments import CALIBRATE, TEST
from core.data.windows import LastBarWindows
from core.errors import InputError
from core.predictor import Predictor
from core.training.scoring import LEAST_ROWS, fit_confidence, score_last_bars, score_with_confidence
from core.training.trainer import build_model
from tests.core.training.synthetic_series import TASKS, planted_config, planted_data


@pytest.fixture(scope="module")
def scored():
    config, data = planted_config(), planted_data(bars=360)
    torch.manual_seed(0)
    model = build_model(data, config).eval()
    dataset = LastBarWindows(data, TEST, config)
    return model, dataset, score_last_bars(model, dataset)


def test_every_row_has_the_model_s_outputs_for_its_window(scored):
    model, dataset, scores = scored
    for row in (0, 61, len(dataset) - 1):
        which, bar = dataset.rows[row]
        series = dataset.data.series[which]
        x = torch.from_numpy(series.features[bar - 59 : bar + 1])[None]
        with torch.inference_mode():
            output = model(x, torch.tensor([which + 1]), torch.tensor([1]))
        np.testing.assert_allclose(scores.representation[row], output.representation[0, -1], atol=1e-5)
        for name, head in output.tasks.items():
            task = scores.tasks[name]
            np.testing.assert_allclose(task.logits[row], head.logits[0, -1], atol=1e-5)
            np.testing.assert_allclose(task.confidence[row], head.confidence[0, -1], atol=1e-5)
            assert task.labels[row] == series.labels[name][bar]
            assert (task.intensity is None) == (name != "volatility")
        np.testing.assert_allclose(
            scores.tasks["volatility"].intensity[row], output.tasks["volatility"].intensity[0, -1], atol=1e-5
        )


def test_rows_are_those_of_the_dataset_and_probabilities_sum_to_one(scored):
    _, dataset, scores = scored
    assert np.array_equal(scores.rows, dataset.rows)
    assert set(scores.tasks) == set(TASKS)
    for task in scores.tasks.values():
        np.testing.assert_allclose(task.probabilities.sum(1), 1, atol=1e-6)
        assert len(task.probabilities) == len(dataset)


def test_the_batch_size_changes_rounding_alone(scored):
    model, dataset, scores = scored
    others = score_last_bars(model, dataset, batch=7)
    for name, task in scores.tasks.items():
        np.testing.assert_allclose(others.tasks[name].logits, task.logits, atol=1e-5)


def test_the_mode_of_the_model_is_left_as_it_was_and_dropout_is_off(scored):
    model, dataset, scores = scored
    model.train()
    again = score_last_bars(model, dataset)
    assert model.training
    model.eval()
    assert np.array_equal(again.representation, scores.representation)


def test_no_bar_to_score_is_refused(scored):
    model, dataset, _ = scored
    empty = LastBarWindows(dataclasses.replace(dataset.data, series=[]), CALIBRATE, planted_config())
    with pytest.raises(InputError, match="choose another period"):
        score_last_bars(model, empty)


def calibrate_windows(walk_data, walk_bundle, step=7):
    return LastBarWindows(walk_data, CALIBRATE, walk_bundle.config, step)


def test_scores_equal_live_predictions_of_the_same_bars(walk_data, walk_bundle, walk_store):
    windows = calibrate_windows(walk_data, walk_bundle, step=40)
    scores = score_with_confidence(walk_bundle.model, windows, walk_bundle.reference, batch=3)
    predictor = Predictor(walk_bundle, walk_store)
    for row, (which, _) in enumerate(windows.rows):
        series = walk_data.series[which]
        at = pd.Timestamp(scores.times[row], tz="UTC")
        live = predictor.predict(series.instrument, series.timeframe, at)
        for name, task in live.tasks.items():
            outputs = scores.tasks[name]
            np.testing.assert_allclose(outputs.logits[row], task.logits, atol=2e-5)
            np.testing.assert_allclose(outputs.sources[row], list(task.sources.values()), atol=2e-5)
            np.testing.assert_allclose(outputs.raw[row], task.raw_confidence, atol=2e-5)


def test_plain_scoring_sees_the_same_logits_and_labels(walk_data, walk_bundle):
    windows = calibrate_windows(walk_data, walk_bundle)
    confident = score_with_confidence(walk_bundle.model, windows, walk_bundle.reference)
    plain = score_last_bars(walk_bundle.model, windows)
    for name, outputs in confident.tasks.items():
        np.testing.assert_allclose(outputs.logits, plain.tasks[name].logits, atol=2e-5)
        np.testing.assert_array_equal(outputs.labels, plain.tasks[name].labels)
        np.testing.assert_allclose(outputs.probabilities.sum(1), 1)


def test_a_label_is_known_after_its_bar_and_never_before(walk_data, walk_bundle):
    scores = score_with_confidence(
        walk_bundle.model, calibrate_windows(walk_data, walk_bundle), walk_bundle.reference
    )
    for outputs in scores.tasks.values():
        known = outputs.labels >= 0
        assert (outputs.label_ends[known] > scores.times[known]).all()


def test_tasks_with_few_labels_state_no_confidence(walk_data, walk_bundle):
    windows = calibrate_windows(walk_data, walk_bundle, step=1)
    scores = score_with_confidence(walk_bundle.model, windows, walk_bundle.reference)
    scores.tasks["regime"].labels[LEAST_ROWS - 1 :] = -1
    fitted = fit_confidence(scores)
    assert "regime" not in fitted
    assert {"direction", "volatility"} <= set(fitted)
