"""One member of an ensemble is explained by itself, and the mean over the members is the whole."""

import numpy as np
import pandas as pd
import pytest
import torch

from core.data.store import BarStore
from core.errors import InputError
from core.explain.attention import rollout
from core.explain.cache import ExplanationCache
from core.explain.explanation import explain_moment, pose_question, recall_attribution
from core.explain.margin import evaluate
from core.explain.methods.settings import Settings
from core.explain.moment import Moment
from core.models.ensemble import choose_member, list_members
from core.predictor import Predictor

AT = pd.Timestamp("2009-06-05", tz="UTC")
QUICK = Settings(first_steps=4, max_steps=8, tolerance=1.0)


@pytest.fixture(scope="module")
def moment(walks, pair_bundle, tmp_path_factory):
    store = BarStore(tmp_path_factory.mktemp("members"))
    for bars in walks.values():
        store.upsert(bars)
    return Moment.at(Predictor(pair_bundle, store), "AAA", "1d", AT)


def ask(moment, member, **named):
    chosen = {"method": "gradient_times_input", "reference": "window_mean", "settings": QUICK} | named
    return pose_question(moment, None, task="direction", target="Bullish", member=member, **chosen)


def test_the_whole_models_logits_are_the_mean_of_the_members(moment):
    x = torch.from_numpy(moment.features)[None]
    whole, *own = (moment.margin("direction", "Bullish", m).logits(x) for m in (None, 1, 2))
    torch.testing.assert_close(whole, torch.stack(own).mean(0))
    assert not torch.allclose(*own)


def test_a_members_attention_is_that_of_its_own_heads(moment):
    maps = moment.predictor.attention("AAA", "1d", AT)
    own = [maps.of_member(member) for member in (1, 2)]
    assert [one.members for one in own] == [1, 1]
    np.testing.assert_array_equal(np.concatenate([one.weights for one in own], 1), maps.weights)
    np.testing.assert_array_equal(np.concatenate([one.bias_scale for one in own], 1), maps.bias_scale)
    assert maps.of_member(None) is maps
    for member, one in enumerate(own, start=1):
        last = one.weights[:, :, -1].mean((0, 1))
        np.testing.assert_allclose(moment.last_attention(member), last, atol=1e-5)
    with pytest.raises(ValueError, match="a member from 1 to 2"):
        maps.of_member(3)


def test_each_member_is_explained_by_what_it_says_itself(moment):
    values = [explain_moment(moment, ask(moment, member)) for member in (None, 1, 2)]
    outputs = [
        evaluate(moment.margin("direction", "Bullish", m), moment.features[None])[0] for m in (None, 1, 2)
    ]
    assert [found.output for found in values] == pytest.approx(outputs)
    assert len({round(float(found.output), 4) for found in values}) == 3


def test_members_are_kept_apart_on_disk(moment, tmp_path):
    cache = ExplanationCache(tmp_path)
    kept = {member: explain_moment(moment, ask(moment, member), cache) for member in (None, 1, 2)}
    for member, found in kept.items():
        read = recall_attribution(moment, ask(moment, member), cache)
        assert read is not None
        np.testing.assert_array_equal(read.values, found.values)


def test_members_are_compared_with_the_same_windows(moment):
    found = [explain_moment(moment, ask(moment, member, reference="ordinary_windows")) for member in (1, 2)]
    assert found[0].reference_windows == found[1].reference_windows
    assert found[0].reference_distance == found[1].reference_distance
    assert found[0].reference_probability != found[1].reference_probability


@pytest.mark.parametrize("member", [0, 3, -1])
def test_a_member_that_is_not_there_is_refused(moment, member):
    with pytest.raises(InputError, match="a member from 1 to 2"):
        ask(moment, member)


def test_the_only_member_of_a_single_transformer_is_the_model(model):
    assert choose_member(model, None) is choose_member(model, 1) is model
    with pytest.raises(InputError, match="the model is one transformer"):
        choose_member(model, 2)


def test_rollout_follows_each_member_by_itself():
    rng = np.random.default_rng(0)
    weights = np.tril(rng.uniform(size=(3, 4, 6, 6)))
    weights /= weights.sum(-1, keepdims=True)
    both = rollout(weights, members=2)
    np.testing.assert_allclose(both, (rollout(weights[:, :2]) + rollout(weights[:, 2:])) / 2)
    assert not np.allclose(both, rollout(weights))
    with pytest.raises(InputError, match="as many heads from each of 3 members"):
        rollout(weights, members=3)


def test_members_of_a_model_are_listed_in_the_order_they_are_chosen(moment):
    model = moment.bundle.model
    assert [choose_member(model, n + 1) for n in range(2)] == list_members(model)
