"""One crosshair for all charts of a page: a line at the same bar, or the same time, in each of them."""

from __future__ import annotations

from pathlib import Path

from streamlit.components.v2 import component

_mount = component(
    "lookback_crosshair",
    html="<span hidden></span>",
    js=Path(__file__).with_suffix(".js").read_text(encoding="utf-8"),
)


def share_crosshair() -> None:
    """Follow the pointer over every Plotly chart and over the candles of the Attention page.

    Charts share it where their x axes hold the same bars by name, or both are of dates; rows of one figure
    share any x axis.
    """
    _mount(data={}, key="crosshair", height=1)
