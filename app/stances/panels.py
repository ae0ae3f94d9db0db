"""The stance as prominent as a call, and the button that chooses thresholds where there are none yet."""

from __future__ import annotations

from html import escape

import streamlit as st

from app.live.panels import STYLE
from app.shell import cached, controls
from app.shell.selection import bar_time
from app.stances import cached as stance_cached
from app.words.numbers import percent
from app.words.stances import HELP, NOT_CHOSEN, hindsight_sentence, stance_sentence
from core.operations.stances import Stance

_STYLE = "<style>.lb-stance { line-height: 1.25; position: relative; }</style>"
_CHOOSING = "thresholds_asked"


def draw_stance(model: cached.ModelKey, at: controls.Moment) -> None:
    """What the strategy does about the calls of the chosen bar, with every reason to stay out."""
    found = stance_cached.stance(model, at.key, at.bar)
    with st.container(border=True, key="stance"):
        st.html(STYLE + _STYLE + stance_panel(found))
        until = stance_cached.chosen_until(model)
        if isinstance(found, Stance) and until is not None and bar_time(at.bar) < until:
            st.caption(hindsight_sentence(until))
        if found == NOT_CHOSEN:
            draw_choice(model, (at.key.timeframe,))


def draw_choice(model: cached.ModelKey, timeframes: tuple[str, ...]) -> None:
    """The button that chooses thresholds, and their progress."""
    if st.session_state.get(_CHOOSING) is not None:
        if stance_cached.await_choice(model, st.session_state[_CHOOSING]):
            st.session_state.pop(_CHOOSING)
            st.rerun()
        return
    st.button(
        "Choose thresholds", key="choose_thresholds", on_click=_ask, args=(timeframes,),
        help="On the calibrate bars of the walk-forward's newest fold; kept then. The same on the command "
        "line: python -m core predict-all",
    )  # fmt: skip


def stance_panel(found: Stance | str) -> str:
    """Heading, stance and reasons as HTML."""
    if isinstance(found, str):
        badge, said = "NOT JUDGED", f"{found[0].upper()}{found[1:]}."
    elif found.side:
        badge = f"{'LONG' if found.side > 0 else 'SHORT'} {percent(found.size)}"
        said = stance_sentence(found)
    else:
        badge, said = "NO TRADE", stance_sentence(found)
    shape = "" if isinstance(found, Stance) and found.side else " lb-none"
    edge = "border:2px solid currentColor;" if not shape else ""
    return (
        f'<div class="lb-stance"><div class="lb-head"><span class="lb-title lb-told" tabindex="0">Stance'
        f'<span class="lb-tip" role="tooltip">{escape(HELP)}</span></span>'
        f'<span class="lb-call{shape}" style="{edge}">{escape(badge)}</span></div>'
        f'<div class="lb-sure">{escape(said)}</div></div>'
    )


def _ask(timeframes: tuple[str, ...]) -> None:
    st.session_state[_CHOOSING] = timeframes
