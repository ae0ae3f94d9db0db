"""Small candle charts of similar moments, and what came after all of them on one scale."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import plotly.graph_objects as go

from app.figures.theme import CANDLES, GREY, Palette, apply_layout, class_color, class_sign, ink
from app.words.numbers import MINUS, signed
from core.explain.similar.glimpse import Glimpse

_PALE = "#8A939B"
_WIDTH, _HEIGHT, _LABELS, _FOOT = 230, 140, 34, 14


def multiple_svg(glimpse: Glimpse, *, palette: Palette = "lookback", dark: bool = False) -> str:
    """Candles around one moment as an SVG, percent of its close; what came after is grey, behind a line.

    Ten of them are drawn in the time of one Plotly chart.
    """
    bars, at = glimpse.bars, glimpse.at
    if not 0 <= at < len(bars):
        raise ValueError("the moment must be one of the bars")
    percent = glimpse.percent()
    low, high = float(percent[:, 2].min()), float(percent[:, 1].max())
    step = (_WIDTH - _LABELS) / len(bars)
    foot = _HEIGHT - _FOOT

    def across(bar: float) -> float:
        return round(step * (bar + 0.5), 2)

    def down(value: float) -> float:
        return round(4 + (foot - 8) * (high - value) / max(high - low, 0.1), 2)

    line, pen = across(at + 0.5), ink(dark)
    parts = [_grid(low, high, down)]
    if at + 1 < len(bars):
        wide = round(_WIDTH - _LABELS - line, 2)
        parts.append(
            f'<rect x="{line}" y="0" width="{wide}" height="{foot}" fill="{_PALE}" fill-opacity=".2"/>'
        )
    colors = CANDLES[palette, dark]
    for bar, prices in enumerate(percent):
        rising = prices[3] >= prices[0]
        color = _PALE if bar > at else colors.up if rising else colors.down
        parts.append(_candle(across(bar), max(step * 0.36, 0.4), [down(p) for p in prices], color, rising))
    parts.append(f'<path d="M{line} 0V{foot}" stroke="{pen}" stroke-width="1.5"/>')
    after = len(bars) - 1 - at
    marks = [(0, f"{MINUS}{at}", "start"), (at, "0", "middle"), (len(bars) - 1, f"+{after}", "middle")]
    for bar, text, anchor in marks[: 3 if after else 2]:
        parts.append(f'<text x="{across(bar)}" y="{_HEIGHT - 2}" text-anchor="{anchor}">{text}</text>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{2 * _WIDTH}" '
        f'font-family="sans-serif" font-size="9" fill="{pen}" stroke-width=".8">{"".join(parts)}</svg>'
    )


def _candle(x: float, half: float, places: Sequence[float], color: str, rising: bool) -> str:
    """One bar at heights of its open, high, low and close: hollow when rising, its wick outside the body."""
    opened, top, bottom, close = places
    upper, lower = min(opened, close), max(opened, close)
    body = (
        f'<rect x="{x - half:.2f}" y="{upper}" width="{2 * half:.2f}" height="{max(lower - upper, 0.5):.2f}" '
        f'fill="{"none" if rising else color}"/>'
    )
    return f'<g stroke="{color}"><path d="M{x} {top}V{upper}M{x} {lower}V{bottom}"/>{body}</g>'


def _grid(low: float, high: float, down: Callable[[float], float]) -> str:
    """Lines and labels at round percentages, the moment's close stronger than the others."""
    wide = max(high - low, 0.1) / 3
    step = next((size for size in (0.5, 1, 2, 5, 10, 20, 50, 100) if size >= wide), 200)
    parts = []
    for multiple in range(int(np.ceil(low / step)), int(np.floor(high / step)) + 1):
        y = down(multiple * step)
        text = signed(multiple * step, "g") if multiple else "0"
        parts.append(
            f'<path d="M0 {y}H{_WIDTH - _LABELS}" stroke="{GREY}" '
            f'stroke-opacity="{0.3 if multiple else 0.9}"/>'
            f'<text x="{_WIDTH - _LABELS + 4}" y="{y + 3}">{text}%</text>'
        )
    return "".join(parts)


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
