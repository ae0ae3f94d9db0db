"""What the What-if page keeps between runs beside `app.shell.cached`.

What is cached is shared by all sessions: read, never change.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import streamlit as st

from app.attribution.cached import explanations, moment
from app.shell import cached
from app.shell.cached import ModelKey, SeriesKey
from app.shell.selection import bar_time
from core.explain.counterfactual import CallLead, Flip, find_flip
from core.explain.edits import (
    BarEdit,
    EditableBars,
    EditExplanation,
    FeatureEdit,
    edit_features,
    explain_edit,
)
from core.explain.explanation import Question
from core.explain.moment import Moment
from core.progress import Cancelled, Progress

Cells = tuple[tuple[str, str, float], ...]
"""Edited cells of bars: bar ("2013-03-01"), column, value at the price shown."""

Changes = tuple[tuple[str, int, float], ...]
"""Changed features: name, newest bars it holds for, value on the 0..100 scale."""


@dataclass(frozen=True)
class FlipSearch:
    """What may change in the search for the smallest change that flips a call.

    Attributes
    ----------
    free
        Features that may change.
    last_bars
        Newest bars that may.
    penalty
        "sparse": few large changes; "smooth": many small ones.
    """

    task: str
    free: tuple[str, ...]
    last_bars: int
    penalty: str


@st.cache_resource(max_entries=20, show_spinner=False)
def editable(model: ModelKey, key: SeriesKey, bar: str) -> EditableBars:
    """The bars behind the window at `bar`, ready to be edited."""
    return EditableBars.at(cached.predictor(model), key.instrument, key.timeframe, bar_time(bar))


def edited_bars(model: ModelKey, key: SeriesKey, bar: str, cells: Cells) -> EditableBars:
    """The bars after `cells`; refuses impossible ones (BarsError)."""
    edits = [BarEdit(bar_time(name), column, value) for name, column, value in cells]
    return editable(model, key, bar).edit(edits)


@st.cache_resource(max_entries=64, show_spinner=False)
def bars_moment(model: ModelKey, key: SeriesKey, bar: str, cells: Cells) -> Moment:
    """The moment as it would have been with `cells`, every indicator computed anew.

    Raises
    ------
    BarsError
        If an edited bar is impossible.
    """
    predictor = cached.predictor(model)
    return Moment(predictor, edited_bars(model, key, bar, cells).window(predictor))


@st.cache_resource(max_entries=64, show_spinner=False)
def features_moment(
    model: ModelKey, key: SeriesKey, bar: str, changes: Changes, locked: tuple[str, ...]
) -> Moment:
    """The moment with features changed, later changes over earlier ones.

    Raises
    ------
    InputError
        If a feature is locked or a value off the scale.
    """
    original = moment(model, key, bar)
    edits = [FeatureEdit(-back, name, value) for name, bars, value in changes for back in range(1, bars + 1)]
    features = edit_features(original.features, original.feature_names, edits, locked)
    return replace(original, window=replace(original.window, features=features))


def search_flip(
    model: ModelKey, key: SeriesKey, bar: str, search: FlipSearch
) -> Callable[[Progress, Cancelled], tuple[Flip | None]]:
    """Work for `app.shell.jobs.await_result`: the flip, or None in its place when none is found."""
    original = moment(model, key, bar)
    lead = CallLead(original.margin(search.task))
    penalty = "smooth" if search.penalty == "smooth" else "sparse"

    def work(progress: Progress, cancelled: Cancelled) -> tuple[Flip | None]:
        found = find_flip(
            lead, original.features, original.feature_names, search.free, last_bars=search.last_bars,
            penalty=penalty, progress=progress, cancelled=cancelled,
        )  # fmt: skip
        return (found,)

    return work


def flip_moment(model: ModelKey, key: SeriesKey, bar: str, flip: Flip) -> Moment:
    """The moment the search ended at."""
    original = moment(model, key, bar)
    return replace(original, window=replace(original.window, features=flip.window))


def explain_change(
    original: Moment, edited: Moment, question: Question
) -> Callable[[Progress, Cancelled], EditExplanation]:
    """Work for `app.shell.jobs.await_result`: both windows and the edit explained."""
    cache = explanations()
    return lambda progress, cancelled: explain_edit(
        original, edited, question, cache, progress=progress, cancelled=cancelled
    )


def free_features(
    names: Sequence[str], groups: dict[str, str], chosen: Sequence[str], locked: Sequence[str]
) -> tuple[str, ...]:
    """Features of the chosen source groups that are not locked."""
    return tuple(name for name in names if groups[name] in chosen and name not in locked)
