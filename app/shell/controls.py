"""One Selection for the whole workbench: kept in the session, mirrored in the URL, found in the store."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any
from zoneinfo import available_timezones

import numpy as np
import pandas as pd
import streamlit as st

from app.figures.theme import Palette, chart_config
from app.shell import cached, view
from app.shell.cached import ModelKey, SeriesKey
from app.shell.selection import (
    READ,
    Selection,
    SelectionError,
    bar_name,
    bar_time,
    check_series,
    default_selection,
    find_bar,
    open_name,
    parse_params,
)
from core.data.store import SeriesSummary

VIEWER = "viewer"
"""Choice of the viewer's own time zone."""

_SELECTION = "selection"
_CHANGED = "selection_changed"
_WRITTEN, _SHOWN = "selection_written", "selection_shown"
# A rerun that was under way when the URL was rewritten still carries the old one for about this long.
_SETTLE_SECONDS = 2.0


@dataclass(frozen=True)
class Moment:
    """The selected bar, found in the store.

    Attributes
    ----------
    position
        Of the bar in `opens`.
    opens
        All bar opens of the series, datetime64 UTC.
    """

    key: SeriesKey
    bar: str
    position: int
    opens: np.ndarray

    @property
    def is_latest(self) -> bool:
        return self.position == len(self.opens) - 1


def selection() -> Selection:
    """What is selected; `read_url` has run before."""
    return st.session_state[_SELECTION]


def change(**changes: Any) -> None:
    """Select something else; used by widgets' callbacks, before the page runs."""
    st.session_state[_SELECTION] = selection().with_changes(**changes)
    st.session_state[_CHANGED] = True
    if {"instrument", "timeframe", "bar"} & changes.keys():
        # They are of the bar that was; its drafts stay.
        st.session_state["edits"] = st.session_state["changes"] = st.session_state["what_if_value"] = ""


def leave(instrument: str, timeframe: str) -> None:
    """Select the default series if this one, which is no longer stored, was selected."""
    chosen = selection()
    if (chosen.instrument, chosen.timeframe) == (instrument, timeframe):
        held = [(s.instrument, s.timeframe) for s in cached.series()]
        st.session_state[_SELECTION] = default_selection(held)
        st.session_state[_CHANGED] = True


def reset() -> None:
    """Way back from a link that names what is not there: the same series' latest bar, else the default."""
    held = [(s.instrument, s.timeframe) for s in cached.series()]
    chosen = selection()
    same = (chosen.instrument, chosen.timeframe) in held
    st.session_state[_SELECTION] = (
        Selection(chosen.instrument, chosen.timeframe) if same else default_selection(held)
    )
    st.session_state[_CHANGED] = True
    st.rerun()


def read_url(series: list[SeriesSummary]) -> None:
    """Take the selection from the URL when a link was opened or the browser went back.

    Raises
    ------
    SelectionError
        If the link names what the store does not hold; the selection is then the default one.
    """
    default = default_selection([(s.instrument, s.timeframe) for s in series])
    first_run = _SELECTION not in st.session_state
    st.session_state.setdefault(_SELECTION, default)
    view.settle(st.session_state)
    asked = {name: st.query_params[name] for name in (*READ, *view.CHOICES) if name in st.query_params}
    if not st.session_state.pop(_CHANGED, False) and asked and (first_run or _came_from_outside(asked)):
        st.session_state[_SELECTION] = parse_params(asked, default if first_run else selection())
        view.read_choices(asked, st.session_state)
    check_series(selection(), [(s.instrument, s.timeframe) for s in series])


def write_url() -> None:
    """Mirror selection and choices in the URL, as one step of the browser's history; nothing without bars."""
    if _SELECTION not in st.session_state:
        return
    own, names = _own_params(), {*READ, *view.CHOICES}
    foreign = {name: st.query_params.get_all(name) for name in st.query_params if name not in names}
    present = {name: st.query_params[name] for name in names if name in st.query_params}
    st.session_state[_SHOWN] = own
    if present != own:
        st.query_params.from_dict({**foreign, **own})
        written = st.session_state.setdefault(_WRITTEN, [])
        written.append((time.monotonic(), own))
        del written[:-20]


def _own_params() -> dict[str, str]:
    return selection().to_params() | view.write_choices(st.session_state)


