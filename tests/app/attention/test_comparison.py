"""Two moments compared: the figure shows the differences, the sentence the largest."""

from __future__ import annotations

import numpy as np

from app.attention.cached import Comparison
from app.attention.comparison import comparison_sentence
from app.figures.attention_compared import comparison_figure
from core.explain.attention import compare_moments, group_by_age

T = 60
WINDOWS = (20, None)
NAMES = ("head 1", "head 2")


def single_bar(age: int) -> np.ndarray:
    weights = np.zeros((2, 2, T, T))
    for bar in range(T):
        weights[:, :, bar, max(bar - age, 0)] = 1
    return weights


def moved() -> tuple[np.ndarray, np.ndarray]:
    """The same, but for layer 2, head 1, which looks 30 bars back instead of 2."""
    first, second = single_bar(2), single_bar(2)
    second[1, 0] = single_bar(30)[1, 0]
    return first, second


def test_cells_are_percentage_points_by_age_and_add_up_to_nothing() -> None:
    found = compare_moments(*moved())
    figure = comparison_figure(found.difference, found.group_distance, WINDOWS, NAMES, title="t")
    assert len(figure.data) == 2
    for layer, panel in enumerate(figure.data):
        cells = np.asarray(panel.z)
        assert cells.shape == (3, 6)
        np.testing.assert_allclose(cells[1:], 100 * group_by_age(found.difference[layer]))
        np.testing.assert_allclose(cells[0], cells[1:].mean(0))
        np.testing.assert_allclose(cells.sum(1), 0, atol=1e-9)
    np.testing.assert_array_equal(np.asarray(figure.data[0].z), 0)
    assert list(figure.data[1].x)[-1] == "50-59"


def test_what_is_more_and_less_is_signed_and_the_scale_symmetric() -> None:
    found = compare_moments(*moved())
    panel = comparison_figure(found.difference, found.group_distance, WINDOWS, NAMES, title="t").data[1]
    assert panel.zmin == -panel.zmax
    texts = np.asarray(panel.text)
    assert texts[1, 1] == "-100"
    assert texts[1, 4] == "+100"
    assert texts[2, 1] == ""
    assert list(panel.y) == ["mean · 50%", "head 1 · 100%", "head 2 · 0%"]


def test_the_sentence_names_ages_distance_and_the_head_that_differs_most() -> None:
    compared = Comparison(compare_moments(*moved()), WINDOWS, NAMES, usual=0.07)
    said = comparison_sentence(compared, "2012-01-03", "2012-06-29")
    assert "From 2012-01-03 the heads look back **2 bars** on average, from 2012-06-29 **9**" in said
    assert "**25%** of the attention lies at other ages" in said
    assert "between 2012-01-03 and the bar before it: 7%" in said
    assert "most in layer 2, head 1: 100%" in said


def test_without_a_bar_before_nothing_is_said_of_it() -> None:
    compared = Comparison(compare_moments(*moved()), WINDOWS, NAMES, usual=None)
    assert "the bar before it" not in comparison_sentence(compared, "a", "b")
