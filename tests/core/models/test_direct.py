"""The direct path: linear, exact, and the whole of what an untrained model says."""

from __future__ import annotations

import numpy as np
import torch

from core.config import ModelConfig, TaskConfig
from core.models.direct import DirectPath
from core.models.ensemble import MarketEnsemble
from core.models.trace import trace
from core.models.transformer import MarketTransformer

TASKS = [
    TaskConfig(name="direction", classes=["Up", "Down", "Flat"], label="direction"),
    TaskConfig(name="volatility", classes=["Low", "Mid", "High"], label="volatility", intensity=True),
]
CONFIG = ModelConfig(
    sequence_length=24, d_model=16, num_attention_heads=2, ffn_dim=32, windows=[5, None], dropout=0.2
)
COLUMNS = {"volatility": [1, 4]}


def make_model(seed: int = 0, trained: bool = True) -> MarketTransformer:
    torch.manual_seed(seed)
    model = MarketTransformer(CONFIG, 6, TASKS, 2, 1, COLUMNS).eval()
    generator = torch.Generator().manual_seed(99)
    path = model.heads["volatility"].direct
    path.set_line(torch.randn(3, 2, generator=generator) / 20, torch.randn(3, generator=generator))
    if trained:
        torch.nn.init.normal_(model.heads["volatility"].logits.weight)
    return model


def make_batch(count: int = 3):
    generator = torch.Generator().manual_seed(1)
    x = 100 * torch.rand(count, 24, 6, generator=generator)
    return x, torch.ones(count, dtype=torch.int64), torch.ones(count, dtype=torch.int64)


def test_a_line_on_the_0_to_100_scale_comes_back_as_its_own_probabilities():
    path = DirectPath([1, 4], 3)
    weights, intercept = torch.randn(3, 2) / 20, torch.randn(3)
    path.set_line(weights, intercept)
    x = 100 * torch.rand(50, 6)
    expected = torch.softmax(x[:, [1, 4]] @ weights.T + intercept, -1)
    torch.testing.assert_close(torch.softmax(path(x), -1), expected, atol=1e-5, rtol=0)


def test_before_training_a_model_says_exactly_what_its_line_says_at_every_layer():
    model, (x, *context) = make_model(trained=False), make_batch()
    with torch.inference_mode():
        output = model(x, *context, need_layers=True)
        line = model.heads["volatility"].direct(x)
    for layer in output.layers:
        assert torch.equal(layer["volatility"].logits, line)
        assert layer["direction"].direct is None


def test_direct_part_and_transformer_part_add_up_to_every_logit():
    model, (x, *context) = make_model(), make_batch()
    head = model.heads["volatility"]
    with torch.inference_mode():
        output = model(x, *context)
        own = head.logits(head.hidden(output.representation))
    said = output.tasks["volatility"]
    torch.testing.assert_close(said.direct + own, said.logits)
    torch.testing.assert_close(said.direct, head.direct(x))


def test_the_scale_moves_the_transformers_part_alone():
    model, (x, *context) = make_model(), make_batch()
    with torch.inference_mode():
        whole = model(x, *context).tasks["volatility"]
        model.heads["volatility"].scale.fill_(0.25)
        quarter = model(x, *context).tasks["volatility"]
        model.heads["volatility"].scale.fill_(0.0)
        none = model(x, *context).tasks["volatility"]
    assert torch.equal(whole.direct, quarter.direct)
    torch.testing.assert_close(quarter.logits - quarter.direct, (whole.logits - whole.direct) / 4)
    assert torch.equal(none.logits, none.direct)


def test_only_the_bars_own_listed_inputs_reach_the_direct_part():
    model, (x, *context) = make_model(), make_batch()
    x.requires_grad_()
    said = model(x, *context, last_only=True).tasks["volatility"]
    (gradient,) = torch.autograd.grad(said.direct.sum(), x)
    assert (gradient[:, -1, [1, 4]] != 0).all()
    gradient[:, -1, [1, 4]] = 0
    assert (gradient == 0).all()


def test_attributions_of_the_whole_logit_are_complete_direct_path_included():
    model, (x, *context) = make_model(), make_batch(1)
    start = torch.full_like(x, 50.0)
    total = torch.zeros_like(x)
    steps = 256
    for step in range(steps):
        point = (start + (step + 0.5) / steps * (x - start)).requires_grad_()
        logit = model(point, *context, last_only=True).tasks["volatility"].logits[0, 0, 2]
        total += torch.autograd.grad(logit, point)[0] * (x - start) / steps
    with torch.inference_mode():
        ends = [
            model(one, *context, last_only=True).tasks["volatility"].logits[0, 0, 2] for one in (x, start)
        ]
    assert abs(total.sum() - (ends[0] - ends[1])) < 0.01 * abs(ends[0] - ends[1])


def test_training_moves_the_transformer_and_never_the_line():
    model, (x, *context) = make_model(trained=False), make_batch()
    model.train()
    path = model.heads["volatility"].direct
    before = path.weight.clone(), path.bias.clone()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01, weight_decay=0.5)
    for _ in range(3):
        loss = torch.nn.functional.cross_entropy(
            model(x, *context).tasks["volatility"].logits.flatten(0, 1), torch.zeros(72, dtype=torch.int64)
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert torch.equal(path.weight, before[0])
    assert torch.equal(path.bias, before[1])
    with torch.inference_mode():
        said = model.eval()(x, *context).tasks["volatility"]
    assert (said.logits != said.direct).any()


def test_an_ensemble_says_the_mean_logit_and_puts_heads_and_representations_side_by_side():
    members = [make_model(seed) for seed in range(3)]
    ensemble, (x, *context) = MarketEnsemble(members).eval(), make_batch()
    with torch.inference_mode():
        whole = ensemble(x, *context, need_layers=True, need_attention="full")
        single = [member(x, *context, need_layers=True, need_attention="full") for member in members]
    for task in ("direction", "volatility"):
        logits = torch.stack([one.tasks[task].logits for one in single]).mean(0)
        torch.testing.assert_close(whole.tasks[task].logits, logits)
        for layer in range(2):
            mean = torch.stack([one.layers[layer][task].logits for one in single]).mean(0)
            torch.testing.assert_close(whole.layers[layer][task].logits, mean)
    # The line is the same in all, so its mean is itself.
    torch.testing.assert_close(whole.tasks["volatility"].direct, single[0].tasks["volatility"].direct)
    assert whole.representation.shape == (3, 24, 48)
    assert whole.attention[0].shape == (3, 6, 24, 24)
    torch.testing.assert_close(whole.attention[1][:, 2:4], single[1].attention[1])
    assert ensemble.bias_scales().shape == (2, 6)
    assert ensemble.parameter_count() == 3 * members[0].parameter_count()


def test_a_trace_of_an_ensemble_is_its_forward():
    ensemble, (x, *context) = MarketEnsemble([make_model(seed) for seed in range(2)]).eval(), make_batch()
    with torch.inference_mode():
        traced = trace(ensemble, x, *context)
        output = ensemble(x, *context, last_only=True, need_layers=True, need_attention="last")
    for layer, expected in zip(traced.layers, output.layers, strict=True):
        for task, head in layer.items():
            np.testing.assert_allclose(head.logits, expected[task].logits, atol=1e-5)
    np.testing.assert_allclose(traced.representation, output.representation, atol=1e-5)
    for weights, expected in zip(traced.attention, output.attention, strict=True):
        np.testing.assert_allclose(weights, expected, atol=1e-6)
