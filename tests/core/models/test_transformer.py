import pytest
import torch

from core.config import Config, ModelConfig
from core.errors import ConfigError, WindowError
from core.models.transformer import MarketTransformer

TASKS = Config().tasks
LENGTH, FEATURES = 90, 5


def make_model(seed=0, **changes):
    settings = {
        "sequence_length": LENGTH,
        "d_model": 32,
        "num_attention_heads": 4,
        "ffn_dim": 64,
        "windows": [20, 50, None, None],
    }
    torch.manual_seed(seed)
    return MarketTransformer(ModelConfig(**settings | changes), FEATURES, TASKS, 3, 2).eval()


def make_batch(seed=1, windows=4):
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(windows, LENGTH, FEATURES, generator=generator) * 100
    return x, torch.arange(windows) % 4, torch.arange(windows) % 3


def test_the_specified_size_has_about_3_3_million_parameters():
    config = Config().model
    model = MarketTransformer(config, 30, TASKS, 7, 2)
    d, ffn, layers = 256, 1024, 4
    encoder = layers * (4 * (d * d + d) + 2 * d * ffn + ffn + d + 2 * 2 * d + 8) + 2 * d
    embedding = 30 + 31 * d + 300 * d + 8 * d + 3 * d
    heads = 3 * (d * 128 + 128 + 128 * 64 + 64 + 64 * 3 + 3 + 64 + 1) + 64 + 1
    assert model.parameter_count() == encoder + embedding + heads
    assert 3.2e6 < model.parameter_count() < 3.45e6


def test_changing_bars_after_a_position_changes_nothing_up_to_it_bit_for_bit():
    model = make_model()
    x, instrument, timeframe = make_batch()
    for position in (0, 19, 63, 64, LENGTH - 2):
        changed = x.clone()
        changed[:, position + 1 :] = 100 - changed[:, position + 1 :]
        with torch.no_grad():
            before = model(x, instrument, timeframe, need_layers=True)
            after = model(changed, instrument, timeframe, need_layers=True)
        for first, second in zip(before.layers, after.layers, strict=True):
            for name in first:
                a, b = first[name].logits, second[name].logits
                assert torch.equal(a[:, : position + 1], b[:, : position + 1])
                assert not torch.equal(a[:, position + 1 :], b[:, position + 1 :])
        assert torch.equal(before.representation[:, : position + 1], after.representation[:, : position + 1])


@pytest.mark.parametrize("windows", [[20], [20, 50, None, None]])
def test_the_last_bar_alone_gives_the_last_position_of_all(windows):
    model, batch = make_model(windows=windows), make_batch()
    with torch.inference_mode():
        whole = model(*batch, need_layers=True, need_attention="full")
        last = model(*batch, last_only=True, need_layers=True, need_attention="last")
        both = model(*batch, last_only=True, need_attention="full")
    torch.testing.assert_close(last.representation, whole.representation[:, -1:], atol=1e-5, rtol=0)
    torch.testing.assert_close(both.representation, whole.representation[:, -1:], atol=1e-5, rtol=0)
    for few, many in zip(last.layers, whole.layers, strict=True):
        for name in many:
            for field in ("logits", "confidence_logit", "intensity"):
                expected = getattr(many[name].at(slice(-1, None)), field)
                if expected is None:
                    assert getattr(few[name], field) is None
                else:
                    torch.testing.assert_close(getattr(few[name], field), expected, atol=1e-5, rtol=0)
    assert len(last.attention) == len(whole.attention) == len(both.attention) == len(windows)
    for row, full, same in zip(last.attention, whole.attention, both.attention, strict=True):
        assert full.shape == (4, 4, LENGTH, LENGTH)
        torch.testing.assert_close(row, full[:, :, -1], atol=1e-6, rtol=0)
        assert torch.equal(same, full)


def test_asking_for_attention_leaves_the_predictions_as_they_are():
    model, batch = make_model(), make_batch()
    with torch.inference_mode():
        plain = model(*batch)
        assert plain.attention == []
        assert plain.layers == []
        for need in ("last", "full"):
            asked = model(*batch, need_attention=need)
            for name, head in plain.tasks.items():
                torch.testing.assert_close(asked.tasks[name].logits, head.logits, atol=1e-5, rtol=0)


def test_layers_are_the_heads_on_each_normed_layer_and_end_with_the_prediction():
    model, batch = make_model(), make_batch()
    with torch.inference_mode():
        output = model(*batch, need_layers=True)
        states = model.encode(model.embed(*batch)).layers
        assert len(output.layers) == 4
        assert output.layers[-1] is output.tasks
        for state, heads in zip(states, output.layers, strict=True):
            for name, head in heads.items():
                expected = model.heads[name](model.final_norm(state)).logits
                assert torch.equal(head.logits, expected)


