"""Why in two lines: where the last bar looks, and the strongest features where somebody has asked."""

from __future__ import annotations

import streamlit as st

from app.live import cached as live_cached
from app.shell import cached, controls, notices
from app.shell.choosers import chosen_task
from app.words import predictions as prediction_words

ATTRIBUTION = "../pages/attribution.py"
"""From where the workbench's entry stands."""


def draw_why(model: cached.ModelKey, at: controls.Moment) -> None:
    """Where the last bar looks, whether the window is like training, and the strongest groups of features.

    An explanation is only read, never computed here.
    """
    row = live_cached.last_attention(model, at.key, at.bar)
    prediction = cached.predict(model, at.key, at.bar)
    said = prediction_words.why_sentence(row, prediction.distance)
    with st.container(gap=None), notices.guard():
        st.markdown(said, help=prediction_words.WHY_HELP)
        task = chosen_task(model)
        target = controls.selection().target
        call = prediction.tasks[task]
        target = target if target in call.classes else call.call
        groups = live_cached.cached_groups(model, at.key, at.bar, task, target)
        if groups is None:
            st.page_link(ATTRIBUTION, label=prediction_words.UNASKED, icon=":material/grid_on:")
        else:
            st.markdown(prediction_words.groups_sentence(target, groups))
