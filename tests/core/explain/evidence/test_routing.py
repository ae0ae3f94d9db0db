import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from core.errors import InputError
from core.explain.evidence import routing
from core.explain.evidence.routing import (
    ATTENTION_VIEWS,
    VIEWS,
    bar_effects_by_task,
    measure_routing,
    partial_correlation,
    rank_correlation,
)
from core.explain.evidence.sample import WindowSample
from core.explain.margin import TaskMargin
from core.models.heads import HeadOutput
from core.models.transformer import ModelOutput
from core.predictor import Predictor
from core.progress import Stopped

T = 24
# Alternating, so that the window's mean is zero and every bar stands as far from it as any other.
ALTERNATING = np.tile([[1.0], [-1.0]], (T // 2, 1)).astype(np.float32)


class ReadsByWeight(nn.Module):
    """One head whose last bar reads bar j with a fixed weight a_j; the first class's logit is sum a_j x_j.

    Taking bar j out of an alternating window therefore changes the log-odds by exactly a_j.
    """

    def __init__(self, weights: np.ndarray, tasks) -> None:
        super().__init__()
        bars = len(weights)
        maps = torch.eye(bars)
        maps[-1] = torch.from_numpy(weights)
        self.maps = nn.Parameter(maps)
        self.heads = {task.name: len(task.classes) for task in tasks}

    def forward(self, x, instrument, timeframe, *, last_only=False, need_attention=None):
        attention = self.maps[None, None].expand(len(x), 1, -1, -1).clone()
        read = (attention[:, 0] @ x)[..., :1]
        tasks = {}
        for name, classes in self.heads.items():
            logits = torch.cat([read, torch.zeros(*read.shape[:2], classes - 1)], dim=-1)
            tasks[name] = HeadOutput(logits[:, -1:] if last_only else logits, read[..., 0], None)
        return ModelOutput(tasks, [], x, [attention] if need_attention == "full" else [])


def spread_weights(seed=0):
    weights = np.random.default_rng(seed).permutation(np.arange(1.0, T + 1)).astype(np.float32)
    # Enough more weight on the risen bars that the first class is called.
    weights[::2] += T
    return weights / weights.sum()


def predictor_of(bundle, weights):
    return SimpleNamespace(bundle=replace(bundle, model=ReadsByWeight(weights, bundle.config.tasks)))


@pytest.fixture
def alternating_sample(monkeypatch, walk_bundle):
    count = 6
    sample = WindowSample(
        windows=np.repeat(ALTERNATING[None], count, 0),
        instrument=("AAA",) * count,
        timeframe=("1d",) * count,
        first=np.full(count, np.datetime64("2007-01-01", "us")),
        ts=np.datetime64("2009-01-01", "us") + np.arange(count) * np.timedelta64(90, "D"),
        labels={},
    )
    monkeypatch.setattr(routing, "draw_sample", lambda *_: sample)
    return sample


def test_a_bars_effect_is_the_weight_it_is_read_with(walk_bundle):
    weights = spread_weights()
    task = walk_bundle.config.tasks[0]
    model = ReadsByWeight(weights, [task])
    margin = TaskMargin(model, task.name, task.classes[0], tuple(task.classes))
    effects = bar_effects_by_task({task.name: margin}, ALTERNATING)[task.name]
    np.testing.assert_allclose(effects, weights, atol=1e-6)


def test_of_a_model_that_reads_one_bar_that_bar_alone_has_an_effect(walk_bundle):
    weights = np.zeros(T, np.float32)
    weights[8] = 1
    task = walk_bundle.config.tasks[0]
    margin = TaskMargin(ReadsByWeight(weights, [task]), task.name, task.classes[0], tuple(task.classes))
    effects = bar_effects_by_task({task.name: margin}, ALTERNATING)[task.name]
    np.testing.assert_allclose(effects, weights, atol=1e-6)
    assert rank_correlation(weights, effects) == pytest.approx(1)


def test_where_attention_is_all_there_is_it_agrees_wholly_and_recency_as_its_weights_say(
    walk_bundle, alternating_sample
):
    weights = spread_weights()
    found = measure_routing(predictor_of(walk_bundle, weights))
    assert found["windows"] == len(alternating_sample)
    for task in found["tasks"].values():
        for view in ("attention_mean", "attention_last_layer"):
            for measured in (task["views"][view], task["beyond_trivial"][view]):
                assert measured["mean"] == pytest.approx(1)
                assert all(measured[name] in (None, pytest.approx(1)) for name in ("low", "high"))
        assert task["views"]["unusual"]["mean"] == 0
        by_age = rank_correlation(np.arange(T), weights)
        assert task["views"]["recency"]["mean"] == pytest.approx(by_age)
        by_chance = task["views"]["random"]
        assert by_chance["mean"] < 0.5
        assert by_chance["low"] is None or by_chance["low"] < by_chance["mean"]
        # Falling bars lower the class's odds, so their relevance is cut to zero although they have effects.
        relevance = np.where(ALTERNATING[:, 0] > 0, weights, 0)
        assert task["views"]["class_relevance"]["mean"] == pytest.approx(rank_correlation(relevance, weights))


def test_attention_that_only_follows_age_adds_nothing_beyond_what_is_trivial(walk_bundle, alternating_sample):
    weights = np.arange(1.0, T + 1).astype(np.float32)
    found = measure_routing(predictor_of(walk_bundle, weights / weights.sum()))
    for task in found["tasks"].values():
        assert task["views"]["attention_mean"]["mean"] == pytest.approx(1)
        assert task["views"]["recency"]["mean"] == pytest.approx(1)
        assert task["beyond_trivial"]["attention_mean"]["mean"] == pytest.approx(0)


def test_what_is_measured_on_a_real_model_is_plain_numbers_within_bounds(walk_bundle, walk_store):
    seen = []
    found = measure_routing(
        Predictor(walk_bundle, walk_store),
        windows=3,
        progress=lambda done, planned: seen.append((done, planned)),
    )
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert set(found["tasks"]) == {task.name for task in walk_bundle.config.tasks}
    for task in found["tasks"].values():
        assert tuple(task["views"]) == VIEWS
        assert tuple(task["beyond_trivial"]) == ATTENTION_VIEWS
        for measured in (*task["views"].values(), *task["beyond_trivial"].values()):
            if measured["low"] is None:
                assert measured["high"] is None
                continue
            assert measured["low"] <= measured["mean"] + 1e-12
            assert measured["mean"] <= measured["high"] + 1e-12
    assert found["windows"] == 3
    assert seen[-1] == (3 * 301, 3 * 301)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_it_stops_when_told_to(walk_bundle, walk_store):
    with pytest.raises(Stopped):
        measure_routing(Predictor(walk_bundle, walk_store), windows=2, cancelled=lambda: True)


def test_a_store_without_test_windows_is_refused(walk_bundle, tmp_path):
    from core.data.store import BarStore

    with pytest.raises(InputError, match="stored bars in that segment"):
        measure_routing(Predictor(walk_bundle, BarStore(tmp_path / "empty")), windows=2)


def test_a_partial_correlation_is_that_of_the_residuals():
    rng = np.random.default_rng(1)
    fixed = rng.permutation(200).astype(float)
    first, second = fixed + rng.normal(0, 60, 200), fixed + rng.normal(0, 60, 200)
    ranks = [np.argsort(np.argsort(v)).astype(float) for v in (first, second, fixed)]
    residuals = [r - np.polyval(np.polyfit(ranks[2], r, 1), ranks[2]) for r in ranks[:2]]
    expected = np.corrcoef(*residuals)[0, 1]
    assert partial_correlation(first, second, [fixed]) == pytest.approx(expected)
    assert partial_correlation(fixed, second, [fixed]) == 0
    other = rng.normal(size=200)
    assert partial_correlation(first, second, [fixed, np.ones(200)]) == pytest.approx(expected)
    assert partial_correlation(other, second, [fixed, 3 * other]) == 0


def test_a_rank_correlation_is_blind_to_monotone_change_and_a_constant_ranks_nothing():
    values = np.random.default_rng(0).normal(size=50)
    assert rank_correlation(values, np.exp(values)) == pytest.approx(1)
    assert rank_correlation(values, -values) == pytest.approx(-1)
    assert rank_correlation(np.ones(5), np.arange(5)) == 0
