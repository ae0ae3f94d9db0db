"""How far attention can be believed on this model: one sentence, and the measurement behind it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
import streamlit as st

from app import attention_resources, notices, wording
from app.resources import ModelKey

VIEWS = {
    "attention_mean": "attention, mean of layers and heads",
    "attention_last_layer": "attention, last layer",
    "attention_rollout": "through all layers (rollout)",
    "class_relevance": "weighted by effect on the class",
    "recency": "newest bar first, no attention",
    "unusual": "farthest from the window's mean first, no attention",
    "random": "random order",
}
"""Rankings of the bars as a person would name them."""


def draw_routing(model: ModelKey, task: str) -> None:
    """The sentence that always stands on the page; the table of all views behind it."""
    measured = None
    with notices.guard():
        measured = attention_resources.routing(model)
    said, asked = st.columns([0.84, 0.16], vertical_alignment="center")
    said.markdown(wording.routing_sentence(measured, task))
    if measured is not None and task in measured["tasks"]:
        with asked.popover("How measured", icon=":material/rule:", width="stretch"):
            draw_measurement(measured, task)


def draw_measurement(measured: Mapping[str, Any], task: str) -> None:
    """Every view beside recency and chance."""
    st.markdown(
        f"Each of the {measured['bars']} bars of a window was replaced by the window's mean, and the bars "
        f"ranked by how much the log-odds of the class called for {wording.title_of(task).lower()} changed. "
        "Agreement with that ranking, 1 the same, 0 none:"
    )
    st.dataframe(routing_table(measured, task), hide_index=True, height="content")
    st.caption(
        f"Spearman's rank correlation, mean over {measured['windows']} windows of the {measured['segment']} "
        f"segment, {measured['first'][:10]} to {measured['last'][:10]}; 95% intervals by block bootstrap, "
        f"{measured['block']} windows a block. Beyond: partial rank correlation. "
        "Rollout: Abnar and Zuidema 2020; weighted by effect: Chefer et al. 2021."
    )


def routing_table(measured: Mapping[str, Any], task: str) -> pd.DataFrame:
    """One row a ranking of the bars: its agreement with removal, and what is left beyond what is trivial."""
    found = measured["tasks"][task]
    return pd.DataFrame(
        [
            {
                "bars ranked by": VIEWS.get(view, view),
                "agreement [95%]": wording.correlation(agreement),
                "beyond age and unusualness [95%]": wording.correlation(found["beyond_trivial"][view])
                if view in found["beyond_trivial"]
                else "",
            }
            for view, agreement in found["views"].items()
        ]
    )
