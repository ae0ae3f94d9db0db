import pytest
import torch

import core.models.attention
from core.confidence.mc_dropout import draw_masks, redraw_everything, redraw_recent_bars
from core.confidence.sources import dropout_confidence
from core.models.dropout import Dropout
from core.models.trace import trace
from tests.core.models.small_transformer import LENGTH, make_model, make_windows


@pytest.mark.parametrize("bars", [1, 6, LENGTH, 10 * LENGTH])
def test_without_dropout_every_pass_repeats_the_prediction_and_confidence_is_full(bars):
    model = make_model(dropout=0.0)
    x, instrument, timeframe = make_windows(3)
    with torch.inference_mode():
        traced = trace(model, x, instrument, timeframe)
        drawn = redraw_recent_bars(model, traced, passes=4, bars=bars)
        output = model(x, instrument, timeframe, last_only=True)
    for name, head in output.tasks.items():
        torch.testing.assert_close(drawn[name][2], head.probabilities[:, 0], atol=1e-5, rtol=0)
        assert torch.equal(dropout_confidence(drawn[name]), torch.ones(3))


@pytest.mark.parametrize("layer_kinds", ["windowed", "whole"])
def test_redrawing_every_bar_is_the_models_own_forward_under_the_same_masks(monkeypatch, layer_kinds):
    windows = [4, 8, None, None] if layer_kinds == "windowed" else [None] * 4
    model = make_model(windows=windows)
    x, instrument, timeframe = make_windows(2)
    passes, used = 3, []

    def drawn_masks(shapes, passes, rate, seed, device):
        used.extend(draw_masks(shapes, passes, rate, seed, device))
        return tuple(used)

    monkeypatch.setattr("core.confidence.mc_dropout.draw_masks", drawn_masks)
    with torch.inference_mode():
        cheap = redraw_recent_bars(model, trace(model, x, instrument, timeframe), passes, bars=LENGTH)
        for number in range(passes):
            masks = iter(used)

            def drop(values, *_, number=number, masks=masks):
                return values * next(masks)[number]

            monkeypatch.setattr(core.models.attention, "drop", drop)
            monkeypatch.setattr(Dropout, "forward", lambda self, values, drop=drop: drop(values))
            hidden = model.embed(x, instrument, timeframe)
            for index, block in enumerate(model.blocks):
                # The explicit path, the only one that drops attention weights before their product.
                hidden, _ = block(hidden, last_only=index == 3, need_weights=True)
            heads = model.read(model.final_norm(hidden[:, -1]), x[:, -1])
            for name, head in heads.items():
                torch.testing.assert_close(cheap[name][number], head.probabilities, atol=2e-6, rtol=0)


def test_masks_keep_the_stated_share_and_the_mean():
    shapes = ((1, 40, 50), (1, 64))
    first, second = draw_masks(shapes, 32, 0.3, 7, torch.device("cpu"))
    assert first.shape == (32, 1, 40, 50)
    assert second.shape == (32, 1, 64)
    assert (first == 0).float().mean().item() == pytest.approx(0.3, abs=0.01)
    assert first.mean().item() == pytest.approx(1, abs=0.02)
    other, _ = draw_masks(shapes, 32, 0.3, 8, torch.device("cpu"))
    assert not torch.equal(first, other)


def test_more_bars_meet_more_masks():
    model = make_model()
    x, instrument, timeframe = make_windows(3)
    with torch.inference_mode():
        traced = trace(model, x, instrument, timeframe)
        one, six = (redraw_recent_bars(model, traced, passes=8, bars=bars)["direction"] for bars in (1, 6))
    assert (one - six).abs().max() > 1e-4


@pytest.mark.parametrize("bars", [1, 6])
def test_redrawing_is_repeatable_and_a_window_scores_alone_as_in_a_batch(bars):
    model = make_model()
    x, instrument, timeframe = make_windows(4)
    with torch.inference_mode():
        batch = redraw_recent_bars(model, trace(model, x, instrument, timeframe), bars=bars)
        again = redraw_recent_bars(model, trace(model, x, instrument, timeframe), bars=bars)
        alone = redraw_recent_bars(model, trace(model, x[2:3], instrument[:1], timeframe[:1]), bars=bars)
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
