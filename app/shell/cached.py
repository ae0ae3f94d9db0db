"""Everything that is kept between runs of a page.

Beside the screens' own ``cached`` modules, the only place with st.cache_*.

Keys are primitives. Cached frames, predictions and figures are shared by all sessions: read, never change.
"""

from __future__ import annotations

import atexit
import gc
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st
from cachetools import LRUCache, cached

from app.figures.candles import candles_figure
from app.figures.theme import Palette
from app.shell.selection import Selection, bar_name, bar_time, find_bar, open_name
from core.bundle import ModelEntry, find_model, list_models, load_bundle
from core.data.bars import quoted_prices
from core.data.calendar import next_open, rests_until
from core.data.store import BarStore, SeriesSummary, home_folder
from core.prediction import Prediction
from core.predictor import Predictor
from core.review.outcomes import Outcome, outcomes

KEPT_PREDICTIONS = 5000
_OF_BARS: list[Any] = []

Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass(frozen=True)
class SeriesKey:
    """A series and how far it reaches, so that whatever is cached by it follows new bars."""

    instrument: str
    timeframe: str
    last: str
    bars: int


@dataclass(frozen=True)
class ModelKey:
    """A model on disk and its content."""

    folder: str
    version: str


def cache_of_bars(**settings: Any) -> Callable[[Function], Function]:
    """`st.cache_resource` for what comes from stored bars: `forget_data` drops it."""

    def keep(function: Function) -> Function:
        kept = st.cache_resource(**settings)(function)
        _OF_BARS.append(kept)
        return cast(Function, kept)

    return keep


@st.cache_resource(show_spinner=False)
def settle_memory() -> None:
    """Move everything imported out of the garbage collector's sight, once.

    Streamlit collects after every run; with torch loaded each collection would hold the interpreter for
    about 175 ms.
    """
    gc.collect()
    gc.freeze()
    # What stays frozen or cached at exit is never released, and DuckDB complains about its own objects then.
    atexit.register(gc.unfreeze)
    atexit.register(st.cache_resource.clear)


@st.cache_resource(show_spinner=False)
def _store(home: str) -> BarStore:
    return BarStore()


def store() -> BarStore:
    """The bar store of the home folder."""
    return _store(str(home_folder()))


@st.cache_data(ttl=2, show_spinner=False)
def _series(home: str) -> list[SeriesSummary]:
    return store().series()


def series() -> list[SeriesSummary]:
    """Every stored series; at most two seconds old."""
    return _series(str(home_folder()))


@st.cache_data(ttl=10, show_spinner=False)
def _findings(home: str) -> pd.DataFrame:
    return store().findings()


def findings() -> pd.DataFrame:
    """What the quality gate found so far."""
    return _findings(str(home_folder()))


@st.cache_data(ttl=5, show_spinner=False)
def _models(home: str) -> list[ModelEntry]:
    return list_models(home_folder())


def models() -> list[ModelEntry]:
    """Every trained model that can be chosen."""
    return _models(str(home_folder()))


def find_entry(name: str | None) -> ModelEntry:
    """The model called `name`, or the default one.

    Raises
    ------
    BundleError
        If there is none.
    """
    folder = find_model(home_folder(), name)
    return next(entry for entry in models() if entry.folder == folder)


@st.cache_resource(max_entries=3, show_spinner="Loading the model")
def _predictor(model: ModelKey, home: str) -> Predictor:
    return Predictor(load_bundle(Path(model.folder)), store())


def predictor(model: ModelKey) -> Predictor:
    """The loaded model; kept while its content stays the same."""
    return _predictor(model, str(home_folder()))


@st.cache_data(max_entries=64, show_spinner=False)
def opens(key: SeriesKey) -> np.ndarray:
    """Bar opens of a whole series, datetime64 UTC, ascending."""
    bars = store().read_range(key.instrument, key.timeframe)
    return bars["ts"].dt.tz_localize(None).to_numpy()


