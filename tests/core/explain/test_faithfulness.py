import numpy as np
import pytest

from core.errors import InputError
from core.explain.faithfulness import LEAST_EFFECT, Removal, measure_faithfulness, remove_top
from core.explain.margin import evaluate, probability
from core.explain.references import ORDINARY, real_windows, window_mean
from core.progress import Stopped


@pytest.fixture
def case(linear):
    margin, weights, window = linear
    reference = window_mean(window)
    return margin, window, reference, weights * (window - reference.windows[0])


def test_deletion_and_insertion_of_a_linear_model_in_closed_form(case):
    margin, window, reference, cells = case
    result = measure_faithfulness(margin, window, cells, reference, steps=cells.size)
    ordered = np.sort(cells.ravel())[::-1]
    start, floor = evaluate(margin, window[None])[0], evaluate(margin, reference.windows)[0]
    removed = np.concatenate([[0], np.cumsum(ordered)])
    np.testing.assert_allclose(result.deletion.margins, start - removed, atol=1e-4)
    np.testing.assert_allclose(result.insertion.margins, floor + removed, atol=1e-4)
    assert result.deletion.area == pytest.approx(np.trapezoid(start - removed, dx=1 / cells.size), abs=1e-4)


def test_random_removal_of_a_linear_model_falls_on_the_straight_line(case):
    margin, window, reference, cells = case
    result = measure_faithfulness(margin, window, cells, reference, steps=8, random_orders=200)
    ends = evaluate(margin, np.stack([window, reference.windows[0]]))
    expected = ends[0] + np.linspace(0, 1, 9) * (ends[1] - ends[0])
    spread = cells.std() * np.sqrt(cells.size) / 2 / np.sqrt(200)
    assert np.abs(result.random_deletions.mean.margins - expected).max() < 5 * spread


def test_the_true_attribution_beats_random_and_its_reverse_does_not(case):
    margin, window, reference, cells = case
    true = measure_faithfulness(margin, window, cells, reference)
    assert true.better_than_random
    assert true.deletion_rank == true.insertion_rank == true.random_orders == 20
    reverse = measure_faithfulness(margin, window, -cells, reference)
    assert reverse.deletion_gain < 0
    assert reverse.deletion_rank == reverse.insertion_rank == 0
    assert not reverse.better_than_random


def test_an_order_that_hardly_moves_the_answer_tells_nothing_however_well_it_ranks(case):
    margin, window, reference, cells = case
    true = measure_faithfulness(margin, window, cells, reference)
    random, mine = true.random_deletions.mean, true.deletion
    assert true.effect <= random.probability_area - mine.probability_area
    margin.weights.data *= 1e-3
    faint = measure_faithfulness(margin, window, cells * 1e-3, reference)
    assert faint.better_than_random
    assert faint.effect < LEAST_EFFECT
    assert not faint.holds


def test_attention_is_beaten_only_in_both_ways(case):
    margin, window, reference, cells = case
    true = measure_faithfulness(margin, window, cells, reference, attention=np.arange(24.0))
    assert true.beats_attention
    bars = cells.sum(1)
    same = measure_faithfulness(margin, window, cells, reference, attention=bars, unit="bar")
    assert not same.beats_attention
    assert measure_faithfulness(margin, window, cells, reference).beats_attention is None


def test_attention_order_by_bars_is_the_order_given(case):
    margin, window, reference, cells = case
    result = measure_faithfulness(margin, window, cells, reference, attention=cells.sum(1), unit="bar")
    np.testing.assert_allclose(result.attention_deletion.margins, result.deletion.margins, atol=1e-5)
    np.testing.assert_allclose(result.attention_insertion.margins, result.insertion.margins, atol=1e-5)
    by_cell = measure_faithfulness(margin, window, cells, reference, attention=np.arange(24.0))
    assert by_cell.attention_deletion.area > by_cell.deletion.area


