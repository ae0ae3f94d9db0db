"""Pickers, a chart with its download and a CSV button, the same on every page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime, time
from typing import cast

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from app.shell import cached, controls
from app.shell.selection import bar_time, open_name
from app.words.members import member_title
from app.words.numbers import count_word
from app.words.predictions import title_of
from core.models.ensemble import list_members
from core.timeframe import duration

LATE = time(23, 59)
"""A day picked stands for its last bar."""


def chosen_task(model: cached.ModelKey) -> str:
    """The selected task; the model's first where it has none of that name."""
    names = [task.name for task in cached.predictor(model).bundle.config.tasks]
    task = controls.selection().task
    return task if task in names else names[0]


def choose_task(label: str, tasks: Sequence[str], *, key: str, width: int | None = None) -> str:
    """One of the tasks, the same as elsewhere in the workbench where that has it.

    A select box of `width` pixels; without a width, buttons side by side. Where no bars are stored there is
    no selection to follow, and the widget keeps its own.
    """
    linked = bool(cached.series())
    wanted = controls.selection().task if linked else st.session_state.get(key, tasks[0])
    st.session_state[key] = wanted if wanted in tasks else tasks[0]

    def follow() -> None:
        if linked:
            controls.change(task=st.session_state[key])

    if width is None:
        st.segmented_control(label, tasks, key=key, required=True, format_func=title_of, on_change=follow)
    else:
        st.selectbox(label, tasks, key=key, format_func=title_of, on_change=follow, width=width)
    return st.session_state[key]


def choose_member(model: cached.ModelKey, *, key: str) -> int | None:
    """One member of an ensemble, or None for all together; a single transformer leaves nothing to choose.

    Raises
    ------
    SelectionError
        If a link names a member the model does not have.
    """
    count = len(list_members(cached.predictor(model).bundle.model))
    member = controls.chosen_member(count)
    if count == 1:
        return None
    st.session_state[key] = member or 0

    def follow() -> None:
        controls.change(member=st.session_state[key] or None)

    st.selectbox(
        "Member", range(count + 1), key=key, on_change=follow, width=150,
        format_func=lambda number: member_title(number) if number else "all members",
        help=f"The model is {count_word(count)} transformers trained apart; it says their mean logits.",
    )  # fmt: skip
    return member


def choose_bar(
    label: str,
    at: controls.Moment,
    bar: str | None,
    *,
    keys: tuple[str, str],
    widths: tuple[int, int],
    on_pick: Callable[[str | None], None],
) -> None:
    """A bar of the series: by its day where bars are daily or weekly, else by its time.

    Parameters
    ----------
    bar
        The one shown; None for none yet.
    keys, widths
        Of the picker of days and of the picker of times.
    on_pick
        Gets the last bar that opened by then, before the page runs; None once the picker was emptied.
    """
    first, last = (cast(pd.Timestamp, pd.Timestamp(at.opens[i])).to_pydatetime() for i in (0, -1))
    now = None if bar is None else bar_time(bar).to_pydatetime().replace(tzinfo=None)
    daily = at.key.timeframe in ("1d", "1w")
    key, width = (keys[0], widths[0]) if daily else (keys[1], widths[1])

    def picked() -> None:
        value: date | None = st.session_state[key]
        if value is None:
            on_pick(None)
            return
        until = value if isinstance(value, datetime) else datetime.combine(value, LATE)
        opens = controls.moment().opens
        position = int(np.searchsorted(opens, np.datetime64(until), "right")) - 1
        on_pick(open_name(opens[max(position, 0)]))

    if daily:
        st.session_state[key] = None if now is None else now.date()
        st.date_input(
            label, min_value=first.date(), max_value=last.date(), format="YYYY-MM-DD", key=key,
            on_change=picked, width=width,
        )  # fmt: skip
        return
    st.session_state[key] = now
    # Without a value it starts at this minute, above the last bar of a series that has ended, and raises.
    st.datetime_input(
        label, value=now, min_value=first, max_value=last, format="YYYY-MM-DD", key=key, on_change=picked,
        step=min(int(duration(at.key.timeframe).total_seconds()), 3600), width=width,
    )  # fmt: skip


def draw_chart(figure: go.Figure, name: str) -> None:
    """A chart with the few tools that leave room for its title in half a page."""
    config = controls.figure_config(name)
    removed = [*config["modeBarButtonsToRemove"], "pan2d", "zoomIn2d", "zoomOut2d", "autoScale2d"]
    st.plotly_chart(
        figure, key=name, config=config | {"modeBarButtonsToRemove": removed},
        alt=str(figure.to_dict()["layout"]["title"]["text"]),
    )  # fmt: skip


def offer_csv(table: pd.DataFrame, name: str) -> None:
    """Download button of a table."""
    st.download_button(
        "CSV", table.to_csv().encode(), file_name=f"{name}.csv", mime="text/csv", key=f"csv_{name}",
        icon=":material/download:", on_click="ignore",
    )  # fmt: skip