def _came_from_outside(asked: dict[str, str]) -> bool:
    # What the URL says since it was last written is older than a widget that has changed since.
    if asked in (_own_params(), st.session_state.get(_SHOWN)):
        return False
    now = time.monotonic()
    written = st.session_state.get(_WRITTEN, [])
    late = [params for at, params in written[1:] if now - at < _SETTLE_SECONDS]
    return not late or asked not in [params for _, params in written]


def moment() -> Moment:
    """The selected bar as it stands in the store.

    Raises
    ------
    SelectionError
        If the bar lies before the series begins.
    """
    chosen = selection()
    entry = next(
        s for s in cached.series() if (s.instrument, s.timeframe) == (chosen.instrument, chosen.timeframe)
    )
    key = SeriesKey(chosen.instrument, chosen.timeframe, bar_name(entry.last), entry.bars)
    opens = cached.opens(key)
    position = find_bar(chosen, opens)
    return Moment(key, open_name(opens[position]), position, opens)


def model_key() -> ModelKey:
    """The chosen model; the default one where nothing is stored that could be selected.

    Raises
    ------
    BundleError
        If it does not exist.
    """
    entry = cached.find_entry(selection().model if _SELECTION in st.session_state else None)
    return ModelKey(str(entry.folder), entry.version)


def chosen_member(members: int) -> int | None:
    """Selected member of a model with so many; None is all together, and the only one of a single model.

    Raises
    ------
    SelectionError
        If the model has no such member.
    """
    member = selection().member
    if member is None or (members == 1 and member == 1):
        return None
    if not 1 <= member <= members:
        held = f"a member from 1 to {members}" if members > 1 else "no member: the model is one transformer"
        raise SelectionError(held, str(member), "choose another member in the link")
    return member


def chosen_map(layers: int, heads: int) -> tuple[int, int | None]:
    """Selected layer (the last by default) and head (None is the mean) of a model with so many of each.

    Raises
    ------
    SelectionError
        If the model has no such layer or head.
    """
    layer, head = selection().layer or layers, selection().head
    if not 1 <= layer <= layers:
        raise SelectionError(f"a layer from 1 to {layers}", str(layer), "choose another layer in the link")
    if head is not None and not 1 <= head <= heads:
        raise SelectionError(f"a head from 1 to {heads}", str(head), "choose another head in the link")
    return layer, head


def looking_bar(opens: np.ndarray) -> int:
    """Position in the window of the bar that looks; the newest when none or one outside is selected."""
    looks = selection().looks
    if looks is None:
        return len(opens) - 1
    found = np.flatnonzero(pd.DatetimeIndex(opens) == bar_time(looks).tz_localize(None))
    return int(found[0]) if len(found) else len(opens) - 1


def open_bar(bar: str) -> None:
    """Select a bar from inside a fragment: the whole page follows."""
    change(bar=bar)
    st.rerun()


def is_dark() -> bool:
    """Whether the browser shows the dark theme."""
    return st.context.theme.type == "dark"


def palette() -> Palette:
    """Candle colours this person chose."""
    return "classic" if st.session_state.get("classic_candles") else "lookback"


def zone() -> str:
    """Time zone of the moments shown: UTC, or the viewer's own where this person chose it."""
    return viewer_zone() if st.session_state.get("times_in") == VIEWER else "UTC"


def viewer_zone() -> str:
    """The browser's zone; UTC where it names none that is known here."""
    name = st.context.timezone
    return name if name in available_timezones() else "UTC"


def figure_config(name: str) -> dict[str, Any]:
    """Tool bar of a chart, with the download format this person chose."""
    return chart_config(name, st.session_state.get("download_format") or "svg")


def replaying() -> bool:
    """Whether stored bars are being played."""
    return bool(st.session_state.get("replay"))


def replay_interval() -> float:
    """Seconds between two replayed bars."""
    return 1.0 / float(st.session_state.get("replay_speed") or 1.0)


def advance_replay() -> None:
    """One bar further, if it is time; stops at the last stored bar."""
    now = time.monotonic()
    if now - st.session_state.get("replay_at", 0.0) < 0.8 * replay_interval():
        return
    st.session_state["replay_at"] = now
    at = moment()
    if at.is_latest:
        stop_replay()
        st.rerun()
    change(bar=open_name(at.opens[at.position + 1]))
    st.session_state.pop(_CHANGED)
    write_url()


def stop_replay() -> None:
    """Pause where it is; the bar stays selected."""
    st.session_state["replay"] = False
