"""Colours, signs and layout that every figure shares."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
import plotly.graph_objects as go

BLUE = "#0072B2"
VERMILION = "#D55E00"
GREY = "#8C8C8C"
INDIGO = "#6A5BD0"

CLASS_COLORS: dict[str, str] = {
    "Bullish": BLUE,
    "Bearish": VERMILION,
    "Sideways": GREY,
    "Low": "#E3BDD3",
    "Medium": "#CC79A7",
    "High": "#8A3F68",
    "Trending": "#009E73",
    "Ranging": "#56B4E9",
    "Volatile": "#E69F00",
}
CLASS_SIGNS: dict[str, str] = {
    "Bullish": "▲",
    "Bearish": "▼",
    "Sideways": "▬",
    "Low": "○",
    "Medium": "◐",
    "High": "●",
    "Trending": "↗",
    "Ranging": "↔",
    "Volatile": "↯",
}
# Classes of a user's own task take these in turn (Okabe-Ito without the hues that already mean something).
OTHER_COLORS = ("#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442", GREY)

Palette = Literal["lookback", "classic"]


@dataclass(frozen=True)
class CandleColors:
    """Line and fill of rising and falling bars."""

    up: str
    down: str


# Thin lines need more light on a dark page: the same hues, paler.
CANDLES: dict[tuple[Palette, bool], CandleColors] = {
    ("lookback", False): CandleColors(up=BLUE, down=VERMILION),
    ("lookback", True): CandleColors(up="#3FA3E0", down="#F07B2A"),
    ("classic", False): CandleColors(up="#1D8A56", down="#D01B24"),
    ("classic", True): CandleColors(up="#33C481", down="#F25A5A"),
}


def class_color(name: str, position: int = 0) -> str:
    """Hex colour of a class; unknown classes take one by their position."""
    return CLASS_COLORS.get(name, OTHER_COLORS[position % len(OTHER_COLORS)])


def class_sign(name: str) -> str:
    """Shape that stands beside the class's colour; a small dot for unknown classes."""
    return CLASS_SIGNS.get(name, "•")


def ink_on(color: str) -> str:
    """Black or white, whichever contrasts more with a hex background (WCAG relative luminance)."""
    channels = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return "#000000" if (luminance + 0.05) / 0.05 > 1.05 / (luminance + 0.05) else "#FFFFFF"


def attention_stops(dark: bool) -> list[str]:
    """Indigo, a hue no class uses, in five even steps from the page's background upwards."""
    if dark:
        return ["#1C2229", "#3D3391", "#7A6CE0", "#BDB4FA", "#FFFFFF"]
    return ["#F3F5F7", "#C4BDEB", "#7F72CC", "#43349E", "#160C50"]


def attention_scale(dark: bool) -> list[list[float | str]]:
    """Colour scale of weights: stops at squares of even steps, as most weights are small."""
    return [[(i / 4) ** 2, color] for i, color in enumerate(attention_stops(dark))]


def ink(dark: bool) -> str:
    """Text colour of the theme, for marks that must stand out without meaning a class."""
    return "#E4E8EC" if dark else "#1B2228"


def time_labels(ts: Any, timeframe: str) -> list[str]:
    """Bar opens (a series, index or array) as text in UTC: the date alone for daily and weekly bars."""
    form = "%Y-%m-%d" if timeframe in ("1d", "1w") else "%Y-%m-%d %H:%M"
    return list(pd.DatetimeIndex(ts).strftime(form))


MOST_DECIMALS = 12


def price_decimals(prices: Any) -> int:
    """Decimals that prices are shown with: those usual at their size, and enough to tell open from close.

    Parameters
    ----------
    prices
        Bars with open and close, or prices alone; of these the step from one to the next counts. What does
        not move is shown to four digits.
    """
    if isinstance(prices, pd.DataFrame):
        level, other = (prices[name].to_numpy(float) for name in ("close", "open"))
    else:
        level = np.asarray(prices, float)
        other = np.append(level[:1], level[:-1])
    moves = np.abs(level - other)
    size = float(np.nanmedian(np.abs(level)))
    move = float(np.median(moves[moves > 0])) if (moves > 0).any() else np.nan
    usual = 2 if size >= 20 else 4 if size >= 0.5 else 6
    least = [move] if np.isfinite(move) else []
    needed = [math.ceil(-math.log10(value)) for value in (size / 1000, *least) if value > 0]
    return min(max(usual, *needed), MOST_DECIMALS) if needed else usual


def price_format(prices: Any) -> str:
    """d3 number format with `price_decimals` of these prices."""
    return f",.{price_decimals(prices)}f"


def apply_layout(figure: go.Figure, title: str, height: int) -> go.Figure:
    """Title that says what to see, tight margins, transparent background, crosshair on the bar.

    Text and grid colours are left to Streamlit's Plotly template, which follows the theme in the browser.
    """
    figure.update_layout(
        title={
            "text": title,
            "font": {"size": 14},
            "x": 0,
            "xanchor": "left",
            "y": 1,
            "yanchor": "top",
            "pad": {"t": 6},
        },
        height=height,
        margin={"l": 8, "r": 8, "t": 34, "b": 8},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        showlegend=False,
        hovermode="x",
        dragmode="zoom",
        bargap=0.15,
        modebar={"bgcolor": "rgba(0,0,0,0)", "color": GREY, "activecolor": INDIGO},
    )
    return figure


def category_axis(count: int, ticks: int = 8) -> dict[str, Any]:
    """x axis on which bar i stands at i, whatever the gaps between sessions."""
    return {
        "type": "category",
        "nticks": ticks,
        "tickangle": 0,
        "range": [-0.5, count - 0.5],
        "showgrid": False,
        "automargin": True,
    }


def chart_config(name: str, form: str = "svg") -> dict[str, Any]:
    """Plotly's tool bar with a download button (`form` is svg or png) and a telling file name."""
    return {
        "displaylogo": False,
        "displayModeBar": True,
        "scrollZoom": False,
        "modeBarButtonsToRemove": ["select2d", "lasso2d"],
        "toImageButtonOptions": {"format": form, "filename": name, "scale": 2},
    }
