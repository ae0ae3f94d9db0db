"""What Live keeps between runs beside `app.shell.cached`: records of confidence, the last bar's look.

What is cached is shared by all sessions: read, never change.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import streamlit as st

import core.bundle
from app.review import cached as review_cached
from app.shell import cached
from app.shell.selection import bar_time
from core.data.store import home_folder
from core.experiments.walk_forward.results import SUMMARY
from core.explain.moment import Moment
from core.review.rows import FOLDER, RowFilter, resample_blocks
from core.review.track_record import ConfidenceRecord, build_records


def _walk_forward(model: cached.ModelKey) -> review_cached.ReviewKey | None:
    """The model's own walk-forward: in its folder, beside the shipped model, or by its name in the home."""
    own, shipped = Path(model.folder), core.bundle.SHIPPED
    named = home_folder() / FOLDER / cached.predictor(model).bundle.name
    beside = [shipped.parent / FOLDER] if own == shipped else []
    for folder in (own / FOLDER, *beside, named):
        if (folder / SUMMARY).is_file():
            return review_cached.ReviewKey(str(folder), (folder / SUMMARY).stat().st_mtime_ns)
    return None


@st.cache_resource(max_entries=6, show_spinner="Reading the record")
def _records(model: cached.ModelKey, past: review_cached.ReviewKey) -> dict[str, dict[str, ConfidenceRecord]]:
    result, config = review_cached.result(past), cached.predictor(model).bundle.config
    if result.config.labels != config.labels:
        return {}
    same = [task for task in config.tasks if task in result.config.tasks]
    records = {}
    for task in same:
        pooled = result.summary[task.name]["pooled"]
        block = 1 if pooled is None else int(pooled["block"])
        rows = review_cached.rows(past, RowFilter(task.name))
        records[task.name] = build_records(rows, lambda found, block=block: resample_blocks(found, block))
    return records


def confidence_records(model: cached.ModelKey) -> dict[str, dict[str, ConfidenceRecord]]:
    """What every stated confidence and source was worth in the model's walk-forward, by task and name.

    Tasks without a walk-forward on the same labels are left out.

    Raises
    ------
    ResultsError
        If the walk-forward is damaged.
    """
    past = _walk_forward(model)
    return {} if past is None else _records(model, past)


@st.cache_data(max_entries=500, show_spinner=False)
def last_attention(model: cached.ModelKey, key: cached.SeriesKey, bar: str) -> np.ndarray:
    """What the bar itself attends, mean over heads and layers, shape (T,); without the full maps."""
    return Moment.at(cached.predictor(model), key.instrument, key.timeframe, bar_time(bar)).last_attention()
