"""Could a simpler model have said this? One block under the calls, one line beside an explanation."""

from __future__ import annotations

import streamlit as st

from app.challengers import cached as challenger_cached
from app.shell import cached, controls, notices
from app.words.challengers import HELP, NONE_FITTED, disagreement_sentence, split_sentence
from app.words.predictions import title_of


def draw_challengers(model: cached.ModelKey, at: controls.Moment) -> None:
    """Every task's call beside its challengers', and the record of where the plain one disagreed."""
    st.markdown("**Could a simpler model have said this?**", help=HELP)
    with notices.guard():
        splits = challenger_cached.splits(model, at.key, at.bar)
        if splits is None:
            st.caption(NONE_FITTED)
            return
        for task in splits:
            draw_task(model, at, task)


def draw_task(model: cached.ModelKey, at: controls.Moment, task: str, target: str | None = None) -> None:
    """One task alone; `target` is the class spoken of, by default the most probable one."""
    splits = challenger_cached.splits(model, at.key, at.bar)
    if splits is None:
        st.caption(NONE_FITTED)
        return
    prediction = cached.predict(model, at.key, at.bar)
    said = prediction.tasks[task]
    plain = splits[task][0]
    found = challenger_cached.disagreement(model, task, plain.challenger, prediction.known_at)
    with st.container(gap=None):
        st.markdown(f"{title_of(task)}: {split_sentence(splits[task], target or said.call)}")
        st.caption(disagreement_sentence(found, plain))
