import math
from typing import cast

import numpy as np
import pytest
import torch

from core.confidence.similarity import DistanceReference
from core.confidence.sources import (
    SOURCES,
    ConfidenceSources,
    attention_confidence,
    dropout_confidence,
    ensemble_confidence,
    estimate_sources,
    raw_weights,
)
from core.models.ensemble import MarketEnsemble
from core.models.heads import TaskHead
from core.models.trace import trace
from tests.core.models.small_transformer import make_model, make_windows


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


def test_several_models_count_as_much_as_the_layers_and_one_alone_not_at_all():
    layers, members = (torch.softmax(torch.randn(n, 5, 3), dim=-1) for n in (4, 3))
    both = ensemble_confidence(layers, members)
    apart = (ensemble_confidence(layers) + ensemble_confidence(members)) / 2
    torch.testing.assert_close(both, apart)
    torch.testing.assert_close(ensemble_confidence(layers, members[:1]), ensemble_confidence(layers))
    agreed, opposed = torch.full((2, 1, 2), 0.5), torch.eye(2)[:, None]
    # Layers that agree wholly, models that contradict each other wholly: half is left.
    assert ensemble_confidence(agreed, opposed).item() == pytest.approx(0.5, abs=1e-6)


def test_dropout_confidence_is_the_closed_form_of_mutual_information():
    drawn = torch.tensor([[[0.9, 0.1, 0.0]], [[0.5, 0.5, 0.0]]])
    mean = np.array([0.7, 0.3])
    entropy = -(mean * np.log(mean)).sum()
    each = [-(0.9 * math.log(0.9) + 0.1 * math.log(0.1)), math.log(2)]
    expected = 1 - (entropy - np.mean(each)) / math.log(2)
    assert dropout_confidence(drawn).item() == pytest.approx(expected, abs=1e-6)


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
            0.3 * estimate.values["attention"]
            + 0.25 * estimate.values["ensemble"]
            + 0.25 * estimate.values["similarity"]
            + 0.2 * estimate.values["mc_dropout"]
        )
        torch.testing.assert_close(estimate.raw(), expected)
    assert sum(raw_weights()) == pytest.approx(1)


def test_certain_sources_sum_to_one():
    ones = ConfidenceSources(dict.fromkeys(SOURCES, torch.ones(1)))
    assert ones.raw().item() == pytest.approx(1)


def test_members_that_contradict_each_other_lower_the_agreement_and_twins_do_not():
    one, other = make_model(), make_model()
    with torch.no_grad():
        for head in other.heads.values():
            cast(TaskHead, head).logits.weight.neg_()
    x, *context = make_windows(6)

    def agreement(model) -> torch.Tensor:
        with torch.inference_mode():
            traced = trace(model, x, *context)
            noise = np.random.default_rng(0).normal(size=(500, traced.representation.shape[-1]))
            sources, _ = estimate_sources(model, traced, DistanceReference.fit(noise, noise), passes=2)
        return torch.stack([found.values["ensemble"] for found in sources.values()])

    alone, twins = agreement(one), agreement(MarketEnsemble([one, one]).eval())
    torch.testing.assert_close(twins, (alone + 1) / 2)
    # Of one window alone the layers' mean may agree more, for opposite logits cancel.
    assert agreement(MarketEnsemble([one, other]).eval()).mean() < twins.mean() - 0.05
