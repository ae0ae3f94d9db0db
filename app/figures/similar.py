"""Small candle charts of similar moments, and what came after all of them on one scale."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from app.figures.theme import (
    CANDLES,
    GREY,
    Palette,
    apply_layout,
    class_color,
    class_sign,
    ink,
    time_labels,
)

_PALE = "#8A939B"
_WIDTH, _HEIGHT, _LABELS, _FOOT = 230, 140, 34, 14


@dataclass(frozen=True)
class Glimpse:
    """A stretch of bars around a moment.

    Attributes
    ----------
    bars
        Bars before the moment, its own and those after, ascending.
    at
        Place of its own bar.
    """

    bars: pd.DataFrame
    at: int

    def percent(self) -> np.ndarray:
        """Open, high, low and close of every bar, percent from the moment's own close, (T, 4)."""
        prices = self.bars[["open", "high", "low", "close"]].to_numpy(float)
        return 100 * (prices / prices[self.at, 3] - 1)

    @property
    def after(self) -> np.ndarray:
        """Close of every bar from the moment's own on, percent of its own close, (1 + bars after,)."""
        return self.percent()[self.at :, 3]


def multiple_svg(glimpse: Glimpse, *, name: str, palette: Palette = "lookback", dark: bool = False) -> str:
    """Candles around one moment as an inline SVG, percent of its close; what came after is grey.

    Ten of them are drawn in the time of one Plotly chart. Every bar carries its date, low, high and close as
    a tooltip; text takes the page's own colour.

    Parameters
    ----------
    name
        What is seen, for those who do not see it.
    """
    bars, at = glimpse.bars, glimpse.at
    if not 0 <= at < len(bars):
        raise ValueError("the moment must be one of the bars")
    percent = glimpse.percent()
    low, high = float(percent[:, 2].min()), float(percent[:, 1].max())
    span = max(high - low, 0.1)
    step = (_WIDTH - _LABELS) / len(bars)

    def across(bar: float) -> float:
        return round(step * (bar + 0.5), 2)

    def down(value: float) -> float:
        return round(4 + (_HEIGHT - _FOOT - 8) * (high - value) / span, 2)

    line = across(at + 0.5)
    parts = [_grid(low, high, down)]
    if at + 1 < len(bars):
        parts.append(f'<rect x="{line}" y="0" width="{round(_WIDTH - _LABELS - line, 2)}" '
                     f'height="{_HEIGHT - _FOOT}" fill="#808080" fill-opacity=".16"/>')  # fmt: skip
    colors = CANDLES[palette, dark]
    labels = time_labels(bars["ts"], str(bars["timeframe"].iloc[0]))
    half = max(step * 0.36, 0.4)
    for bar, (opened, top, bottom, close) in enumerate(percent):
        rising = close >= opened
        color = _PALE if bar > at else colors.up if rising else colors.down
        x, y = across(bar), down(max(opened, close))
        height = max(down(min(opened, close)) - y, 0.5)
        fill = "none" if rising else color
        parts.append(
            f'<g stroke="{color}"><path d="M{x} {down(top)}V{down(bottom)}"/><rect x="{round(x - half, 2)}" '
            f'y="{y}" width="{round(2 * half, 2)}" height="{round(height, 2)}" fill="{fill}"/><title>'
            f"{labels[bar]}: close {close:+.1f}%, low {bottom:+.1f}%, high {top:+.1f}%</title></g>"
        )
    parts.append(f'<path d="M{line} 0V{_HEIGHT - _FOOT}" stroke="currentColor" stroke-width="1.5"/>')
    for bar, text in ((0, f"\N{MINUS SIGN}{at}"), (at, "0"), (len(bars) - 1, f"+{len(bars) - 1 - at}")):
        if bar != at or text == "0":
            parts.append(f'<text x="{across(bar)}" y="{_HEIGHT - 2}" text-anchor="middle">{text}</text>')
    return (
        f'<svg class="lb-moment" role="img" aria-label="{escape(name)}" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        'width="100%" font-size="9" fill="currentColor" stroke-width=".8" style="display:block">'
        f"{''.join(parts)}</svg>"
    )


def _grid(low: float, high: float, down: Callable[[float], float]) -> str:
    """Lines and labels at round percentages, the moment's close stronger than the others."""
    wide = max(high - low, 0.1) / 3
    step = next((size for size in (0.5, 1, 2, 5, 10, 20, 50, 100) if size >= wide), 200)
    parts = []
    for multiple in range(int(np.ceil(low / step)), int(np.floor(high / step)) + 1):
        value = multiple * step
        y = down(value)
        parts.append(
            f'<path d="M0 {y}H{_WIDTH - _LABELS}" stroke="#808080" '
            f'stroke-opacity="{0.25 if multiple else 0.8}"/>'
            f'<text x="{_WIDTH - _LABELS + 4}" y="{y + 3}">{f"{value:+g}" if multiple else "0"}%</text>'
        )
    return "".join(parts).replace(">-", ">\N{MINUS SIGN}")


def paths_figure(
    paths: Sequence[np.ndarray],
    outcomes: Sequence[str],
    names: Sequence[str],
    *,
    dark: bool,
    height: int = 260,
) -> go.Figure:
    """Where the close went after each moment, and the middle of them.

    Parameters
    ----------
    paths
        Percent of the moment's close from the moment on, each (1 + bars known after,), the first value 0.
    outcomes
        Class that came true of each, which colours it and gives the sign at its end.
    names
        Of each moment, for hover.
    """
    figure = go.Figure()
    figure.add_hline(y=0, line={"color": GREY, "width": 1, "dash": "dot"})
    for path, outcome, name in zip(paths, outcomes, names, strict=True):
        figure.add_trace(
            go.Scatter(
                x=np.arange(len(path)), y=path, mode="lines+text", name=name,
                line={"color": class_color(outcome), "width": 1.2},
                text=[""] * (len(path) - 1) + [class_sign(outcome)], textposition="middle right",
                textfont={"color": class_color(outcome), "size": 12}, cliponaxis=False,
                hovertemplate=f"{name}, {outcome}: %{{y:+.1f}}%<extra></extra>",
            )
        )  # fmt: skip
    if len(paths) > 1:
        longest = max(map(len, paths))
        table = np.full((len(paths), longest), np.nan)
        for row, path in enumerate(paths):
            table[row, : len(path)] = path
        figure.add_trace(
            go.Scatter(
                x=np.arange(longest), y=np.nanmedian(table, axis=0), mode="lines", name="middle one",
                line={"color": ink(dark), "width": 3},
                hovertemplate="middle of those known: %{y:+.1f}%<extra></extra>",
            )
        )  # fmt: skip
    apply_layout(figure, "What came next", height)
    figure.update_layout(hovermode="closest", margin={"r": 24})
    figure.update_xaxes(title_text="bars after the moment", title_standoff=4, zeroline=False)
    figure.update_yaxes(
        title_text="from the moment's close", ticksuffix="%", tickformat="+.0f", zeroline=False
    )
    return figure
