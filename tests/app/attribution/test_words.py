"""Sentences of the Attribution page: right numbers and directions, nothing claimed that was not measured."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from app.attribution.panels import planted_table
from app.attribution.words import (
    REFERENCE_TITLES,
    VIEW_TITLES,
    cause_sentence,
    causes_text,
    completeness_sentence,
    faithfulness_sentence,
    legend_sentence,
    planted_score,
    planted_sentence,
    reference_sentence,
    removal_sentence,
    sums_sentence,
    view_title,
)
from core.explain.attribution import Attribution
from core.explain.causes import Cause
from core.explain.evidence.planted.views import ATTENTION_VIEWS
from core.explain.faithfulness import Curve, Faithfulness, Removal, Spread
from core.explain.methods.registry import METHODS
from core.explain.references import REFERENCES

LABELS = ["2013-02-19", "2013-02-20", "2013-03-01"]
FOUND = Attribution(
    np.zeros((3, 1), np.float32), "ig", "direction", "Bullish", "window_mean", 0.6, -0.1, 0.475, 0.4, 1,
    0.0031, 16, 1.0, ("return_5",), ("price",), "cell",
)  # fmt: skip
CAUSE = Cause(("return_5",), 1, 2, 0.4, 70.0, 50.0, 1.8, 0.1, 0.61, 0.52)


def generator(auprc: float, **scores: dict) -> dict:
    score = {
        "auprc": auprc, "auprc_error": 0.03, "auprc_bars": 0.5, "aup": 0.2, "aur": 0.3, "rank": 0.4,
        "prior": 0.02, "seconds": 1.0,
    }  # fmt: skip
    return {
        "explanation": "Rare bars.",
        "accuracy": 0.9,
        "bayes_accuracy": 0.95,
        "scores": {
            "ig": {"window_mean": score},
            "attention_mean": {"none": score | {"auprc": 0.1}},
            **scores,
        },
        "randomised": {"ig": 0.05},
    }


PLANTED = {"windows": 100, "generators": {"rare_bars": generator(0.8), "pairs": generator(0.6)}}


def test_a_cause_is_told_in_market_units_with_what_happens_without_it() -> None:
    assert cause_sentence(CAUSE, LABELS, FOUND) == (
        "**Return over 5 bars**, 2013-02-20 to 2013-03-01: +1.8 sigma on average (+0.1 over the whole "
        "window); pushes **towards Bullish**; without it P(Bullish) falls from 61% to 52%."
    )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"value": -0.4, "after": 0.7},
            "pushes **against Bullish**; without it P(Bullish) rises from 61% to 70%",
        ),
        ({"after": 0.6103}, "without it P(Bullish) stays at 61.0%"),
        ({"after": 0.612}, "rises from 61.0% to 61.2%"),
        ({"first": 2}, "2013-03-01: +1.8 sigma (+0.1 over the whole window)"),
        ({"features": ("sentiment",)}, "**sentiment**, 2013-02-20 to 2013-03-01: +1.8 robust standard dev"),
        ({"features": (), "market": float("nan")}, "**All features**, 2013-02-20 to 2013-03-01: pushes"),
        (
            {"features": ("mfi_14", "volume_trend"), "market": float("nan")},
            "**All 2 features of volume**, 2013-02-20 to 2013-03-01: pushes",
        ),
    ],
)
def test_a_cause_says_its_direction_its_bars_and_only_numbers_it_has(changes: dict, words: str) -> None:
    assert words in cause_sentence(replace(CAUSE, **changes), LABELS, FOUND)


def test_percentages_carry_their_sign_on_both_numbers() -> None:
    cause = replace(CAUSE, features=("position_20",), market=0.057, usual=0.687)
    assert "6% on average (69% over the whole window)" in cause_sentence(cause, LABELS, FOUND)


def test_a_method_without_signs_claims_no_direction() -> None:
    found = replace(FOUND, method="temporal_rescaling", completeness_error=None)
    assert "matters for **Bullish**" in cause_sentence(CAUSE, LABELS, found)
    legend = legend_sentence("temporal_rescaling", "Bullish", dark=False)
    assert "does not say whether they spoke for or against" in legend
    assert "orange" not in legend
    assert completeness_sentence(found) == (
        "no sum promised",
        "This method promises no sum: its cells need not add up to the change in log-odds.",
    )


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dark", [False, True])
def test_the_colours_of_every_method_are_explained_above_the_map(method: str, dark: bool) -> None:
    said = legend_sentence(method, "Bearish", dark=dark)
    assert said.startswith("**Blue cells")
    assert "Bearish" in said
    assert ("white" in said) != dark
    assert "one feature at one bar" in said
    assert ("spread evenly" in said or "spread over" in said) == (METHODS[method].resolution != "cell")
    grouped = legend_sentence(method, "Bearish", block=10, grouped=True, dark=dark)
    assert "one group of features at 10 bars" in grouped
    assert not (method == "feature_ablation" and "spread" in grouped)


ORDINARY = replace(FOUND, reference="ordinary_windows", reference_windows=16, output=2.197)


def test_the_reference_is_named_with_what_the_model_says_of_it() -> None:
    assert reference_sentence(ORDINARY, "SP500") == (
        "Reference: 16 ordinary windows of SP500, P(Bullish) .47, window .90 before calibration: this map "
        "explains the difference."
    )
    typical = replace(ORDINARY, reference="typical_window", reference_windows=1)
    assert "Reference: a typical window of SP500, P(" in reference_sentence(typical, "SP500")


def test_a_reference_that_says_the_same_or_never_was_is_warned_of() -> None:
    same = reference_sentence(replace(ORDINARY, output=-0.09), "SP500")
    assert (
        "window .48 before calibration: **they say the same, so there is next to nothing to explain." in same
    )
    strange = reference_sentence(replace(FOUND, reference_distance=10.54), "SP500")
    assert "lies 10.5 times as far out as the model knows its way" in strange
    assert "times as far out" not in reference_sentence(ORDINARY, "SP500")


def test_a_bar_without_a_past_says_why_another_reference_stands_in() -> None:
    said = reference_sentence(FOUND, "SP500", "ordinary_windows")
    assert said.startswith("No whole window of SP500 came before this one. Reference: the window's own mean")
    assert "No whole window" not in reference_sentence(FOUND, "SP500", "window_mean")


def test_the_sum_is_told_with_its_error() -> None:
    verdict, said = completeness_sentence(FOUND)
    assert verdict == "off by 0.31%"
    assert "change by +0.70; the cells add up to that within 0.31%" in said
    assert completeness_sentence(replace(FOUND, completeness_error=1e-7))[0] == "off by less than 0.01%"


def curves(deleted: float, inserted: float, spread: float = 0.5) -> Faithfulness:
    shares = np.array([0.0, 1.0])

    def flat(margin: float) -> Curve:
        return Curve(shares, np.full(2, margin))

    by_chance = Spread(shares, np.linspace(-spread, spread, 20)[:, None].repeat(2, 1))
    return Faithfulness(flat(deleted), flat(inserted), by_chance, by_chance, flat(1.0), flat(0.0), "cell")


@pytest.mark.parametrize(
    ("deleted", "inserted", "spread", "verdict"),
    [
        (-1.0, 1.0, 0.5, "yes"),
        (1.0, -1.0, 0.5, "no"),
        (-1.0, -1.0, 0.5, "not in both"),
        (-0.4, 0.4, 0.5, "no"),
        (-0.05, 0.05, 0.01, "too little to tell"),
    ],
)
def test_the_verdict_is_yes_only_when_both_beat_random_by_enough(
    deleted: float, inserted: float, spread: float, verdict: str
) -> None:
    found, said = faithfulness_sentence(curves(deleted, inserted, spread), "Bullish")
    assert found == verdict
    assert ("Do not lean on this map" in said) == (verdict != "yes")


def test_the_check_is_told_in_ranks_and_probabilities() -> None:
    said = faithfulness_sentence(curves(-1.0, 1.0), "Bullish")[1]
    assert "P(Bullish) averages 27% while cells are taken away, at random 50%; 73% while" in said
    assert "better than 20 of 20 random orders; giving them back, than 20 (19 of each are needed)" in said
    assert "better than 17 of 20 random orders" in faithfulness_sentence(curves(-0.37, 1.0), "Bullish")[1]
    assert "**It beats attention**, in whose order deletion averages 73%" in said
    assert "That is 23.1 points better on average, at least 2 are needed" in said
    behind = faithfulness_sentence(curves(2.0, 1.0), "Bullish")[1]
    assert "It does not beat attention" in behind


def test_net_stands_beside_gross_and_the_calendar_apart() -> None:
    values = np.array([[0.5, 0.2], [-0.2, 0.1]], np.float32)
    found = replace(
        FOUND, values=values, feature_names=("return_5", "day_of_week_cos"), groups=("price", "calendar")
    )
    assert sums_sentence(found) == (
        "Net +0.60 log-odds: +0.80 towards Bullish and \N{MINUS SIGN}0.20 against it. Calendar features, "
        "listed last and not among the causes, have +0.30 of the net."
    )
    assert "Calendar" not in sums_sentence(replace(FOUND, values=np.ones((3, 1), np.float32)))
    assert sums_sentence(replace(FOUND, method="temporal_rescaling", values=values)).endswith(
        "without signs."
    )


def test_what_spoke_against_a_class_stands_apart_and_keeps_its_number() -> None:
    against = replace(CAUSE, value=-0.3, after=0.7)
    said = causes_text([CAUSE, CAUSE, against], LABELS, FOUND)
    towards, _, rest = said.partition("**Against Bullish**")
    assert towards.startswith("**For Bullish**\n\n1. ")
    assert "against" not in towards
    assert rest.strip().startswith("3. ")
    assert causes_text([against], LABELS, FOUND).startswith("**Nothing spoke for Bullish**")
    assert "Against" not in causes_text([CAUSE], LABELS, FOUND)


def test_removal_is_told_beside_chance() -> None:
    removal = Removal("bar", (1, 2, 3), "Low", 0.74, 0.70, 0.738)
    assert removal_sentence(removal) == (
        "Without the 3 bars that push most towards it, P(Low) goes from 74.0% to **70.0%**; without 3 random "
        "ones it is 73.8%."
    )


def test_the_planted_score_is_a_mean_over_markets_with_its_error() -> None:
    assert planted_score(PLANTED, "ig", "window_mean") == pytest.approx((0.7, 0.03 * 2**0.5 / 2, 0.02, 2))
    verdict, said = planted_sentence(PLANTED, "ig", "window_mean")
    assert verdict == ".70"
    assert "On 2 planted markets" in said
    assert "AUPRC .70 ± .02; guessing scores .02" in said


def test_what_was_not_measured_is_said_and_never_guessed() -> None:
    verdict, said = planted_sentence(None, "ig", "window_mean")
    assert verdict == "not measured"
    assert "python -m core evidence --parts planted" in said
    verdict, said = planted_sentence(PLANTED, "occlusion", "window_mean")
    assert verdict == "not measured"
    assert "Occlusion of bars against the window's own mean" in said
    assert planted_score(PLANTED, "ig", "typical_window") is None


def test_the_planted_table_holds_every_explanation_best_first() -> None:
    table = planted_table(PLANTED)
    assert list(table["explanation"]) == ["Integrated Gradients", "attention, all layers"] * 2
    assert list(table["AUPRC"]) == [".80 ± .03", ".10 ± .03", ".60 ± .03", ".10 ± .03"]
    assert list(table["random weights"]) == [".05", "–"] * 2


def test_everything_offered_has_words() -> None:
    assert set(REFERENCE_TITLES) == set(REFERENCES)
    assert set(VIEW_TITLES) == set(ATTENTION_VIEWS)
    assert view_title("layer_conductance_0") == "layer conductance, as it comes in"
    assert view_title("layer_conductance_3") == "layer conductance, after layer 3"
    for method in METHODS.values():
        assert method.paper
        assert method.explanation.count(". ") == 1
