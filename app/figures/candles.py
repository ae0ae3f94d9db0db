"""Candles with volume, and the marks that say which bars a model layer may see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from app.figures.theme import CANDLES, GREY, Palette, apply_layout, category_axis, price_format, time_labels

BANDS = (20, 50, 300)
VOLUME_SHARE = 0.2
_BAND_FILL = "rgba(128,128,128,0.08)"
_BAND_EDGE = "rgba(128,128,128,0.75)"


@dataclass(frozen=True)
class Band:
    """A run of bars that ends at the newest one.

    Attributes
    ----------
    first, last
        Positions on the x axis, both inside.
    clipped
        True when the band begins before the first bar drawn.
    """

    bars: int
    first: int
    last: int
    clipped: bool


def visible_bands(count: int, sizes: Sequence[int] = BANDS) -> list[Band]:
    """Bands of the last `sizes` bars on a chart of `count` bars, widest first.

    Bands wider than the chart are clipped to it; of several that would cover the whole chart, the
    narrowest alone is kept, since they would lie on top of one another.
    """
    bands = [Band(size, max(count - size, 0), count - 1, size > count) for size in sorted(sizes)]
    whole = [band for band in bands if band.first == 0]
    kept = [band for band in bands if band.first > 0] + whole[:1]
    return kept[::-1]


def candles_figure(
    bars: pd.DataFrame,
    *,
    title: str,
    palette: Palette = "lookback",
    dark: bool = False,
    bands: Sequence[int] = BANDS,
    height: int = 640,
) -> go.Figure:
    """Candles above volume on one shared axis of bars.

    Parameters
    ----------
    bars
        One series as `core.data.store` returns it (adjusted), ascending, at least one row. Volume that is
        missing or zero throughout leaves out the lower panel.
    title
        What to see.
    bands
        Sizes, in bars up to the newest, of the marked ranges.

    Returns
    -------
    go.Figure
        Bar i stands at x = i whatever the gaps in time; hover shows open, high, low, close, volume.
    """
    if bars.empty:
        raise ValueError("candles need at least one bar")
    with_volume = bool(np.nansum(bars["volume"].to_numpy(float)) > 0)
    figure = _panels(with_volume)
    add_candles(figure, bars, palette=palette, dark=dark, row=1)
    if with_volume:
        add_volume(figure, bars, palette=palette, dark=dark, row=2)
    _add_bands(figure, len(bars), bands)
    apply_layout(figure, title, height)
    figure.update_layout(margin={"t": 62})
    figure.update_xaxes(**category_axis(len(bars)), rangeslider_visible=False)
    figure.update_xaxes(title_text="bar open, UTC", title_standoff=4, row=2 if with_volume else 1)
    return figure


def add_candles(figure: go.Figure, bars: pd.DataFrame, *, palette: Palette, dark: bool, row: int) -> None:
    """Candles into row `row` of a figure made by `make_subplots`."""
    colors = CANDLES[palette, dark]
    form = price_format(bars)
    volume = [_volume(value) for value in np.nan_to_num(bars["volume"].to_numpy(float))]
    figure.add_trace(
        go.Candlestick(
            x=time_labels(bars["ts"], bars["timeframe"].iloc[0]),
            open=bars["open"],
            high=bars["high"],
            low=bars["low"],
            close=bars["close"],
            customdata=volume,
            increasing={"line": {"color": colors.up, "width": 1}, "fillcolor": "rgba(0,0,0,0)"},
            decreasing={"line": {"color": colors.down, "width": 1}, "fillcolor": colors.down},
            name="",
            hovertemplate=(
                f"open %{{open:{form}}}<br>high %{{high:{form}}}<br>low %{{low:{form}}}"
                f"<br>close %{{close:{form}}}<br>volume %{{customdata}}"
            ),
        ),
        row=row,
        col=1,
    )
    figure.update_yaxes(title_text="price", side="right", tickformat=form, row=row, col=1)


def add_volume(figure: go.Figure, bars: pd.DataFrame, *, palette: Palette, dark: bool, row: int) -> None:
    """Volume bars in their candle's colour into row `row`."""
    colors = CANDLES[palette, dark]
    rising = bars["close"].to_numpy() >= bars["open"].to_numpy()
    figure.add_trace(
        go.Bar(
            x=time_labels(bars["ts"], bars["timeframe"].iloc[0]),
            y=bars["volume"],
            marker={"color": np.where(rising, colors.up, colors.down), "opacity": 0.6, "line": {"width": 0}},
            name="",
            hoverinfo="skip",
        ),
        row=row,
        col=1,
    )
    figure.update_yaxes(title_text="volume", side="right", nticks=3, row=row, col=1)


def _volume(value: float) -> str:
    if value <= 0:
        return "not given"
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"


def _panels(with_volume: bool) -> go.Figure:
    if not with_volume:
        return make_subplots(rows=1, cols=1)
    return make_subplots(
        rows=2,
        cols=1,
        shared_xaxes=True,
        vertical_spacing=0.03,
        row_heights=[1 - VOLUME_SHARE, VOLUME_SHARE],
    )


def _add_bands(figure: go.Figure, count: int, sizes: Sequence[int]) -> None:
    for level, band in enumerate(visible_bands(count, sizes)):
        left, right = band.first - 0.5, band.last + 0.5
        figure.add_shape(
            type="rect", x0=left, x1=right, y0=0, y1=1, xref="x", yref="paper",
            fillcolor=_BAND_FILL, line_width=0, layer="below",
        )  # fmt: skip
        if not band.clipped:
            figure.add_shape(
                type="line", x0=left, x1=left, y0=0, y1=1.0, xref="x", yref="paper",
                line={"color": _BAND_EDGE, "width": 1, "dash": "dot"}, layer="below",
            )  # fmt: skip
        figure.add_annotation(
            x=left, y=1, xref="x", yref="paper", yanchor="bottom", showarrow=False,
            xanchor="left" if level == 0 else "right",
            text=("← " if band.clipped else "") + f"last {band.bars} bars →",
            font={"size": 11, "color": GREY},
        )  # fmt: skip