@st.cache_data(max_entries=200, show_spinner=False)
def window(key: SeriesKey, bar: str, length: int) -> pd.DataFrame:
    """The last `length` bars up to `bar`, adjusted for splits and dividends where the data allow.

    Scaled so that the newest bar keeps the price it traded at.
    """
    return quoted_prices(store().read_window(key.instrument, key.timeframe, bar_time(bar), length))


@cache_of_bars(show_spinner=False)
def _book() -> Any:
    """Predictions by (model, series, bar), the least recently used forgotten first."""

    @cached(LRUCache(KEPT_PREDICTIONS), lock=threading.Lock())
    def read(model: ModelKey, key: SeriesKey, bar: str) -> Prediction:
        return predictor(model).predict(key.instrument, key.timeframe, bar_time(bar))

    return read


def predict(model: ModelKey, key: SeriesKey, bar: str) -> Prediction:
    """The prediction at one bar; computed once per model and bar."""
    return _book()(model, key, bar)


def predict_many(model: ModelKey, key: SeriesKey, bars: list[str]) -> list[Prediction]:
    """Predictions at consecutive bars, oldest first; bars the model cannot score are left out."""
    book = _book()
    with book.cache_lock:
        kept = {bar: book.cache.get(book.cache_key(model, key, bar)) for bar in bars}
    absent = [bar for bar, prediction in kept.items() if prediction is None]
    if absent:
        first, last = bar_time(absent[0]), bar_time(absent[-1])
        for prediction in predictor(model).predict_range(key.instrument, key.timeframe, first, last):
            name = bar_name(prediction.ts)
            kept[name] = prediction
            with book.cache_lock:
                book.cache[book.cache_key(model, key, name)] = prediction
    return [prediction for prediction in kept.values() if prediction is not None]


@st.cache_data(max_entries=200, show_spinner=False)
def recent_outcomes(model: ModelKey, key: SeriesKey, bar: str, count: int) -> dict[str, list[Outcome]]:
    """The `count` calls before `bar` beside what happened, as far as it was decided by `bar`.

    Bars without a whole window before them have no call.
    """
    scorer = predictor(model)
    every = opens(key)
    end = find_bar(Selection(key.instrument, key.timeframe, bar), every)
    names = [open_name(opened) for opened in every[max(end - count, scorer.length - 1) : end]]
    if not names:
        return {}
    decided = scorer.label_range(key.instrument, key.timeframe, bar_time(names[0]), bar_time(bar))
    return outcomes(decided, predict_many(model, key, names))


@st.cache_data(max_entries=500, show_spinner=False)
def next_due(key: SeriesKey, bar: str) -> pd.Timestamp:
    """When the bar after `bar` opened, or by the instrument's own calendar is due to."""
    every = opens(key)
    after = find_bar(Selection(key.instrument, key.timeframe, bar), every) + 1
    if after < len(every):
        return bar_time(open_name(every[after]))
    return next_open(window(key, bar, 300)["ts"].to_numpy(), key.timeframe)


@st.cache_data(max_entries=500, show_spinner=False)
def may_be_holiday(key: SeriesKey, bar: str) -> bool:
    """Whether the bar after `bar` is not stored yet and a holiday nobody here knows may keep it away."""
    if bar_time(bar) < bar_time(key.last):
        return False
    return rests_until(window(key, bar, 300)["ts"].to_numpy(), next_due(key, bar), key.timeframe)


@cache_of_bars(max_entries=64, show_spinner=False)
def candles(key: SeriesKey, bar: str, length: int, palette: Palette, dark: bool) -> go.Figure:
    """Candles up to `bar`; the same object as long as nothing changed, so that the browser keeps it."""
    bars = window(key, bar, length)
    title = f"{key.instrument} {key.timeframe} up to {bar.replace('T', ' ')}"
    return candles_figure(bars, title=title, palette=palette, dark=dark)


def forget_data() -> None:
    """Drop whatever was read from the store; called after an ingest."""
    st.cache_data.clear()
    for kept in _OF_BARS:
        kept.clear()
