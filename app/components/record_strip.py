"""The last predictions as a strip of right and wrong; a click opens its bar."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import streamlit as st
from streamlit.components.v2 import component

from app.shell.selection import bar_name
from app.words.predictions import title_of
from app.words.records import record_sentence
from core.review.outcomes import Outcome

_HTML = '<div class="strip"></div>'
_CSS = """
.strip { display: grid; gap: 6px; color: var(--st-text-color);
  font-family: var(--st-font); font-size: 0.86rem; }
.line { display: grid; grid-template-columns: 6rem minmax(0, 1fr); gap: 0.15rem 0.6rem; align-items: center; }
.cells { display: flex; gap: 2px; }
.cells button { flex: 1 1 0; min-width: 0; height: 1.35rem; padding: 0; font-size: 0.7rem; line-height: 1;
  border: 1px solid color-mix(in srgb, var(--st-text-color) 45%, transparent); border-radius: 3px;
  background: transparent; color: var(--st-text-color); cursor: pointer; overflow: hidden; }
.cells button.right { background: color-mix(in srgb, var(--st-text-color) 72%, var(--st-background-color));
  color: var(--st-background-color); }
.cells button.none { opacity: 0.55; }
.cells button.seen { background: repeating-linear-gradient(45deg, transparent 0 3px,
  color-mix(in srgb, var(--st-text-color) 28%, transparent) 3px 5px); color: var(--st-text-color); }
.cells button.open { border-style: dotted; opacity: 0.6; }
.cells button:hover, .cells button:focus-visible {
  outline: 2px solid var(--st-primary-color); outline-offset: 1px; }
.said { grid-column: 2; }
"""
_JS = """
export default function ({ data, parentElement, setTriggerValue }) {
  const strip = parentElement.querySelector(".strip")
  strip.replaceChildren(...data.lines.map(line => {
    const row = document.createElement("div")
    row.className = "line"
    const title = document.createElement("span")
    title.textContent = line.title
    const cells = document.createElement("div")
    cells.className = "cells"
    for (const cell of line.cells) {
      const button = document.createElement("button")
      button.type = "button"
      button.className = cell.state
      button.textContent = cell.mark
      button.title = cell.text
      button.setAttribute("aria-label", cell.text)
      button.onclick = () => setTriggerValue("opened", cell.bar)
      cells.append(button)
    }
    const said = document.createElement("span")
    said.className = "said"
    said.textContent = line.said
    row.append(title, cells, said)
    return row
  }))
}
"""
_mount = component("lookback_record_strip", html=_HTML, css=_CSS, js=_JS)


def strip_data(outcomes: Mapping[str, Sequence[Outcome]]) -> dict[str, list[dict]]:
    """What the strip draws: one line a task, one cell a past bar, oldest first."""
    return {
        "lines": [
            {
                "title": title_of(task),
                "said": record_sentence(past),
                "cells": [_cell(outcome) for outcome in past],
            }
            for task, past in outcomes.items()
        ]
    }


def record_strip(
    outcomes: Mapping[str, Sequence[Outcome]], *, key: str, on_open: Callable[[str], None]
) -> None:
    """Draw the strip; `on_open` gets the name of a clicked bar, before the page runs."""

    def opened() -> None:
        bar = st.session_state[key].get("opened")
        if isinstance(bar, str):
            on_open(bar)

    _mount(data=strip_data(outcomes), key=key, on_opened_change=opened)


def _cell(outcome: Outcome) -> dict[str, str]:
    judged = {True: "right", False: "wrong", None: "open"}[outcome.right]
    after = {
        "right": "and that is what came",
        "wrong": f"{outcome.happened} came",
        "open": "not decided yet",
    }[judged]
    when = bar_name(outcome.ts).replace("T", " ")
    said = f"said {outcome.call}"
    if outcome.no_call:
        said = f"no call ({outcome.no_call}), most probable {outcome.call}"
    state, mark = judged, {"right": "\u2713", "wrong": "\u2717", "open": ""}[judged]
    if outcome.in_sample:
        state, after = "seen", f"{after}; in sample, counts for nothing"
    elif outcome.no_call:
        state, mark = "none", "\u00b7"
    text = f"{when}: {said}, {after}"
    return {"bar": bar_name(outcome.ts), "state": state, "mark": mark, "text": text}
