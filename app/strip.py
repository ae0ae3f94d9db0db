"""The strip on top of every page: widgets that show and change the one Selection."""

from __future__ import annotations

import time
from bisect import bisect_right
from typing import Any, cast

import numpy as np
import pandas as pd
import streamlit as st

from app.components.bar_keys import bar_keys
from app.components.copy_link import copy_link
from app.report import download as report_download
from app.shell import cached, controls
from app.shell.cached import SeriesKey
from app.shell.choosers import choose_bar
from app.shell.selection import bar_name, bar_time, open_name
from app.words.predictions import bar_text
from core.bundle import ModelEntry
from core.data.freshness import Feed, judge_feed
from core.data.store import SeriesSummary
from core.errors import InputError
from core.timeframe import duration, known_at

SPEEDS = (0.5, 1.0, 2.0, 5.0)
FEED_SECONDS = 15.0
REPLAY_START = 100
"""Bars before the newest at which a replay begins when the newest is selected."""
LONGEST_HOLIDAY = pd.Timedelta(days=4)
KEYS = "arrow_keys"
KEYS_LISTED = (
    "← → one bar back or forward, with Shift twenty; ? opens this. Fields, tables, sliders and the maps and "
    "candles of Attention keep their own keys while they have the focus: there ← → move the bar that looks, "
    "Page Up and Page Down by twenty, Home, End and Esc to the ends, Enter fixes it."
)
_AMBER = """<style>
.st-key-strip { background: color-mix(in srgb, #E69F00 28%, transparent); border-left: .35rem solid #E69F00;
  border-radius: .3rem; padding: .3rem .5rem; }
</style>"""


def draw_strip(
    series: list[SeriesSummary], models: list[ModelEntry], live_page: Any, glossary_page: Any
) -> None:
    """Draw the strip; its widgets show the selection and change it.

    `live_page` is where a replay plays, None when it is open already.
    """
    at = controls.moment()
    feed = _judge_feed(at)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small", key="strip"):
        _draw_series(series)
        if controls.replaying():
            _draw_replay()
        else:
            _draw_stepper(at, live_page)
        _draw_model(models, feed_sentence(feed, at.bar) if feed and feed.state == "history" else None)
        with st.popover(
            ":material/tune:",
            key="strip_settings",
            help="Time zone, candle colours, download format, keys (?)",
        ):
            own = f"my zone ({controls.viewer_zone()})"
            st.segmented_control(
                "Times in", ["UTC", controls.VIEWER], required=True, key="times_in",
                persist_state="session", format_func=lambda name: name if name == "UTC" else own,
                help="Moments on the Live page. Charts stay in UTC; daily and weekly bars keep their date.",
            )  # fmt: skip
            st.toggle("Classic green and red candles", key="classic_candles", persist_state="session")
            st.segmented_control(
                "Charts download as", ["svg", "png"], default="svg", required=True,
                key="download_format", persist_state="session",
            )  # fmt: skip
            st.toggle("Arrow keys step the bar", key=KEYS, persist_state="session", value=True)
            st.caption(KEYS_LISTED)
            st.page_link(glossary_page, label="What the words mean", icon=":material/menu_book:")
        copy_link(at.bar)
        if models and not controls.replaying():
            report_download.draw_button(at)
    active = bool(st.session_state.get(KEYS, True)) and not controls.replaying()
    bar_keys(active=active, key="bar_keys", on_step=_step)
    if models and not controls.replaying():
        report_download.draw_asked(at)
    if feed is not None and feed.state != "history":
        st.fragment(_watch_feed, run_every=FEED_SECONDS)()


def _judge_feed(at: controls.Moment) -> Feed | None:
    """State of the feed while the newest bar is followed; whoever looks at an older bar waits for nothing."""
    if controls.selection().bar is not None or controls.replaying():
        return None
    due = cached.next_due(at.key, at.bar)
    now = cast(pd.Timestamp, pd.Timestamp.now("UTC"))
    session = cached.store().session(at.key.instrument, at.key.timeframe)
    return judge_feed(due, at.key.timeframe, now, session)


def _watch_feed() -> None:
    """Amber strip and the age of the newest bar as soon as the feed is late."""
    at = controls.moment()
    feed = _judge_feed(at)
    if feed is not None and feed.state == "late":
        newest = bar_text(bar_time(at.bar), at.key.timeframe, controls.zone())
        st.html(_AMBER)
        holiday = cached.may_be_holiday(at.key, at.bar)
        st.markdown(f":material/schedule: **{feed_sentence(feed, newest, holiday=holiday)}**")


def _draw_series(series: list[SeriesSummary]) -> None:
    chosen = controls.selection()
    instruments = sorted({s.instrument for s in series})
    frames = sorted({s.timeframe for s in series if s.instrument == chosen.instrument}, key=duration)
    st.session_state["strip_instrument"] = chosen.instrument
    st.session_state["strip_timeframe"] = chosen.timeframe
    st.selectbox("Instrument", instruments, key="strip_instrument", on_change=_change_instrument, width=118)
    st.selectbox("Timeframe", frames, key="strip_timeframe", on_change=_change_timeframe, width=84)


