"""Every stored series at its newest bar: where the day starts."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from app.desk import cached as desk_cached
from app.desk.panels import choose_lines, draw_chosen, draw_table, draw_update
from app.desk.words import Line, desk_sentence
from app.shell import cached, controls, notices
from app.shell.choosers import choose_task
from app.stances.cached import stances


def view() -> None:
    """The sentence, the table, and what is known of the row chosen in it."""
    with notices.guard():
        model = controls.model_key()
        stored = desk_cached.stored(model)
        series = cached.series()
        judged = stances(model, stored)
        keys = [(one.instrument, one.timeframe) for one in series]
        lines = [Line(one, stored.get(key), judged.get(key)) for one, key in zip(series, keys, strict=True)]
        tasks = [task.name for task in cached.predictor(model).bundle.config.tasks]
        moment = pd.Timestamp.now("UTC")
        head = st.empty()
        draw_update(model, lines)
        with st.container(horizontal=True, vertical_alignment="bottom"):
            task = choose_task("Numbers of", tasks, key="desk_task")
            kept = choose_lines(lines, task)
        head.markdown(desk_sentence(lines, task, moment))
        chosen = draw_table(model, kept, tasks, task, moment)
        if chosen is not None:
            draw_chosen(model, chosen, tasks)


st.fragment(view)()