def test_instrument_timeframe_and_order_of_bars_matter():
    model, (x, instrument, timeframe) = make_model(), make_batch()
    with torch.inference_mode():
        base = model(x, instrument, timeframe).representation
        assert not torch.equal(model(x, (instrument + 1) % 4, timeframe).representation, base)
        assert not torch.equal(model(x, instrument, (timeframe + 1) % 3).representation, base)
        flipped = model(x.flip(1), instrument, timeframe).representation.flip(1)
    assert (flipped - base).abs().max() > 1e-3


def test_training_hides_the_stated_share_of_instruments_and_timeframes_independently():
    model = make_model(embedding_dropout=0.25, dropout=0.0).train()
    with torch.no_grad():
        model.instrument.weight.zero_()
        model.timeframe.weight.zero_()
        model.instrument.weight[1, 0] = 1.0
        model.timeframe.weight[1, 1] = 1.0
    windows = 4000
    x = torch.full((windows, LENGTH, FEATURES), 50.0)
    ones = torch.ones(windows, dtype=torch.int64)
    torch.manual_seed(0)
    with torch.no_grad():
        shift = model.embed(x, ones, ones)[:, 0] - model.projection.bias - model.position[0]
    shown = shift[:, :2].round()
    assert shown[:, 0].mean().item() == pytest.approx(0.75, abs=0.04)
    assert shown[:, 1].mean().item() == pytest.approx(0.75, abs=0.04)
    assert shown.prod(1).mean().item() == pytest.approx(0.75**2, abs=0.04)


def test_importance_is_the_gate_times_the_length_of_the_projection_column():
    model = make_model()
    with torch.no_grad():
        model.gate[2] = -0.5
        model.gate[3] = 0.0
    columns = model.projection.weight.square().sum(0).sqrt()
    expected = torch.stack([columns[0], columns[1], columns[2] / 2, torch.tensor(0.0), columns[4]])
    torch.testing.assert_close(model.feature_importance(), expected.detach())


def test_a_closed_gate_hides_its_feature():
    model, (x, instrument, timeframe) = make_model(), make_batch()
    with torch.no_grad():
        model.gate[1] = 0.0
        changed = x.clone()
        changed[..., 1] = 0.0
        same = model(changed, instrument, timeframe).representation
        assert torch.equal(same, model(x, instrument, timeframe).representation)


def test_without_a_gate_the_features_pass_and_nothing_is_learned_there():
    gated, plain = make_model(), make_model(feature_gate=False)
    assert gated.parameter_count() - plain.parameter_count() == FEATURES
    with torch.inference_mode():
        a, b = gated(*make_batch()).representation, plain(*make_batch()).representation
    assert torch.equal(a, b)


def test_bias_scales_start_at_one_and_are_zero_without_the_bias():
    assert torch.equal(make_model().bias_scales(), torch.ones(4, 4))
    assert torch.equal(make_model(temporal_bias=False).bias_scales(), torch.zeros(4, 4))


@pytest.mark.parametrize("shape", [(2, LENGTH - 1, FEATURES), (2, LENGTH, FEATURES + 1), (LENGTH, FEATURES)])
def test_a_window_of_another_shape_is_refused_with_both_shapes(shape):
    index = torch.zeros(2, dtype=torch.int64)
    with pytest.raises(WindowError, match=rf"{LENGTH} bars, {FEATURES} features.*shape \({shape[0]}"):
        make_model()(torch.zeros(shape), index, index)


@pytest.mark.parametrize("name", ["up.down", "keys"])
def test_a_task_name_that_cannot_name_weights_is_refused(name):
    task = TASKS[0].model_copy(update={"name": name})
    with pytest.raises(ConfigError, match="rename the task"):
        MarketTransformer(Config().model, 3, [task], 1, 1)


def test_without_an_instrument_embedding_every_instrument_is_read_alike():
    model = make_model(instrument_embedding=False)
    x, instrument, timeframe = make_batch()
    with torch.inference_mode():
        said = [model(x, index, timeframe).representation for index in (instrument, instrument * 0)]
        other = model(x, instrument, (timeframe + 1) % 3).representation
    assert torch.equal(*said)
    assert not torch.equal(said[0], other)
    assert not any(name.startswith("instrument") for name in model.state_dict())
