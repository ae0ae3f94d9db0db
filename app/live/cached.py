"""What Live keeps between runs beside `app.shell.cached`: records of confidence, the last bar's look.

What is cached is shared by all sessions: read, never change.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import pandas as pd
import streamlit as st

from app.attribution import cached as attribution_cached
from app.review import cached as review_cached
from app.shell import cached
from app.shell.selection import bar_time
from core.confidence.choice import Method
from core.data.store import home_folder
from core.experiments.walk_forward.find import find_walk_forward
from core.experiments.walk_forward.records import WalkForwardResult
from core.experiments.walk_forward.results import SUMMARY
from core.explain.explanation import pose_question, recall_attribution
from core.explain.moment import Moment
from core.review.own_record import find_record, load_record
from core.review.rows import RowFilter, take_rows
from core.review.track_record import BINS, FEWEST, ConfidenceRecord, Origin, build_records, keep_known
from core.timeframe import DURATIONS

Records = dict[str, ConfidenceRecord]
LEAST_OWN = BINS * FEWEST
"""Rows; with fewer of its own a model's record says little, and models trained the same way may say more."""


def walk_forward_key(model: cached.ModelKey) -> review_cached.ReviewKey | None:
    """The model's own walk-forward: in its folder, beside the shipped model, or by its name in the home."""
    folder = find_walk_forward(home_folder(), Path(model.folder), cached.predictor(model).bundle.name)
    if folder is None:
        return None
    return review_cached.ReviewKey(str(folder), (folder / SUMMARY).stat().st_mtime_ns)


@st.cache_resource(max_entries=3, show_spinner="Reading the record")
def _own(model: cached.ModelKey, path: str, stamp: int) -> WalkForwardResult:
    return load_record(Path(path), cached.predictor(model).bundle)


def _sources(model: cached.ModelKey) -> list[tuple[Origin, WalkForwardResult]]:
    """What was measured, the model's own test bars before those of other models."""
    bundle = cached.predictor(model).bundle
    found: list[tuple[Origin, WalkForwardResult]] = []
    path = find_record(home_folder(), bundle)
    if path is not None:
        found.append(("own", _own(model, str(path), path.stat().st_mtime_ns)))
    past = walk_forward_key(model)
    if past is not None:
        result = review_cached.result(past)
        if result.config.labels == bundle.config.labels:
            parts = [(c.model, c.loss, c.training, c.data) for c in (result.config, bundle.config)]
            found.append(("alike" if parts[0] == parts[1] else "other", result))
    return found


def walk_forward_result(model: cached.ModelKey) -> WalkForwardResult | None:
    """The model's walk-forward; None where there is none of the same labels."""
    return next((result for origin, result in _sources(model) if origin != "own"), None)


def walk_forward_folder(model: cached.ModelKey) -> Path | None:
    """Where the model's own walk-forward lies; None where there is none."""
    found = walk_forward_key(model)
    return None if found is None else Path(found.folder)


def measured_rows(model: cached.ModelKey) -> pd.DataFrame | None:
    """Test bars on which this model, else models trained the same way, stated how sure they are."""
    return next((result.rows for origin, result in _sources(model) if origin != "other"), None)


@st.cache_resource(max_entries=24, show_spinner="Reading the record")
def _records(model: cached.ModelKey, until: pd.Timestamp, stamps: tuple) -> dict[str, Records]:
    sources, records = _sources(model), {}
    for task in cached.predictor(model).bundle.config.tasks:
        there = [one for one in sources if task in one[1].config.tasks]
        if there:
            fitted = cached.predictor(model).bundle.confidence.get(task.name)
            form = None if fitted is None else fitted.calibration.chosen
            records[task.name] = _count(task.name, there, until, form)
    return records


def _count(
    task: str,
    sources: Sequence[tuple[Origin, WalkForwardResult]],
    until: pd.Timestamp,
    form: Method | None,
) -> Records:
    few: Records = {}
    for origin, result in sources:
        known = keep_known(result.rows, until)
        rows = take_rows(replace(result, rows=known), RowFilter(task))
        if not len(rows):
            continue
        held = known.loc[known["task"] == task, ["instrument", "timeframe"]].drop_duplicates().astype(str)
        series = sorted(f"{instrument} {timeframe}" for instrument, timeframe in held.to_numpy())
        found = build_records(rows, origin, form, series)
        if origin != "own" or len(rows) >= LEAST_OWN:
            return found
        few = found
    return few


def walk_forward(model: cached.ModelKey) -> WalkForwardResult | None:
    """The model's own walk-forward; None where there is none.

    Raises
    ------
    InputError
        If it is damaged.
    """
    found = walk_forward_key(model)
    return None if found is None else review_cached.result(found)


def confidence_records(model: cached.ModelKey, bar: pd.Timestamp) -> dict[str, Records]:
    """What every stated confidence and source was worth, by task and name, by what was known at `bar`.

    From the model's own test bars, where there are enough; else from those of a walk-forward's models. Only
    outcomes known when the quarter of the bar began count, so that a record is made once a quarter. Empty for
    a task whose record begins later, without one where nobody measured any on the same labels.

    Raises
    ------
    InputError
        If the record or walk-forward is damaged.
    """
    sources = _sources(model)
    if not sources:
        return {}
    ends = [result.rows["label_end"].max() for _, result in sources]
    last = cast(pd.Timestamp, max(ends) + max(DURATIONS.values()))
    began = bar.tz_localize(None).to_period("Q").start_time.tz_localize("UTC")
    stamps = tuple((origin, len(result.rows)) for origin, result in sources)
    return _records(model, min(began, last), stamps)


@st.cache_data(max_entries=500, show_spinner=False)
def last_attention(model: cached.ModelKey, key: cached.SeriesKey, bar: str) -> np.ndarray:
    """What the bar itself attends, mean over heads and layers, shape (T,); without the full maps."""
    return Moment.at(cached.predictor(model), key.instrument, key.timeframe, bar_time(bar)).last_attention()


@st.cache_data(ttl=5, max_entries=100, show_spinner=False)
def cached_groups(
    model: cached.ModelKey, key: cached.SeriesKey, bar: str, task: str, target: str
) -> dict[str, float] | None:
    """What speaks for a class by group of features, as the Attribution page would explain it unasked.

    None where nobody has asked for that yet: it is read, never computed. At most five seconds old.
    """
    moment = attribution_cached.moment(model, key, bar)
    planted = attribution_cached.evidence(model, "planted")
    question = pose_question(moment, planted, task=task, target=target)
    found = recall_attribution(moment, question, attribution_cached.explanations())
    return None if found is None else found.by_group
