"""How good the model is beside everything it must beat."""

from __future__ import annotations

import streamlit as st

from app.review import cached as review_cached
from app.review import choices as review_choices
from app.review import notes as review_notes
from app.review.choices import SCORE_FILTERS, Review
from app.review.panels import draw_confusion, draw_labels_and_learning, draw_scores, draw_targets
from app.review.words import SCORE_WORDS
from app.shell import cached, controls, notices
from app.shell.view import keep_known
from app.validation.download import draw_pack
from app.words.predictions import title_of
from core.review.notes import name_slice
from core.review.performance import SCORES
from core.review.rows import RowFilter


def view(review: Review) -> None:
    """Scores, targets, calls, labels and learning of the chosen rows."""
    task = review.chosen.task
    keep_known(st.session_state, "score", list(SCORES), SCORES[0])
    score = st.selectbox(
        "Score", list(SCORES), key="score", persist_state="session", width=420,
        format_func=lambda name: f"{SCORE_WORDS[name].label} ({SCORE_WORDS[name].technical})",
    )  # fmt: skip
    controls.write_url()
    entry = review_cached.scores(review.key, review.chosen)
    if entry["pooled"] is None:
        st.info(f"No {title_of(task).lower()} label is known in this walk-forward.")
        return
    draw_scores(entry, task, score)
    tasks = [one.name for one in review_cached.result(review.key).config.tasks]
    everything = review.chosen == RowFilter(task)
    draw_targets(
        {name: review_cached.scores(review.key, RowFilter(name)) for name in tasks}
        if everything
        else {task: entry}
    )
    draw_confusion(entry)
    draw_labels_and_learning(review)


with notices.guard():
    review = review_choices.choose_rows(SCORE_FILTERS)
    if review:
        view(review)
    if cached.models():
        bundle = cached.predictor(controls.model_key()).bundle
        draw_pack()
        review_notes.draw_notes(bundle)
        if review and review.chosen != RowFilter(review.chosen.task):
            review_notes.draw_notes(bundle, "slice", name_slice(review.chosen))
