"""What is said of attention's agreement with removing bars, and of the shares of a call."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

from app.words.numbers import correlation
from app.words.predictions import routing_sentence, shares_sentence, silent_sentence
from core.explain.evidence import routing
from core.prediction import Prediction, TaskPrediction


def interval(mean: float, half: float = 0.05) -> dict[str, float]:
    return {"mean": mean, "low": mean - half, "high": mean + half}


def evidence(beyond: float = 0.12) -> dict:
    views = dict.fromkeys(routing.VIEWS, interval(0.0))
    views |= {"attention_mean": interval(0.31), "recency": interval(0.42), "unusual": interval(0.28)}
    left = dict.fromkeys(routing.ATTENTION_VIEWS, interval(beyond))
    return {"windows": 50, "tasks": {"direction": {"views": views, "beyond_trivial": left}}}


def test_without_a_measurement_the_command_that_makes_one_is_named() -> None:
    said = routing_sentence(None, "direction")
    assert "Attention shows routing, not cause." in said
    assert "has not been measured on this model: run `python -m core evidence`" in said


def test_a_task_that_was_not_measured_is_not_spoken_for() -> None:
    assert "has not been measured" in routing_sentence(evidence(), "mood")


def test_the_agreement_stands_beside_what_is_reached_without_attention() -> None:
    said = routing_sentence(evidence(), "direction")
    assert "rank correlation **.31 [.26, .36]** (50 windows, direction)" in said
    assert "recent they are reaches .42 [.37, .47], by how unusual .28 [.23, .33]" in said
    assert "with both held fixed .12 [.07, .17] is left of it" in said


def test_where_the_trivial_explains_it_all_the_sentence_says_so() -> None:
    assert "nothing sure is left of it" in routing_sentence(evidence(beyond=0.02), "direction")


@pytest.mark.parametrize(
    ("value", "text"), [(0.214, ".21"), (-0.5, "−.50"), (1.0, "1.00"), (-0.001, ".00"), (-1.0, "−1.00")]
)
def test_correlations_are_written_to_two_decimals_with_a_true_minus(value: float, text: str) -> None:
    assert correlation({"mean": value, "low": value, "high": value}) == f"{text} [{text}, {text}]"


def called(logits: list[float], direct: list[float] | None) -> TaskPrediction:
    values = np.array(logits)
    shares = np.exp(values) / np.exp(values).sum()
    itself = None if direct is None else np.array(direct)
    return TaskPrediction(
        task="volatility", classes=("Low", "High"), logits=values, probabilities=shares,
        head_confidence=0.5, sources={}, raw_confidence=0.5, direct=itself,
    )  # fmt: skip


def test_the_shares_of_a_call_add_up_to_its_log_odds() -> None:
    said = shares_sentence(called([0.0, 0.82], [0.1, 0.71]))
    assert said.startswith("of +0.82 log-odds for High before calibration, the bar itself says +0.61, ")
    assert said.endswith("the bars before it +0.21")


def test_the_shares_of_another_class_speak_for_it() -> None:
    said = shares_sentence(called([0.0, 0.82], [0.1, 0.71]), "Low")
    assert said.startswith("of −0.82 log-odds for Low before calibration, the bar itself says −0.61, ")
    assert said.endswith("the bars before it −0.21")


def test_a_task_without_a_direct_path_has_no_shares() -> None:
    assert shares_sentence(called([0.0, 0.82], None)) == ""


def together(**tasks: TaskPrediction) -> Prediction:
    return cast(Prediction, SimpleNamespace(tasks=tasks))


def test_a_call_the_transformer_has_no_part_in_is_named() -> None:
    said = silent_sentence(
        together(direction=called([0.0, 0.5], [0.0, 0.5]), volatility=called([0.0, 0.8], [0.1, 0.7]))
    )
    assert said.startswith("The call for direction comes from the last bar's own inputs alone")
    assert "volatility" not in said


def test_where_the_transformer_speaks_everywhere_nothing_is_said() -> None:
    assert silent_sentence(together(volatility=called([0.0, 0.8], [0.1, 0.7]))) == ""
    assert silent_sentence(together(direction=called([0.0, 0.8], None))) == ""
