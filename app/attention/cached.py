"""What the Attention page keeps between runs beside `app.shell.cached`.

What is cached is shared by all sessions: read, never change.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from app.components.attention_bands import Band, Relevance, pack_bands
from app.components.attention_maps import pack_maps
from app.figures import attention as attention_figures
from app.figures.attention import layer_label, map_of
from app.figures.theme import Palette, class_sign
from app.shell import cached
from app.shell.cached import ModelKey, SeriesKey, cache_of_bars
from app.shell.selection import bar_time
from app.words.members import head_title, mean_title, member_title
from core.data.store import home_folder
from core.errors import InputError
from core.explain.attention import (
    HeadSummaries,
    MomentComparison,
    class_relevance,
    compare_moments,
    rollout,
    summarise_heads,
)
from core.explain.evidence.store import read_evidence
from core.explain.moment import Moment
from core.prediction import AttentionWindow

RECENT = 100
"""Bars a head's summary is averaged over when not the looking bar alone is asked for."""


def bands_token(key: SeriesKey, bar: str) -> str:
    """What the bands and the state sent beside them know each other by."""
    return f"{key.instrument} {key.timeframe} {bar}"


@st.cache_data(max_entries=32, show_spinner=False)
def _rollout(model: ModelKey, key: SeriesKey, bar: str, member: int | None) -> np.ndarray:
    seen = attention(model, key, bar, member)
    return rollout(seen.weights, members=seen.members).astype(np.float32)


@st.cache_data(max_entries=48, show_spinner=False)
def bands(
    model: ModelKey, key: SeriesKey, bar: str, member: int | None, head: int | None, palette: Palette
) -> bytes:
    """Payload of the bands: every layer's map of one head (or the mean), and the way through all layers."""
    seen = attention(model, key, bar, member)
    length, count = len(seen.ts), len(seen.windows)
    who = head_or_mean(seen, member, head)
    strips = [
        Band(
            f"Layer {i + 1} · {'all ' + str(length) if window is None else 'last ' + str(window)}",
            f"{layer_label(i + 1, window, length)}, {who}",
            window,
            i + 1,
        )
        for i, window in enumerate(seen.windows)
    ]
    strips.append(Band("Through all layers", f"Through all {count} layers (rollout, all heads)", None))
    weights = np.stack(
        [*(map_of(seen.weights, i + 1, head) for i in range(count)), _rollout(model, key, bar, member)]
    )
    prices = cached.window(key, bar, length)
    return pack_bands(weights, strips, prices, palette=palette, token=bands_token(key, bar))


@st.cache_data(max_entries=200, show_spinner=False)
def relevance(model: ModelKey, key: SeriesKey, bar: str, member: int | None, task: str) -> Relevance:
    """What counted, for all members or one, for the class that `task` calls at the newest bar."""
    call = cached.predict(model, key, bar).tasks[task].call
    moment = Moment.at(cached.predictor(model), key.instrument, key.timeframe, bar_time(bar))
    by_bar = class_relevance(moment.margin(task, call, member), moment.features).by_bar
    name = f"For {class_sign(call)} {call}"
    about = f"What counted for {call} ({task.replace('_', ' ')}; attention weighted by its effect, all heads)"
    return Relevance(name, about, by_bar / max(float(by_bar.sum()), np.finfo(float).tiny))


@st.cache_data(max_entries=100, show_spinner=False)
def heads(model: ModelKey, key: SeriesKey, bar: str, member: int | None, query: int | None) -> HeadSummaries:
    """Every head as seen from bar `query` of the window, or on average over its `RECENT` newest bars."""
    seen = attention(model, key, bar, member)
    length = len(seen.ts)
    queries = range(max(length - RECENT, 0), length) if query is None else [query]
    return summarise_heads(seen.weights, seen.windows, queries)


@dataclass(frozen=True)
class Comparison:
    """Two moments compared, and for scale the first with the bar before it.

    Attributes
    ----------
    names
        Of the heads.
    usual
        Mean distance, by age groups, between the first moment and the bar before it, in [0, 1]; None where
        that bar has no whole window.
    """

    found: MomentComparison
    windows: tuple[int | None, ...]
    names: tuple[str, ...]
    usual: float | None


