"""Every term of the screen in one sentence, to be searched."""

from __future__ import annotations

import streamlit as st

from app.shell import controls
from app.words.glossary import ROOMS, STYLE, define, find_terms, list_terms


def view() -> None:
    """The terms found under their headings; those whose name was asked for alone come first."""
    asked = st.text_input(
        "Search the terms", key="term", persist_state="session", width=420, icon=":material/search:",
        placeholder="a word of the term or of what it means",
    )  # fmt: skip
    controls.write_url()
    found = find_terms(asked)
    st.caption(f"{len(found)} of {len(list_terms())} terms")
    if not found:
        st.info(f"No term has all of “{asked}” in it. Try one word of it.", icon=":material/search_off:")
        return
    if asked.strip():
        st.html(STYLE + define(found))
        return
    st.html(STYLE)
    for room in ROOMS:
        st.markdown(f"##### {room}")
        st.html(define([term for term in found if term.room == room]))


st.fragment(view)()
