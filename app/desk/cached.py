"""What the Desk keeps between runs, and how stored predictions are brought up to date.

What is cached is shared by all sessions: read, never change.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import streamlit as st

from app.live import cached as live_cached
from app.shell import cached, jobs
from core.data.store import SeriesSummary, home_folder
from core.operations.latest import Key, Latest, find_stale, latest_path, read_latest, update_latest
from core.progress import Cancelled, Progress

Stored = dict[Key, Latest]


@st.cache_resource(max_entries=8, show_spinner=False)
def _stored(home: str, version: str, stamp: int) -> Stored:
    return read_latest(home_folder(), version)


def stored(model: cached.ModelKey) -> Stored:
    """What was predicted last, by series; empty where nothing was.

    Raises
    ------
    LatestError
        If the file is damaged.
    """
    path = latest_path(home_folder(), model.version)
    stamp = path.stat().st_mtime_ns if path.is_file() else 0
    return _stored(str(home_folder()), model.version, stamp)


@st.cache_resource(max_entries=12, show_spinner=False)
def _confidences(model: cached.ModelKey, task: str, rows: int) -> np.ndarray:
    found = live_cached.measured_rows(model)
    assert found is not None
    values = found.loc[(found["task"] == task).to_numpy(), "confidence"].to_numpy(np.float64)
    return np.sort(values[np.isfinite(values)])


def rank_of(model: cached.ModelKey, task: str) -> Callable[[float], float] | None:
    """Share of the measured test bars on which the model was less sure of a task than a confidence.

    None where nobody measured any.
    """
    found = live_cached.measured_rows(model)
    if found is None:
        return None
    values = _confidences(model, task, len(found))
    return (lambda sure: float(np.searchsorted(values, sure) / len(values))) if len(values) else None


def await_update(model: cached.ModelKey, asked: tuple[SeriesSummary, ...]) -> Stored | None:
    """Predict these series beside the page; None while that is under way or was stopped.

    Sessions that ask for the same share the work.
    """
    scorer = cached.predictor(model)

    def work(progress: Progress, cancelled: Cancelled) -> Stored:
        # Another session or process may have been there since.
        left = find_stale(read_latest(scorer.store.home, model.version), asked)
        return update_latest(scorer, left, progress=progress, cancelled=cancelled)

    key = ("desk", str(home_folder()), model, asked)
    done = jobs.await_result(key, f"Predicting {len(asked)} series", work)
    if done is not None:
        jobs.board().forget(key)
    return done
