from dataclasses import replace

import numpy as np
import pytest

from core.explain.edits import FeatureEdit, edit_features, explain_edit
from core.explain.explanation import Question
from core.explain.margin import evaluate
from core.explain.methods.settings import Settings
from core.explain.moment import Moment
from core.predictor import Predictor

SETTINGS = Settings(first_steps=8, max_steps=16)


@pytest.fixture
def original(walk_bundle, walk_store):
    return Moment.at(Predictor(walk_bundle, walk_store), "AAA", "1d")


def edited_moment(original, edits):
    features = edit_features(original.features, original.feature_names, edits)
    return replace(original, window=replace(original.window, features=features))


def test_what_the_edit_moved_adds_up_and_untouched_cells_moved_nothing(original):
    task = original.bundle.config.tasks[0].name
    name = original.feature_names[3]
    edited = edited_moment(original, [FeatureEdit(-bar, name, 90.0) for bar in range(1, 6)])
    found = explain_edit(original, edited, Question(task, original.target(task), settings=SETTINGS))
    margin = original.margin(task)
    moved = float(np.diff(evaluate(margin, np.stack([original.features, edited.features])))[0])
    assert found.moved == pytest.approx(moved, abs=1e-4)
    assert found.edit.values.sum() == pytest.approx(moved, abs=0.02 * abs(moved) + 1e-4)
    untouched = edited.features == original.features
    assert not found.edit.values[untouched].any()
    assert found.by_feature()[0][0] == name


def test_no_edit_explains_both_alike_and_moves_nothing(original):
    task = original.bundle.config.tasks[1].name
    found = explain_edit(
        original, edited_moment(original, []), Question(task, original.target(task), settings=SETTINGS)
    )
    np.testing.assert_array_equal(found.before.values, found.after.values)
    assert not found.edit.values.any()
    assert found.moved == 0
