"""What pages keep of challengers between runs.

What is cached is shared by all sessions: read, never change.
"""

from __future__ import annotations

from pathlib import Path
from typing import cast

import numpy as np
import pandas as pd
import streamlit as st

from app.live import cached as live_cached
from app.shell import cached
from app.shell.selection import bar_time
from core.data.store import home_folder
from core.experiments.challengers import Challengers, Split, find_challengers, load_challengers, split_call
from core.review.disagreement import Disagreement, measure_disagreement
from core.timeframe import DURATIONS


@st.cache_resource(max_entries=3, show_spinner=False)
def _challengers(model: cached.ModelKey, path: str, stamp: int) -> Challengers:
    return load_challengers(Path(path), cached.predictor(model).bundle)


@st.cache_data(max_entries=500, show_spinner=False)
def _ask(
    model: cached.ModelKey, key: cached.SeriesKey, bar: str, path: str, stamp: int
) -> dict[str, dict[str, np.ndarray]]:
    found = _challengers(model, path, stamp)
    return found.ask(cached.predictor(model), key.instrument, key.timeframe, bar_time(bar))


def splits(model: cached.ModelKey, key: cached.SeriesKey, bar: str) -> dict[str, list[Split]] | None:
    """Each task's prediction beside its challengers', the plain one first; None where nobody fitted any.

    Raises
    ------
    InputError
        If what was fitted is damaged.
    """
    path = find_challengers(home_folder(), cached.predictor(model).bundle)
    if path is None:
        return None
    asked = _ask(model, key, bar, str(path), path.stat().st_mtime_ns)
    prediction = cached.predict(model, key, bar)
    return {task: split_call(said, asked[task]) for task, said in prediction.tasks.items()}


@st.cache_resource(max_entries=96, show_spinner=False)
def _disagreement(
    model: cached.ModelKey, task: str, challenger: str, until: pd.Timestamp, rows: int
) -> Disagreement | None:
    found = live_cached.walk_forward_result(model)
    return None if found is None else measure_disagreement(found, task, challenger, until)


def disagreement(
    model: cached.ModelKey, task: str, challenger: str, moment: pd.Timestamp
) -> Disagreement | None:
    """Where the models of its walk-forward and a challenger disagreed, by what was known at `moment`.

    As in `app.live.cached.confidence_records`, by the quarter. None where nothing was measured by then.
    """
    found = live_cached.walk_forward_result(model)
    if found is None:
        return None
    last = cast(pd.Timestamp, found.rows["label_end"].max() + max(DURATIONS.values()))
    began = moment.tz_localize(None).to_period("Q").start_time.tz_localize("UTC")
    return _disagreement(model, task, challenger, min(began, last), len(found.rows))
