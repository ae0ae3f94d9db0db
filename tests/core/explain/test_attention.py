from copy import deepcopy

import numpy as np
import pytest
import torch

from core.errors import InputError
from core.explain.attention import (
    age_groups,
    age_profile,
    class_relevance,
    compare_moments,
    full_attention,
    group_by_age,
    rollout,
    share_within,
    summarise_heads,
)
from core.explain.margin import TaskMargin, evaluate
from core.models.ensemble import MarketEnsemble

T = 12


def causal_rows(layers=2, heads=3, bars=T, seed=0):
    weights = np.tril(np.random.default_rng(seed).uniform(0.1, 1, (layers, heads, bars, bars)))
    return weights / weights.sum(-1, keepdims=True)


def fixed_age(age, layers=2, heads=1, bars=T):
    """Every bar attends the bar `age` before it (the oldest bar where there is none)."""
    weights = np.zeros((layers, heads, bars, bars))
    for bar in range(bars):
        weights[:, :, bar, max(bar - age, 0)] = 1
    return weights


def test_rollout_keeps_rows_at_one_and_never_reads_the_future():
    flow = rollout(causal_rows())
    np.testing.assert_allclose(flow.sum(1), 1)
    assert np.abs(np.triu(flow, 1)).max() == 0


def test_rollout_of_one_layer_is_half_attention_half_self():
    weights = causal_rows(layers=1)
    np.testing.assert_allclose(rollout(weights), weights[0].mean(0) / 2 + np.eye(T) / 2)


def test_rollout_of_two_shifts_is_binomial():
    flow = rollout(fixed_age(1, layers=2))[-1]
    np.testing.assert_allclose(flow[-3:], [0.25, 0.5, 0.25])


def test_everything_in_place_leaves_every_bar_to_itself():
    np.testing.assert_array_equal(rollout(causal_rows(), residual=1.0), np.eye(T))


def test_uniform_attention_has_full_entropy_and_one_bar_none():
    uniform = np.tril(np.ones((1, 1, T, T)))
    uniform /= uniform.sum(-1, keepdims=True)
    summary = summarise_heads(uniform, [None])
    assert summary.entropy[0, 0] == pytest.approx(1)
    assert summary.mean_age[0, 0] == pytest.approx((T - 1) / 2)
    single = summarise_heads(fixed_age(4), [None, None])
    np.testing.assert_allclose(single.entropy, 0, atol=1e-12)
    np.testing.assert_allclose(single.mean_age, 4)
    assert (single.peak_age == 4).all()
    assert single.kind == (("global",), ("global",))


@pytest.mark.parametrize("window", [6, 60])
def test_even_attention_is_diffuse_in_a_window_of_any_size(window):
    weights = np.tril(np.triu(np.ones((1, 1, 60, 60)), 1 - window))
    weights /= weights.sum(-1, keepdims=True)
    assert summarise_heads(weights, [window]).kind == (("diffuse",),)


def test_a_head_is_local_by_what_its_layer_may_see():
    weights = fixed_age(4, layers=2, bars=60)
    assert summarise_heads(weights, [None, 6]).kind == (("local",), ("global",))
    itself = fixed_age(0, layers=1, bars=60)
    assert summarise_heads(itself, [6]).kind == (("local",),)


def test_entropy_is_relative_to_what_the_layer_may_see():
    weights = np.zeros((1, 1, T, T))
    for bar in range(T):
        weights[0, 0, bar, max(0, bar - 3) : bar + 1] = 1 / min(4, bar + 1)
    assert summarise_heads(weights, [4]).entropy[0, 0] == pytest.approx(1)
    assert summarise_heads(weights, [None]).entropy[0, 0] == pytest.approx(np.log(4) / np.log(T))


def test_shares_count_back_from_the_bar_that_looks():
    row = np.array([0.1, 0.2, 0.3, 0.4, 0.0])
    assert share_within(row, 3, 1) == pytest.approx(0.4)
    assert share_within(row, 3, 2) == pytest.approx(0.7)
    assert share_within(row, 3, 50) == pytest.approx(1.0)
    assert share_within(np.zeros(5), 3, 2) == 0.0


def test_share_within_a_span_counts_the_bar_itself():
    weights = fixed_age(20, layers=1, bars=60)
    summary = summarise_heads(weights, [None])
    assert summary.share_within[20][0, 0] == 0
    assert summary.share_within[50][0, 0] == 1
    assert summary.share_within[300][0, 0] == 1


def test_age_profile_turns_a_row_around():
    weights = causal_rows()
    profile = age_profile(weights, 5)
    np.testing.assert_array_equal(profile[..., 0], weights[:, :, 5, 5])
    np.testing.assert_array_equal(profile[..., 5], weights[:, :, 5, 0])
    assert np.abs(profile[..., 6:]).max() == 0


