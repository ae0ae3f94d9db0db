import dataclasses

import numpy as np
import pytest
import torch

from core.data.segments import CALIBRATE, TEST
from core.data.windows import LastBarWindows
from core.errors import InputError
from core.training.scoring import score_last_bars
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
