"""Earlier moments the model sees as most like the chosen bar, and what came of them."""

from __future__ import annotations

import streamlit as st

from app.shell import cached, controls, notices
from app.similar import cached as similar_cached
from app.similar import panels as similar_panels
from app.similar import words as similar_words


def view() -> None:
    """The whole page; its choices leave the strip alone."""
    with notices.guard():
        at, model = controls.moment(), controls.model_key()
        key = similar_panels.find_index(model)
        if key is None:
            return
        names = similar_panels.draw_reach(model, key)
        task, count, among = similar_panels.choose_among(names, at)
        found = similar_cached.analogues(model, key, at.key, at.bar, task.name, count, among)
        controls.write_url()
        if found is None or not found.moments:
            st.info(similar_words.NOTHING, icon=":material/manage_search:")
            return
        notices.show_in_sample(cached.predict(model, at.key, at.bar))
        similar_panels.draw_sum(model, at, task, found)
        similar_panels.draw_moments(model, key, at, found)
        st.caption(similar_words.HOW)


st.fragment(view)()
