"""Candles with what a bar attended, what attention was measured to agree with, and the table of heads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
import streamlit as st

from app.attention import cached as attention_cached
from app.components.attention_bands import attention_bands
from app.components.head_table import Cell, Column, HeadRow, head_table
from app.shell import cached, controls, notices
from app.shell.cached import ModelKey
from app.shell.choosers import choose_task, chosen_task
from app.words import predictions as prediction_words
from app.words.numbers import correlation
from core.explain.attention import DIFFUSE_ENTROPY, LOCAL_REACH, SHARE_SPANS, HeadSummaries
from core.prediction import AttentionWindow

BANDS = "attended"


def draw_attended(
    model: cached.ModelKey, at: controls.Moment, member: int | None, head: int | None, query: int
) -> None:
    """The canvas; the pointer moves in the browser alone, a click fixes the bar."""
    title, choice = st.columns([0.62, 0.38], vertical_alignment="bottom")
    title.markdown(
        "**What a bar attended: point at a candle; click fixes it, arrow keys move it**",
        help="Each band is scaled by its own strongest bar, named at its right; square root, so that weak "
        "attention shows too. Hatched: what the layer may not see. A click on a band's name lights the "
        "candles by that band. Rollout (Abnar and Zuidema 2020) follows attention through all layers, half "
        "of each staying in place. The last band (Chefer, Gur and Wolf 2021) weighs attention by its effect "
        "on the class called, adds up to 100% and speaks of the newest bar alone.",
    )
    tasks = [task.name for task in cached.predictor(model).bundle.config.tasks]
    with choice:
        choose_task("The last band explains the call for", tasks, key="attended_task")
    payload = attention_cached.bands(model, at.key, at.bar, member, head, controls.palette())
    counted = None
    with notices.guard():
        counted = attention_cached.relevance(model, at.key, at.bar, member, chosen_task(model))
    attention_bands(
        payload, token=attention_cached.bands_token(at.key, at.bar), looks=query, relevance=counted,
        key=BANDS, on_fix=fix_bar, on_layer=choose_layer,
    )  # fmt: skip


def fix_bar(bar: str) -> None:
    """Let a clicked bar look."""
    controls.change(looks=bar)


def choose_layer(layer: int) -> None:
    """Open the layer whose band was clicked."""
    controls.change(layer=layer)


VIEWS = {
    "attention_mean": "attention, mean of layers and heads",
    "attention_last_layer": "attention, last layer",
    "attention_rollout": "through all layers (rollout)",
    "class_relevance": "weighted by effect on the class",
    "recency": "newest bar first, no attention",
    "unusual": "farthest from the window's mean first, no attention",
    "random": "random order",
}
"""Rankings of the bars as a person would name them."""


def draw_routing(model: ModelKey, at: controls.Moment, task: str) -> None:
    """The sentence that always stands on the page; the table of all views behind it."""
    measured = None
    with notices.guard():
        measured = attention_cached.routing(model)
    said, asked = st.columns([0.84, 0.16], vertical_alignment="center")
    said.markdown(prediction_words.routing_sentence(measured, task))
    if measured is not None and task in measured["tasks"]:
        with asked.popover("How measured", icon=":material/rule:", width="stretch"):
            draw_measurement(measured, task)
    silent = prediction_words.silent_sentence(cached.predict(model, at.key, at.bar))
    if silent:
        st.markdown(f":material/hearing_disabled: {silent}")


def draw_measurement(measured: Mapping[str, Any], task: str) -> None:
    """Every view beside recency and chance."""
    st.markdown(
        f"Each of the {measured['bars']} bars of a window was replaced by the window's mean, and the bars "
        f"ranked by how much the log-odds of the class called for "
        f"{prediction_words.title_of(task).lower()} changed. Agreement with that ranking, 1 the same, 0 none:"
    )
    st.dataframe(routing_table(measured, task), hide_index=True, height="content")
    st.caption(
        f"Spearman's rank correlation, mean over {measured['windows']} windows of the {measured['segment']} "
        f"segment, {measured['first'][:10]} to {measured['last'][:10]}; 95% intervals, "
        "none where too few separate windows are left. Beyond: partial rank correlation. "
        "Rollout: Abnar and Zuidema 2020; weighted by effect: Chefer et al. 2021."
    )


def routing_table(measured: Mapping[str, Any], task: str) -> pd.DataFrame:
    """One row a ranking of the bars: its agreement with removal, and what is left beyond what is trivial."""
    found = measured["tasks"][task]
    return pd.DataFrame(
        [
            {
                "bars ranked by": VIEWS.get(view, view),
                "agreement [95%]": correlation(agreement),
                "beyond age and unusualness [95%]": correlation(found["beyond_trivial"][view])
                if view in found["beyond_trivial"]
                else "",
            }
            for view, agreement in found["views"].items()
        ]
    )


SEEN_FROM = {"bar": "the bar that looks", "mean": f"the last {attention_cached.RECENT} bars"}
COLUMNS = (
    Column("layer", "Layer, from the input upwards."),
    Column("head", "Head of the layer."),
    Column(
        "kind",
        f"Judged by what the layer may see. local: looks back less than {100 * LOCAL_REACH:.0f}% as far as "
        f"even attention would; diffuse: else, spread at least {100 * DIFFUSE_ENTROPY:.0f}% as evenly as "
        "possible; global: far back, and choosing.",
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


def draw_heads(
    model: ModelKey, at: controls.Moment, member: int | None, seen: AttentionWindow, query: int
) -> None:
    """The table with its choice of bars and its download."""
    title, choice, download = st.columns([0.5, 0.34, 0.16], vertical_alignment="bottom")
    title.markdown(
        "**Every head in a row: click a column to sort, a row to open its map**",
        help="local, global and diffuse are words for how far and how evenly a head looks; hover a column.",
    )
    with choice:
        averaged = st.segmented_control(
            "As seen from", list(SEEN_FROM), required=True, key="heads_seen_from", persist_state="session",
            format_func=SEEN_FROM.__getitem__, label_visibility="collapsed",
        )  # fmt: skip
    one = averaged != "mean"
    found = attention_cached.heads(model, at.key, at.bar, member, query if one else None)
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
    names = attention_cached.head_names(seen)
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
                    names[head],
                    (
                        Cell(sees, layer + 1),
                        Cell(names[head].removeprefix("head "), head + 1),
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
