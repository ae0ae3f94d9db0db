"""Where each head looks: one map in detail, and a bar's attended bars under the candles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from app.figures.candles import add_candles
from app.figures.theme import (
    INDIGO,
    Palette,
    apply_layout,
    attention_scale,
    attention_stops,
    category_axis,
    ink,
    price_format,
    time_labels,
)

MASKED = 0
"""Byte that stands for a cell the layer may not see."""


@dataclass(frozen=True)
class AttendedBar:
    """One bar and its share of a query's attention, in [0, 1]."""

    position: int
    weight: float


def layer_label(layer: int, window: int | None, length: int) -> str:
    """'Layer 1 - last 20 bars' or 'Layer 3 - all 300'; `layer` counts from 1."""
    seen = f"all {length}" if window is None else f"last {window} bars"
    return f"Layer {layer} - {seen}"


def visible_cells(length: int, window: int | None) -> np.ndarray:
    """(T, T) bool: row i may see column j iff j <= i and, with a window, i - j < window."""
    age = np.arange(length)[:, None] - np.arange(length)[None, :]
    return (age >= 0) & (age < (length if window is None else window))


def encode_maps(weights: np.ndarray, windows: Sequence[int | None]) -> np.ndarray:
    """Attention maps as bytes for the overview canvas.

    Parameters
    ----------
    weights
        Shape (L, H, T, T), in [0, 1].
    windows
        Window of each layer in bars; None is all.

    Returns
    -------
    np.ndarray
        uint8 of the same shape: `MASKED` where the layer may not look, else 1..255 for the square root of
        the weight, each map scaled by its own 99.5th percentile of visible cells (a map of zeros is all 1).
    """
    layers, heads, length, _ = weights.shape
    codes = np.full(weights.shape, MASKED, dtype=np.uint8)
    for layer in range(layers):
        visible = visible_cells(length, windows[layer])
        for head in range(heads):
            cells = np.sqrt(weights[layer, head][visible])
            top = float(np.quantile(cells, 0.995)) or 1.0
            codes[layer, head][visible] = 1 + np.round(254 * np.minimum(cells / top, 1.0)).astype(np.uint8)
    return codes


def map_of(weights: np.ndarray, layer: int, head: int | None) -> np.ndarray:
    """(T, T) map of one head (both count from 1), or the mean over heads when `head` is None."""
    chosen = weights[layer - 1]
    return chosen.mean(axis=0) if head is None else chosen[head - 1]


def strongest_bars(row: np.ndarray, count: int = 3) -> list[AttendedBar]:
    """The `count` bars with most attention in one query's row, strongest first; zeros are left out."""
    order = np.argsort(row)[::-1][:count]
    return [AttendedBar(int(i), float(row[i])) for i in order if row[i] > 0]


def share_within(row: np.ndarray, query: int, bars: int) -> float:
    """Share of one query's attention on itself and the `bars` - 1 bars before it, in [0, 1]."""
    total = float(row[: query + 1].sum())
    return float(row[max(query + 1 - bars, 0) : query + 1].sum()) / total if total > 0 else 0.0


def map_figure(
    weights: np.ndarray,
    window: int | None,
    ts: Sequence[pd.Timestamp] | np.ndarray,
    timeframe: str,
    *,
    query: int,
    title: str,
    dark: bool = False,
    height: int = 520,
) -> go.Figure:
    """One map in detail: rows are the bars that look, columns the bars looked at.

    Parameters
    ----------
    weights
        Shape (T, T), in [0, 1]; `window` as in `visible_cells`.
    query
        Row to mark.

    Returns
    -------
    go.Figure
        Cells outside the window are empty; darker or brighter is more, hover shows the weight.
    """
    labels = time_labels(ts, timeframe)
    length = len(labels)
    visible = visible_cells(length, window)
    shown = np.where(visible, weights, np.nan).astype(np.float32)
    top = float(np.nanquantile(shown, 0.995)) or 1.0
    ticks = np.array([0.0, 0.1, 0.25, 0.5, 1.0]) * top
    figure = go.Figure(
        go.Heatmap(
            z=shown,
            x=labels,
            y=labels,
            colorscale=attention_scale(dark),
            zmin=0,
            zmax=top,
            hoverongaps=False,
            hovertemplate="bar %{y}<br>looks at %{x}<br>weight %{z:.2%}<extra></extra>",
            colorbar={
                "title": {"text": "weight", "side": "right"},
                "tickvals": ticks,
                "ticktext": [f"{100 * tick:.1f}%" for tick in ticks],
                "thickness": 12,
                "outlinewidth": 0,
            },
        )
    )
    figure.add_shape(
        type="rect", x0=-0.5, x1=length - 0.5, y0=query - 0.5, y1=query + 0.5,
        line={"color": ink(dark), "width": 1},
    )  # fmt: skip
    apply_layout(figure, title, height)
    figure.update_layout(hovermode="closest")
    figure.update_xaxes(**category_axis(length, 5), title_text="bar looked at (open, UTC)", title_standoff=4)
    figure.update_yaxes(
        **{**category_axis(length), "range": [length - 0.5, -0.5]},
        title_text="bar that looks",
        title_standoff=4,
    )
    return figure


