import torch

from core.models.trace import trace
from tests.core.models.small_transformer import make_model, make_windows


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
