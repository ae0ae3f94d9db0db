"""How good the model is beside everything it must beat."""

from __future__ import annotations

import streamlit as st

from app import notices, review_controls, review_resources
from app.review_controls import SCORE_FILTERS, Review
from app.review_panels import draw_confusion, draw_labels_and_learning, draw_scores, draw_targets
from core.review.performance import SCORES
from core.review.rows import RowFilter


def view(review: Review) -> None:
    """Scores, targets, calls, labels and learning of the chosen rows."""
    task = review.chosen.task
    score = st.selectbox(
        "Score", list(SCORES), format_func=lambda name: f"{SCORES[name].label} ({SCORES[name].technical})",
        key="score", persist_state="session", width=420,
    )  # fmt: skip
    entry = review_resources.scores(review.key, review.chosen)
    if entry["pooled"] is None:
        st.info(f"No {review_controls.title_of(task).lower()} label is known in this walk-forward.")
        return
    draw_scores(entry, task, score)
    everything = review.chosen == RowFilter(task)
    draw_targets(review_resources.result(review.key).summary if everything else {task: entry})
    draw_confusion(entry)
    draw_labels_and_learning(review)


with notices.guard():
    review = review_controls.choose_rows(SCORE_FILTERS)
    if review:
        view(review)
