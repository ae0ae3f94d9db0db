import numpy as np
import pytest

from app.words.challengers import disagreement_sentence, split_sentence
from core.experiments.challengers import Split
from core.review.disagreement import Compared, Disagreement
from core.scores.intervals import TOO_ALIKE, Interval

CLASSES = ("Low", "Medium", "High")


def split(ours, theirs, challenger: str = "har") -> Split:
    return Split("volatility", CLASSES, challenger, np.array(theirs), np.array(ours))


def record(low: float, high: float, rows: int = 400) -> Disagreement:
    middle = (low + high) / 2
    part = Compared(rows, 1.05 + middle, 1.05, Interval(middle, low, high), 0.5, 0.4)
    return Disagreement("volatility", "har", part, part, part)


@pytest.mark.parametrize(
    ("ours", "theirs", "added"),
    [
        ([0.55, 0.33, 0.12], [0.53, 0.36, 0.11], "**+2** points"),
        ([0.52, 0.33, 0.15], [0.53, 0.36, 0.11], "**−1** point"),
        ([0.53, 0.36, 0.11], [0.53, 0.36, 0.11], "**0** points"),
    ],
)
def test_the_points_added_are_those_between_the_percents_shown(ours, theirs, added):
    said = split_sentence([split(ours, theirs)], "Low")
    assert said == f"HAR already says ○ Low **53%**; the model adds {added}"


def test_another_call_and_another_challenger_are_named():
    plain, trees = (
        split([0.4, 0.35, 0.25], [0.3, 0.5, 0.2]),
        split([0.4, 0.35, 0.25], [0.5, 0.3, 0.2], "lightgbm"),
    )
    said = split_sentence([plain, trees], "Low")
    assert "HAR calls ◐ Medium here, and already says ○ Low **30%**; the model adds **+10** points" in said
    assert said.endswith("LightGBM says 50%: −10")


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (-0.03, -0.01, "the model was nearer"),
        (0.01, 0.03, "the simpler one was nearer"),
        (-0.02, 0.01, "neither is shown to be nearer"),
    ],
)
def test_who_was_nearer_is_said_only_where_the_interval_leaves_zero_out(low, high, verdict):
    said = disagreement_sentence(record(low, high), split([0.4, 0.35, 0.25], [0.3, 0.5, 0.2]))
    assert said.startswith("They called differently on 400 of 400 test bars: ")
    assert verdict in said


def test_the_record_spoken_of_is_that_of_bars_like_this_one():
    found = record(-0.03, -0.01)
    apart = disagreement_sentence(found, split([0.5, 0.3, 0.2], [0.4, 0.35, 0.25]))
    assert apart.startswith("They were more than 5 points apart on 400")
    close = disagreement_sentence(found, split([0.41, 0.34, 0.25], [0.4, 0.35, 0.25]))
    assert close.startswith("Here the two are within 5 points.")


def test_few_rows_no_interval_and_no_record_are_said():
    differ = split([0.4, 0.35, 0.25], [0.3, 0.5, 0.2])
    assert "too few to compare" in disagreement_sentence(record(-0.03, -0.01, rows=12), differ)
    nan = float("nan")
    part = Compared(40, 1.0, 1.1, Interval(-0.1, nan, nan, blank=TOO_ALIKE), 0.5, 0.4)
    blank = disagreement_sentence(Disagreement("volatility", "har", part, part, part), differ)
    assert TOO_ALIKE in blank
    assert "neither is shown to be nearer" in blank
    assert "python -m core walk-forward" in disagreement_sentence(None, differ)
