"""Pickers, a chart with its download and a CSV button, the same on every page."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from app.shell import cached, controls

ATTENDED_TASK = "attended_task"


def chosen_task(model: cached.ModelKey) -> str:
    """The selected task; the model's first where it has none of that name."""
    names = [task.name for task in cached.predictor(model).bundle.config.tasks]
    task = controls.selection().task
    return task if task in names else names[0]


def draw_chart(figure: go.Figure, name: str) -> None:
    """A chart with the few tools that leave room for its title in half a page."""
    config = controls.figure_config(name)
    removed = [*config["modeBarButtonsToRemove"], "pan2d", "zoomIn2d", "zoomOut2d", "autoScale2d"]
    st.plotly_chart(
        figure, key=name, config=config | {"modeBarButtonsToRemove": removed},
        alt=str(figure.to_dict()["layout"]["title"]["text"]),
    )  # fmt: skip


def offer_csv(table: pd.DataFrame, name: str) -> None:
    """Download button of a table."""
    st.download_button(
        "CSV", table.to_csv().encode(), file_name=f"{name}.csv", mime="text/csv", key=f"csv_{name}",
        icon=":material/download:", on_click="ignore",
    )  # fmt: skip
