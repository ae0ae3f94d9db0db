"""What the Similar page keeps between runs beside `app.shell.cached`.

What is cached is shared by all sessions: read, never change.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import streamlit as st

from app.figures.similar import multiple_svg
from app.figures.theme import Palette
from app.shell import cached
from app.shell.cached import ModelKey, SeriesKey
from app.shell.selection import bar_name, bar_time
from core.data.store import home_folder
from core.explain.evidence.store import EvidenceError, evidence_folder, evidence_path, find_evidence
from core.explain.similar.glimpse import Glimpse, read_glimpse
from core.explain.similar.index import build_index, load_index, represent_window, save_index
from core.explain.similar.reach import SeriesReach, check_reach
from core.explain.similar.search import Analogues, MomentIndex, find_analogues
from core.predictor import Predictor, naive_utc
from core.progress import Cancelled, Progress
from core.timeframe import known_at


@dataclass(frozen=True)
class IndexKey:
    """An index file and when it was written."""

    path: str
    stamp: int


def series_keys() -> tuple[SeriesKey, ...]:
    """Every stored series and how far it reaches."""
    return tuple(
        SeriesKey(entry.instrument, entry.timeframe, bar_name(entry.last), entry.bars)
        for entry in cached.series()
    )


@st.cache_data(ttl=10, max_entries=8, show_spinner=False)
def _index_key(model: ModelKey, home: str) -> IndexKey | None:
    path = find_evidence(Path(home), cached.predictor(model).bundle, "moments")
    return None if path is None else IndexKey(str(path), path.stat().st_mtime_ns)


def index_key(model: ModelKey) -> IndexKey | None:
    """The index of the model's moments; None when nobody has built one. At most ten seconds old."""
    return _index_key(model, str(home_folder()))


@st.cache_resource(max_entries=3, show_spinner="Reading the index of moments")
def index(model: ModelKey, key: IndexKey) -> MomentIndex | None:
    """The index itself; None when the file speaks of another model.

    Raises
    ------
    EvidenceError
        If it is damaged.
    """
    return load_index(home_folder(), cached.predictor(model).bundle)


@st.cache_data(max_entries=20, show_spinner="Comparing the index with the stored bars")
def reach(model: ModelKey, key: IndexKey, series: tuple[SeriesKey, ...]) -> tuple[SeriesReach, ...]:
    """How far the index still speaks of what is stored."""
    found = index(model, key)
    return () if found is None else check_reach(found, cached.predictor(model))


@st.cache_data(max_entries=500, show_spinner=False)
def _representation(model: ModelKey, key: SeriesKey, bar: str) -> np.ndarray:
    predictor = cached.predictor(model)
    return represent_window(predictor, predictor.window(key.instrument, key.timeframe, bar_time(bar)))


@st.cache_data(max_entries=300, show_spinner=False)
def analogues(
    model: ModelKey,
    moments: IndexKey,
    key: SeriesKey,
    bar: str,
    task: str,
    count: int,
    among: tuple[str, ...],
) -> Analogues | None:
    """The moments most like `bar` out of the series `among` ("AAPL|1d"); None when there is no index.

    Raises
    ------
    InputError
        As `Predictor.window` and `find_analogues` do.
    """
    found = index(model, moments)
    if found is None:
        return None
    opens = cached.opens(key)
    return find_analogues(
        found,
        _representation(model, key, bar),
        task=task,
        series=f"{key.instrument}|{key.timeframe}",
        bar=int(np.searchsorted(opens, naive_utc(bar_time(bar)))),
        known_at=naive_utc(known_at(bar_time(bar), key.timeframe)),
        count=count,
        among=among,
    )


@st.cache_data(max_entries=400, show_spinner=False)
def glimpse(key: SeriesKey, bar: str, until: np.datetime64) -> Glimpse:
    """Bars around `bar`, none that had not closed by `until`."""
    ts, opens = naive_utc(bar_time(bar)), cached.opens(key)
    return read_glimpse(cached.store(), f"{key.instrument}|{key.timeframe}", ts, until, opens)


@st.cache_data(max_entries=400, show_spinner=False)
def multiple(key: SeriesKey, bar: str, until: np.datetime64, palette: Palette, dark: bool) -> str:
    """One small chart as SVG."""
    return multiple_svg(glimpse(key, bar, until), palette=palette, dark=dark)


def rebuild_index(predictor: Predictor, progress: Progress, cancelled: Cancelled) -> Path:
    """Build the index, or bring it up to date, and keep it in the home folder; where it lies."""
    home = home_folder()
    try:
        previous = load_index(home, predictor.bundle)
    except EvidenceError:
        # What is damaged is built anew; the page has said so beside the button that led here.
        previous = None
    built = build_index(predictor, previous=previous, progress=progress, cancelled=cancelled)
    path = evidence_path(evidence_folder(home, predictor.bundle), "moments")
    return save_index(built, path, predictor.bundle)


def forget_index_key() -> None:
    """Look for the index file again; called after one was written."""
    _index_key.clear()
