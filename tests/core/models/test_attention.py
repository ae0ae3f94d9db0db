import math

import pytest
import torch

from core.models.attention import TemporalBiasedAttention, attention_bias

LENGTH, WIDTH, HEADS = 130, 32, 4


def make_attention(window, *, temporal_bias=True, dropout=0.0, seed=0):
    torch.manual_seed(seed)
    attention = TemporalBiasedAttention(WIDTH, HEADS, window, 0.1, temporal_bias, dropout)
    with torch.no_grad():
        attention.bias_scale.mul_(torch.linspace(-1, 3, HEADS))
    return attention.eval()


def make_input(seed=1):
    return torch.randn(3, LENGTH, WIDTH, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("window", [3, None])
def test_bias_is_the_scale_times_the_decay_of_age_and_minus_infinity_elsewhere(window):
    scale = torch.tensor([1.0, -0.5, 2.5])
    bias = attention_bias(7, window, 0.1, scale)
    for head, s in enumerate(scale.tolist()):
        for query in range(7):
            for key in range(7):
                age = query - key
                seen = age >= 0 and (window is None or age < window)
                expected = s * math.exp(-0.1 * age) if seen else -math.inf
                assert bias[head, query, key].item() == pytest.approx(expected, abs=1e-6)


def test_bias_of_a_query_subset_is_cut_from_the_whole():
    scale = torch.tensor([1.0, 2.0])
    whole = attention_bias(20, 6, 0.1, scale)
    part = attention_bias(20, 6, 0.1, scale, queries=slice(10, 15), keys=slice(4, 15))
    assert torch.equal(part, whole[:, 10:15, 4:15])


@pytest.mark.parametrize("window", [1, 20, 50, None])
def test_weights_are_exactly_zero_outside_the_window_and_in_the_future(window):
    _, weights = make_attention(window)(make_input(), need_weights=True)
    age = torch.arange(LENGTH)[:, None] - torch.arange(LENGTH)
    outside = (age < 0) if window is None else (age < 0) | (age >= window)
    assert torch.count_nonzero(weights[..., outside]) == 0
    assert (weights[..., ~outside] > 0).all()
    torch.testing.assert_close(weights.sum(-1), torch.ones(3, HEADS, LENGTH))


def test_without_content_the_weights_are_the_softmax_of_the_bias():
    attention = make_attention(None)
    with torch.no_grad():
        attention.query.weight.zero_()
        attention.query.bias.zero_()
    _, weights = attention(make_input(), need_weights=True)
    age = torch.arange(LENGTH - 1, -1, -1.0)
    for head in range(HEADS):
        expected = torch.softmax(attention.bias_scale[head] * torch.exp(-0.1 * age), -1)
        torch.testing.assert_close(weights[0, head, -1], expected)


@pytest.mark.filterwarnings("ignore:.*flex_attention called without torch.compile.*")
@pytest.mark.parametrize("temporal_bias", [True, False])
@pytest.mark.parametrize("window", [1, 20, 50, None])
@pytest.mark.parametrize("path", ["blocked", "sdpa", "flex"])
def test_every_fused_path_equals_the_explicit_one(path, window, temporal_bias):
    attention, x = make_attention(window, temporal_bias=temporal_bias), make_input()
    attention.path = path
    for grad in (True, False):
        with torch.set_grad_enabled(grad):
            explicit, _ = attention(x, need_weights=True)
            fused, weights = attention(x)
        assert weights is None
        torch.testing.assert_close(fused, explicit, atol=1e-5, rtol=0)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("window", [20, None])
@pytest.mark.parametrize("path", ["sdpa", "flex"])
def test_fused_paths_on_a_gpu_equal_the_explicit_one(path, window):
    attention, x = make_attention(window).cuda(), make_input().cuda()
    attention.path = path
    with torch.no_grad():
        explicit, _ = attention(x, need_weights=True)
        torch.testing.assert_close(attention(x)[0], explicit, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("path", ["blocked", "sdpa"])
def test_gradients_of_the_fused_paths_equal_the_explicit_ones_after_the_scale_has_moved(path):
    attention = make_attention(20)
    attention.path = path
    for seed in range(2):
        gradients = []
        for need_weights in (False, True):
            attention.zero_grad()
            x = make_input(seed).requires_grad_()
            attention(x, need_weights=need_weights)[0].square().mean().backward()
            gradients.append([x.grad, *(p.grad.clone() for p in attention.parameters())])
        for fused, explicit in zip(*gradients, strict=True):
            torch.testing.assert_close(fused, explicit, atol=1e-6, rtol=1e-4)
        assert attention.bias_scale.grad.abs().min() > 0
        with torch.no_grad():
            attention.bias_scale.add_(0.5)


@pytest.mark.parametrize("window", [20, None])
def test_the_last_query_alone_gives_the_last_row_of_all(window):
    attention, x = make_attention(window), make_input()
    whole, maps = attention(x, need_weights=True)
    last, weights = attention(x, last_only=True, need_weights="last")
    torch.testing.assert_close(last, whole[:, -1:], atol=1e-6, rtol=0)
    torch.testing.assert_close(weights, maps[:, :, -1], atol=1e-6, rtol=0)


def test_the_bias_cached_in_inference_mode_can_still_be_trained_through():
    attention = TemporalBiasedAttention(WIDTH, HEADS, 37, 0.073, True, 0.0)
    with torch.inference_mode():
        attention(make_input())
    attention(make_input())[0].sum().backward()
    assert torch.isfinite(attention.bias_scale.grad).all()


@pytest.mark.parametrize("need_weights", [False, True])
def test_dropout_of_weights_acts_in_training_mode_alone_and_keeps_the_mean(need_weights):
    attention, x = make_attention(20, dropout=0.5), make_input()[:1]
    torch.manual_seed(0)
    with torch.no_grad():
        expected, _ = attention(x, need_weights=need_weights)
        assert torch.equal(expected, attention(x, need_weights=need_weights)[0])
        attention.train()
        draws = torch.stack([attention(x, need_weights=need_weights)[0] for _ in range(300)])
    assert draws.std(0).min() > 0
    standard_error = draws.std(0) / math.sqrt(len(draws))
    assert ((draws.mean(0) - expected).abs() / standard_error).square().mean() < 1.3


def test_without_temporal_bias_the_scale_is_zero_and_fixed():
    attention = TemporalBiasedAttention(WIDTH, HEADS, None, 0.1, False, 0.0)
    assert not attention.bias_scale.requires_grad
    assert torch.count_nonzero(attention.bias_scale) == 0