def _draw_stepper(at: controls.Moment, live_page: Any) -> None:
    st.button(
        ":material/chevron_left:", key="step_back", help="One bar back", on_click=_step, args=(-1,),
        disabled=at.position == 0,
    )  # fmt: skip
    choose_bar(
        "Bar (opens, UTC)", at, at.bar, keys=("strip_date", "strip_time"), widths=(140, 190),
        on_pick=_pick,
    )  # fmt: skip
    st.button(
        ":material/chevron_right:", key="step_forward", help="One bar forward", on_click=_step, args=(1,),
        disabled=at.is_latest,
    )  # fmt: skip
    st.button(
        "Latest", key="step_latest", help="Jump to the newest bar and follow it", on_click=controls.change,
        kwargs={"bar": None}, disabled=controls.selection().bar is None,
    )  # fmt: skip
    st.button(
        "Replay", key="replay_start", icon=":material/play_arrow:", on_click=_start_replay, args=(live_page,),
        help=f"Play stored bars from here; from the newest bar it starts {REPLAY_START} bars earlier",
    )  # fmt: skip


def _draw_replay() -> None:
    st.session_state.setdefault("replay_speed", 1.0)
    st.select_slider(
        "Bars per second", SPEEDS, key="replay_speed", format_func=lambda speed: f"{speed:g}", width=170
    )
    st.button(
        "Pause", key="replay_stop", icon=":material/pause:", type="primary", on_click=controls.stop_replay,
        help="Stops here; the bar stays selected",
    )  # fmt: skip


def _draw_model(models: list[ModelEntry], note: str | None) -> None:
    with st.container(horizontal_alignment="right", width="stretch", gap=None):
        if note:
            st.caption(note, width="content")
        if not models:
            st.markdown(":red[●] **no model yet**", help="Train one: python -m core train")
            return
        try:
            entry = cached.find_entry(controls.selection().model)
        except InputError as error:
            st.markdown(":red[●] **model not found**", help=str(error))
            return
        until = str(entry.trained_until)[:10]
        st.markdown(
            f":green[●] **{entry.name}**, trained to {until}",
            help=f"Version {entry.version}. Bars up to {until} trained this model; later ones it never saw "
            "in training.",
            width="content",
        )
        if len(models) > 1:
            names = list(dict.fromkeys(model.name for model in models))
            st.session_state["strip_model"] = entry.name
            st.selectbox(
                "Model", names, key="strip_model", label_visibility="collapsed", width=180,
                on_change=lambda: controls.change(model=st.session_state["strip_model"]),
            )  # fmt: skip


def _change_instrument() -> None:
    instrument = st.session_state["strip_instrument"]
    frames = sorted((s.timeframe for s in cached.series() if s.instrument == instrument), key=duration)
    timeframe = controls.selection().timeframe if controls.selection().timeframe in frames else frames[0]
    _change_series(instrument, timeframe)


def _change_timeframe() -> None:
    _change_series(controls.selection().instrument, st.session_state["strip_timeframe"])


def _change_series(instrument: str, timeframe: str) -> None:
    """Go to the other series' last bar that had closed when the chosen one did, else follow its latest."""
    entry = next(s for s in cached.series() if (s.instrument, s.timeframe) == (instrument, timeframe))
    chosen, bar = controls.selection(), None
    if chosen.bar is not None and bar_time(chosen.bar) <= entry.last:
        opens = cached.opens(SeriesKey(instrument, timeframe, bar_name(entry.last), entry.bars))
        closed = known_at(bar_time(chosen.bar), chosen.timeframe)
        position = bisect_right(opens, closed, key=lambda opened: _closes(opened, timeframe)) - 1
        bar = open_name(opens[position]) if position >= 0 else None
    controls.change(instrument=instrument, timeframe=timeframe, bar=bar)


def _closes(opened: np.datetime64, timeframe: str) -> pd.Timestamp:
    return known_at(cast(pd.Timestamp, pd.Timestamp(opened, tz="UTC")), timeframe)


def _step(bars: int) -> None:
    at = controls.moment()
    position = min(max(at.position + bars, 0), len(at.opens) - 1)
    controls.change(bar=open_name(at.opens[position]))


def _pick(bar: str | None) -> None:
    if bar is not None:
        controls.change(bar=bar)


def _start_replay(live_page: Any) -> None:
    at = controls.moment()
    if at.is_latest:
        controls.change(bar=open_name(at.opens[max(at.position - REPLAY_START, 0)]))
    st.session_state["replay"] = True
    st.session_state["replay_at"] = time.monotonic()
    if live_page is not None:
        st.switch_page(live_page)


def feed_sentence(feed: Feed, newest: str, *, holiday: bool = False) -> str:
    """What the strip says of it; empty when fresh.

    Parameters
    ----------
    newest
        Names the newest stored bar.
    holiday
        Whether the next may have been kept away by one, which nobody here knows.
    """
    if feed.state == "history":
        return f"stored history, ends {newest}"
    if feed.state == "late":
        unless = " unless that was a holiday" if holiday and feed.overdue <= LONGEST_HOLIDAY else ""
        return (
            f"Feed is late: newest bar {newest}, the next should have closed {age_text(feed.overdue)} "
            f"ago{unless}"
        )
    return ""


def age_text(age: pd.Timedelta) -> str:
    """A time span in its largest sensible unit: '3 days', '5 h', '12 min'."""
    minutes = int(age.total_seconds() // 60)
    if minutes >= 2 * 1440:
        return f"{minutes // 1440} days"
    return f"{minutes // 60} h" if minutes >= 120 else f"{minutes} min"
