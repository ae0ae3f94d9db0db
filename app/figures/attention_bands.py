"""What the last bar attends in every layer, under the candles it attends."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from app.figures.attention import layer_label, visible_cells
from app.figures.candles import add_candles
from app.figures.theme import Palette, apply_layout, attention_scale, category_axis, time_labels

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
