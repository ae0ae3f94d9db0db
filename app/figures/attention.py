"""Where each head looks: maps as bytes for the canvases, and one map in detail."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from app.figures.candles import add_candles
from app.figures.theme import (
    Palette,
    apply_layout,
    attention_scale,
    category_axis,
    ink,
    time_labels,
)

MASKED = 0
"""Byte that stands for a cell the layer may not see."""


def layer_label(layer: int, window: int | None, length: int) -> str:
    """'Layer 1 - last 20 bars' or 'Layer 3 - all 300'; `layer` counts from 1."""
    seen = f"all {length}" if window is None else f"last {window} bars"
    return f"Layer {layer} - {seen}"


def visible_cells(length: int, window: int | None) -> np.ndarray:
    """(T, T) bool: row i may see column j iff j <= i and, with a window, i - j < window."""
    age = np.arange(length)[:, None] - np.arange(length)[None, :]
    return (age >= 0) & (age < (length if window is None else window))


def map_tops(weights: np.ndarray, windows: Sequence[int | None]) -> np.ndarray:
    """Weight at which each map's colours end, its 99.5th percentile of visible cells, (L, H)."""
    length = weights.shape[-1]
    return np.array(
        [
            [float(np.quantile(head[visible_cells(length, window)], 0.995)) for head in layer]
            for layer, window in zip(weights, windows, strict=True)
        ]
    )


def encode_maps(weights: np.ndarray, windows: Sequence[int | None], *, shared: bool = False) -> np.ndarray:
    """Attention maps as bytes for the overview canvas.

    Parameters
    ----------
    weights
        Shape (L, H, T, T), in [0, 1].
    windows
        Window of each layer in bars; None is all.
    shared
        Whether all maps are scaled by the largest of `map_tops`, else each by its own.

    Returns
    -------
    np.ndarray
        uint8 of the same shape: `MASKED` where the layer may not look, else 1..255 for the square root of
        the weight as a part of the scale's end (a map of zeros is all 1).
    """
    layers, heads, length, _ = weights.shape
    codes = np.full(weights.shape, MASKED, dtype=np.uint8)
    tops = np.sqrt(map_tops(weights, windows))
    tops = np.full_like(tops, tops.max()) if shared else tops
    for layer in range(layers):
        visible = visible_cells(length, windows[layer])
        for head in range(heads):
            cells = np.sqrt(weights[layer, head][visible])
            top = float(tops[layer, head]) or 1.0
            codes[layer, head][visible] = 1 + np.round(254 * np.minimum(cells / top, 1.0)).astype(np.uint8)
    return codes


def encode_rows(weights: np.ndarray, windows: Sequence[int | None]) -> tuple[np.ndarray, np.ndarray]:
    """What every bar attends, as bytes from which the weights can be read back.

    Parameters
    ----------
    weights
        Shape (B, T, T), in [0, 1].
    windows
        Window of each map in bars; None is all.

    Returns
    -------
    codes : np.ndarray
        uint8, shape (B, T (T + 1) / 2): the lower triangles row by row, as nothing is attended before it is
        there. `MASKED` where the map may not look, else c in 1..255; the weight is ((c - 1) / 254)**2 times
        the row's strongest, to within .4% of the latter.
    tops : np.ndarray
        float32, shape (B, T): strongest weight of every row.
    """
    length = weights.shape[-1]
    below = np.tril_indices(length)
    tops = weights.max(axis=-1).astype(np.float32)
    scaled = np.sqrt(weights / np.where(tops > 0, tops, 1)[..., None])
    codes = (1 + np.round(254 * np.clip(scaled, 0, 1))).astype(np.uint8)
    for band, window in enumerate(windows):
        codes[band][~visible_cells(length, window)] = MASKED
    return codes[:, *below], tops


def map_of(weights: np.ndarray, layer: int, head: int | None) -> np.ndarray:
    """(T, T) map of one head (both count from 1), or the mean over heads when `head` is None."""
    chosen = weights[layer - 1]
    return chosen.mean(axis=0) if head is None else chosen[head - 1]


MAP_HEIGHT, MAP_WIDTH = 520, 640
"""Pixels at which a map's cells are square; a narrower place presses it, a wider one leaves it as it is."""


