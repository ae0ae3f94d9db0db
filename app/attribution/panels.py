"""Whether to believe an attribution: its sum, its check, known causes, and how deep each bar counts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from app.attribution import cached as attribution_cached
from app.attribution.cached import Ask
from app.attribution.words import (
    REFERENCE_TITLES,
    completeness_sentence,
    faithfulness_sentence,
    planted_sentence,
    removal_sentence,
    view_title,
)
from app.shell import cached, controls, notices
from app.shell.choosers import draw_chart, offer_csv
from app.words.members import member_sentence
from app.words.numbers import decimal, percent
from app.words.predictions import shares_sentence
from core.explain.attribution import Attribution
from core.explain.explanation import Check
from core.explain.methods.registry import METHODS
from core.explain.references import REFERENCES

_VERDICTS = {"yes": ":green[:material/check: yes]", "no": ":red[:material/close: no]"}


def whose_sentence(ask: Ask, attribution: Attribution) -> str:
    """What one member says beside all, or, of all, what the bar itself and what the transformer says."""
    said = cached.predict(ask.model, ask.series, ask.bar).tasks[ask.task]
    if ask.member is not None:
        together = said.probability(ask.target)
        return member_sentence(ask.member, ask.target, attribution.probability, together)
    shares = shares_sentence(said, ask.target)
    return f"{shares[0].upper()}{shares[1:]}." if shares else ""


def draw_trust(ask: Ask, attribution: Attribution, check: Check | None) -> None:
    """Three verdicts side by side, each with the sentence behind it."""
    planted = None
    with notices.guard():
        planted = attribution_cached.evidence(ask.model, "planted")
    checked = ("…", "Being measured: cells are taken away and given back, in this order and at random.")
    if check is not None:
        checked = faithfulness_sentence(check.faithfulness, ask.target)
    lines = (
        ("Adds up?", *completeness_sentence(attribution), "Sundararajan, Taly and Yan 2017"),
        (
            "Beats a random order?",
            *checked,
            "Deletion and insertion, Petsiuk, Das and Saenko 2018, on the model's own probability before "
            "calibration, 20 random orders, each against one of the reference's windows. It tests the map, "
            "not the model: a map of a model that knows nothing can pass wherever that model's answer moves",
        ),
        (
            "Finds planted causes?",
            *planted_sentence(planted, ask.method, ask.reference),
            "AUPRC: average precision of the cells, ranked by the map, against the true ones (Ismail et al. "
            "2020); ± is its standard error over windows",
        ),
    )
    for column, (question, verdict, sentence, paper) in zip(st.columns(3), lines, strict=True):
        with column.container(border=True, height="stretch"):
            st.markdown(f"{question} **{_VERDICTS.get(verdict, verdict)}**", help=f"{paper}.")
            st.caption(sentence)
    if planted is not None:
        with st.expander("All methods on the planted markets", icon=":material/potted_plant:"):
            draw_planted(planted)


def draw_curves(ask: Ask, attribution: Attribution, check: Check) -> None:
    """Deletion and insertion, and the top bars removed."""
    st.markdown(removal_sentence(check.removal))
    draw_chart(attribution_cached.curves(ask, controls.is_dark(), attribution, check), "faithfulness")


def draw_method(ask: Ask) -> None:
    """Method and reference in two sentences each, with the paper."""
    method = METHODS[ask.method]
    st.markdown(f"**{method.title}.** {method.explanation} *{method.paper}.*")
    reference = REFERENCE_TITLES[ask.reference]
    st.markdown(f"**Compared with {reference}.** {REFERENCES[ask.reference]}")


def draw_planted(planted: Mapping[str, Any]) -> None:
    """What every method and attention view finds, market by market."""
    for name, result in planted["generators"].items():
        st.markdown(
            f"**{name.replace('_', ' ').capitalize()}**: {result['explanation']} The model is right "
            f"{percent(result['accuracy'])} of the time, the best possible is "
            f"{percent(result['bayes_accuracy'])}."
        )
    table = planted_table(planted)
    st.dataframe(table, hide_index=True, height=420, alt="Planted-market scores")
    offer_csv(table, "planted_scores")
    st.caption(
        "AUP, AUR: areas under precision and recall over all thresholds (Crabbé and van der Schaar 2021). "
        "Rank: rank-biserial correlation with the true cells. Random weights: rank correlation with the same "
        "map of a model with random weights, near 0 is sane (Adebayo et al. 2018)."
    )


def planted_table(planted: Mapping[str, Any]) -> pd.DataFrame:
    """One row a market, method and reference, best AUPRC first within a market."""
    lines = []
    for market, result in planted["generators"].items():
        scored = [
            (name, reference, score)
            for name, by_reference in result["scores"].items()
            for reference, score in by_reference.items()
        ]
        for name, reference, score in sorted(scored, key=lambda line: -line[2]["auprc"]):
            lines.append(
                {
                    "market": market.replace("_", " "),
                    "explanation": view_title(name),
                    "compared with": REFERENCE_TITLES.get(reference, "–"),
                    "AUPRC": f"{decimal(score['auprc'])} ± {decimal(score['auprc_error'])}",
                    "guessing": decimal(score["prior"]),
                    "AUPRC, bars": decimal(score["auprc_bars"]) if np.isfinite(score["auprc_bars"]) else "–",
                    "AUP": decimal(score["aup"]),
                    "AUR": decimal(score["aur"]),
                    "rank": decimal(score["rank"]),
                    "random weights": decimal(result["randomised"][name])
                    if name in result["randomised"]
                    else "–",
                    "seconds": f"{score['seconds']:.2g}",
                }
            )
    return pd.DataFrame(lines)


def draw_depth(ask: Ask) -> None:
    """An expander that is worked for only when it is open."""
    depth = st.expander(
        "How deep: each bar's part at every layer", on_change="rerun", key="attribution_depth"
    )
    if not depth.open:
        return
    with depth:
        st.markdown(
            "Every row adds up to the same change in log-odds. Further down, more of it has moved from the "
            "bar where it was seen to the last bar, where the answer is read (layer conductance, Dhamdhere, "
            "Sundararajan and Yan 2018)."
        )
        found = attribution_cached.await_conductance(ask)
        if found is not None:
            st.caption(
                f"The rows miss at most {100 * found.completeness_error.max():.1f}% of that change "
                f"({found.steps} steps, walked forth and back from at most "
                f"{attribution_cached.DEPTH_WINDOWS} windows of the reference)."
            )
            draw_chart(attribution_cached.depth(ask, controls.is_dark(), found), "depth")