def attended_figure(
    bars: pd.DataFrame,
    rows: np.ndarray,
    windows: Sequence[int | None],
    *,
    query: int,
    layer: int,
    title: str,
    head_label: str,
    palette: Palette = "lookback",
    dark: bool = False,
    height: int = 620,
) -> go.Figure:
    """Candles; under them, on the same axis, what one bar attends in the chosen layer and in all layers.

    Parameters
    ----------
    bars
        The window, T rows, adjusted.
    rows
        Shape (L, T): what bar `query` attends in each layer, for the chosen head or the mean.
    query
        Position of the bar that looks, 0..T-1.
    layer
        Chosen layer, from 1; its window is marked across the candles.
    """
    length = len(bars)
    if rows.shape != (len(windows), length):
        raise ValueError(f"expected rows of shape {(len(windows), length)}, got {rows.shape}")
    labels = time_labels(bars["ts"], bars["timeframe"].iloc[0])
    figure = make_subplots(
        rows=3, cols=1, shared_xaxes=True, vertical_spacing=0.035, row_heights=[0.58, 0.2, 0.22]
    )
    add_candles(figure, bars, palette=palette, dark=dark, row=1)
    chosen = rows[layer - 1]
    figure.add_trace(
        go.Bar(
            x=labels,
            y=chosen,
            marker={"color": INDIGO, "line": {"width": 0}},
            name="",
            hovertemplate="weight %{y:.2%}<extra></extra>",
        ),
        row=2,
        col=1,
    )
    bands = np.stack([_band(rows[i], query, window) for i, window in enumerate(windows)])
    figure.add_trace(
        go.Heatmap(
            z=bands.astype(np.float32),
            x=labels,
            y=[_band_label(i + 1, window, length) for i, window in enumerate(windows)],
            customdata=rows.astype(np.float32),
            colorscale=attention_stops(dark),
            zmin=0,
            zmax=1,
            showscale=False,
            ygap=3,
            hoverongaps=False,
            hovertemplate="%{y}: weight %{customdata:.2%}<extra></extra>",
        ),
        row=3,
        col=1,
    )
    _mark_window(figure, query, windows[layer - 1], ink(dark))
    apply_layout(figure, title, height)
    figure.update_layout(bargap=0.05, margin={"t": 52})
    figure.update_xaxes(**category_axis(length), rangeslider_visible=False)
    figure.update_xaxes(title_text="bar open, UTC", title_standoff=4, row=3)
    figure.update_yaxes(tickformat=price_format(bars["close"]), row=1)
    figure.update_yaxes(
        title_text=f"attention<br>{head_label}", tickformat=".0%", nticks=3, rangemode="tozero",
        side="right", row=2,
    )  # fmt: skip
    figure.update_yaxes(autorange="reversed", side="right", showgrid=False, row=3)
    return figure


def _band(row: np.ndarray, query: int, window: int | None) -> np.ndarray:
    visible = visible_cells(len(row), window)[query]
    top = np.quantile(row[visible], 0.98) or 1.0
    return np.where(visible, row / top, np.nan)


def _band_label(layer: int, window: int | None, length: int) -> str:
    return f"L{layer} · {'all ' + str(length) if window is None else window}"


def _mark_window(figure: go.Figure, query: int, window: int | None, color: str) -> None:
    first = 0 if window is None else max(query + 1 - window, 0)
    figure.add_shape(
        type="rect", x0=first - 0.5, x1=query + 0.5, y0=0, y1=1, xref="x", yref="paper",
        fillcolor="rgba(128,128,128,0.10)", line_width=0, layer="below",
    )  # fmt: skip
    figure.add_shape(
        type="line", x0=query, x1=query, y0=0, y1=1, xref="x", yref="paper",
        line={"color": color, "width": 1.2},
    )  # fmt: skip
    seen = "all bars before" if window is None else f"{window} bars"
    left = query > 60
    figure.add_annotation(
        x=query, y=1, xref="x", yref="paper", yanchor="bottom", showarrow=False,
        xanchor="right" if left else "left",
        text=f"this bar may see {seen} ▾" if left else f"▾ this bar may see {seen}",
        font={"size": 11, "color": color},
    )  # fmt: skip
