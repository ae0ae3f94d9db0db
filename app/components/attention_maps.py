"""The layer x head overview: every attention map on one canvas grid, a click opens one."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import streamlit as st
from streamlit.components.v2 import component

from app.figures.theme import attention_stops

_FOLDER = Path(__file__).parent
_HTML = (
    '<div class="grid" role="group" aria-label="Attention maps: a row per layer, a column per head"></div>'
)
_mount = component(
    "lookback_attention_maps",
    html=_HTML,
    css=(_FOLDER / "attention_maps.css").read_text(encoding="utf-8"),
    js="\n".join((_FOLDER / name).read_text(encoding="utf-8") for name in ("canvas.js", "attention_maps.js")),
)
# The mark travels apart from the maps: they are megabytes, and a click must not send them again.
_mark = component(
    "lookback_map_mark",
    html="<span hidden></span>",
    js="""
export default function ({ data }) {
  document.documentElement.dataset.lookbackMap = `${data.layer},${data.head}`
  window.dispatchEvent(new Event("lookback-map"))
}
""",
)


@dataclass(frozen=True)
class PickedMap:
    """The map a person opened; both count from 1."""

    layer: int
    head: int


def pack_maps(codes: np.ndarray, rows: Sequence[str], columns: Sequence[str], *, token: str) -> bytes:
    """Header and cells as one buffer.

    Parameters
    ----------
    codes
        uint8, shape (L, H, T, T), as `app.figures.attention.encode_maps` gives them.
    rows, columns
        L labels of the layers, H of the heads.
    token
        Written to the grid's ``data-ready`` once drawn.

    Returns
    -------
    bytes
        uint32 little-endian header length, JSON header, cells.
    """
    layers, heads, size, _ = codes.shape
    header = json.dumps(
        {
            "layers": layers,
            "heads": heads,
            "size": size,
            "rows": list(rows),
            "columns": list(columns),
            "token": token,
            "light": attention_stops(dark=False),
            "dark": attention_stops(dark=True),
        }
    ).encode()
    return struct.pack("<I", len(header)) + header + codes.tobytes()


def attention_maps(
    payload: bytes, *, layer: int, head: int | None, key: str, on_pick: Callable[[], None] | None = None
) -> PickedMap | None:
    """Draw the overview; returns the map picked in this run, if any.

    `layer` and `head` are marked, from 1; `head` None marks the whole row. `on_pick` runs before the
    script; it finds the pick with `picked_map(key)`.
    """
    result = _mount(data=payload, key=key, on_picked_change=on_pick or (lambda: None))
    _mark(data={"layer": layer, "head": head or 0}, key=f"{key}_mark", height=1)
    return _as_picked(result.picked)


def picked_map(key: str) -> PickedMap | None:
    """The pick that caused this rerun, for use inside `on_pick`."""
    state = st.session_state.get(key)
    return None if state is None else _as_picked(state.get("picked"))


def _as_picked(value: object) -> PickedMap | None:
    if not isinstance(value, dict):
        return None
    layer, head = value.get("layer"), value.get("head")
    if not isinstance(layer, int) or not isinstance(head, int):
        return None
    return PickedMap(layer, head)
