"""Before and after an edit: candles side by side, probabilities, changed features, what moved the call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from app.figures.theme import (
    BLUE,
    CANDLES,
    GREY,
    INDIGO,
    VERMILION,
    Palette,
    apply_layout,
    class_color,
    class_sign,
    ink,
    price_format,
    time_labels,
)
from app.words.features import feature_words
from app.words.numbers import signed, true_minus

_EDITED = "rgba(106,91,208,0.18)"
AS_IT_WAS, EDITED = "as it was", "edited"
MOST_FEATURES = 4
"""Courses of changed features drawn; more would be too small to read."""


@dataclass(frozen=True)
class ClassShift:
    """One class of one task: probability as it was, and after the edit."""

    task: str
    name: str
    before: float
    after: float


def edited_candles(
    before: pd.DataFrame, after: pd.DataFrame, *, palette: Palette = "lookback", dark: bool = False
) -> go.Figure:
    """The same bars as they were (left) and edited (right), on one price axis; edited bars are marked.

    Parameters
    ----------
    before, after
        Bars frames of the same bars, ascending, at shown prices.
    """
    if len(before) != len(after) or before.empty:
        raise ValueError("both sides show the same bars")
    changed = _changed_bars(before, after)
    figure = make_subplots(
        rows=2, cols=2, shared_yaxes=True, shared_xaxes=True, row_heights=[0.78, 0.22], vertical_spacing=0.04,
        horizontal_spacing=0.02, subplot_titles=[f"<b>{AS_IT_WAS}</b>", f"<b>{EDITED}</b>"],
    )  # fmt: skip
    for column, bars in enumerate((before, after), start=1):
        _add_bars(figure, bars, column, palette, dark)
        for place in changed:
            for row in (1, 2):
                figure.add_shape(
                    type="rect", x0=place - 0.5, x1=place + 0.5, y0=0, y1=1, yref="y domain",
                    fillcolor=_EDITED, line_width=0, layer="below", row=row, col=column,
                )  # fmt: skip
    if len(changed):
        figure.add_annotation(
            x=int(changed[-1]), y=1, yref="y domain", xref="x2", text="▼ edited", showarrow=False,
            xanchor="right", yanchor="bottom", font={"color": INDIGO, "size": 11}, row=1, col=2,
        )  # fmt: skip
    apply_layout(figure, "", 380)
    figure.update_xaxes(
        type="category", rangeslider_visible=False, showgrid=False, nticks=5, tickangle=0,
        range=[-0.5, len(before) - 0.5],
    )  # fmt: skip
    low = min(float(bars["low"].to_numpy().min()) for bars in (before, after))
    high = max(float(bars["high"].to_numpy().max()) for bars in (before, after))
    room = 0.04 * (high - low) or 0.01 * high
    figure.update_yaxes(tickformat=price_format(before), range=[low - room, high + room], row=1)
    most = max(float(np.nan_to_num(bars["volume"]).max()) for bars in (before, after))
    figure.update_yaxes(range=[0, 1.05 * most or 1], row=2)
    figure.update_yaxes(title_text="price", col=1, row=1)
    figure.update_yaxes(title_text="volume", col=1, row=2, nticks=3)
    return figure


def probability_shifts(shifts: Sequence[ClassShift], *, dark: bool = False) -> go.Figure:
    """Every class's probability as it was (hollow) and edited (filled), joined where it moved.

    Classes stand in the order given, the first at the top; the number at the right is the difference in
    percentage points.
    """
    rows = [f"{class_sign(shift.name)} {shift.name}" for shift in shifts]
    figure = go.Figure()
    for place, shift in enumerate(shifts):
        color = class_color(shift.name, place)
        figure.add_trace(
            go.Scatter(
                x=[100 * shift.before, 100 * shift.after], y=[place, place], mode="lines+markers",
                line={"color": color, "width": 3},
                marker={
                    "size": [11, 12], "color": ["rgba(0,0,0,0)", color], "line": {"color": color, "width": 2},
                },
                hovertemplate=[
                    f"{shift.name}, {AS_IT_WAS}: %{{x:.1f}}%<extra></extra>",
                    f"{shift.name}, {EDITED}: %{{x:.1f}}%<extra></extra>",
                ],
            )
        )  # fmt: skip
        points = 100 * (shift.after - shift.before)
        text = f"{points:+.1f}" if abs(points) >= 0.05 else "0.0"
        figure.add_annotation(
            x=1, xref="paper", xanchor="left", y=place, yref="y", showarrow=False,
            text=true_minus(text), font={"size": 12},
        )  # fmt: skip
    figure.add_annotation(
        x=1, xref="paper", xanchor="left", y=len(shifts) - 0.5, yref="y", yanchor="top", showarrow=False,
        text="points", font={"size": 11, "color": GREY},
    )  # fmt: skip
    tasks = [shift.task for shift in shifts]
    for place in range(1, len(shifts)):
        if tasks[place] != tasks[place - 1]:
            figure.add_hline(y=place - 0.5, line={"color": GREY, "width": 1})
    apply_layout(figure, "Probability: ○ as it was, ● edited", 60 + 30 * len(shifts))
    figure.update_layout(hovermode="closest", margin={"r": 48})
    figure.update_yaxes(
        tickvals=list(range(len(shifts))), ticktext=rows, range=[len(shifts) - 0.5, -0.5], showgrid=False,
        zeroline=False,
    )  # fmt: skip
    figure.update_xaxes(ticksuffix="%", rangemode="tozero", zeroline=False)
    return figure


def feature_courses(
    before: np.ndarray, after: np.ndarray, names: Sequence[str], ts: np.ndarray, timeframe: str, *, dark: bool
) -> go.Figure:
    """Changed features over the window's bars in their own units: thin as it was, thick as edited.

    Parameters
    ----------
    before, after
        In the features' own units (`core.data.features.table`), (T, F).
    names
        Of the F features; the `MOST_FEATURES` that changed most are drawn.
    """
    spread = np.maximum(before.std(0), 1e-12)
    moved = (np.abs(after - before) / spread).max(0)
    drawn = [int(place) for place in np.argsort(-moved, kind="stable")[:MOST_FEATURES] if moved[place] > 0]
    if not drawn:
        raise ValueError("no feature changed")
    labels = time_labels(ts, timeframe)
    figure = make_subplots(
        rows=len(drawn), cols=1, shared_xaxes=True, vertical_spacing=0.28 / max(len(drawn), 2),
        subplot_titles=[feature_words(names[place]).label for place in drawn],
    )  # fmt: skip
    for row, place in enumerate(drawn, start=1):
        words = feature_words(names[place])
        old, new = words.numbers(before[:, place]), words.numbers(after[:, place])
        touched = np.flatnonzero(before[:, place] != after[:, place])
        for values, who, width, color in ((old, AS_IT_WAS, 1.2, GREY), (new, EDITED, 2.2, ink(dark))):
            figure.add_trace(
                go.Scatter(
                    x=labels, y=values, mode="lines", line={"color": color, "width": width}, name=who,
                    hovertemplate=f"{who}: %{{y:.2f}} {words.unit}<extra></extra>",
                ),
                row=row, col=1,
            )  # fmt: skip
        figure.add_trace(
            go.Scatter(
                x=[labels[i] for i in touched], y=new[touched], mode="markers", hoverinfo="skip",
                marker={"color": INDIGO, "size": 7, "symbol": "diamond"},
            ),
            row=row, col=1,
        )  # fmt: skip
    apply_layout(figure, "", 70 + 120 * len(drawn))
    figure.update_xaxes(type="category", nticks=6, tickangle=0, showgrid=False)
    figure.update_annotations(font_size=12, x=0, xanchor="left")
    return figure


def edit_causes(rows: Sequence[tuple[str, float, float, float]], target: str, *, dark: bool) -> go.Figure:
    """Top features side by side: what they added as it was, edited, and what the edit itself moved.

    Parameters
    ----------
    rows
        (feature, sum as it was, sum edited, moved by the edit), log-odds of `target`, most important first.
    """
    titles = [feature_words(name).title for name, *_ in rows][::-1]
    figure = make_subplots(
        rows=1, cols=3, shared_yaxes=True, shared_xaxes=False, horizontal_spacing=0.03,
        subplot_titles=[f"<b>{AS_IT_WAS}</b>", f"<b>{EDITED}</b>", "<b>moved by the edit</b>"],
    )  # fmt: skip
    top = max((abs(value) for row in rows for value in row[1:3]), default=1.0) * 1.1 or 1.0
    moved = max((abs(row[3]) for row in rows), default=1.0) * 1.1 or 1.0
    for column in (1, 2, 3):
        values = np.array([row[column] for row in rows][::-1])
        figure.add_trace(
            go.Bar(
                x=values, y=titles, orientation="h",
                marker={"color": np.where(values >= 0, BLUE, VERMILION)},
                text=[signed(value) for value in values],
                hovertemplate=f"%{{y}}: %{{x:+.3f}} log-odds of {target}<extra></extra>",
            ),
            row=1, col=column,
        )  # fmt: skip
        limit = moved if column == 3 else top
        figure.update_xaxes(range=[-limit, limit], row=1, col=column, title_text="log-odds", nticks=5)
    apply_layout(figure, "", 90 + 26 * len(rows))
    figure.update_layout(hovermode="closest", margin={"t": 30})
    figure.update_yaxes(automargin=True)
    return figure


def _changed_bars(before: pd.DataFrame, after: pd.DataFrame) -> np.ndarray:
    names = [name for name in before.columns if name not in ("instrument", "timeframe", "ts")]
    old, new = before[names].to_numpy(float), after[names].to_numpy(float)
    return np.flatnonzero(((old != new) & ~(np.isnan(old) & np.isnan(new))).any(axis=1))


def _add_bars(figure: go.Figure, bars: pd.DataFrame, column: int, palette: Palette, dark: bool) -> None:
    colors = CANDLES[palette, dark]
    labels = time_labels(bars["ts"], str(bars["timeframe"].iloc[0]))
    form = price_format(bars)
    candle: dict[str, Any] = {name: bars[name] for name in ("open", "high", "low", "close")}
    figure.add_trace(
        go.Candlestick(
            x=labels, **candle, name="",
            increasing={"line": {"color": colors.up, "width": 1}, "fillcolor": "rgba(0,0,0,0)"},
            decreasing={"line": {"color": colors.down, "width": 1}, "fillcolor": colors.down},
            hovertemplate=f"open %{{open:{form}}}<br>high %{{high:{form}}}<br>low %{{low:{form}}}"
            f"<br>close %{{close:{form}}}",
        ),
        row=1, col=column,
    )  # fmt: skip
    rising = bars["close"].to_numpy() >= bars["open"].to_numpy()
    figure.add_trace(
        go.Bar(
            x=labels, y=bars["volume"], name="", hoverinfo="skip",
            marker={"color": np.where(rising, colors.up, colors.down), "opacity": 0.6, "line": {"width": 0}},
        ),
        row=2, col=column,
    )  # fmt: skip
