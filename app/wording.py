"""Sentences that pages share, in words a person would use."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from app.figures.attention import layer_label, share_within, strongest_bars
from app.panels import percent

ROUTING = (
    ":material/info: **Attention shows routing, not cause.** How well it agrees with removing bars "
    "has not been measured on this model yet."
)


def layer_name(layer: int, window: int | None, length: int) -> str:
    """Row label of a layer; `layer` counts from 1, `window` None is all bars."""
    return layer_label(layer, window, length)


def attended_sentence(
    row: np.ndarray, labels: Sequence[str], query: int, layer: int, head: int | None
) -> str:
    """What one bar attends: its shares on the last 20 and 50 bars, and the three strongest bars.

    Parameters
    ----------
    row
        Weights of bar `query` over all bars, shape (T,); `labels` names them.
    layer, head
        From 1; head None is the mean of all heads.
    """
    who = "all heads together give" if head is None else f"head {head} gives"
    spread = " and ".join(
        f"{percent(share_within(row, query, bars))} to the last {bars} bars" for bars in (20, 50)
    )
    strongest = ", ".join(f"{labels[bar.position]} ({percent(bar.weight)})" for bar in strongest_bars(row))
    return f"From **{labels[query]}**, in layer {layer}, {who} {spread}; most to {strongest}."
