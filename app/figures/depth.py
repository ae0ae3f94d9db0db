"""Where in the model the case for a class stands: its parts by bar at every depth."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from app.figures.attribution import attribution_scale
from app.figures.theme import apply_layout, category_axis, time_labels
from core.explain.gradients import Conductance

_QUANTILE, _ROW, _FRAME = 0.985, 34, 120


def depth_label(layers: int) -> str:
    """'as it comes in', 'after layer 1', ...; the last layer ends in the answer itself."""
    return f"after layer {layers}" if layers else "as it comes in"


def depth_figure(
    conductance: Conductance,
    ts: np.ndarray,
    timeframe: str,
    *,
    title: str,
    shown: int | None = None,
    dark: bool = False,
) -> go.Figure:
    """Log-odds by bar (columns) and depth (rows, deeper further down), with the last bar's part at the right.

    Parameters
    ----------
    ts
        Bar opens, (T,).
    shown
        Newest bars in sight; None = all.

    Returns
    -------
    go.Figure
        Every row adds up to the same change in log-odds; blue towards the class, orange against.
    """
    values = conductance.values.astype(np.float32)
    labels = [depth_label(layers) for layers in range(len(values))]
    top = float(np.quantile(np.abs(values), _QUANTILE)) or float(np.abs(values).max()) or 1.0
    figure = go.Figure(
        go.Heatmap(
            z=values, x=time_labels(ts, timeframe), y=labels, colorscale=attribution_scale(dark),
            zmin=-top, zmax=top, ygap=2,
            hovertemplate="%{y}, bar %{x}<br>%{z:+.4f} log-odds<extra></extra>",
            colorbar={
                "title": {"text": "log-odds", "side": "right"}, "tickvals": [-top, 0, top],
                "ticktext": [f"−{top:.2g}", "0", f"+{top:.2g}"], "thickness": 11, "outlinewidth": 0,
                "x": 1.0, "xpad": 108,
            },
        )
    )  # fmt: skip
    for row, parts in enumerate(values):
        figure.add_annotation(
            x=1.0, y=row, xref="paper", xanchor="left", showarrow=False, font={"size": 11},
            text=f"last bar {parts[-1]:+.2f}<br>of {parts.sum():+.2f}".replace("-", "−"),
        )  # fmt: skip
    apply_layout(figure, title, _ROW * len(labels) + _FRAME)
    figure.update_layout(hovermode="closest")
    figure.update_xaxes(**category_axis(len(ts)), title_text="bar open, UTC", title_standoff=4)
    if shown is not None and shown < len(ts):
        figure.update_xaxes(range=[len(ts) - shown - 0.5, len(ts) - 0.5])
    figure.update_yaxes(type="category", range=[len(labels) - 0.5, -0.5], showgrid=False)
    return figure
