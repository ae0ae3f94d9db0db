import numpy as np
import pytest

from core.errors import InputError
from core.explain.attribution import attribute
from core.explain.evidence.importance_formulas import (
    attribution_importance,
    gate_importance,
    permutation_importance,
    removable_features,
    window_importance,
)
from core.explain.references import window_mean

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
        (importance,) = attribution_importance(rows, ["x"], stretches=4)
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


def test_a_linear_models_weights_come_back_as_its_importance(linear_margin):
    rng = np.random.default_rng(1)
    margin = linear_margin(np.repeat([[0.03, -0.02, 0.01]], 12, 0))
    windows = rng.uniform(0, 100, (300, 12, 3)).astype(np.float32)
    found = [
        window_importance(
            attribute(margin, window, window_mean(window), NAMES, "gradient_times_input").values
        )
        for window in windows
    ]
    shares = {i.name: i.value for i in attribution_importance(np.stack(found), NAMES, shares=True)}
    assert shares == pytest.approx({"a": 3 / 6, "b": 2 / 6, "c": 1 / 6}, abs=0.02)


def test_permuting_what_the_model_uses_costs_log_loss_and_the_rest_nothing():
    rng = np.random.default_rng(0)
    windows = rng.normal(size=(120, 4, 3)).astype(np.float32)
    labels = {"up": (windows[:, -1, 1] > 0).astype(int), "other": (windows[:, 0, 0] > 0).astype(int)}

    def predict(batch):
        found = {"up": batch[:, -1, 1], "other": batch[:, 0, 0]}
        chances = {task: 1 / (1 + np.exp(-4 * values)) for task, values in found.items()}
        return {task: np.stack([1 - up, up], 1) for task, up in chances.items()}

    seen = []
    result = permutation_importance(predict, windows, labels, NAMES, progress=lambda *pair: seen.append(pair))
    for task, cause in (("up", "b"), ("other", "a")):
        assert result[task][0].name == cause
        assert result[task][0].low > 0
        assert [(i.value, i.low, i.high) for i in result[task][1:]] == [(0, 0, 0), (0, 0, 0)]
    assert seen == [(1, 3), (2, 3), (3, 3)]
    grouped = permutation_importance(predict, windows, labels, NAMES, groups={"a": "x", "b": "x", "c": "y"})
    assert [i.name for i in grouped["up"]] == ["x", "y"]
    with pytest.raises(InputError, match="at least 200 labelled"):
        permutation_importance(predict, windows, labels, NAMES, block=100)
    with pytest.raises(InputError, match="labelled"):
        permutation_importance(predict, windows, {"up": labels["up"] - 1, "other": labels["other"]}, NAMES)


def test_columns_are_swapped_within_a_stratum_alone():
    windows = np.repeat([1.0, 2.0] * 20, 12).reshape(40, 4, 3).astype(np.float32)
    strata = ["odd", "even"] * 20

    def predict(batch):
        assert np.array_equal(batch[:, 0, 0], windows[:, 0, 0])
        return {"up": np.full((len(batch), 2), 0.5)}

    labels = {"up": np.zeros(40, dtype=int)}
    result = permutation_importance(predict, windows, labels, NAMES, strata=strata, block=5)
    assert all(importance.value == 0 for importance in result["up"])
    with pytest.raises(InputError, match="at least 30 labelled windows, got 20"):
        permutation_importance(predict, windows, labels, NAMES, strata=strata, block=15)


def test_gate_importance_is_the_models_own(model):
    result = gate_importance(model, "abcde")
    expected = (model.gate.abs() * model.projection.weight.norm(dim=0)).detach().numpy()
    assert [i.value for i in result] == pytest.approx(sorted(expected.tolist(), reverse=True))