def map_figure(
    weights: np.ndarray,
    window: int | None,
    ts: Sequence[pd.Timestamp] | np.ndarray,
    timeframe: str,
    *,
    query: int,
    title: str,
    top: float | None = None,
    dark: bool = False,
) -> go.Figure:
    """One map in detail: rows are the bars that look, columns the bars looked at.

    Parameters
    ----------
    weights
        Shape (T, T), in [0, 1]; `window` as in `visible_cells`.
    query
        Row to mark.
    top
        Weight at which the colours end; None is that of `map_tops`.

    Returns
    -------
    go.Figure
        Cells outside the window are empty; darker or brighter is more, hover shows the weight.
    """
    labels = time_labels(ts, timeframe)
    length = len(labels)
    visible = visible_cells(length, window)
    shown = np.where(visible, weights, np.nan).astype(np.float32)
    top = top or float(np.nanquantile(shown, 0.995)) or 1.0
    ticks = np.array([0.0, 0.1, 0.25, 0.5, 1.0]) * top
    said = [f"{100 * tick:.1f}%" for tick in ticks]
    if np.nanmax(shown) > top:
        said[-1] = f"≥ {said[-1]}"
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
                "ticktext": said,
                "thickness": 12,
                "outlinewidth": 0,
            },
        )
    )
    figure.add_shape(
        type="rect", x0=-0.5, x1=length - 0.5, y0=query - 0.5, y1=query + 0.5,
        line={"color": ink(dark), "width": 1},
    )  # fmt: skip
    apply_layout(figure, title, MAP_HEIGHT)
    # Room set aside by hand: measuring every label takes the browser a third of the drawing time.
    wide = max(len(label) for label in labels) > 10
    margin = {"l": 128 if wide else 94, "r": 84, "t": 34, "b": 46, "autoexpand": False}
    figure.update_layout(hovermode="closest", margin=margin)
    figure.update_xaxes(**category_axis(length, 5), title_text="bar looked at (open, UTC)", title_standoff=4)
    figure.update_yaxes(
        **{**category_axis(length), "range": [length - 0.5, -0.5]},
        title_text="bar that looks",
        title_standoff=4,
    )
    return figure


_CANDLES, _BAND, _ROOM = 220, 34, 90


def attention_bands_figure(
    bars: pd.DataFrame,
    weights: np.ndarray,
    windows: Sequence[int | None],
    *,
    title: str,
    palette: Palette = "lookback",
    dark: bool = False,
) -> go.Figure:
    """Candles above one band a layer, on one axis of bars.

    Parameters
    ----------
    bars
        The window's bars as `core.data.store` returns them, T rows.
    weights
        What the last bar attends in each layer, mean over heads, (L, T), in [0, 1].
    windows
        Bars a query may see per layer; None is all. What lies outside is left blank.

    Returns
    -------
    go.Figure
        Each band is coloured by its own strongest weight; hover shows the share.

    Raises
    ------
    ValueError
        If bars and weights differ in length.
    """
    layers, length = weights.shape
    if len(bars) != length or len(windows) != layers:
        raise ValueError(f"{len(bars)} bars and {len(windows)} windows, attention has {weights.shape}")
    seen = np.stack([visible_cells(length, window)[-1] for window in windows])
    shares = np.where(seen, weights, np.nan).astype(np.float32)
    strongest = np.nanmax(shares, axis=1, keepdims=True)
    names = [layer_label(i + 1, window, length) for i, window in enumerate(windows)]
    labels = time_labels(bars["ts"], bars["timeframe"].iloc[0])
    heights = [_CANDLES, _BAND * layers]
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.03, row_heights=heights)
    add_candles(figure, bars, palette=palette, dark=dark, row=1)
    figure.add_trace(
        go.Heatmap(
            z=shares / np.where(strongest > 0, strongest, 1), x=labels, y=names, customdata=shares,
            zmin=0, zmax=1, ygap=3, colorscale=attention_scale(dark),
            hovertemplate="%{y}<br>%{customdata:.1%} of its attention<extra></extra>",
            colorbar={
                "title": {"text": "of the layer's strongest", "side": "right", "font": {"size": 11}},
                "tickvals": [0, 0.5, 1], "ticktext": ["0", "half", "strongest"], "thickness": 10,
                "lenmode": "pixels", "len": heights[1], "y": 0, "yanchor": "bottom",
            },
        ),
        row=2, col=1,
    )  # fmt: skip
    apply_layout(figure, title, sum(heights) + _ROOM)
    figure.update_xaxes(**category_axis(length), rangeslider_visible=False)
    figure.update_xaxes(title_text="bar open, UTC", title_standoff=4, row=2, col=1)
    figure.update_yaxes(side="left", row=1, col=1)
    figure.update_yaxes(type="category", autorange="reversed", automargin=True, row=2, col=1)
    return figure
