"""Causes against a linear model, whose every answer is known."""

import numpy as np
import pytest

from core.errors import InputError
from core.explain.attribution import attribute
from core.explain.causes import find_causes, strongest_cells
from core.explain.margin import probability
from core.explain.methods.settings import Settings
from core.explain.references import window_mean

NAMES = ("return_1", "rsi_14", "range", "return_5")


@pytest.fixture
def planted(linear_margin):
    """Three causes of known size and sign: bars 14..23 of two features, bars 4..13 of a third."""
    window = np.full((24, 4), 50, dtype=np.float32)
    window[::2] += 2
    window[1::2] -= 2
    weights = np.zeros((24, 4))
    window[14:24, 1], weights[14:24, 1] = 80, 0.004
    window[4:14, 2], weights[4:14, 2] = 10, 0.002
    weights[20, 3] = -0.01
    return linear_margin(weights), weights, window


def explain(margin, window, method="ig", **settings):
    return attribute(margin, window, window_mean(window), NAMES, method, Settings(**settings))


def test_the_strongest_causes_are_the_planted_ones_with_their_sums(planted):
    margin, weights, window = planted
    expected = weights * (window - window.mean(0))
    found = strongest_cells(explain(margin, window))
    assert [(c.features, c.first, c.last) for c in found] == [
        (("rsi_14",), 14, 23),
        (("range",), 4, 13),
        (("return_5",), 14, 23),
    ]
    assert [c.value for c in found] == pytest.approx(
        [expected[14:24, 1].sum(), expected[4:14, 2].sum(), expected[14:24, 3].sum()], rel=1e-4
    )


def test_causes_towards_the_class_come_first_and_those_against_it_after(linear_margin):
    window = np.full((24, 4), 50, dtype=np.float32)
    window[14:24] = 60
    weights = np.zeros((24, 4))
    weights[14:24] = [-0.009, 0.001, 0.002, -0.001]
    found = strongest_cells(explain(linear_margin(weights), window))
    assert [c.features[0] for c in found] == ["range", "rsi_14", "return_1", "return_5"]
    assert [c.value > 0 for c in found] == [True, True, False, False]
    only = strongest_cells(explain(linear_margin(weights), window), count=1, against=0)
    assert [c.features[0] for c in only] == ["range"]


def test_a_day_of_the_week_is_no_cause_unless_nothing_else_is_known(linear_margin):
    window = np.full((24, 4), 50, dtype=np.float32)
    window[14:24] = 60
    weights = np.zeros((24, 4))
    weights[14:24] = [0.009, 0.001, 0.0, 0.0]
    margin = linear_margin(weights)
    names = ("day_of_week_cos", "rsi_14", "range", "return_5")
    found = attribute(margin, window, window_mean(window), names, "ig", Settings())
    assert [c.features[0] for c in strongest_cells(found)] == ["rsi_14"]
    days = ("day_of_week_cos", "day_of_week_sin", "time_of_day_sin", "time_of_day_cos")
    alone = attribute(margin, window, window_mean(window), days, "ig", Settings())
    assert strongest_cells(alone)[0].features == ("day_of_week_cos",)


def test_each_cause_says_what_stood_there_what_is_usual_and_what_is_left_without_it(planted):
    margin, weights, window = planted
    reference = window_mean(window)
    market = window / 10
    usual = reference.windows.mean(0) / 10
    causes = find_causes(explain(margin, window), margin, window, reference, market, usual)
    whole = float((weights * window).sum())
    for cause in causes:
        column = NAMES.index(cause.features[0])
        cells = np.s_[cause.first : cause.last + 1, column]
        assert cause.scaled == pytest.approx(window[cells].mean(), rel=1e-5)
        assert cause.market == pytest.approx(cause.scaled / 10, rel=1e-5)
        assert cause.usual_scaled == pytest.approx(window[:, column].mean(), rel=1e-5)
        assert cause.before == pytest.approx(float(probability(whole)), abs=1e-5)
        # In a linear model, taking a cause away undoes exactly what it was credited with.
        assert cause.after == pytest.approx(float(probability(whole - cause.value)), abs=1e-5)


@pytest.mark.parametrize(
    ("method", "settings", "features", "bars"),
    [
        ("feature_ablation", {}, 1, (0, 23)),
        ("feature_ablation", {"grouping": "source"}, 3, (0, 23)),
        ("occlusion", {"occlusion_block": 4}, 0, (14, 23)),
        ("permutation_shap", {"player_block": 10}, 3, (14, 23)),
    ],
)
def test_a_cause_is_as_fine_as_the_method(planted, method, settings, features, bars):
    margin, _, window = planted
    first = strongest_cells(explain(margin, window, method, **settings))[0]
    assert len(first.features) == features
    assert (first.first, first.last) == bars
    reference = window_mean(window)
    cause = find_causes(
        explain(margin, window, method, **settings), margin, window, reference, window, reference.windows[0]
    )[0]
    assert np.isnan(cause.market) == (features != 1)
    assert cause.after < cause.before


def test_wrong_shapes_and_counts_are_refused(planted):
    margin, _, window = planted
    found = explain(margin, window)
    with pytest.raises(InputError, match="at least 1"):
        strongest_cells(found, count=0)
    with pytest.raises(InputError, match="an attribution of shape"):
        find_causes(found, margin, window[:-1], window_mean(window), window, window)