def test_moments_that_attend_alike_do_not_differ_and_disjoint_ones_differ_wholly():
    weights = causal_rows()
    assert np.abs(compare_moments(weights, weights).difference).max() == 0
    same_age = compare_moments(fixed_age(2), fixed_age(2), first_query=5, second_query=10)
    np.testing.assert_array_equal(same_age.distance, 0)
    apart = compare_moments(fixed_age(2), fixed_age(5))
    np.testing.assert_array_equal(apart.distance, 1)
    np.testing.assert_array_equal(apart.mean_age[1] - apart.mean_age[0], 3)


def test_a_bar_one_older_within_its_age_group_counts_as_the_same_place():
    shifted = compare_moments(fixed_age(6, bars=60), fixed_age(7, bars=60))
    np.testing.assert_array_equal(shifted.distance, 1)
    np.testing.assert_array_equal(shifted.group_distance, 0)
    across = compare_moments(fixed_age(9, bars=60), fixed_age(10, bars=60))
    np.testing.assert_array_equal(across.group_distance, 1)
    mixed = compare_moments(causal_rows(bars=60), causal_rows(bars=60, seed=1))
    assert (mixed.group_distance <= mixed.distance).all()


@pytest.mark.parametrize("bars", [1, 5, 12, 201, 300])
def test_age_groups_cover_every_age_once(bars):
    ages = [age for first, last in age_groups(bars) for age in range(first, last + 1)]
    assert ages == list(range(bars))
    counted = group_by_age(np.ones(bars))
    np.testing.assert_array_equal(counted, [last - first + 1 for first, last in age_groups(bars)])


def test_maps_of_another_shape_are_refused():
    with pytest.raises(InputError, match="layers, heads"):
        rollout(np.zeros((3, 4, 4)))
    with pytest.raises(InputError, match="a bar from 0"):
        age_profile(causal_rows(), T)


def test_full_attention_of_the_model_is_causal_and_sums_to_one(margin, market_window):
    weights = full_attention(margin, market_window)
    assert weights.shape == (3, 2, 40, 40)
    np.testing.assert_allclose(weights.sum(-1), 1, atol=1e-5)
    assert np.abs(np.triu(weights, 1)).max() == 0


def test_class_relevance_looks_only_back_and_leaves_no_gradients(margin, market_window):
    relevance = class_relevance(margin, market_window)
    assert relevance.by_bar.shape == (40,)
    assert relevance.by_bar.min() >= 0
    assert relevance.by_bar.max() > 0
    assert np.abs(np.triu(relevance.matrix, 1)).max() == 0
    assert relevance.by_head.shape == (3, 2)
    assert all(parameter.grad is None for parameter in margin.parameters())


def test_class_relevance_of_alike_members_is_that_of_one(margin, market_window):
    pair = MarketEnsemble([margin.model, deepcopy(margin.model)])
    both = TaskMargin(pair, margin.task, margin.target, margin.classes, *margin.context)
    alone, together = class_relevance(margin, market_window), class_relevance(both, market_window)
    np.testing.assert_allclose(together.matrix, alone.matrix, rtol=1e-4, atol=1e-9)
    np.testing.assert_allclose(together.by_head, np.hstack([alone.by_head] * 2), rtol=1e-4, atol=1e-9)


def test_class_relevance_of_one_layer_is_the_positive_part_of_effect_times_attention(market_window):
    from core.config import ModelConfig, TaskConfig
    from core.explain.margin import TaskMargin
    from core.models.transformer import MarketTransformer

    torch.manual_seed(0)
    config = ModelConfig(sequence_length=40, d_model=8, num_attention_heads=1, ffn_dim=16, windows=[None])
    tasks = [TaskConfig(name="direction", classes=["x", "y"], label="direction")]
    single = TaskMargin(MarketTransformer(config, 5, tasks, 1, 1), "direction", "x", ("x", "y"))
    weights = full_attention(single, market_window)[0, 0, -1]
    attention = single.model.blocks[0].attention
    step = 1e-2
    effects = []
    original = attention._weights
    before = evaluate_full(single, market_window)
    for bar in (0, 20, 39):

        def nudged(query, key, bar=bar):
            changed = original(query, key).clone()
            changed[:, :, -1, bar] += step
            return changed

        attention._weights = nudged
        effects.append((evaluate_full(single, market_window) - before) / step)
        attention._weights = original
    expected = np.maximum(np.array(effects) * weights[[0, 20, 39]], 0)
    np.testing.assert_allclose(
        class_relevance(single, market_window).by_bar[[0, 20, 39]], expected, rtol=0.1, atol=1e-5
    )
    assert evaluate(single, market_window[None])[0] == pytest.approx(before, abs=1e-5)


def evaluate_full(margin, window):
    x = torch.from_numpy(window)[None]
    with torch.no_grad():
        return margin.read(margin.model(x, *margin.indices(1, x.device), need_attention="full")).item()
