"""Candles with what a bar attended, by layer, through all layers, and for the class called."""

from __future__ import annotations

import streamlit as st

from app import attention_resources, controls, notices, resources, wording
from app.components.attention_bands import attention_bands

BANDS = "attended"
_TASK = "attended_task"


def chosen_task(model: resources.ModelKey) -> str:
    """The selected task; the model's first where it has none of that name."""
    names = [task.name for task in resources.predictor(model).bundle.config.tasks]
    task = controls.selection().task
    return task if task in names else names[0]


def draw_attended(model: resources.ModelKey, at: controls.Moment, head: int | None, query: int) -> None:
    """The canvas; the pointer moves in the browser alone, a click fixes the bar."""
    title, choice = st.columns([0.62, 0.38], vertical_alignment="bottom")
    title.markdown(
        "**What a bar attended: point at a candle; click fixes it, arrow keys move it**",
        help="Each band is scaled by its own strongest bar, named at its right; square root, so that weak "
        "attention shows too. Hatched: what the layer may not see. A click on a band's name lights the "
        "candles by that band. Rollout (Abnar and Zuidema 2020) follows attention through all layers, half "
        "of each staying in place. The last band (Chefer, Gur and Wolf 2021) weighs attention by its effect "
        "on the class called, adds up to 100% and speaks of the newest bar alone.",
    )
    tasks = [task.name for task in resources.predictor(model).bundle.config.tasks]
    st.session_state[_TASK] = chosen_task(model)
    with choice:
        st.segmented_control(
            "The last band explains the call for", tasks, key=_TASK, required=True,
            format_func=wording.title_of, on_change=lambda: controls.change(task=st.session_state[_TASK]),
        )  # fmt: skip
    payload = attention_resources.bands(model, at.key, at.bar, head, controls.palette())
    counted = None
    with notices.guard():
        counted = attention_resources.relevance(model, at.key, at.bar, chosen_task(model))
    attention_bands(
        payload, token=attention_resources.bands_token(at.key, at.bar), looks=query, relevance=counted,
        key=BANDS, on_fix=fix_bar, on_layer=choose_layer,
    )  # fmt: skip


def fix_bar(bar: str) -> None:
    """Let a clicked bar look."""
    controls.change(looks=bar)


def choose_layer(layer: int) -> None:
    """Open the layer whose band was clicked."""
    controls.change(layer=layer)
