import numpy as np
import pytest

from core.errors import InputError
from core.explain.faithfulness import Removal, measure_faithfulness, remove_top
from core.explain.margin import evaluate, probability
from core.explain.references import window_mean
from core.progress import Stopped


@pytest.fixture
def case(linear):
    margin, weights, window = linear
    baseline = window_mean(window)
    return margin, window, baseline, weights * (window - baseline.references[0])


def test_deletion_and_insertion_of_a_linear_model_in_closed_form(case):
    margin, window, baseline, cells = case
    result = measure_faithfulness(margin, window, cells, baseline, steps=cells.size)
    ordered = np.sort(cells.ravel())[::-1]
    start, floor = evaluate(margin, window[None])[0], evaluate(margin, baseline.references)[0]
    removed = np.concatenate([[0], np.cumsum(ordered)])
    np.testing.assert_allclose(result.deletion.margins, start - removed, atol=1e-4)
    np.testing.assert_allclose(result.insertion.margins, floor + removed, atol=1e-4)
    assert result.deletion.area == pytest.approx(np.trapezoid(start - removed, dx=1 / cells.size), abs=1e-4)


def test_random_removal_of_a_linear_model_falls_on_the_straight_line(case):
    margin, window, baseline, cells = case
    result = measure_faithfulness(margin, window, cells, baseline, steps=8, random_orders=200)
    ends = evaluate(margin, np.stack([window, baseline.references[0]]))
    expected = ends[0] + np.linspace(0, 1, 9) * (ends[1] - ends[0])
    spread = cells.std() * np.sqrt(cells.size) / 2 / np.sqrt(200)
    assert np.abs(result.random_deletion.margins - expected).max() < 5 * spread


def test_the_true_attribution_beats_random_and_its_reverse_does_not(case):
    margin, window, baseline, cells = case
    true = measure_faithfulness(margin, window, cells, baseline)
    assert true.better_than_random
    reverse = measure_faithfulness(margin, window, -cells, baseline)
    assert reverse.deletion_gain < 0
    assert not reverse.better_than_random


def test_attention_order_by_bars_is_the_order_given(case):
    margin, window, baseline, cells = case
    result = measure_faithfulness(margin, window, cells, baseline, attention=cells.sum(1), unit="bar")
    np.testing.assert_allclose(result.attention_deletion.margins, result.deletion.margins, atol=1e-5)
    np.testing.assert_allclose(result.attention_insertion.margins, result.insertion.margins, atol=1e-5)
    by_cell = measure_faithfulness(margin, window, cells, baseline, attention=np.arange(24.0))
    assert by_cell.attention_deletion.area > by_cell.deletion.area


def test_curves_start_at_the_window_and_end_at_the_baseline(margin, market_window):
    baseline = window_mean(market_window)
    values = np.random.default_rng(0).normal(size=market_window.shape)
    seen = []
    result = measure_faithfulness(
        margin, market_window, values, baseline, progress=lambda done, planned: seen.append((done, planned))
    )
    ends = evaluate(margin, np.stack([market_window, baseline.references[0]]))
    np.testing.assert_allclose(result.deletion.margins[[0, -1]], ends, atol=1e-5)
    np.testing.assert_allclose(result.insertion.margins[[-1, 0]], ends, atol=1e-5)
    assert 0 <= result.deletion.probability_area <= 1
    assert seen[-1][0] == seen[-1][1]
    with pytest.raises(Stopped):
        measure_faithfulness(margin, market_window, values, baseline, cancelled=lambda: True)


def test_removing_the_top_bars_says_what_is_left(case):
    margin, window, baseline, cells = case
    result = remove_top(margin, window, cells, baseline, count=3)
    top = np.argsort(-cells.sum(1))[:3]
    assert result.removed == tuple(top)
    start = evaluate(margin, window[None])[0]
    assert result.before == pytest.approx(probability(start), abs=1e-6)
    assert result.after == pytest.approx(probability(start - cells[top].sum()), abs=1e-5)
    assert result.after < result.random_after
    assert result.sentence.startswith("Without these 3 bars P(Up) stays at 1.00; without")


@pytest.mark.parametrize(
    ("after", "words"),
    [(0.52, "falls from 0.61 to 0.52"), (0.7, "rises from 0.61 to 0.70"), (0.612, "stays at 0.61")],
)
def test_the_sentence_says_which_way_the_probability_went(after, words):
    removal = Removal("bar", (1, 2), "Up", 0.61, after, 0.6)
    assert removal.sentence == f"Without these 2 bars P(Up) {words}; without as many random ones it is 0.60."


def test_removing_one_cell_removes_the_largest(case):
    margin, window, baseline, cells = case
    result = remove_top(margin, window, cells, baseline, count=1, unit="cell")
    assert result.removed == (np.unravel_index(cells.argmax(), cells.shape),)
    assert "this 1 cell P(Up)" in result.sentence
    with pytest.raises(InputError, match="1 to 24 bars"):
        remove_top(margin, window, cells, baseline, count=25)


def test_shapes_that_do_not_fit_are_refused(case):
    margin, window, baseline, cells = case
    with pytest.raises(InputError, match="attribution of shape"):
        measure_faithfulness(margin, window, cells[:-1], baseline)
