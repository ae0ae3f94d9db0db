"""The Desk's widgets: bringing predictions up to date, what is shown, the table, one series in full."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import streamlit as st

from app.desk import cached as desk_cached
from app.desk.words import (
    COLUMN_HELP,
    SHOWN,
    Line,
    call_text,
    desk_table,
    keep,
    note_of,
    stale_sentence,
)
from app.shell import cached, controls
from app.shell.choosers import offer_csv
from app.stances.panels import draw_choice
from app.words.numbers import signed, unsigned_zero
from app.words.predictions import set_sentence, title_of, unlike_training
from app.words.stances import NOT_CHOSEN, stance_sentence, stance_text
from core.operations.stances import Stance

LIVE = Path(__file__).resolve().parents[2] / "pages" / "live.py"
TALLEST = 640
"""Pixels; a longer table scrolls, its head stays."""
_ASKED = "desk_asked"
_MUTED = {False: "color: #616A72", True: "color: #9AA4AD"}
"""Grey of what is no call, by the dark theme; 5 to 1 on the page at least."""
_PERCENT = ("P", "Sure", "Surer than")


def draw_update(model: cached.ModelKey, lines: Sequence[Line]) -> None:
    """What waits to be predicted, the button that does it, and its progress."""
    stale = [line.summary for line in lines if line.stale]
    asked = st.session_state.get(_ASKED)
    if asked is not None:
        done = desk_cached.await_update(model, asked)
        if done is not None:
            st.session_state.pop(_ASKED)
            st.rerun()
        return
    said = stale_sentence(len(stale), len(lines))
    if said:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f":material/update: {said}", width="content")
            st.button(
                "Predict them now", key="desk_update", type="primary", on_click=_ask, args=(tuple(stale),),
                help="The same on the command line: python -m core predict-all",
            )  # fmt: skip
    waiting = {line.summary.timeframe for line in lines if line.stance == NOT_CHOSEN}
    if waiting:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f":material/balance: The strategy's {NOT_CHOSEN}.", width="content")
            draw_choice(model, tuple(sorted(waiting)))


def choose_lines(lines: Sequence[Line], task: str) -> list[Line]:
    """Which series are shown: by a part of their name, and by what is the matter with them."""
    find = st.text_input(
        "Find", key="desk_find", placeholder="AAPL, 1h …", width=160, persist_state="session"
    )
    shown = st.selectbox(
        "Show", list(SHOWN), key="desk_shown", format_func=SHOWN.__getitem__, width=190,
        persist_state="session",
    )  # fmt: skip
    return keep(lines, shown, task, find)


def draw_table(
    model: cached.ModelKey, lines: Sequence[Line], tasks: Sequence[str], task: str, moment: pd.Timestamp
) -> Line | None:
    """The table; the series of the row chosen in it."""
    if not lines:
        st.caption("No series is like that.")
        return None
    table = desk_table(
        lines, tasks, task, moment, zone=controls.zone(), rank=desk_cached.rank_of(model, task),
        model=controls.selection().model,
    )  # fmt: skip
    titles = [title_of(name) for name in tasks]
    muted = _MUTED[controls.is_dark()]
    styled = table.style.map(lambda cell: muted if cell == "no call" else "", subset=[*titles, "Before"]).map(
        lambda cell: muted if str(cell).startswith(("no t", "no p", "thresholds")) else "", subset=["Stance"]
    )
    styled = styled.format(dict.fromkeys(_PERCENT, "{:.1f}%") | {"Points": _points}, na_rep="–")
    picked = st.dataframe(
        styled, hide_index=True, height="content" if len(table) <= 16 else TALLEST, key="desk_table",
        on_select="rerun", selection_mode="single-row", alt="Every series at its newest bar", placeholder="–",
        column_config=_configure(titles),
    )  # fmt: skip
    offer_csv(table.drop(columns="Open"), "desk")
    rows = [row for row in picked["selection"]["rows"] if row < len(lines)]
    if not rows:
        st.caption(
            "Choose a row, with Shift and Space on the keyboard, for its doubts and to open it on Live; "
            "a click on a heading sorts."
        )
        return None
    return lines[rows[0]]


def draw_chosen(model: cached.ModelKey, line: Line, tasks: Sequence[str]) -> None:
    """One series in full: its stance, its calls, every doubt, and the way to Live."""
    name = f"{line.summary.instrument} {line.summary.timeframe}"
    with st.container(border=True, key="desk_chosen"):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"**{name}**", width="content")
            if st.button(
                "Open on Live", key="desk_open", type="primary", icon=":material/candlestick_chart:"
            ):
                controls.change(
                    instrument=line.summary.instrument, timeframe=line.summary.timeframe, bar=None
                )
                st.switch_page(LIVE)
        if isinstance(line.stance, Stance):
            st.markdown(f"Stance: **{stance_text(line.stance)}**. {stance_sentence(line.stance)}")
        elif line.stance:
            st.markdown(f"Stance: {line.stance}")
        for task in tasks:
            said, before = line.said(task), line.said(task, before=True)
            if said is None:
                continue
            was = f", {call_text(before)} at the bar before" if line.changed(task) else ""
            held = "" if said.stated is None else f" · {set_sentence(said.stated.members, said.classes)}"
            st.markdown(f"{title_of(task)}: {call_text(said)}{was}{held}")
        if line.now is not None and line.now.out_of_distribution:
            st.markdown(f":material/help: {unlike_training(line.now)}")
        note = note_of(line)
        if note:
            st.caption(f"{note[0].upper()}{note[1:]}")


def _configure(titles: Sequence[str]) -> dict:
    columns = st.column_config
    configured: dict = {
        "Series": columns.TextColumn(pinned=True, width=110),
        "Stance": columns.TextColumn(width=250, help=COLUMN_HELP["Stance"]),
        "Points": columns.NumberColumn(width=65, help=COLUMN_HELP["Points"]),
        "Open": columns.LinkColumn(display_text="Live ↗", width=65, help="Opens the series on Live"),
        "Unlike training": columns.TextColumn(help=COLUMN_HELP["Unlike training"], width=110),
        "Before": columns.TextColumn(help=COLUMN_HELP["Before"], width=95),
        "Note": columns.TextColumn(width=300),
    }
    configured |= {title: columns.TextColumn(width=100) for title in titles}
    return configured | {name: columns.NumberColumn(width=75, help=COLUMN_HELP[name]) for name in _PERCENT}


def _points(points: float) -> str:
    return unsigned_zero(signed(points, ".0f"))


def _ask(stale: tuple) -> None:
    st.session_state[_ASKED] = stale
