"""What the model would have said of other bars or features, and the smallest change that flips its call."""

from __future__ import annotations

import streamlit as st

from app.shell import cached, controls, notices
from app.shell.choosers import choose_task
from app.what_if import cached as what_if_cached
from app.what_if import drafts as what_if_drafts
from app.what_if import editors as what_if_editors
from app.what_if import panels as what_if_panels

BARS, FEATURES, FLIP = "bars", "features", "flip"
MODES = {BARS: "Edit bars", FEATURES: "Edit features", FLIP: "Smallest change that flips the call"}


def view() -> None:
    """The whole page; its choices leave the strip alone."""
    with notices.guard():
        at, model = controls.moment(), controls.model_key()
        what_if_drafts.take_linked(model, at)
        mode, task = choose_mode(model)
        editor, result = st.columns([0.5, 0.5], gap="medium")
        cells, edited, refused = (), None, True
        with editor, notices.guard():
            if mode == BARS:
                cells = what_if_editors.edit_bars(model, at)
                if cells:
                    edited = what_if_cached.bars_moment(model, at.key, at.bar, cells)
            elif mode == FEATURES:
                edited = what_if_editors.edit_features(model, at)
            else:
                edited = what_if_editors.search_flip(model, at, task)
            refused = False
        with result:
            what_if_panels.draw_comparison(model, at, edited, refused=refused)
        if edited is not None:
            if mode == BARS:
                what_if_panels.draw_bars(model, at, cells)
            else:
                what_if_panels.draw_courses(model, at, edited)
            what_if_panels.draw_explanation(model, at, task, edited)
        what_if_drafts.offer_link(at)
        controls.write_url()


def choose_mode(model: cached.ModelKey) -> tuple[str, str]:
    """What is changed, and whose call is to flip and to be explained."""
    tasks = [task.name for task in cached.predictor(model).bundle.config.tasks]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        mode = st.segmented_control(
            "What if", list(MODES), required=True, key="what_if_mode", format_func=MODES.__getitem__,
            persist_state="session", label_visibility="collapsed",
        )  # fmt: skip
        task = choose_task("Call to flip and to explain", tasks, key="what_if_task")
    return mode or BARS, task


st.fragment(view)()
