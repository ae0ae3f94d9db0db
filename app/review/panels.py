"""Panels of the review pages that are more than one chart: numbers beside their floor, sets, scores."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
import streamlit as st

from app.figures.performance import (
    balance_figure,
    confusion_figure,
    folds_figure,
    learning_figure,
    scores_figure,
)
from app.review import cached as review_cached
from app.review import choices as review_choices
from app.review.choices import Review
from app.review.tables import compared_table, errors_table, scores_table, sets_table
from app.review.words import before_sentence, error_sentence, sets_sentence
from app.shell import controls
from app.shell.choosers import draw_chart, offer_csv
from app.words.confidence import stated_title
from core.review.performance import (
    BASELINES,
    SCORES,
    balance_labels,
    follow_learning,
    tabulate_scores,
    tabulate_targets,
)
from core.review.rows import CALIBRATORS
from core.review.sets import count_sets


def draw_errors(review: Review, source: str) -> None:
    """Calibration errors beside what a perfect model would show."""
    errors = review_cached.errors(review.key, review.chosen, source)
    count = len(review_cached.stating(review.key, review.chosen, source))
    st.markdown(
        error_sentence(errors, count, review_cached.over_limit(review.key, review.chosen, source)),
        help="ECE, 15 equal bins (Naeini et al. 2015), against perfectly calibrated forecasters simulated on "
        "the same predictions, whose outcomes overlap and share their days as these do. One such forecaster "
        "in twenty is off by more.",
    )
    table = errors_table(errors)
    st.dataframe(table, hide_index=True, height="content", alt="Calibration errors")
    offer_csv(errors, f"calibration_errors_{review.chosen.task}_{source}")


def draw_compared(review: Review) -> None:
    """Every source, mix and calibrator by the same measures."""
    st.markdown(
        "**Every confidence by the same measures**",
        help="AURC: mean share wrong over all shares acted on, surest first (Geifman and El-Yaniv 2017). "
        f"Calibrators: {', '.join(stated_title(name) for name in CALIBRATORS)}.",
    )
    compared = review_cached.compared(review.key, review.chosen)
    st.dataframe(compared_table(compared), hide_index=True, height="content", alt="Every confidence compared")
    offer_csv(compared, f"confidences_{review.chosen.task}")


def draw_sets(review: Review) -> None:
    """Prediction sets at a chosen level: what they promised, held and ruled out."""
    key, chosen = review.key, review.chosen
    rows = review_cached.rows(key, chosen)
    if not any((size >= 0).any() for size in rows.set_size.values()):
        st.caption("No prediction sets were fitted on these folds: too few bars held back.")
        return
    chooser, sentence = st.columns([0.3, 0.7], gap="large", vertical_alignment="center")
    with chooser:
        level = review_choices.choose_level(list(rows.set_size))
        if len(rows.set_size) == 1:
            st.caption("This walk-forward was run before other levels were kept: run it again for them.")
    with sentence:
        st.markdown(
            sets_sentence(review_cached.sets_held(key, chosen, level), level),
            help="In brackets: 95% interval, dependence over time counted. The promise is kept when coming "
            "bars are like "
            "those held back; where markets change, a threshold that follows the outcomes keeps it better.",
        )
    left, right = st.columns([0.62, 0.38], gap="medium", vertical_alignment="center")
    with left:
        draw_chart(review_cached.sets_chart(key, chosen, level, controls.is_dark()), "sets")
    with right:
        counted = count_sets(rows, level)
        table = sets_table(counted, len(rows.classes))
        st.dataframe(table, hide_index=True, height="content", alt="Sets by their size")
        offer_csv(counted, f"sets_{chosen.task}_{100 * level:g}")


def draw_scores(entry: Mapping[str, Any], task: str, score: str) -> None:
    """Pooled and per fold, and the table."""
    dark, pooled = controls.is_dark(), tabulate_scores(entry["pooled"])
    left, right = st.columns(2, gap="medium")
    with left:
        rows = entry["pooled"]["rows"]
        title = f"All folds, {rows:,} predictions, 95% whiskers"
        draw_chart(scores_figure(pooled, score, title=title, dark=dark), "scores")
    with right:
        folds = [None if fold is None else tabulate_scores(fold) for fold in entry["folds"]]
        draw_chart(folds_figure(folds, score, dark=dark), "folds")
    st.dataframe(scores_table(pooled), hide_index=True, height="content", alt="Scores beside baselines")
    blank = " Where there is none, too few separate stretches of time are left." if _is_blank(pooled) else ""
    st.caption(
        "Model and baselines but the two that only count are temperature-scaled on the same held-back bars. "
        "Better or worse is said where it holds with all comparisons of the table counted (Holm 1979); an "
        "interval speaks of its own line alone (95%, dependence over time counted)." + blank
    )
    named = {f"fold {k}": table for k, table in enumerate(folds) if table is not None}
    offer_csv(pd.concat({"all folds": pooled, **named}), f"scores_{task}")


def _is_blank(table: pd.DataFrame) -> bool:
    return bool(table[[f"{name}_low" for name in SCORES]].isna().to_numpy().any())


def draw_worse_than_before(review: Review) -> None:
    """Says first where the final confidence is worse than none at all."""
    sentence = before_sentence(review_cached.beside_before(review.key, review.chosen))
    if sentence:
        st.markdown(sentence)


def draw_targets(summary: Mapping[str, Any]) -> None:
    """The specification's targets, met or not, in words."""
    st.markdown(
        "**The specification's targets beside what is measured**",
        help="Printed, never reached by widening a label: a wide Sideways band would make the commonest "
        "class alone 75% of all.",
    )
    targets = tabulate_targets(summary)
    st.dataframe(targets, hide_index=True, height="content", alt="Targets", column_config={"verdict": "met?"})
    offer_csv(targets, "targets")


def draw_confusion(entry: Mapping[str, Any]) -> None:
    """What was called against what happened, the model's beside a baseline's."""
    names = {str(name): str(BASELINES.get(name, name)) for name in entry["pooled"]["baselines"]}
    beside = str(
        st.selectbox("Beside", list(names), format_func=lambda name: names[name], key="beside", width=240)
    )
    tables = (("The model", entry["pooled"]["model"]), (names[beside], entry["pooled"]["baselines"][beside]))
    for column, (name, scores) in zip(st.columns(2, gap="medium"), tables, strict=True):
        with column:
            title = f"{name[:1].upper()}{name[1:]}: called of what happened"
            figure = confusion_figure(
                scores["confusion"], entry["classes"], title=title, dark=controls.is_dark()
            )
            draw_chart(figure, f"confusion_{name}")


def draw_labels_and_learning(review: Review) -> None:
    """Label balance of the chosen rows, and how each fold's training went."""
    result, task = review_cached.result(review.key), review.chosen.task
    balance, learning = st.columns(2, gap="medium")
    with balance:
        draw_chart(balance_figure(balance_labels(result, review.chosen)), "balance")
    with learning:
        learned = follow_learning(result.folds, task)
        if learned.empty:
            st.caption("These folds kept no history of their training.")
        else:
            draw_chart(learning_figure(learned, dark=controls.is_dark()), "learning")
