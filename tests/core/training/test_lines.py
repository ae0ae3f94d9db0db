"""Where direct paths start, and how much of the transformer is taken beside them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.special import softmax

from core.baselines.simple import Line, baseline_rows
from core.config import Config
from core.data.segments import CALIBRATE, TRAIN
from core.data.windows import LastBarWindows
from core.models.ensemble import MarketEnsemble
from core.training.lines import SCALES, fit_scales, losses_by_scale, start_at_lines
from core.training.scoring import score_last_bars
from core.training.trainer import build_model, stopping_windows
from tests.core.training.synthetic_series import planted_config, planted_data

DIRECT = ["f0", "f2"]


def _config() -> Config:
    config = planted_config()
    tasks = [task.model_copy(update={"direct": DIRECT}) for task in config.tasks]
    return config.model_copy(update={"tasks": tasks})


@pytest.fixture(scope="module")
def data():
    return planted_data(bars=1200)


def test_a_model_starts_at_the_probabilities_of_the_regression_on_its_direct_inputs(data):
    config = _config()
    model = build_model(data, config).eval()
    start_at_lines(model, data, config)
    windows = [LastBarWindows(data, segment, config) for segment in (TRAIN, CALIBRATE)]
    scores = score_last_bars(model, windows[1])
    for task in config.tasks:
        rows = [baseline_rows(part, task.name) for part in windows]
        line = Line.fit(*rows, len(task.classes))
        assert line.columns == [data.feature_names.index(name) for name in DIRECT]
        np.testing.assert_allclose(scores.tasks[task.name].probabilities, line.predict(rows[1]), atol=1e-5)


def test_losses_by_scale_are_cross_entropies_of_the_scaled_sum():
    rng = np.random.default_rng(0)
    direct, rest = rng.normal(size=(2, 40, 3))
    labels = rng.integers(0, 3, 40)
    losses = losses_by_scale(torch.tensor(direct), torch.tensor(rest), torch.tensor(labels))
    for index, scale in enumerate(SCALES.tolist()):
        expected = -np.log(softmax(direct + scale * rest, axis=1)[np.arange(40), labels])
        np.testing.assert_allclose(losses[index], expected, rtol=1e-5)


def _with_part(data, config, gain: float, seed: int = 0):
    """A model whose transformer part adds `gain` to the true class of planted rule f0, or to noise."""
    model = build_model(data, config).eval()
    start_at_lines(model, data, config)
    torch.manual_seed(seed)
    for head in model.heads.values():
        torch.nn.init.normal_(head.logits.weight, std=gain)
    return model


def test_a_transformer_part_of_noise_is_not_taken_and_one_scale_holds_for_all_members(data):
    config = _config()
    ensemble = MarketEnsemble([_with_part(data, config, 1.0, seed) for seed in range(2)]).eval()
    scales = fit_scales(ensemble, stopping_windows(data, config), span=1)
    for task, scale in scales.items():
        assert 0 <= scale < 0.3
        assert [float(member.heads[task].scale) for member in ensemble.members] == pytest.approx([scale] * 2)


def test_a_part_that_knows_what_the_line_does_not_is_taken_nearly_whole(data):
    config = _config()
    task = config.tasks[0].name
    model = build_model(data, config).eval()
    start_at_lines(model, data, config)
    path = model.heads[task].direct
    weight, bias = path.weight.clone(), path.bias.clone()
    # The line loses what it knew; the head's own logits say it instead.
    path.weight.zero_()
    path.bias.zero_()

    class Knowing(torch.nn.Module):
        def forward(self, hidden):
            read = (self.inputs[..., path.columns] - 50) / 25
            return read @ weight.T + bias

    knowing = Knowing()
    model.heads[task].logits = knowing
    model.heads[task].register_forward_pre_hook(lambda _, args: setattr(knowing, "inputs", args[1]))
    scales = fit_scales(model, stopping_windows(data, config), span=1)
    assert scales[task] > 0.7
