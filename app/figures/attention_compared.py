"""How attention differs between two moments, head by head and age by age."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from app.figures.attention import layer_label
from app.figures.theme import GREY, INDIGO, apply_layout
from core.explain.attention import age_groups, group_by_age

_COMPARED, _COMPARED_ROW = 180, 20


def comparison_figure(
    difference: np.ndarray,
    distance: np.ndarray,
    windows: Sequence[int | None],
    names: Sequence[str],
    *,
    title: str,
) -> go.Figure:
    """One panel a layer: heads (rows) by age (columns), the second moment's attention minus the first's.

    Parameters
    ----------
    difference
        Shape (L, H, T) by age in bars, as `core.explain.attention.compare_moments` gives it.
    distance
        Total variation distance per head between age groups, (L, H), printed beside the head's name.
    names
        Of the H heads.

    Returns
    -------
    go.Figure
        Cells in percentage points with their sign; the first row is the mean of the heads.
    """
    layers, heads, length = difference.shape
    height = _COMPARED + _COMPARED_ROW * heads
    groups = [f"{first}" if first == last else f"{first}-{last}" for first, last in age_groups(length)]
    points = 100 * group_by_age(np.concatenate([difference.mean(1, keepdims=True), difference], axis=1))
    limit = max(float(np.abs(points).max()), 1.0)
    figure = make_subplots(
        rows=1,
        cols=layers,
        horizontal_spacing=0.085,
        subplot_titles=[layer_label(i + 1, window, length) for i, window in enumerate(windows)],
    )
    for layer in range(layers):
        shares = [float(distance[layer].mean()), *map(float, distance[layer])]
        labels = [
            f"{name} · {100 * share:.0f}%" for name, share in zip(["mean", *names], shares, strict=True)
        ]
        cells = points[layer]
        figure.add_trace(
            go.Heatmap(
                z=cells,
                x=groups,
                y=labels,
                text=np.where(np.abs(cells) < 0.5, "", np.char.mod("%+.0f", cells)),
                texttemplate="%{text}",
                colorscale=[[0, GREY], [0.5, "rgba(128,128,128,0)"], [1, INDIGO]],
                zmin=-limit,
                zmax=limit,
                showscale=False,
                xgap=1,
                ygap=1,
                hovertemplate="%{y} elsewhere<br>%{x} bars back<br>%{z:+.1f} points<extra></extra>",
            ),
            row=1,
            col=layer + 1,
        )
    apply_layout(figure, title, height)
    figure.update_layout(margin={"t": 64}, hovermode="closest")
    figure.update_annotations(font_size=12)
    figure.update_xaxes(type="category", tickangle=-45, title_text="bars back", title_standoff=4)
    figure.update_yaxes(autorange="reversed", automargin=True)
    return figure
