"""How good the model is beside everything it must beat."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from app import controls, notices, review_controls, review_resources
from app.figures.performance import (
    balance_figure,
    confusion_figure,
    folds_figure,
    learning_figure,
    scores_figure,
)
from app.review_controls import draw_chart
from app.review_performance import (
    BASELINES,
    SCORES,
    balance_labels,
    follow_learning,
    tabulate_scores,
    tabulate_targets,
)
from app.review_tables import scores_table


def draw_scores(entry: dict, task: str, score: str) -> None:
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
    named = {f"fold {k}": table for k, table in enumerate(folds) if table is not None}
    review_controls.offer_csv(pd.concat({"all folds": pooled, **named}), f"scores_{task}")


def draw_targets(summary: dict) -> None:
    """The specification's targets, met or not, in words."""
    st.markdown(
        "**The specification's targets beside what is measured**",
        help="Printed, never reached by widening a label: a wide Sideways band would make the commonest "
        "class alone 75% of all.",
    )
    targets = tabulate_targets(summary)
    st.dataframe(targets, hide_index=True, height="content", alt="Targets", column_config={"verdict": "met?"})
    review_controls.offer_csv(targets, "targets")


def draw_confusion(entry: dict) -> None:
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


with notices.guard():
    with st.container(horizontal=True, vertical_alignment="bottom"):
        key = review_controls.choose_review()
        result = review_resources.result(key) if key else None
        task = review_controls.choose_task([t.name for t in result.config.tasks]) if result else None
        score = "log_loss"
        if result:
            score = st.selectbox(
                "Score", list(SCORES),
                format_func=lambda name: f"{SCORES[name].label} ({SCORES[name].technical})",
                key="score", persist_state="session", width=420,
            )  # fmt: skip
    if result and task:
        entry = result.summary[task]
        draw_scores(entry, task, score)
        draw_targets(result.summary)
        draw_confusion(entry)
        balance, learning = st.columns(2, gap="medium")
        with balance:
            draw_chart(balance_figure(balance_labels(result, task)), "balance")
        with learning:
            learned = follow_learning(result.folds, task)
            if learned.empty:
                st.caption("These folds kept no history of their training.")
            else:
                draw_chart(learning_figure(learned, dark=controls.is_dark()), "learning")
