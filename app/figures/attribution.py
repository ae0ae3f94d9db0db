"""What pushed towards a class and what against it: candles, time x feature map and both sums on one axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from app.figures.candles import add_candles
from app.figures.theme import BLUE, GREY, VERMILION, Palette, apply_layout, category_axis, ink, time_labels
from app.words.features import feature_words, group_title
from app.words.numbers import MINUS, signed, unsigned_zero
from core.data.features.table import CALENDAR
from core.explain.attribution import Attribution
from core.explain.methods.conductance import Conductance

Rows = Literal["feature", "source"]

CANDLES, MAP, BARS = 1, 2, 3
"""Rows of the figure."""
_TALL, _ROW, _CANDLES, _BARS = 34, 15, 210, 120
_NAMES, _SCALE = 116, 170
_QUANTILE = 0.998
_DEPTH_QUANTILE, _DEPTH_ROW, _DEPTH_FRAME = 0.985, 34, 120
_NONE = {False: "#FFFFFF", True: "#12161B"}
_ENDS = {False: ("#8A3B00", "#00466E"), True: ("#FF9A55", "#6CC3F5")}


@dataclass(frozen=True)
class AttributionMap:
    """An attribution as it is drawn.

    Attributes
    ----------
    values
        Log-odds, (R, T) float32: rows by weight inside their group, groups by weight and the calendar last;
        every bar of a block carries the block's sum.
    labels
        Names of the R rows.
    groups
        Source group of each row.
    numbers
        What the bars showed there, in the unit of the label, (R, T) float32; None for rows of a whole group.
    by_row
        Sum over bars, (R,).
    by_bar
        Sum over features, (T,), by block as above.
    top
        Log-odds at both ends of the scale; the few cells beyond it have the colour of its end.
    """

    values: np.ndarray
    labels: tuple[str, ...]
    groups: tuple[str, ...]
    numbers: np.ndarray | None
    by_row: np.ndarray
    by_bar: np.ndarray
    top: float


def arrange_map(
    attribution: Attribution, *, rows: Rows = "feature", block: int = 1, market: np.ndarray | None = None
) -> AttributionMap:
    """Sort and sum an attribution for drawing.

    Parameters
    ----------
    rows
        One row a feature, or one a group of features.
    block
        Bars summed together, counted back from the last.
    market
        Feature values in their own units, (T, N).
    """
    values = attribution.values.astype(float)
    groups, names = np.array(attribution.groups), attribution.feature_names
    weight = np.abs(values).sum(0)
    by_group = {group: float(weight[groups == group].sum()) for group in dict.fromkeys(groups.tolist())}
    ranked = sorted(by_group, key=lambda group: (group == CALENDAR, -by_group[group]))
    numbers = None
    if rows == "source":
        chosen = np.stack([values[:, groups == group].sum(1) for group in ranked])
        labels, of_rows = [group_title(group) for group in ranked], ranked
    else:
        order = sorted(range(len(names)), key=lambda i: (ranked.index(groups[i]), -weight[i]))
        chosen = values[:, order].T
        words = [feature_words(names[i]) for i in order]
        labels, of_rows = [word.label for word in words], [str(groups[i]) for i in order]
        if market is not None:
            columns = zip(words, order, strict=True)
            numbers = np.stack([word.numbers(market[:, i]) for word, i in columns]).astype(np.float32)
    drawn = np.stack([_sum_blocks(row, block) for row in chosen]).astype(np.float32)
    top = float(np.quantile(np.abs(drawn), _QUANTILE)) or float(np.abs(drawn).max()) or 1.0
    return AttributionMap(
        drawn,
        tuple(labels),
        tuple(of_rows),
        numbers,
        chosen.sum(1),
        _sum_blocks(values.sum(1), block),
        top,
    )


def attribution_scale(dark: bool) -> list[list[float | str]]:
    """Orange against, blue towards; nothing is white, or the page's own colour in the dark."""
    against, towards = _ENDS[dark]
    return [[0.0, against], [0.2, VERMILION], [0.5, _NONE[dark]], [0.8, BLUE], [1.0, towards]]


