"""The strategy's rules, thresholds and stances between runs.

What is cached is shared by all sessions: read, never change.
"""

from __future__ import annotations

import pandas as pd
import streamlit as st

from app.live import cached as live_cached
from app.shell import cached, jobs
from app.words.stances import NO_THRESHOLDS, NOT_CHOSEN
from core.data.store import home_folder
from core.errors import InputError
from core.operations.latest import Key, Latest
from core.operations.stances import (
    Stance,
    call_of,
    choose_all,
    judge_each,
    read_thresholds,
    stack_calls,
    thresholds_path,
)
from core.progress import Cancelled, Meter, Progress
from core.trading.calls import Calls
from core.trading.rules import Rules, load_rules
from core.trading.stance import Thresholds


@st.cache_data(ttl=30, show_spinner=False)
def rules() -> Rules:
    """Of assets/trading.yaml.

    Raises
    ------
    ConfigError
        If the file is damaged.
    """
    return load_rules()


@st.cache_resource(show_spinner=False)
def _refused() -> dict[str, str]:
    """Why thresholds could not be chosen, by where they would be kept."""
    return {}


def thresholds(model: cached.ModelKey, timeframe: str) -> Thresholds | str:
    """Those for new bars of a timeframe, or why there are none; read, never chosen here."""
    result, folder = live_cached.walk_forward_result(model), live_cached.walk_forward_folder(model)
    if result is None or folder is None or result.calibrate is None:
        return NO_THRESHOLDS
    if timeframe not in set(result.calibrate["timeframe"].astype(str)):
        return f"no thresholds: the walk-forward has no {timeframe} bars"
    path = thresholds_path(home_folder(), folder, rules(), timeframe)
    return read_thresholds(path) or _refused().get(str(path), NOT_CHOSEN)


def chosen_until(model: cached.ModelKey) -> pd.Timestamp | None:
    """End of the bars that thresholds are chosen on; None without a walk-forward."""
    result = live_cached.walk_forward_result(model)
    return None if result is None else result.folds[-1].borders.calibrate_end


def await_choice(model: cached.ModelKey, timeframes: tuple[str, ...]) -> bool:
    """Choose and keep thresholds beside the page; False while that is under way or was stopped.

    What refuses a timeframe's is remembered.
    """
    folder, store = live_cached.walk_forward_folder(model), cached.store()
    applied, refused = rules(), _refused()

    def work(progress: Progress, cancelled: Cancelled) -> bool:
        if folder is not None:
            meter = Meter(progress, cancelled, len(timeframes))
            for timeframe, found in choose_all(store, folder, applied, timeframes, meter).items():
                if isinstance(found, InputError):
                    path = thresholds_path(store.home, folder, applied, timeframe)
                    refused[str(path)] = f"no thresholds: {found}"
        return True

    key = ("thresholds", str(home_folder()), model, timeframes)
    done = jobs.await_result(key, "Choosing thresholds on calibrate bars", work)
    if done:
        jobs.board().forget(key)
    return bool(done)


@st.cache_data(max_entries=500, show_spinner=False)
def _call(model: cached.ModelKey, key: cached.SeriesKey, bar: str) -> Calls:
    return call_of(cached.predictor(model), cached.predict(model, key, bar))


def stance(model: cached.ModelKey, key: cached.SeriesKey, bar: str) -> Stance | str:
    """What the strategy does about the calls at one bar, or why that is not known.

    Raises
    ------
    InputError
        If the model has no direction task.
    """
    found = thresholds(model, key.timeframe)
    return found if isinstance(found, str) else judge_each(_call(model, key, bar), rules(), found)[0]


def stances(model: cached.ModelKey, stored: dict[Key, Latest]) -> dict[Key, Stance | str]:
    """The same for what is stored of every series; those without a prediction are left out."""
    seen = [one for one in stored.values() if one.call is not None]
    judged: dict[Key, Stance | str] = {}
    for timeframe in {one.timeframe for one in seen}:
        mine = [one for one in seen if one.timeframe == timeframe]
        found = thresholds(model, timeframe)
        if isinstance(found, str):
            judged |= dict.fromkeys((one.key for one in mine), found)
            continue
        calls = stack_calls([one.call for one in mine if one.call is not None])
        said = judge_each(calls, rules(), found)
        judged |= {one.key: stance for one, stance in zip(mine, said, strict=True)}
    return judged
