import math

import numpy as np
import pytest
import torch

from core.config import Config, ModelConfig
from core.models.confidence import (
    RAW_WEIGHTS,
    ConfidenceSources,
    attention_confidence,
    dropout_confidence,
    ensemble_confidence,
    estimate_sources,
    redraw_everything,
    redraw_last_bar,
    trace,
)
from core.models.similarity import DistanceReference
from core.models.transformer import MarketTransformer

LENGTH, FEATURES = 24, 5


def make_model(dropout: float = 0.1) -> MarketTransformer:
    torch.manual_seed(3)
    config = ModelConfig(
        sequence_length=LENGTH,
        d_model=32,
        num_attention_heads=4,
        ffn_dim=64,
        dropout=dropout,
        windows=[4, 8, None, None],
    )
    model = MarketTransformer(config, FEATURES, Config().tasks, 2, 1).eval()
    with torch.no_grad():
        for head in model.heads.values():
            head.logits.weight.mul_(20)
    return model


def make_windows(count: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(5)
    x = 100 * torch.rand(count, LENGTH, FEATURES, generator=generator)
    return x, torch.ones(count, dtype=torch.long), torch.ones(count, dtype=torch.long)


def test_one_attended_bar_is_full_attention_confidence():
    weights = torch.zeros(1, 2, 10)
    weights[..., 7] = 1
    assert attention_confidence([weights, weights], [4, None]).item() == 1


@pytest.mark.parametrize("window", [4, None])
def test_uniform_attention_is_no_attention_confidence(window):
    visible = window or 10
    weights = torch.zeros(1, 3, 10)
    weights[..., 10 - visible :] = 1 / visible
    assert attention_confidence([weights], [window]).item() == pytest.approx(0, abs=1e-6)


def test_attention_confidence_is_normalised_by_the_keys_a_layer_may_see():
    weights = torch.zeros(1, 1, 300)
    weights[..., -10:] = 0.1
    narrow = attention_confidence([weights], [20]).item()
    wide = attention_confidence([weights], [None]).item()
    assert narrow == pytest.approx(1 - math.log(10) / math.log(20), abs=1e-6)
    assert wide == pytest.approx(1 - math.log(10) / math.log(300), abs=1e-6)


def test_equal_layers_agree_fully_and_opposed_layers_not_at_all():
    same = torch.tensor([[[0.7, 0.2, 0.1]]] * 4)
    opposed = torch.eye(3)[:, None]
    assert ensemble_confidence(same).item() == pytest.approx(1, abs=1e-6)
    assert ensemble_confidence(opposed).item() == pytest.approx(0, abs=1e-6)


def test_dropout_confidence_is_the_closed_form_of_mutual_information():
    drawn = torch.tensor([[[0.9, 0.1, 0.0]], [[0.5, 0.5, 0.0]]])
    mean = np.array([0.7, 0.3])
    entropy = -(mean * np.log(mean)).sum()
    each = [-(0.9 * math.log(0.9) + 0.1 * math.log(0.1)), math.log(2)]
    expected = 1 - (entropy - np.mean(each)) / math.log(2)
    assert dropout_confidence(drawn).item() == pytest.approx(expected, abs=1e-6)


def test_without_dropout_every_pass_repeats_the_prediction_and_confidence_is_full():
    model = make_model(dropout=0.0)
    x, instrument, timeframe = make_windows(3)
    with torch.inference_mode():
        traced = trace(model, x, instrument, timeframe)
        drawn = redraw_last_bar(model, traced, passes=4)
        output = model(x, instrument, timeframe, last_only=True)
    for name, head in output.tasks.items():
        torch.testing.assert_close(drawn[name][2], head.probabilities[:, 0], atol=1e-5, rtol=0)
        torch.testing.assert_close(dropout_confidence(drawn[name]), torch.ones(3), atol=1e-5, rtol=0)


def test_trace_is_the_models_own_forward():
    model = make_model()
    x, instrument, timeframe = make_windows(2)
    with torch.inference_mode():
        traced = trace(model, x, instrument, timeframe)
        output = model(x, instrument, timeframe, last_only=True, need_layers=True, need_attention="last")
    torch.testing.assert_close(traced.representation, output.representation, atol=1e-5, rtol=0)
    for mine, theirs in zip(traced.attention, output.attention, strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-6, rtol=0)
    for mine, theirs in zip(traced.layers, output.layers, strict=True):
        torch.testing.assert_close(mine["regime"].logits, theirs["regime"].logits, atol=1e-5, rtol=0)


def test_redrawing_is_repeatable_and_a_window_scores_alone_as_in_a_batch():
    model = make_model()
    x, instrument, timeframe = make_windows(4)
    with torch.inference_mode():
        batch = redraw_last_bar(model, trace(model, x, instrument, timeframe))
        again = redraw_last_bar(model, trace(model, x, instrument, timeframe))
        alone = redraw_last_bar(model, trace(model, x[2:3], instrument[:1], timeframe[:1]))
    for name in batch:
        assert torch.equal(batch[name], again[name])
        torch.testing.assert_close(batch[name][:, 2:3], alone[name], atol=1e-5, rtol=0)
        assert batch[name].std(0).max() > 1e-3


def test_full_passes_leave_the_model_as_it_was():
    model = make_model()
    x, instrument, timeframe = make_windows(2)
    with torch.inference_mode():
        before = model(x, instrument, timeframe).representation
        drawn = redraw_everything(model, x, instrument, timeframe, passes=8)
        after = model(x, instrument, timeframe).representation
    assert not any(module.training for module in model.modules())
    assert torch.equal(before, after)
    assert drawn["direction"].shape == (8, 2, 3)
    assert drawn["direction"].std(0).max() > 1e-3


def test_sources_lie_in_the_unit_interval_and_raw_is_the_specified_sum():
    model = make_model()
    x, instrument, timeframe = make_windows(6)
    with torch.inference_mode():
        traced = trace(model, x, instrument, timeframe)
        representation = traced.representation[:, 0].numpy()
        noise = np.random.default_rng(0).normal(size=(500, 32))
        reference = DistanceReference.fit(noise + representation.mean(0), noise)
        sources, _ = estimate_sources(model, traced, reference)
    for estimate in sources.values():
        stacked = estimate.stacked()
        assert stacked.shape == (6, 4)
        assert ((stacked >= 0) & (stacked <= 1)).all()
        expected = (
            0.3 * estimate.attention
            + 0.25 * estimate.ensemble
            + 0.25 * estimate.similarity
            + 0.2 * estimate.mc_dropout
        )
        torch.testing.assert_close(estimate.raw(), expected)
    assert sum(RAW_WEIGHTS) == pytest.approx(1)


def test_certain_sources_sum_to_one():
    one = torch.ones(1)
    assert ConfidenceSources(one, one, one, one).raw().item() == pytest.approx(1)
