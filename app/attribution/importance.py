"""Which features count over many bars: three measures side by side, and what may go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from app.attribution import cached as attribution_cached
from app.attribution.words import REFERENCE_TITLES
from app.figures.importance import ImportanceView, importance_figure
from app.shell import controls
from app.shell.cached import ModelKey
from app.shell.choosers import choose_task, draw_chart, offer_csv
from app.shell.view import keep_known
from app.words.features import feature_words, group_title
from app.words.numbers import percent, span
from app.words.predictions import title_of
from core.data.features.table import CALENDAR
from core.explain.methods.registry import METHODS

EVERY = "all windows"
_DIMENSIONS = {EVERY: EVERY, "instrument": "one instrument", "regime": "one regime", "period": "one period"}
_ROWS = {"features": "single features", "groups": "groups"}
TOP = 20


def draw_importance(model: ModelKey) -> None:
    """Bars with whiskers, the sentence, what may go, and the numbers to take away."""
    measured = attribution_cached.evidence(model, "importance")
    if measured is None:
        st.info(
            "Which features this model leans on over many bars has not been measured. This measures it, with "
            "intervals:",
            icon=":material/straighten:",
        )
        st.code("python -m core evidence --parts importance", language="bash")
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        task = choose_task("Task", list(measured["tasks"]), key="importance_task", width=130)
        rows = st.segmented_control(
            "Rows", list(_ROWS), required=True, key="importance_rows",
            persist_state="session", format_func=_ROWS.__getitem__,
        ) or "features"  # fmt: skip
        dimension, key = choose_slice(measured, task)
        every = st.toggle(
            f"More than the first {TOP}", key="importance_all", disabled=rows == "groups",
            persist_state="session",
        )  # fmt: skip
    found = measured["tasks"][task]
    shares = found["attribution"][rows]["all"] if key is None else found["attribution"][rows][dimension][key]
    st.markdown(importance_sentence(measured, task, shares, key, rows))
    market, calendar = split_calendar(measured, shares, rows)
    names = [*market[: None if every or rows == "groups" else TOP], *calendar]
    labels = {name: group_title(name) if rows == "groups" else feature_words(name).title for name in names}
    title = f"What counts for {title_of(task).lower()}, " + (key or EVERY)
    draw_chart(
        importance_figure(
            importance_views(measured, task, shares, rows, key),
            labels,
            title=title,
            apart=calendar,
            dark=controls.is_dark(),
        ),
        "importance",
    )
    offer_csv(importance_table(measured, task, shares, rows), f"importance_{task}_{key or 'all'}")
    draw_removable(measured, task)


def split_calendar(
    measured: Mapping[str, Any], shares: Mapping[str, list[float]], rows: str
) -> tuple[list[str], list[str]]:
    """Names of the market's features (or groups) and of the calendar's, each with the largest share first."""
    groups: Mapping[str, str] = measured["groups"]
    ranked = sorted(shares, key=lambda name: -shares[name][0])
    apart = [name for name in ranked if (name if rows == "groups" else groups.get(name)) == CALENDAR]
    return [name for name in ranked if name not in apart], apart


def choose_slice(measured: Mapping[str, Any], task: str) -> tuple[str, str | None]:
    """All windows, or those of one instrument, regime or period that has enough of them."""
    attribution = measured["tasks"][task]["attribution"]["features"]
    there = [name for name in _DIMENSIONS if name == EVERY or attribution[name]]
    keep_known(st.session_state, "importance_of", there, EVERY)
    dimension = st.selectbox(
        "Of", there, key="importance_of", persist_state="session", width=160,
        format_func=_DIMENSIONS.__getitem__,
    )  # fmt: skip
    if dimension == EVERY:
        return EVERY, None
    counts, names = measured["counts"][dimension], list(attribution[dimension])
    keep_known(st.session_state, f"importance_{dimension}", names, names[0])
    key = st.selectbox(
        "Which", names, key=f"importance_{dimension}", width=190, persist_state="session",
        format_func=lambda name: f"{name} ({counts[name]} windows)",
        help="The gate and permutation are of all windows: the gate knows no bars, and few windows say too "
        "little about log-loss.",
    )  # fmt: skip
    return dimension, key


def importance_views(
    measured: Mapping[str, Any],
    task: str,
    shares: Mapping[str, list[float]],
    rows: str,
    key: str | None,
) -> list[ImportanceView]:
    """Attribution, permutation and gate, in the form the figure takes."""
    groups: Mapping[str, str] = measured["groups"]
    gate: dict[str, float] = {}
    for name, value in measured["gate"].items():
        unit = groups[name] if rows == "groups" else name
        gate[unit] = gate.get(unit, 0.0) + value
    everywhere = "" if key is None else ", all windows"
    return [
        ImportanceView(
            "what moves its answers (attribution)",
            "share of all attribution",
            {name: _triple(values) for name, values in shares.items()},
            line=measured["threshold"] if rows == "features" else None,
        ),
        ImportanceView(
            f"what its skill rests on (permutation){everywhere}",
            "growth of log-loss when shuffled, nats",
            {n: _triple(v) for n, v in measured["tasks"][task]["permutation"][rows].items()},
            form=".3f",
        ),
        ImportanceView(
            f"what it was trained to let in (gate){everywhere}",
            "share of gate times weights",
            {name: (value, value, value) for name, value in gate.items()},
        ),
    ]


def importance_sentence(
    measured: Mapping[str, Any], task: str, shares: Mapping[str, list[float]], key: str | None, rows: str
) -> str:
    """What leads, by how much and how surely; whether skill rests on it too."""
    names, calendar = split_calendar(measured, shares, rows)
    first, second = names[0], names[1]
    title = group_title if rows == "groups" else lambda name: feature_words(name).in_markdown
    value, low, high = _triple(shares[first])
    lead = "clearly ahead of" if low > _triple(shares[second])[2] else "hardly to be told from"
    spread = f" {span(low, high)}" if np.isfinite(low) else ""
    growth = measured["tasks"][task]["permutation"][rows]
    sure = [name for name in growth if _triple(growth[name])[1] > 0]
    rests = (
        f"Shuffling it costs log-loss surely (interval above 0) for {len(sure)} of {len(growth)}"
        if sure
        else "Shuffling none of them costs log-loss surely: no interval lies above 0"
    )
    where = "" if key is None else f" in {key}"
    apart = ""
    if calendar:
        carried = sum(shares[name][0] for name in calendar)
        apart = (
            f" Calendar features carry {percent(carried)} and stand apart, under the line: they tell one day "
            "from another, not what the market did."
        )
    return (
        f"**{title(first)[:1].upper()}{title(first)[1:]} carries {percent(value)}{spread} "
        f"of what moves the model's call of {title_of(task).lower()}{where}**, {lead} "
        f"{title(second)} at {percent(shares[second][0])}. {rests}.{apart} {measured['windows']} windows of "
        f"the {measured['segment']} segment, {measured['first'][:10]} to {measured['last'][:10]}, "
        f"{len(measured['series'])} series; {METHODS[measured['method']].title} against "
        f"{REFERENCE_TITLES[measured['reference']]}; whiskers are 95% intervals, none where too few separate "
        "windows are left."
    )


def importance_table(
    measured: Mapping[str, Any], task: str, shares: Mapping[str, list[float]], rows: str
) -> pd.DataFrame:
    """Everything that is drawn, one row a feature or source, by name."""
    views = importance_views(measured, task, shares, rows, None)
    table = {}
    for view, short in zip(views, ("attribution", "permutation", "gate"), strict=True):
        for place, ending in enumerate(("", "_low", "_high") if short != "gate" else ("",)):
            table[short + ending] = {name: values[place] for name, values in view.values.items()}
    frame = pd.DataFrame(table).loc[sorted(shares, key=lambda name: -shares[name][0])]
    return frame.rename_axis("source" if rows == "groups" else "feature")


def draw_removable(measured: Mapping[str, Any], task: str) -> None:
    """What may go, and the command that tries it."""
    threshold = percent(measured["threshold"])
    here, everywhere = measured["tasks"][task]["removable"], measured["removable"]
    if not everywhere:
        st.markdown(
            f"**Nothing may go:** no feature is surely below {threshold} of all attribution for every task "
            f"({len(here)} are for {title_of(task).lower()} alone)."
        )
        return
    names = ", ".join(feature_words(name).in_markdown for name in everywhere)
    count = "1 feature" if len(everywhere) == 1 else f"{len(everywhere)} features"
    st.markdown(
        f"**{count} may go:** for every task the whole interval of {names} lies below "
        f"{threshold} of all attribution (dashed line). Whether the model is as good without them is for a "
        "training to say; this trains with and without them and compares on the same bars:"
    )
    st.code("python -m core select-features", language="bash")


def _triple(values: Sequence[float | None]) -> tuple[float, float, float]:
    value, low, high = (np.nan if part is None else float(part) for part in values)
    return value, low, high
