"""Arrow keys that step the strip's bar on every page; nothing is drawn."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import streamlit as st
from streamlit.components.v2 import component

MOST_STEPS = 10_000
_mount = component(
    "lookback_bar_keys",
    html="<span hidden></span>",
    js=Path(__file__).with_suffix(".js").read_text(encoding="utf-8"),
)


def read_steps(value: object) -> int:
    """Bars to step, as the browser sent them; 0 for anything that is no whole number of them."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not float(value).is_integer():
        return 0
    return int(max(-MOST_STEPS, min(value, MOST_STEPS)))


def bar_keys(*, active: bool, key: str, on_step: Callable[[int], None]) -> None:
    """Listen; `on_step` gets the bars to step, negative ones back, before the page runs.

    What has keys of its own (fields, lists, tables, sliders, maps) keeps them. A question mark opens the
    strip's settings, where the keys are listed; inactive, only that is left.
    """

    def stepped() -> None:
        bars = read_steps(st.session_state[key].get("steps") or 0)
        if bars:
            on_step(bars)

    _mount(data={"active": active}, key=key, height=1, on_steps_change=stepped)