def test_curves_start_at_the_window_and_end_at_the_reference(margin, market_window):
    reference = window_mean(market_window)
    values = np.random.default_rng(0).normal(size=market_window.shape)
    seen = []
    result = measure_faithfulness(
        margin, market_window, values, reference, progress=lambda done, planned: seen.append((done, planned))
    )
    ends = evaluate(margin, np.stack([market_window, reference.windows[0]]))
    np.testing.assert_allclose(result.deletion.margins[[0, -1]], ends, atol=1e-5)
    np.testing.assert_allclose(result.insertion.margins[[-1, 0]], ends, atol=1e-5)
    assert 0 <= result.deletion.probability_area <= 1
    assert seen[-1][0] == seen[-1][1]
    with pytest.raises(Stopped):
        measure_faithfulness(margin, market_window, values, reference, cancelled=lambda: True)


def test_removing_the_top_bars_says_what_is_left(case):
    margin, window, reference, cells = case
    result = remove_top(margin, window, cells, reference, count=3)
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
    margin, window, reference, cells = case
    result = remove_top(margin, window, cells, reference, count=1, unit="cell")
    assert result.removed == (np.unravel_index(cells.argmax(), cells.shape),)
    assert "this 1 cell P(Up)" in result.sentence
    with pytest.raises(InputError, match="1 to 24 bars"):
        remove_top(margin, window, cells, reference, count=25)


def test_a_random_order_ranks_like_any_other(case):
    margin, window, reference, cells = case
    rng = np.random.default_rng(0)
    ranks = [
        measure_faithfulness(
            margin, window, rng.permutation(cells.size).reshape(cells.shape), reference, steps=6, seed=seed
        ).deletion_rank
        for seed in range(60)
    ]
    # A rank out of 0..20, all as likely: mean 10, spread 6.06.
    assert abs(np.mean(ranks) - 10) < 4 * 6.06 / np.sqrt(60)
    assert np.mean(np.array(ranks) >= 19) < 0.3


def test_random_orders_are_paired_with_the_references_windows(linear):
    margin, weights, window = linear
    windows = np.random.default_rng(4).uniform(0, 100, (3, *window.shape)).astype(np.float32)
    reference = real_windows(ORDINARY, windows)
    cells = weights * (window - windows.mean(0))
    result = measure_faithfulness(margin, window, cells, reference, steps=6, random_orders=6)
    start, floors = evaluate(margin, window[None])[0], evaluate(margin, windows)
    np.testing.assert_allclose(result.random_deletions.margins[:, 0], start, atol=1e-4)
    np.testing.assert_allclose(result.random_deletions.margins[:, -1], floors.mean(), atol=1e-4)
    np.testing.assert_allclose(result.deletion.margins[[0, -1]], [start, floors.mean()], atol=1e-4)
    # One pair by hand: how much the first random order and the explanation differ against the first window.
    order = np.random.default_rng(0).permutation(cells.size)
    given = (weights * (window - windows[0])).ravel()
    told = given[np.argsort(-cells, axis=None, kind="stable")]
    by_chance = np.array([given[order < count].sum() for count in range(0, cells.size + 1, 16)])
    differs = by_chance - np.concatenate([[0], np.cumsum(told)])[::16]
    np.testing.assert_allclose(
        result.random_deletions.margins[0], result.deletion.margins - differs, atol=1e-4
    )


def test_insertion_of_a_random_order_is_the_deletion_of_its_reverse(margin, market_window):
    reference = window_mean(market_window)
    values = np.random.default_rng(0).normal(size=market_window.shape)
    result = measure_faithfulness(margin, market_window, values, reference, steps=7, random_orders=3)
    np.testing.assert_allclose(
        result.random_insertions.margins, result.random_deletions.margins[:, ::-1], atol=1e-5
    )
    np.testing.assert_allclose(result.random_insertions.areas, result.random_deletions.areas, atol=1e-5)


def test_shapes_that_do_not_fit_are_refused(case):
    margin, window, reference, cells = case
    with pytest.raises(InputError, match="attribution of shape"):
        measure_faithfulness(margin, window, cells[:-1], reference)
