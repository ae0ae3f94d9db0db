from dataclasses import replace

import numpy as np
import pytest

from core.confidence.choice import METHODS, TaskCalibration, fit_task_calibration
from core.confidence.composition import FORMS, describe_choice
from core.scores.intervals import Interval

WORSE, BETTER = Interval(0.002, 0.001, 0.003), Interval(-0.0021, -0.0031, -0.0011)


@pytest.fixture(scope="module")
def calibration() -> TaskCalibration:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(200, 3)), rng.integers(3, size=200), rng.random((200, 4)), rng.random(200)
    found = fit_task_calibration(*rows, np.arange(200))
    return replace(found, chosen="temperature", beside=dict.fromkeys(METHODS[1:], WORSE))


def test_every_form_has_words():
    assert set(FORMS) == set(METHODS)


def test_the_probability_alone_is_said_with_the_best_of_what_it_beat(calibration):
    nearest = Interval(0.0003, -0.0005, 0.0012)
    assert describe_choice(replace(calibration, beside=calibration.beside | {"joint": nearest})) == (
        "the probability alone; the sources add nothing that can be shown: with the probability and the "
        "sources' ranks log-loss +0.0003 [−0.0005, +0.0012]"
    )


def test_sources_that_help_are_said_to_with_how_much(calibration):
    said = describe_choice(
        replace(calibration, chosen="joint", beside=calibration.beside | {"joint": BETTER})
    )
    assert said == (
        "the probability and the sources' ranks; against the probability alone this takes log-loss "
        "−0.0021 [−0.0031, −0.0011]"
    )


def test_what_was_chosen_before_anything_was_compared_claims_nothing(calibration):
    older = describe_choice(replace(calibration, chosen="isotonic", beside={}))
    assert older == (
        "the sum of the sources in steps; what the sources add was not measured when this model was trained"
    )
