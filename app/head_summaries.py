"""Every head in a row: how far back it looks, how evenly, and its trained preference for recent bars."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from app import attention_resources, controls
from app.components.head_table import Cell, Column, HeadRow, head_table
from app.resources import ModelKey
from core.explain.attention_maps import DIFFUSE_ENTROPY, LOCAL_AGE, SHARE_SPANS, HeadSummaries
from core.prediction import AttentionWindow

ONE, MANY = "the bar that looks", f"the last {attention_resources.RECENT} bars"
COLUMNS = (
    Column("layer", "Layer, from the input upwards."),
    Column("head", "Head of the layer."),
    Column(
        "kind",
        f"local: looks back less than {LOCAL_AGE:.0f} bars on average; diffuse: else, spread at least "
        f"{100 * DIFFUSE_ENTROPY:.0f}% as evenly as possible; global: far back, and choosing.",
    ),
    Column("looks back, bars", "Mean age of what it attends, in bars; 0 is the bar itself."),
    Column(
        "spread", "Entropy of its attention as a share of the most it could have: 100% is all bars alike."
    ),
    *(
        Column(f"last {span}", f"Share of its attention on the newest {span} bars, the bar itself included.")
        for span in SHARE_SPANS
    ),
    Column("peak age, bars", "Age of the bar it attends most."),
    Column(
        "trained recency",
        "Learned scale s of the bias s * exp(-0.1 * age in bars) added to its scores: 1 is where training "
        "began, 0 is no preference for recent bars.",
    ),
)


def draw_heads(model: ModelKey, at: controls.Moment, seen: AttentionWindow, query: int) -> None:
    """The table with its choice of bars and its download."""
    title, choice, download = st.columns([0.5, 0.34, 0.16], vertical_alignment="bottom")
    title.markdown(
        "**Every head in a row: click a column to sort, a row to open its map**",
        help="local, global and diffuse are words for how far and how evenly a head looks; hover a column.",
    )
    with choice:
        averaged = st.segmented_control(
            "As seen from", [ONE, MANY], default=ONE, required=True, key="heads_seen_from",
            persist_state="session", label_visibility="collapsed",
        )  # fmt: skip
    one = averaged != MANY
    found = attention_resources.heads(model, at.key, at.bar, query if one else None)
    rows = head_rows(found, seen, one=one)
    download.download_button(
        "CSV", heads_csv(rows), file_name=f"heads_{at.key.instrument}_{at.key.timeframe}_{at.bar}.csv",
        mime="text/csv", icon=":material/download:", on_click="ignore", width="stretch",
    )  # fmt: skip
    head_table(COLUMNS, rows, key="head_table", on_open=open_head)


def head_rows(found: HeadSummaries, seen: AttentionWindow, *, one: bool) -> list[HeadRow]:
    """A row a head, layer by layer.

    Parameters
    ----------
    one
        Whether the summaries speak of one bar: only then is there one most attended bar.
    """
    layers, heads = found.mean_age.shape
    rows = []
    for layer in range(layers):
        window = seen.windows[layer]
        sees = f"{layer + 1} · {'all' if window is None else f'last {window}'}"
        for head in range(heads):
            at = layer, head
            shares = (float(found.share_within[span][at]) for span in SHARE_SPANS)
            peak = int(found.peak_age[at])
            rows.append(
                HeadRow(
                    layer + 1,
                    head + 1,
                    (
                        Cell(sees, layer + 1),
                        Cell(str(head + 1), head + 1),
                        Cell(found.kind[layer][head], found.kind[layer][head]),
                        _number(found.mean_age[at], "{:.1f}"),
                        _share(float(found.entropy[at])),
                        *(_share(share) for share in shares),
                        Cell(str(peak), peak) if one else Cell("", -1),
                        _number(seen.bias_scale[at], "{:.2f}"),
                    ),
                )
            )
    return rows


def heads_csv(rows: list[HeadRow]) -> str:
    """The table's values as CSV, shares in [0, 1]."""
    values = [[cell.value for cell in row.cells] for row in rows]
    return pd.DataFrame(values, columns=[column.name for column in COLUMNS]).to_csv(index=False)


def open_head(layer: int, head: int) -> None:
    """Open the map of a clicked row."""
    controls.change(layer=layer, head=head)


def _number(value: float, form: str) -> Cell:
    return Cell(form.format(value), round(float(value), 6))


def _share(value: float) -> Cell:
    return Cell(f"{100 * value:.1f}%", round(value, 6), min(max(value, 0.0), 1.0))