@st.cache_data(max_entries=50, show_spinner="Comparing the attention maps")
def comparison(
    model: ModelKey,
    key: SeriesKey,
    bar: str,
    member: int | None,
    rival: ModelKey,
    against: str,
    before: str | None,
) -> Comparison:
    """`model` at `bar` against `rival` at `against`, each as the newest bar of its own window.

    With a member named it stands against the rival's member of that number, or against a rival that is one
    transformer.

    Raises
    ------
    InputError
        If the models differ in layers, heads or length of the window, the rival has no such member, or
        `against` has no whole window.
    """
    first, second = attention(model, key, bar, member), attention(rival, key, against)
    if member is not None and second.members > 1:
        if member > second.members:
            raise InputError(f"a member from 1 to {second.members}", str(member), "compare all members")
        second = second.of_member(member)
    found = compare_moments(first.weights, second.weights)
    usual = None
    if before is not None:
        neighbour = compare_moments(first.weights, attention(model, key, before, member).weights)
        usual = float(neighbour.group_distance.mean())
    return Comparison(found, tuple(first.windows), head_names(first), usual)


@st.cache_data(ttl=10, max_entries=8, show_spinner=False)
def _routing(model: ModelKey, home: str) -> dict[str, Any] | None:
    return read_evidence(home_folder(), cached.predictor(model).bundle, "routing")


def routing(model: ModelKey) -> dict[str, Any] | None:
    """How far attention agrees with removing bars on this model; None when nobody measured it.

    At most ten seconds old: finding it means hashing the model's weights.

    Raises
    ------
    EvidenceError
        If the measurements are damaged.
    """
    return _routing(model, str(home_folder()))


def attention(model: ModelKey, key: SeriesKey, bar: str, member: int | None = None) -> AttentionWindow:
    """Attention of all layers and heads, or of one member's, over the window that ends at `bar`."""
    return _attention(model, key, bar).of_member(member)


def head_names(seen: AttentionWindow) -> tuple[str, ...]:
    """Every head's name, members told apart where there are several."""
    heads = seen.weights.shape[1]
    return tuple(head_title(head + 1, heads, seen.members) for head in range(heads))


def head_or_mean(seen: AttentionWindow, member: int | None, head: int | None) -> str:
    """What a map is of: 'mean of all heads', 'member 2, head 1'."""
    name = mean_title(seen.members) if head is None else head_names(seen)[head - 1]
    return name if member is None else f"{member_title(member)}, {name}"


@cache_of_bars(max_entries=6, show_spinner="Reading the attention maps")
def _attention(model: ModelKey, key: SeriesKey, bar: str) -> AttentionWindow:
    return cached.predictor(model).attention(key.instrument, key.timeframe, bar_time(bar))


@cache_of_bars(max_entries=6, show_spinner=False)
def _map_codes(model: ModelKey, key: SeriesKey, bar: str, member: int | None, shared: bool) -> np.ndarray:
    seen = attention(model, key, bar, member)
    return attention_figures.encode_maps(seen.weights, seen.windows, shared=shared)


@cache_of_bars(max_entries=6, show_spinner=False)
def _shared_top(model: ModelKey, key: SeriesKey, bar: str, member: int | None) -> float:
    seen = attention(model, key, bar, member)
    return float(attention_figures.map_tops(seen.weights, seen.windows).max())


@cache_of_bars(max_entries=6, show_spinner=False)
def overview(model: ModelKey, key: SeriesKey, bar: str, member: int | None, shared: bool) -> bytes:
    """Payload of the overview canvas; the same bytes whichever map is open, so that they are sent once.

    With `shared` all maps have one colour scale, else each has its own.
    """
    seen = attention(model, key, bar, member)
    rows = [attention_figures.layer_label(i + 1, w, len(seen.ts)) for i, w in enumerate(seen.windows)]
    token = f"{key.instrument} {key.timeframe} {bar}"
    return pack_maps(_map_codes(model, key, bar, member, shared), rows, head_names(seen), token=token)


@cache_of_bars(max_entries=32, show_spinner=False)
def map_detail(
    model: ModelKey,
    key: SeriesKey,
    bar: str,
    member: int | None,
    layer: int,
    head: int | None,
    query: int,
    shared: bool,
    dark: bool,
) -> go.Figure:
    """One attention map with values on hover; `shared` as in `overview`."""
    seen = attention(model, key, bar, member)
    return attention_figures.map_figure(
        attention_figures.map_of(seen.weights, layer, head),
        seen.windows[layer - 1],
        seen.ts,
        key.timeframe,
        query=query,
        top=_shared_top(model, key, bar, member) if shared else None,
        title=f"Layer {layer}, {head_or_mean(seen, member, head)}",
        dark=dark,
    )
