"""How deep in the model the case for a class stands, on demand."""

from __future__ import annotations

import streamlit as st

from app import attribution_resources, controls
from app.attribution_resources import Ask
from app.review_controls import draw_chart


def draw_depth(ask: Ask) -> None:
    """An expander that is worked for only when it is open."""
    depth = st.expander(
        "How deep: each bar's part at every layer", on_change="rerun", key="attribution_depth"
    )
    if not depth.open:
        return
    with depth:
        st.markdown(
            "Every row adds up to the same change in log-odds. Further down, more of it has moved from the "
            "bar where it was seen to the last bar, where the answer is read (layer conductance, Dhamdhere, "
            "Sundararajan and Yan 2018)."
        )
        found = attribution_resources.await_conductance(ask)
        if found is not None:
            st.caption(
                f"The rows miss at most {100 * found.completeness_error.max():.1f}% of that change "
                f"({found.steps} steps, walked forth and back)."
            )
            draw_chart(attribution_resources.depth(ask, controls.is_dark(), found), "depth")
