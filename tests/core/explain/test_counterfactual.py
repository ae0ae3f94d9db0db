import copy

import numpy as np
import pytest
import torch

from core.errors import InputError
from core.explain.counterfactual import CallLead, find_flip
from core.explain.margin import TaskMargin, evaluate

NAMES = ("a", "b", "c", "d")


def test_the_smoothest_flip_of_a_linear_model_is_the_projection_on_its_border(linear_margin, linear):
    _, weights, _ = linear
    window = np.full(weights.shape, 50, dtype=np.float32)
    bias = 5.0 - float((weights * 50).sum())
    flip = find_flip(linear_margin(weights, bias), window, NAMES, NAMES, penalty="smooth")
    assert flip.size == pytest.approx(5 / np.linalg.norm(weights), rel=0.01)
    expected = -5 * weights / np.linalg.norm(weights) ** 2
    np.testing.assert_allclose(flip.window - window, expected, atol=0.02 * np.abs(expected).max() + 1e-4)
    assert flip.lead_before == pytest.approx(5, abs=1e-3)
    assert flip.lead_after < 0


def test_the_sparsest_flip_of_a_linear_model_moves_its_strongest_cell(linear_margin, linear):
    _, weights, _ = linear
    window = np.full(weights.shape, 50, dtype=np.float32)
    strongest = np.abs(weights).max()
    bias = 20 * strongest - float((weights * 50).sum())
    flip = find_flip(linear_margin(weights, bias), window, NAMES, NAMES)
    assert flip.size == pytest.approx(20, rel=0.01)
    bar, name, before, _ = flip.changes[0]
    assert abs(weights[bar, NAMES.index(name)]) == strongest
    assert before == 50
    assert len(flip.changes) == 1


def test_only_free_features_of_the_last_bars_change(margin, market_window):
    names = "abcde"
    margin = copy.deepcopy(margin)
    logits = margin.logits(torch.from_numpy(market_window)[None])[0]
    called = int(logits.argmax())
    close = logits.sort(descending=True).values
    with torch.no_grad():
        margin.model.heads["direction"].logits.bias[called] -= 0.9 * (close[0] - close[1])
    lead = CallLead(TaskMargin(margin.model, margin.task, margin.classes[called], margin.classes))
    flip = find_flip(lead, market_window, names, ["b", "d"], last_bars=30)
    assert flip is not None
    changed = flip.window != market_window
    assert not changed[:, [0, 2, 4]].any()
    assert not changed[:10].any()
    assert 0 <= flip.window.min() <= flip.window.max() <= 100
    assert evaluate(lead, flip.window[None])[0] == flip.lead_after < 0


def test_a_call_no_allowed_change_can_flip_is_said_by_none(linear_margin, linear):
    _, weights, window = linear
    locked_in = linear_margin(weights, 1e4)
    assert find_flip(locked_in, window, NAMES, NAMES) is None
    assert find_flip(locked_in, window, NAMES, NAMES, penalty="smooth") is None
    blind = weights.copy()
    blind[:, 0] = 0
    assert find_flip(linear_margin(blind, 5 - float((blind * window).sum())), window, NAMES, ["a"]) is None


def test_a_search_without_a_start_or_a_free_feature_is_refused(linear_margin, linear):
    _, weights, window = linear
    with pytest.raises(InputError, match="free feature"):
        find_flip(linear_margin(weights, 1e4), window, NAMES, [])
    with pytest.raises(InputError, match="can be flipped"):
        find_flip(linear_margin(weights, -1e4), window, NAMES, NAMES)
