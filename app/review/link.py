"""The review's filters in the URL, read when a link is opened and written after every choice."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import date
from typing import Any

import streamlit as st

from core.confidence.stated import SET_LEVEL, SET_LEVELS
from core.review.rows import list_stated

EVERY = "all"
FROM, TO = "review_from", "review_to"
ASKED_DAYS = "review_days"
"""Days a link asks for, until the period is drawn."""

LINE, LEAST_LINE, MOST_LINE = 50, 0, 100

_WRITTEN = "review_written"
# A rerun that was under way when the URL was rewritten still carries the old one for about this long.
_SETTLE_SECONDS = 2.0


def _word(text: str) -> str:
    return text.strip()


def _percent(text: str) -> int:
    value = int(text)
    if not LEAST_LINE <= value <= MOST_LINE:
        raise ValueError(text)
    return value


def _source(text: str) -> str:
    if text not in list_stated():
        raise ValueError(text)
    return text


def _level(text: str) -> float:
    value = float(text)
    if value not in SET_LEVELS:
        raise ValueError(text)
    return value


_READ: dict[str, tuple[Callable[[str], Any], Any]] = {
    "review_walk": (_word, None),
    "review_called": (_word, EVERY),
    "review_instrument": (_word, EVERY),
    "review_timeframe": (_word, EVERY),
    "review_regime": (_word, EVERY),
    "review_fold": (_word, EVERY),
    "review_source": (_source, "confidence"),
    "review_line": (_percent, LINE),
    "review_level": (_level, SET_LEVEL),
}
"""How each parameter is read, and the default that the URL leaves out; None is the first choice there is."""
PARAMS = (*_READ, FROM, TO)


def read_link() -> None:
    """Take the filters from the URL where a link was opened or the browser went back; before any widget."""
    asked = {name: st.query_params[name] for name in PARAMS if name in st.query_params}
    if not asked or not _came_from_outside(asked):
        return
    unread = []
    for name, (read, default) in _READ.items():
        try:
            value = read(asked[name]) if name in asked else default
        except ValueError:
            unread.append(name)
            value = default
        if value is None:
            st.session_state.pop(name, None)
        else:
            st.session_state[name] = value
    try:
        days = tuple(date.fromisoformat(asked[name]) if name in asked else None for name in (FROM, TO))
    except ValueError:
        unread.append(FROM)
        days = (None, None)
    st.session_state[ASKED_DAYS] = days
    if unread:
        st.caption(f":material/link_off: The link's {', '.join(unread)} cannot be read and is left out.")


def write_link(days: tuple[str | None, str | None] | None = None) -> None:
    """Mirror the filters in the URL; after the widgets.

    Parameters
    ----------
    days
        The period, ISO; None keeps what the URL says.
    """
    own = {}
    for name, (_, default) in _READ.items():
        value = st.session_state.get(name, default)
        if value is not None and value != default:
            own[name] = str(value)
    if days is None:
        own |= {name: st.query_params[name] for name in (FROM, TO) if name in st.query_params}
    else:
        own |= {name: day for name, day in zip((FROM, TO), days, strict=True) if day is not None}
    present = {name: st.query_params[name] for name in PARAMS if name in st.query_params}
    if present != own:
        foreign = {name: st.query_params.get_all(name) for name in st.query_params if name not in PARAMS}
        st.query_params.from_dict({**foreign, **own})
        written = st.session_state.setdefault(_WRITTEN, [])
        written.append((time.monotonic(), own))
        del written[:-20]


def _came_from_outside(asked: dict[str, str]) -> bool:
    written = st.session_state.get(_WRITTEN, [])
    if written and asked == written[-1][1]:
        return False
    now = time.monotonic()
    late = any(now - at < _SETTLE_SECONDS for at, _ in written[1:])
    return not late or asked not in [params for _, params in written]
