import numpy as np
import pytest

from core.errors import InputError
from core.explain.importance import (
    attribution_importance,
    gate_importance,
    importance_by,
    permutation_importance,
    removable_features,
    window_importance,
)

NAMES = ("a", "b", "c")


@pytest.fixture
def values():
    return np.random.default_rng(0).normal(size=(60, 8, 3)) * np.array([3.0, 0.001, 1.0])


def test_importance_is_the_mean_magnitude_largest_first_inside_its_interval(values):
    result = attribution_importance(values, NAMES)
    assert [importance.name for importance in result] == ["a", "c", "b"]
    assert result[0].value == pytest.approx(np.abs(values).sum(1).mean(0)[0])
    assert all(importance.low <= importance.value <= importance.high for importance in result)
    summed = np.stack([window_importance(window) for window in values])
    assert attribution_importance(summed, NAMES) == result


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    hits = 0
    for seed in range(40):
        rows = np.random.default_rng(seed).exponential(2.0, size=(80, 1))
        (importance,) = attribution_importance(rows, ["x"], block=4, seed=seed)
        hits += importance.low <= 2.0 <= importance.high
    assert 32 <= hits <= 40


def test_groups_add_up_their_features(values):
    by_group = {
        i.name: i.value for i in attribution_importance(values, NAMES, groups={"a": "p", "b": "p", "c": "q"})
    }
    by_name = {i.name: i.value for i in attribution_importance(values, NAMES)}
    assert by_group["p"] == pytest.approx(by_name["a"] + by_name["b"])


def test_only_features_surely_below_the_threshold_may_go(values):
    shares = attribution_importance(values, NAMES, shares=True)
    assert sum(importance.value for importance in shares) == pytest.approx(1)
    assert removable_features(shares) == ["b"]
    assert removable_features(shares, 1e-9) == []
    with pytest.raises(InputError, match="shares"):
        removable_features(attribution_importance(values, NAMES))


def test_importance_is_given_per_label(values):
    labels = ["early"] * 30 + ["late"] * 29 + ["alone"]
    result = importance_by(values, labels, NAMES)
    assert list(result) == ["early", "late"]
    assert result["late"] == attribution_importance(values[30:59], NAMES)


def test_permuting_what_the_model_uses_costs_log_loss_and_the_rest_nothing():
    rng = np.random.default_rng(0)
    windows = rng.normal(size=(120, 4, 3)).astype(np.float32)
    labels = (windows[:, -1, 1] > 0).astype(int)

    def predict(batch):
        up = 1 / (1 + np.exp(-4 * batch[:, -1, 1]))
        return np.stack([1 - up, up], 1)

    seen = []
    result = permutation_importance(predict, windows, labels, NAMES, progress=lambda *pair: seen.append(pair))
    assert result[0].name == "b"
    assert result[0].low > 0
    assert [(i.value, i.low, i.high) for i in result[1:]] == [(0, 0, 0), (0, 0, 0)]
    assert seen == [(1, 3), (2, 3), (3, 3)]
    grouped = permutation_importance(predict, windows, labels, NAMES, groups={"a": "x", "b": "x", "c": "y"})
    assert [i.name for i in grouped] == ["x", "y"]
    with pytest.raises(InputError, match="at least 200 labelled"):
        permutation_importance(predict, windows, labels, NAMES, block=100)


def test_gate_importance_is_the_models_own(model):
    result = gate_importance(model, "abcde")
    expected = (model.gate.abs() * model.projection.weight.norm(dim=0)).detach().numpy()
    assert [i.value for i in result] == pytest.approx(sorted(expected.tolist(), reverse=True))