def attribution_figure(
    bars: pd.DataFrame,
    attribution: Attribution,
    *,
    title: str,
    rows: Rows = "feature",
    block: int = 1,
    market: np.ndarray | None = None,
    marks: Sequence[tuple[tuple[str, ...], int, int]] = (),
    shown: int | None = None,
    palette: Palette = "lookback",
    dark: bool = False,
) -> go.Figure:
    """Candles, the map under them, its sum over features under that and its sum over bars at the right.

    Parameters
    ----------
    bars
        The window's bars as `core.data.store` returns them, T rows.
    attribution
        Of that window.
    rows, block, market
        See `arrange_map`.
    marks
        Causes to outline and number: features (none = all of them), first and last bar, in order.
    shown
        Newest bars in sight; None = all. The rest is there and can be scrolled to.

    Returns
    -------
    go.Figure
        Three rows on one axis of bars, where bar i stands at x = i.

    Raises
    ------
    ValueError
        If bars and attribution differ in length.
    """
    if len(bars) != len(attribution.values):
        raise ValueError(f"{len(attribution.values)} bars were explained, {len(bars)} are to be drawn")
    drawn = arrange_map(attribution, rows=rows, block=block, market=market)
    labels = time_labels(bars["ts"], bars["timeframe"].iloc[0])
    count = len(drawn.labels)
    heights = [_CANDLES, max(_ROW * count, 140), _BARS]
    figure = make_subplots(
        rows=3, cols=2, shared_xaxes=True, shared_yaxes=True, row_heights=heights,
        column_widths=[0.86, 0.14], vertical_spacing=0.018, horizontal_spacing=0.008,
        specs=[[{}, None], [{}, {}], [{}, None]],
    )  # fmt: skip
    add_candles(figure, bars, palette=palette, dark=dark, row=CANDLES)
    figure.add_trace(_heatmap(drawn, labels, block, dark), row=MAP, col=1)
    figure.add_trace(_sums_by_row(drawn), row=MAP, col=2)
    figure.add_trace(_sums_by_bar(drawn, labels, block), row=BARS, col=1)
    _separate_groups(figure, drawn, dark)
    if rows == "feature":
        _outline(figure, drawn, marks, attribution, dark)
    apply_layout(figure, title, sum(heights) + 2 * _TALL)
    _lay_axes(figure, len(labels), count, shown)
    return figure


def _heatmap(drawn: AttributionMap, labels: list[str], block: int, dark: bool) -> go.Heatmap:
    ticks = np.array([-1, 0, 1]) * drawn.top
    said = [unsigned_zero(signed(tick, ".2g")) for tick in ticks]
    if np.abs(drawn.values).max() > drawn.top:
        said = [f"≤ {said[0]}", said[1], f"≥ {said[2]}"]
    per = "log-odds" if block == 1 else f"log-odds per {block} bars"
    value = "" if drawn.numbers is None else "<br>it stood at %{customdata:.3~g}"
    return go.Heatmap(
        z=drawn.values, x=labels, y=list(drawn.labels), customdata=drawn.numbers,
        colorscale=attribution_scale(dark), zmin=-drawn.top, zmax=drawn.top, ygap=0.5,
        hovertemplate=f"%{{y}}{value}<br>%{{z:+.4f}} {per}<extra></extra>",
        colorbar={
            "title": {"text": f"← against · {per} · towards →", "side": "top", "font": {"size": 11}},
            "tickvals": ticks, "ticktext": said,
            "tickfont": {"size": 11}, "orientation": "h", "thickness": 12, "outlinewidth": 0,
            "lenmode": "pixels", "len": _SCALE, "x": 0.99, "xanchor": "center", "xpad": 0,
            "y": 1.0, "yanchor": "top", "ypad": 0,
        },
    )  # fmt: skip


def _sums_by_row(drawn: AttributionMap) -> go.Bar:
    return go.Bar(
        x=drawn.by_row, y=list(drawn.labels), orientation="h", marker={"color": _colors(drawn.by_row)},
        hovertemplate="%{y}<br>%{x:+.3f} log-odds over all bars<extra></extra>",
    )  # fmt: skip


def _sums_by_bar(drawn: AttributionMap, labels: list[str], block: int) -> go.Bar:
    per = "log-odds, all features" if block == 1 else f"log-odds, all features, {block} bars together"
    return go.Bar(
        x=labels, y=drawn.by_bar, marker={"color": _colors(drawn.by_bar), "line": {"width": 0}}, width=1,
        hovertemplate=f"%{{y:+.4f}} {per}<extra></extra>",
    )  # fmt: skip


def _separate_groups(figure: go.Figure, drawn: AttributionMap, dark: bool) -> None:
    """A line between groups, and each one's name and sum at the right."""
    starts = [i for i, g in enumerate(drawn.groups) if i == 0 or drawn.groups[i - 1] != g]
    for first, after in zip(starts, [*starts[1:], len(drawn.groups)], strict=True):
        total = float(drawn.by_row[first:after].sum())
        name, said = group_title(drawn.groups[first]), unsigned_zero(signed(total, ".2f"))
        figure.add_annotation(
            x=1.0, y=(first + after - 1) / 2, xref="paper", yref="y2", xanchor="left", showarrow=False,
            align="left", font={"size": 11},
            text=f"{name}<br>{said}" if after - first > 1 else f"{said} {name}",
        )  # fmt: skip
        if first:
            figure.add_shape(
                type="line", x0=0, x1=1, y0=first - 0.5, y1=first - 0.5, xref="paper", yref="y2",
                line={"color": ink(dark), "width": 1}, opacity=0.5,
            )  # fmt: skip


