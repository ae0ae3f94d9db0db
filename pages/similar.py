"""Earlier moments the model sees as most like the chosen bar, and what came of them."""

from __future__ import annotations

import streamlit as st

from app import controls, notices, similar, similar_resources, similar_words


def view() -> None:
    """The whole page; its choices leave the strip alone."""
    with notices.guard():
        at, model = controls.moment(), controls.model_key()
        key = similar.find_index(model)
        if key is None:
            return
        names = similar.draw_reach(model, key)
        task, count, among = similar.choose_among(names, at)
        found = similar_resources.analogues(model, key, at.key, at.bar, task.name, count, among)
        controls.write_url()
        if found is None or not found.moments:
            st.info(similar_words.NOTHING, icon=":material/manage_search:")
            return
        similar.draw_sum(model, at, task, found)
        similar.draw_moments(model, key, at, found)
        st.caption(similar_words.HOW)


st.fragment(view)()
