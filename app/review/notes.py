"""One panel of reviewers' notes: those there are, and a form for one more."""

from __future__ import annotations

import streamlit as st

from app.shell import notices
from core.bundle import Bundle
from core.data.store import home_folder
from core.review.notes import (
    MOST_NAME,
    MOST_TEXT,
    VERDICTS,
    Note,
    Subject,
    append_note,
    make_note,
    read_notes,
)


def draw_notes(bundle: Bundle, subject: Subject = "model", about: str = "") -> None:
    """Notes on the model, a slice or one prediction of it, and a form to add one.

    Parameters
    ----------
    about
        As `core.review.notes.Note.about`; empty for the model.
    """
    key = f"notes_{subject}"
    with (
        st.expander(f"Reviewers' notes on this {subject}", icon=":material/rate_review:", key=key),
        notices.guard(),
    ):
        with st.form(f"{key}_form", clear_on_submit=True, border=False):
            with st.container(horizontal=True):
                verdict = st.selectbox("Verdict", VERDICTS, key=f"{key}_verdict", width=160)
                who = st.text_input("Your name", key=f"{key}_who", max_chars=MOST_NAME, width=220)
            text = st.text_area("Note", key=f"{key}_text", max_chars=MOST_TEXT, height=90)
            if st.form_submit_button("Add note", help="Notes are kept for good: none is changed or deleted"):
                made = make_note(
                    bundle.name, bundle.version, verdict, text, subject=subject, about=about, who=who
                )
                append_note(home_folder(), made)
        found = read_notes(home_folder(), bundle.name, subject, about)
        if not found:
            st.caption("No note yet.")
        for note in reversed(found):
            # Plain text, so that nothing in it is taken for markup.
            st.text(describe_note(note, bundle.version))


def describe_note(note: Note, version: str) -> str:
    """One note in plain text; it says where it is of another version."""
    other = "" if note.version == version else f", of version {note.version}"
    return f"{note.verdict.upper()}, {note.who}, {note.when[:16].replace('T', ' ')} UTC{other}\n{note.text}"