def _outline(
    figure: go.Figure,
    drawn: AttributionMap,
    marks: Sequence[tuple[tuple[str, ...], int, int]],
    attribution: Attribution,
    dark: bool,
) -> None:
    place = {label: i for i, label in enumerate(drawn.labels)}
    for number, (features, first, last) in enumerate(marks, start=1):
        found = [place[feature_words(name).label] for name in features or attribution.feature_names]
        figure.add_shape(
            type="rect", x0=first - 0.5, x1=last + 0.5, y0=min(found) - 0.5, y1=max(found) + 0.5,
            xref="x2", yref="y2", line={"color": ink(dark), "width": 1.5},
        )  # fmt: skip
        figure.add_annotation(
            x=first - 0.5, y=min(found), xref="x2", yref="y2", xanchor="right", showarrow=False,
            text=f"<b>{number}</b>", font={"size": 12, "color": ink(dark)},
        )  # fmt: skip


def _lay_axes(figure: go.Figure, length: int, count: int, shown: int | None) -> None:
    figure.update_layout(margin={"r": _NAMES}, bargap=0.2)
    figure.update_xaxes(**category_axis(length), rangeslider_visible=False, col=1)
    if shown is not None and shown < length:
        figure.update_xaxes(range=[length - shown - 0.5, length - 0.5], col=1)
    figure.update_xaxes(title_text="bar open, UTC", title_standoff=4, row=BARS, col=1)
    figure.update_xaxes(nticks=3, zeroline=True, zerolinecolor=GREY, side="top", row=MAP, col=2)
    # At the right stand the scale and the sums by row.
    figure.update_yaxes(side="left", row=CANDLES, col=1)
    figure.update_yaxes(nticks=4, zerolinecolor=GREY, row=BARS, col=1)
    for text, axes in (("sum over bars", ("x3", "y3")), ("sum over features", ("x4", "y4"))):
        _name_panel(figure, text, *axes)
    figure.update_yaxes(
        type="category", range=[count - 0.5, -0.5], dtick=1, tickfont={"size": 11}, showgrid=False, row=MAP
    )


def _name_panel(figure: go.Figure, text: str, x: str, y: str) -> None:
    figure.add_annotation(
        x=0, y=1, xref=f"{x} domain", yref=f"{y} domain", xanchor="left", yanchor="bottom", showarrow=False,
        text=text, font={"size": 11, "color": GREY}, yshift=16 if y == "y3" else 0,
    )  # fmt: skip


def _colors(values: np.ndarray) -> np.ndarray:
    return np.where(values >= 0, BLUE, VERMILION)


def _sum_blocks(values: np.ndarray, block: int) -> np.ndarray:
    """Each bar's block sum, (T,); blocks counted back from the last bar."""
    back = np.arange(len(values))[::-1] // block
    return np.bincount(back, weights=values)[back]


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
    top = float(np.quantile(np.abs(values), _DEPTH_QUANTILE)) or float(np.abs(values).max()) or 1.0
    at_most, at_least = ("≤ ", "≥ ") if np.abs(values).max() > top else ("", "")
    figure = go.Figure(
        go.Heatmap(
            z=values, x=time_labels(ts, timeframe), y=labels, colorscale=attribution_scale(dark),
            zmin=-top, zmax=top, ygap=2,
            hovertemplate="%{y}, bar %{x}<br>%{z:+.4f} log-odds<extra></extra>",
            colorbar={
                "title": {"text": "log-odds", "side": "right"}, "tickvals": [-top, 0, top],
                "ticktext": [f"{at_most}{MINUS}{top:.2g}", "0", f"{at_least}+{top:.2g}"],
                "thickness": 11, "outlinewidth": 0,
                "x": 1.0, "xpad": 108,
            },
        )
    )  # fmt: skip
    for row, parts in enumerate(values):
        figure.add_annotation(
            x=1.0, y=row, xref="paper", xanchor="left", showarrow=False, font={"size": 11},
            text=f"last bar {signed(parts[-1])}<br>of {signed(parts.sum())}",
        )  # fmt: skip
    apply_layout(figure, title, _DEPTH_ROW * len(labels) + _DEPTH_FRAME)
    figure.update_layout(hovermode="closest")
    figure.update_xaxes(**category_axis(len(ts)), title_text="bar open, UTC", title_standoff=4)
    if shown is not None and shown < len(ts):
        figure.update_xaxes(range=[len(ts) - shown - 0.5, len(ts) - 0.5])
    figure.update_yaxes(type="category", range=[len(labels) - 0.5, -0.5], showgrid=False)
    return figure
