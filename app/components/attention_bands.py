"""Candles, and under them what one bar attends in every layer; the bar changes under the pointer.

All that hovering can show travels once, so that no hover asks the server.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import streamlit as st
from streamlit.components.v2 import component

from app.figures.attention import encode_rows
from app.figures.theme import CANDLES, Palette, attention_stops, price_decimals, time_labels
from app.shell.selection import open_name

_FOLDER = Path(__file__).parent
_HTML = """
<div class="bands">
  <div class="said" aria-live="off"><div class="who"></div><div class="what"></div></div>
  <div class="place">
    <div class="stage" tabindex="0" role="slider" aria-label="The bar that looks">
      <canvas class="under"></canvas><canvas class="over"></canvas>
    </div>
    <div class="labels" role="group" aria-label="Band that lights the candles"></div>
    <div class="tip" role="tooltip" hidden></div>
  </div>
</div>
"""
_mount = component(
    "lookback_attention_bands",
    html=_HTML,
    css=(_FOLDER / "attention_bands.css").read_text(encoding="utf-8"),
    js="\n".join(
        (_FOLDER / name).read_text(encoding="utf-8")
        for name in ("canvas.js", "attention_canvas.js", "attention_bands.js")
    ),
)
# Which bar looks, and what counted for the class, change without the maps; they travel apart from them.
_state = component(
    "lookback_looking_bar",
    html="<span hidden></span>",
    js="""
export default function ({ data }) {
  document.documentElement.dataset.lookbackLooks = JSON.stringify(data)
  window.dispatchEvent(new Event("lookback-looks"))
}
""",
)


@dataclass(frozen=True)
class Band:
    """One strip under the candles.

    Attributes
    ----------
    name
        Short, for the strip's left edge.
    about
        In full, for the sentence above the candles.
    window
        Bars a bar may see, itself included; None is all before it.
    layer
        Layer it shows, from 1; 0 for a view through several.
    """

    name: str
    about: str
    window: int | None
    layer: int = 0


@dataclass(frozen=True)
class Relevance:
    """What counted for one class at the newest bar.

    Attributes
    ----------
    name, about
        As in `Band`.
    shares
        Each bar's share of the whole, (T,), adding up to 1 (all zero where nothing counted).
    """

    name: str
    about: str
    shares: np.ndarray


def pack_bands(
    weights: np.ndarray, bands: Sequence[Band], bars: pd.DataFrame, *, palette: Palette, token: str
) -> bytes:
    """Header, scales, prices and cells as one buffer.

    Parameters
    ----------
    weights
        Shape (B, T, T): what bar i attends of bar j, one map for each of the B `bands`.
    bars
        The window, T rows, as drawn.
    token
        Written to the stage's ``data-ready`` once drawn, with what the first band is about.

    Returns
    -------
    bytes
        uint32 little-endian header length (a multiple of four), JSON header padded with spaces; float32
        strongest weight of every row (B, T); float32 open, high, low, close (4, T); uint8 codes of the lower
        triangles, row by row (B, T (T + 1) / 2), see `app.figures.attention.encode_rows`.

    Raises
    ------
    ValueError
        If the maps do not fit the bands or the bars.
    """
    expected = (len(bands), len(bars), len(bars))
    if weights.shape != expected:
        raise ValueError(f"expected weights of shape {expected}, got {weights.shape}")
    codes, tops = encode_rows(weights, [band.window for band in bands])
    header = json.dumps(
        {
            "token": token,
            "size": len(bars),
            "bands": [asdict(band) for band in bands],
            "opens": [open_name(ts) for ts in bars["ts"].dt.tz_localize(None).to_numpy()],
            "labels": time_labels(bars["ts"], bars["timeframe"].iloc[0]),
            "decimals": price_decimals(bars),
            "light": _colors(palette, dark=False),
            "dark": _colors(palette, dark=True),
        }
    ).encode()
    header += b" " * (-len(header) % 4)
    prices = bars[["open", "high", "low", "close"]].to_numpy(np.float32).T
    return struct.pack("<I", len(header)) + header + tops.tobytes() + prices.tobytes() + codes.tobytes()


def attention_bands(
    payload: bytes,
    *,
    token: str,
    looks: int,
    relevance: Relevance | None,
    key: str,
    on_fix: Callable[[str], None],
    on_layer: Callable[[int], None],
) -> None:
    """Draw candles and bands.

    Parameters
    ----------
    token
        The payload's own.
    looks
        Position of the bar that looks while the pointer is elsewhere.
    relevance
        A further band, which speaks of the newest bar alone.
    on_fix
        Gets the name of a bar that was clicked or reached by key, before the page runs.
    on_layer
        Gets the layer whose band was clicked.
    """

    def fixed() -> None:
        bar = st.session_state[key].get("fixed")
        if isinstance(bar, str):
            on_fix(bar)

    def picked() -> None:
        layer = st.session_state[key].get("layer")
        if isinstance(layer, int):
            on_layer(layer)

    _mount(data=payload, key=key, on_fixed_change=fixed, on_layer_change=picked)
    _state(data=pack_state(token, looks, relevance), key=f"{key}_state", height=1)


def pack_state(token: str, looks: int, relevance: Relevance | None) -> dict:
    """What changes without the maps, as the canvas reads it; it heeds only its own token."""
    counted = None
    if relevance is not None:
        shares = [round(float(share), 5) for share in relevance.shares]
        counted = {"name": relevance.name, "about": relevance.about, "shares": shares}
    return {"token": token, "looks": looks, "relevance": counted}


def _colors(palette: Palette, *, dark: bool) -> dict[str, object]:
    return {**asdict(CANDLES[palette, dark]), "stops": attention_stops(dark)}
