"""Figures of the validation pack: calibration part by part, calls that flip."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from app.figures.reliability import finish
from app.figures.theme import BLUE, GREY, VERMILION, ink
from core.data.bars import one_column

SYMBOLS = ("circle", "square", "diamond", "triangle-up")


def calibration_figure(table: pd.DataFrame, *, height: int = 420) -> go.Figure:
    """Calibration error of every part beside its limit.

    Parameters
    ----------
    table
        ``task``, ``part``, ``name``, ``rows``, ``ece``, ``limit`` (None where unknown) and ``off``.
    """
    figure = go.Figure()
    tasks = list(dict.fromkeys(one_column(table, "task")))
    for symbol, task in zip(SYMBOLS * len(tasks), tasks, strict=False):
        mine = table.loc[np.asarray(table["task"] == task)]
        off = np.array([value is True for value in mine.get("off", [])], bool)
        places = [
            f"{part} {name}" if part != "all" else "all"
            for part, name in zip(mine["part"], mine["name"], strict=True)
        ]
        figure.add_scatter(
            x=places, y=mine["ece"], mode="markers", name=task,
            marker={"symbol": symbol, "size": 8, "color": [VERMILION if one else ink(False) for one in off]},
            customdata=np.column_stack([mine["rows"], np.where(off, "more than chance", "within chance")]),
            hovertemplate=f"{task}, %{{x}}: %{{y:.1%}}, n = %{{customdata[0]}}, %{{customdata[1]}}"
            "<extra></extra>",
        )  # fmt: skip
        figure.add_scatter(
            x=places, y=mine["limit"], mode="markers", name=f"{task}: a perfect model stays under this, 95%",
            marker={"symbol": f"{symbol}-open", "size": 8, "color": GREY}, hoverinfo="skip",
        )  # fmt: skip
    finish(figure, "Off by how much? Orange: more than chance explains, all parts counted", height, top=118)
    figure.update_yaxes(title_text="ECE", tickformat=".0%", rangemode="tozero")
    return figure


def flips_figure(table: pd.DataFrame, *, height: int = 340) -> go.Figure:
    """Share of calls that flip, by disturbance and task, beside that from one bar to the next.

    Parameters
    ----------
    table
        ``task``, ``disturbance``, ``flipped`` (None where nothing was scored) and ``limit``.
    """
    figure = go.Figure()
    colors = (BLUE, GREY, "#009E73", "#CC79A7")
    tasks = list(dict.fromkeys(one_column(table, "task")))
    for color, task in zip(colors * len(tasks), tasks, strict=False):
        mine = table.loc[np.asarray(table["task"] == task)]
        figure.add_bar(
            x=mine["disturbance"], y=mine["flipped"], name=task, marker={"color": color},
            hovertemplate=f"{task}: %{{y:.1%}} of calls flip<extra></extra>",
        )  # fmt: skip
        limit = float(one_column(mine, "limit").iloc[0])
        figure.add_scatter(
            x=mine["disturbance"], y=[limit] * len(mine), mode="lines",
            name=f"{task}: from one bar to the next",
            line={"color": color, "dash": "dash", "width": 1.4}, hoverinfo="skip",
        )  # fmt: skip
    finish(figure, "Calls that flip: below the dashed line a bar of time changes more", height, top=118)
    figure.update_layout(barmode="group")
    figure.update_yaxes(title_text="share of calls", tickformat=".0%", rangemode="tozero")
    return figure
