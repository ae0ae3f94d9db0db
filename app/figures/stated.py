"""One colour and dash for everything that states a confidence, and marks the review figures share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from app.figures.theme import GREY, SOURCE_COLORS, apply_layout, ink
from core.review.rows import STATED

# Hues that no class uses; dashes tell them apart without colour.
_STYLES = {
    "attention": (SOURCE_COLORS["attention"], "dot"),
    "ensemble": (SOURCE_COLORS["ensemble"], "dash"),
    "similarity": (SOURCE_COLORS["similarity"], "dashdot"),
    "mc_dropout": (SOURCE_COLORS["mc_dropout"], "longdash"),
    "temperature": ("#AA4499", "dot"),
    "platt": ("#B08D00", "dash"),
    "isotonic": ("#3A9A5B", "dashdot"),
    "uncalibrated": (GREY, "solid"),
    "head_confidence": (GREY, "dashdot"),
    "raw": (GREY, "dash"),
}


def stated_line(name: str, dark: bool) -> dict[str, Any]:
    """Plotly line of a confidence; the final one is thick and in the text's colour, the mix dashed so."""
    color, dash = _STYLES.get(name, (ink(dark), "solid" if name == "confidence" else "dash"))
    return {"color": color, "dash": dash, "width": 3 if name == "confidence" else 1.6}


def mark_line(figure: go.Figure, at: float, dark: bool, *, axis: str = "x", where: Any = "all") -> go.Figure:
    """A copy of `figure` with the line above which one acts, at `at` on `axis`."""
    marked = go.Figure(figure)
    if not np.isfinite(at):
        return marked
    line = {"color": ink(dark), "width": 2, "dash": "dash"}
    if axis == "x":
        marked.add_vline(x=at, line=line, row=where, col="all")
    else:
        marked.add_hline(y=at, line=line, row=where, col="all")
    return marked


def mark_folds(figure: go.Figure, borders: Sequence[np.datetime64]) -> None:
    """A dotted upright where each fold begins."""
    for border in borders:
        figure.add_vline(x=str(border), line={"color": GREY, "width": 1, "dash": "dot"})


def finish(figure: go.Figure, title: str, height: int, *, legend: bool = True, top: int = 78) -> go.Figure:
    """Shared layout with the legend in one line between title and plot."""
    apply_layout(figure, title, height)
    figure.update_layout(hovermode="closest", bargap=0.05)
    if legend:
        figure.update_layout(
            showlegend=True,
            margin={"t": top},
            legend={
                "orientation": "h",
                "x": 0,
                "y": 1,
                "yanchor": "bottom",
                "yref": "paper",
                "font": {"size": 11},
                "bgcolor": "rgba(0,0,0,0)",
                "itemwidth": 30,
            },
        )
    return figure


def stated_label(name: str) -> str:
    """What a person calls it."""
    return STATED[name]
