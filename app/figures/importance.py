"""What counts over many windows: several measures of each feature side by side, with their intervals."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from app.figures.theme import BLUE, CANDLES, GREY, INDIGO, apply_layout, ink

_ROW, _FRAME = 19, 96
_COLORS = {False: (BLUE, INDIGO, "#999933"), True: (CANDLES["lookback", True].up, "#9A8FF0", "#B9B955")}


@dataclass(frozen=True)
class ImportanceView:
    """One way to measure importance.

    Attributes
    ----------
    title
        What it measures.
    unit
        Of the values, on the axis.
    values
        By name of a feature or group: value and 95% interval, a point where there is none to measure, NaN
        where too few windows were.
    form
        d3 number format.
    line
        Value to mark, a threshold for example; None = none.
    """

    title: str
    unit: str
    values: Mapping[str, tuple[float, float, float]]
    form: str = ".1%"
    line: float | None = None


def importance_figure(
    views: Sequence[ImportanceView],
    labels: Mapping[str, str],
    *,
    title: str,
    apart: Collection[str] = (),
    dark: bool = False,
) -> go.Figure:
    """Bars with whiskers, one panel a view and one row a feature, ordered by the first view.

    Parameters
    ----------
    views
        At least one; each may lack some names.
    labels
        What each name is called on the screen; only these are drawn.
    apart
        Names that are not ranked among the others but by themselves, under a line.

    Returns
    -------
    go.Figure
        Panels that share their rows; largest on top.
    """
    first = views[0].values
    names = sorted(labels, key=lambda name: (name not in apart, first[name][0] if name in first else -np.inf))
    below = sum(name in apart for name in names)
    figure = make_subplots(
        rows=1, cols=len(views), shared_yaxes=True, horizontal_spacing=0.03,
        subplot_titles=[view.title for view in views],
    )  # fmt: skip
    for column, (view, color) in enumerate(zip(views, _COLORS[dark], strict=False), start=1):
        there = [name for name in names if name in view.values]
        value, low, high = np.array([view.values[name] for name in there]).reshape(-1, 3).T
        measured = bool((high > low).any())
        figure.add_bar(
            x=value, y=[labels[name] for name in there], orientation="h", marker={"color": color},
            opacity=0.85, customdata=np.stack([low, high], 1),
            error_x={
                "type": "data", "symmetric": False, "array": np.nan_to_num(high - value),
                "arrayminus": np.nan_to_num(value - low),
                "color": ink(dark), "thickness": 1.2, "width": 3,
            } if measured else None,
            hovertemplate=f"%{{y}}: %{{x:{view.form}}}"
            + (f" [%{{customdata[0]:{view.form}}}, %{{customdata[1]:{view.form}}}]" if measured else "")
            + "<extra></extra>",
            row=1, col=column,
        )  # fmt: skip
        if view.line is not None:
            figure.add_shape(
                type="line", x0=view.line, x1=view.line, y0=0, y1=1, yref="y domain",
                xref="x" if column == 1 else f"x{column}",
                line={"color": GREY, "width": 1.2, "dash": "dash"},
            )  # fmt: skip
        figure.update_xaxes(
            title_text=view.unit, title_font_size=11, tickformat=view.form, nticks=5, zeroline=True,
            zerolinecolor=GREY, title_standoff=4, row=1, col=column,
        )  # fmt: skip
    if 0 < below < len(names):
        figure.add_shape(
            type="line", x0=0, x1=1, xref="paper", y0=below - 0.5, y1=below - 0.5,
            line={"color": ink(dark), "width": 1},
        )  # fmt: skip
    apply_layout(figure, title, _ROW * len(names) + _FRAME)
    figure.update_layout(margin={"t": 58}, hovermode="closest", bargap=0.25)
    figure.update_annotations(font_size=12)
    figure.update_yaxes(
        categoryorder="array", categoryarray=[labels[name] for name in names], dtick=1, tickfont={"size": 11}
    )
    return figure
