"""The prediction as it was beside the edited one, and why it changed."""

from __future__ import annotations

import numpy as np
import streamlit as st

from app.attribution.cached import evidence, moment
from app.attribution.words import REFERENCE_TITLES
from app.figures.what_if import edit_causes, edited_candles, feature_courses, probability_shifts
from app.shell import cached, controls
from app.shell.cached import ModelKey
from app.shell.jobs import await_result
from app.shell.notices import show_in_sample
from app.what_if import cached as what_if_cached
from app.what_if import words as what_if_words
from app.what_if.cached import Cells
from app.what_if.drafts import find_draft, keep_draft
from app.words import predictions as prediction_words
from core.explain.explanation import Question, pose_question
from core.explain.methods.registry import METHODS
from core.explain.moment import Moment

CANDLES = 60
TOP_FEATURES = 8


def draw_comparison(model: ModelKey, at: controls.Moment, edited: Moment | None, *, refused: bool) -> None:
    """Calls, probabilities, confidence and its sources; the original alone without a usable edit."""
    before = cached.predict(model, at.key, at.bar)
    show_in_sample(before)
    after = before if edited is None else edited.prediction
    if edited is None:
        st.markdown(what_if_words.REFUSED if refused else what_if_words.UNEDITED)
    for name, task in before.tasks.items():
        st.markdown(what_if_words.call_sentence(task, after.tasks[name]))
    st.plotly_chart(
        probability_shifts(what_if_words.class_shifts(before, after), dark=controls.is_dark()),
        key="shifts", config=controls.figure_config("what_if"), alt="Probabilities as it was and edited",
    )  # fmt: skip
    table = what_if_words.confidence_table(before, after).reset_index(names="as it was → edited")
    st.table(table, hide_index=True, alt="Confidence and its sources, as they were and edited")
    said = what_if_words.unlike_sentence(before, after)
    if after.out_of_distribution:
        st.warning(f"{said} Trust the edited numbers less.", icon=":material/help:")
    else:
        st.caption(said)


def draw_bars(model: ModelKey, at: controls.Moment, cells: Cells) -> None:
    """Candles as they were and edited, side by side."""
    before = what_if_cached.editable(model, at.key, at.bar)
    after = what_if_cached.edited_bars(model, at.key, at.bar, cells)
    figure = edited_candles(
        before.shown(CANDLES), after.shown(CANDLES), palette=controls.palette(), dark=controls.is_dark()
    )
    st.plotly_chart(
        figure, key="edited_candles", config=controls.figure_config("what_if_candles"),
        alt="Candles as they were and edited",
    )  # fmt: skip


def draw_courses(model: ModelKey, at: controls.Moment, edited: Moment) -> None:
    """The features that changed, over the newest bars, in their own units."""
    original = moment(model, at.key, at.bar)
    old, new = original.features[-CANDLES:], edited.features[-CANDLES:]
    changed = np.flatnonzero((old != new).any(0))
    if not len(changed):
        st.caption(f"Nothing changed in the newest {CANDLES} bars.")
        return
    st.markdown("**The changed features: thin as they were, thick edited; ◆ marks what was edited**")
    figure = feature_courses(
        original.market_values(old)[:, changed], original.market_values(new)[:, changed],
        [original.feature_names[place] for place in changed], original.window.ts[-CANDLES:],
        at.key.timeframe, dark=controls.is_dark(),
    )  # fmt: skip
    st.plotly_chart(
        figure, key="courses", config=controls.figure_config("what_if_features"), alt="Changed features"
    )


def draw_explanation(model: ModelKey, at: controls.Moment, task: str, edited: Moment) -> None:
    """Attributions of both windows beside what the edit itself moved; computed when asked for."""
    wanted = find_draft(at).explained == edited.data_fingerprint
    st.button(
        "Explain the change", key="explain_change", icon=":material/compare_arrows:", disabled=wanted,
        on_click=keep_draft, args=(at,), kwargs={"explained": edited.data_fingerprint},
    )  # fmt: skip
    if not wanted:
        return
    original, question = moment(model, at.key, at.bar), _question(model, at, task)
    found = await_result(
        ("explain_edit", model, at.key, at.bar, edited.data_fingerprint, question), "Explaining both windows",
        what_if_cached.explain_change(original, edited, question),
    )  # fmt: skip
    if found is None:
        return
    st.markdown(what_if_words.edit_sentence(found, question.target))
    st.plotly_chart(
        edit_causes(found.by_feature()[:TOP_FEATURES], question.target, dark=controls.is_dark()),
        key="edit_causes", config=controls.figure_config("what_if_why"), alt="Features before and after",
    )  # fmt: skip
    reference = REFERENCE_TITLES[found.before.reference]
    st.caption(
        f"{prediction_words.title_of(task)}, {question.target}. Blue pushes towards it, orange against. "
        f"Left and middle: {METHODS[question.method].title} of each window against "
        f"{reference}. Right: Integrated Gradients on the straight way from the window as it was "
        f"to the edited one, {found.edit.steps} steps; features nobody edited have 0 there."
    )


def _question(model: ModelKey, at: controls.Moment, task: str) -> Question:
    chosen = controls.selection()
    return pose_question(
        moment(model, at.key, at.bar), evidence(model, "planted"), task=task, target=chosen.target,
        method=chosen.method, reference=chosen.reference,
    )  # fmt: skip
