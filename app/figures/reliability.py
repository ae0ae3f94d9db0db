"""Reliability diagrams, the histogram of confidence, and calibration through time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from app.figures.theme import GREY, apply_layout, ink
from app.words.confidence import STATED, stated_title
from core.review.calibration import Reliability, ThroughTime
from core.scores.reliability import ReliabilityCurve

RIGHT, WRONG = "#44AA99", "#882255"
FEWEST = 10
"""Rows a bin needs to be part of a line."""
_BAND = "rgba(128,128,128,0.28)"


def reliability_figure(
    found: Reliability, name: str, *, title: str, dark: bool, height: int = 470
) -> go.Figure:
    """Share right against stated confidence, with both bands, above the count of every bin.

    Empty bins carry no point, no band and no bar, only an open tick that says so; no line runs through bins
    of fewer than `FEWEST` rows.
    """
    curve, held = found.curve, found.curve.count > 0
    left, right = curve.edges[:-1], curve.edges[1:]
    center, width = (left + right) / 2, right - left
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.04, row_heights=[0.76, 0.24])
    figure.add_scatter(
        x=[0, 1], y=[0, 1], mode="lines", line={"color": GREY, "width": 1, "dash": "dot"},
        name="stated = true", hoverinfo="skip", row=1, col=1,
    )  # fmt: skip
    figure.add_bar(
        x=center[held], base=found.perfect.low[held], y=(found.perfect.high - found.perfect.low)[held],
        width=width[held], marker={"color": _BAND, "line": {"width": 0}}, hoverinfo="skip",
        name="a perfect model stays here, 95%", row=1, col=1,
    )  # fmt: skip
    low, high = found.sampling.low[held], found.sampling.high[held]
    share = np.where(curve.count[held] >= FEWEST, curve.accuracy[held], np.nan)
    figure.add_scatter(
        x=curve.confidence[held], y=share, mode="markers+lines", line=stated_line(name, dark),
        marker={"size": 8, "color": stated_line(name, dark)["color"]}, name=f"{stated_title(name)}, its 95%",
        error_y={
            "type": "data", "symmetric": False, "array": np.maximum(np.nan_to_num(high - share), 0),
            "arrayminus": np.maximum(np.nan_to_num(share - low), 0), "thickness": 1.2, "width": 3,
        },
        customdata=np.column_stack([curve.count[held], low, high, left[held], right[held]]),
        hovertemplate="stated %{x:.1%}<br>right %{y:.1%} [%{customdata[1]:.0%}, %{customdata[2]:.0%}]"
        "<br>%{customdata[0]:,} predictions from %{customdata[3]:.0%} to %{customdata[4]:.0%}<extra></extra>",
        row=1, col=1,
    )  # fmt: skip
    figure.add_bar(
        x=center[held], y=curve.count[held], width=width[held] * 0.9,
        marker={"color": GREY, "line": {"width": 0}}, text=[f"{c:,}" for c in curve.count[held]],
        textposition="outside",
        textfont={"size": 10}, cliponaxis=False, showlegend=False,
        hovertemplate="%{y:,} predictions<extra></extra>", row=2, col=1,
    )  # fmt: skip
    figure.add_scatter(
        x=center[~held], y=np.zeros((~held).sum()), mode="markers", name="no predictions",
        marker={"symbol": "line-ns-open", "size": 9, "color": GREY, "line": {"width": 1.5}},
        hovertemplate="no predictions here<extra></extra>", cliponaxis=False, row=2, col=1,
    )  # fmt: skip
    few = held & (curve.count < FEWEST)
    figure.add_scatter(
        x=curve.confidence[few], y=curve.accuracy[few], mode="markers", name=f"fewer than {FEWEST}",
        marker={"symbol": "circle-open", "size": 7, "color": GREY}, customdata=curve.count[few],
        hovertemplate="right %{y:.0%} of %{customdata} alone: no line is drawn through so few<extra></extra>",
        showlegend=bool(few.any()), row=1, col=1,
    )  # fmt: skip
    finish(figure, title, height, top=86)
    figure.update_yaxes(title_text="share right", tickformat=".0%", range=[0, 1.03], row=1, col=1)
    figure.update_yaxes(
        title_text="count", nticks=3, range=[0, 1.35 * max(int(curve.count.max()), 1)], row=2, col=1
    )
    figure.update_xaxes(range=[0, 1], tickformat=".0%")
    figure.update_xaxes(title_text="stated confidence", title_standoff=4, row=2, col=1)
    return figure


def calibrators_figure(curves: Mapping[str, ReliabilityCurve], *, dark: bool, height: int = 440) -> go.Figure:
    """Curves before and after calibration and by each calibrator; gaps in bins of fewer than `FEWEST`."""
    figure = go.Figure()
    figure.add_scatter(
        x=[0, 1], y=[0, 1], mode="lines", line={"color": GREY, "width": 1, "dash": "dot"},
        showlegend=False, hoverinfo="skip",
    )  # fmt: skip
    for name, curve in curves.items():
        share = np.where(curve.count >= FEWEST, curve.accuracy, np.nan)
        figure.add_scatter(
            x=curve.confidence, y=share, mode="lines+markers", line=stated_line(name, dark),
            marker={"size": 5}, name=stated_title(name), connectgaps=False, customdata=curve.count,
            hovertemplate="stated %{x:.1%}, right %{y:.1%}<br>%{customdata:,} predictions<extra>"
            f"{stated_title(name)}</extra>",
        )  # fmt: skip
    finish(figure, "Before and after: nearer to the diagonal is better", height)
    figure.update_yaxes(title_text="share right", tickformat=".0%", range=[0, 1.03])
    figure.update_xaxes(title_text="stated confidence", tickformat=".0%", range=[0, 1], title_standoff=4)
    return figure


def histogram_figure(
    stated: np.ndarray, correct: np.ndarray, *, height: int = 470, bins: int = 50
) -> go.Figure:
    """Count of right (up) and wrong (down) predictions by stated confidence."""
    edges = np.linspace(0, 1, bins + 1)
    right = np.histogram(stated[correct], edges)[0]
    wrong = np.histogram(stated[~correct], edges)[0]
    center = (edges[1:] + edges[:-1]) / 2
    figure = go.Figure()
    for label, count, sign, color in (("✓ right", right, 1, RIGHT), ("✗ wrong", wrong, -1, WRONG)):
        held = count > 0
        figure.add_bar(
            x=center[held], y=sign * count[held], width=1 / bins, name=f"{label}: {count.sum():,}",
            marker={"color": color, "line": {"width": 0}}, customdata=count[held],
            hovertemplate="%{customdata:,} " + label + " at %{x:.0%}<extra></extra>",
        )  # fmt: skip
    finish(figure, "How sure it was when right (up) and when wrong (down)", height)
    top = max(int(right.max(initial=1)), int(wrong.max(initial=1)), 1)
    tens = 10.0 ** np.floor(np.log10(top))
    # Two to five ticks on each side of zero.
    step = next(tens / part for part in (1, 2, 5) if top * part / tens >= 2)
    ticks = np.arange(-np.floor(top / step), np.floor(top / step) + 1) * step
    figure.update_layout(barmode="overlay")
    figure.update_yaxes(title_text="predictions", tickvals=ticks, ticktext=[f"{abs(t):,.0f}" for t in ticks])
    figure.update_xaxes(title_text="stated confidence", tickformat=".0%", range=[0, 1], title_standoff=4)
    return figure


def through_time_figure(found: ThroughTime, *, dark: bool, height: int = 400) -> go.Figure:
    """Rolling calibration error with its floor, and the mean gap; folds marked."""
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.06)
    times, thick = found.rolling.time, {"color": ink(dark), "width": 2.4}
    limit = {"color": GREY, "width": 1.4, "dash": "dash"}
    lines = (
        (1, found.rolling.ece, thick, "error (rolling ECE)"),
        (1, found.floor, limit, "a perfect model stays under this, 95%"),
        (2, found.rolling.gap, thick, "stated less true: above 0 is too sure"),
    )
    for row, values, line, label in lines:
        figure.add_scatter(
            x=times, y=values, mode="lines", line=line, name=label, showlegend=row == 1, connectgaps=False,
            hovertemplate="%{x|%Y-%m-%d}: %{y:.1%}<extra>" + label + "</extra>", row=row, col=1,
        )  # fmt: skip
    figure.add_hline(y=0, line=limit, row=2, col=1)  # type: ignore[arg-type]
    mark_folds(figure, found.borders)
    title = f"Through time, over the last {found.window:,} predictions each; dotted uprights begin a fold"
    finish(figure, title, height)
    figure.update_yaxes(tickformat=".0%", nticks=5)
    for row, label in ((1, "error"), (2, "too sure by")):
        figure.update_yaxes(title_text=label, row=row, col=1)
    figure.update_yaxes(rangemode="tozero", row=1, col=1)
    figure.update_xaxes(title_text="bar open, UTC", title_standoff=4, row=2, col=1)
    return figure


def acted_figure(
    times: np.ndarray, share: np.ndarray, *, line: float, dark: bool, height: int = 210
) -> go.Figure:
    """Rolling share right of what one acts on, beside the line it must stay above; gaps without a call."""
    figure = go.Figure()
    figure.add_scatter(
        x=times, y=share, mode="lines", line={"color": ink(dark), "width": 2.4}, connectgaps=False,
        hovertemplate="%{x|%Y-%m-%d}: right %{y:.0%}<extra></extra>",
    )  # fmt: skip
    figure.add_hline(y=line, line={"color": ink(dark), "width": 2, "dash": "dash"})
    finish(
        figure,
        "Right, of the calls above the line: it should stay above the line itself",
        height,
        legend=False,
    )
    figure.update_yaxes(title_text="share right", tickformat=".0%", range=[0, 1.02], nticks=4)
    figure.update_xaxes(title_text="bar open, UTC", title_standoff=4)
    return figure


def stated_line(name: str, dark: bool) -> dict[str, Any]:
    """Plotly line of a confidence; the final one is thick."""
    style = STATED[name]
    return {
        "color": style.color or ink(dark),
        "dash": style.dash,
        "width": 3 if name == "confidence" else 1.6,
    }


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
