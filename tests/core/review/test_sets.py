"""Prediction sets under review, on sets whose promise is known to hold."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from app.figures.selective import sets_figure
from app.review.tables import sets_table
from app.review.words import sets_sentence
from core.confidence.stated import SET_LEVELS
from core.review.rows import RowFilter, stretches_of, take_rows
from core.review.sets import count_sets, follow_outcomes, follow_sets, measure_sets
from tests.core.review.synthetic_review import write_synthetic


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    return write_synthetic(tmp_path_factory.mktemp("sets") / "synthetic", bars=1000, folds=2)


@pytest.fixture(scope="module")
def rows(result):
    return take_rows(result, RowFilter("direction"))


@pytest.mark.parametrize("level", SET_LEVELS)
def test_every_level_is_held_by_both_kinds_of_sets_where_nothing_changes(result, rows, level) -> None:
    following = follow_outcomes(result, "direction", level)
    _, covered = following.of(rows)
    assert rows.covered[level].mean() == pytest.approx(level, abs=0.02)
    assert covered.mean() == pytest.approx(level, abs=0.03)
    sentence = sets_sentence(measure_sets(rows, following, level, stretches_of(rows)), level)
    assert f"Promised {100 * level:g}%, held {100 * rows.covered[level].mean():.1f}%" in sentence
    assert "as promised, within chance" in sentence


def test_a_higher_promise_takes_larger_sets(rows) -> None:
    sizes = [rows.set_size[level].mean() for level in SET_LEVELS]
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[-1]


def test_following_sets_are_found_for_filtered_rows(result, rows) -> None:
    following = follow_outcomes(result, "direction", 0.9)
    one = take_rows(result, RowFilter("direction", instrument="BBB", called="Bearish"))
    size, covered = following.of(one)
    every_size, every_covered = following.of(rows)
    place = [int(np.flatnonzero(rows.position == at)[0]) for at in one.position]
    np.testing.assert_array_equal(size, every_size[place])
    np.testing.assert_array_equal(covered, every_covered[place])


def test_each_fold_begins_without_outcomes_and_rules_nothing_out(result, rows) -> None:
    size, covered = follow_outcomes(result, "direction", 0.9).of(rows)
    for fold in result.folds:
        first = np.flatnonzero(rows.fold == fold.index)[:8]
        assert (size[first] == 3).all()
        assert covered[first].all()


def test_windows_with_rows_without_a_set_are_gaps(result, rows) -> None:
    following = follow_outcomes(result, "direction", 0.9)
    size = np.where(rows.fold == 0, -1, rows.set_size[0.9])
    unfitted = dataclasses.replace(rows, set_size=rows.set_size | {0.9: size})
    found = follow_sets(unfitted, following, 0.9)
    assert np.isnan(found.held[0])
    assert np.isnan(found.size[0])
    assert np.isfinite(found.held[-1])
    assert measure_sets(unfitted, following, 0.9, stretches_of(rows)) is None
    assert "too few bars" in sets_sentence(None, 0.9)
    whole = follow_sets(rows, following, 0.9)
    assert np.isfinite(whole.held).all()
    assert len(whole.borders) == 1


def test_sets_that_break_their_promise_are_called_so(result, rows) -> None:
    following = follow_outcomes(result, "direction", 0.9)
    covered = rows.covered[0.9] & (np.arange(len(rows)) % 4 > 0)
    broken = dataclasses.replace(rows, covered=rows.covered | {0.9: covered})
    found = measure_sets(broken, following, 0.9, stretches_of(rows))
    assert "fewer than promised" in sets_sentence(found, 0.9)


def test_sets_of_one_class_stand_beside_their_own_coverage(result, rows) -> None:
    following = follow_outcomes(result, "direction", 0.9)
    found = measure_sets(rows, following, 0.9, stretches_of(rows))
    ones = rows.set_size[0.9] == 1
    assert found is not None
    assert found.ones == ones.sum()
    assert found.ones_held.value == pytest.approx(rows.covered[0.9][ones].mean())
    said = sets_sentence(found, 0.9)
    assert f"Sets of one class held it {100 * found.ones_held.value:.1f}%" in said
    assert f"n = {found.ones:,}" in said
    assert "names one class alone" in sets_sentence(dataclasses.replace(found, ones=0), 0.9)


def test_sizes_are_counted_as_a_plain_count_does(rows) -> None:
    counted = count_sets(rows, 0.8).set_index("classes")
    assert counted["sets"].sum() == len(rows)
    assert counted["share"].sum() == pytest.approx(1)
    mine = rows.set_size[0.8] == 2
    assert counted.loc[2, "held"] == pytest.approx(rows.covered[0.8][mine].mean())
    words = sets_table(counted.reset_index(), 3)
    assert words["the set held"].tolist()[0] == "one class"


def test_the_drawing_carries_the_promise_and_the_fold_borders(result, rows) -> None:
    found = follow_sets(rows, follow_outcomes(result, "direction", 0.95), 0.95)
    figure = sets_figure(found, dark=False)
    promised = next(trace for trace in figure.data if trace.name == "promised 95%")
    assert set(promised.y) == {0.95}
    assert len(figure.layout.shapes) == 2 * len(found.borders)
