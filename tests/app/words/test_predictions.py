"""What is said of attention's agreement with removing bars."""

from __future__ import annotations

import pytest

from app.words.numbers import correlation
from app.words.predictions import routing_sentence
from core.explain.evidence import routing


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
