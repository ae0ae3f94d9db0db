"""Filters the review pages share, and what they say when there is nothing to review."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from app.review import cached as review_cached
from app.review.cached import ReviewKey
from app.review.words import scope_sentence
from app.shell import cached
from app.shell.choosers import choose_task
from app.words.confidence import count_sources, stated_title
from core.confidence.stated import SET_LEVEL, SET_LEVELS
from core.data.bars import one_column
from core.review.rows import REGIMES, RowFilter, list_stated

LEAST_ROWS = 30
FILTERS = ("called", "instrument", "timeframe", "regime", "fold")
SCORE_FILTERS = ("instrument", "timeframe", "regime")
"""Those under which every forecaster can be scored on the same rows."""

_LABELS = {
    "called": ("Called", 130, "What the model called"),
    "instrument": ("Instrument", 130, None),
    "timeframe": ("Timeframe", 110, None),
    "regime": (
        "Market was", 130, "By the rule on bars up to the prediction alone, so known when it was made"
    ),
    "fold": ("Fold", 90, "Each fold is one training, scored on what came after it"),
}  # fmt: skip
"""Label, width in pixels and tooltip of each filter."""


@dataclass(frozen=True)
class Review:
    """What is under review."""

    key: ReviewKey
    chosen: RowFilter


def choose_review() -> ReviewKey | None:
    """The chosen walk-forward; None, and how to make one, where there is none. Reads the link first."""
    read_link()
    found = review_cached.reviews()
    if not found:
        with st.container(border=True, key="no_walk_forward"):
            st.markdown(":material/rule: **No walk-forward yet**")
            st.markdown(
                "These pages compare what the model said with what then happened, on bars it was never "
                "trained on. That takes a walk-forward: several trainings, each scored on what came after it."
            )
            st.code("python -m core walk-forward --folds 5", language="bash")
            st.caption(
                "It shows its progress, can be stopped and goes on where it was. Reload when it is done."
            )
        return None
    if st.session_state.get("review_walk", next(iter(found))) not in found:
        del st.session_state["review_walk"]
        st.caption(":material/link_off: The walk-forward of this link is not here; this is another.")
    if len(found) == 1:
        return next(iter(found.values()))
    name = st.selectbox("Walk-forward", list(found), key="review_walk", persist_state="session", width=260)
    return found[name]


def choose_rows(filters: Sequence[str] = FILTERS) -> Review | None:
    """Filters out of `FILTERS` in one row; None where nothing is left to review, after saying so."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        key = choose_review()
        if key is None:
            return None
        result = review_cached.result(key)
        tasks = [task.name for task in result.config.tasks]
        task = choose_task("Task", tasks, key="review_task", width=130)
        classes = next(list(t.classes) for t in result.config.tasks if t.name == task)
        options = {
            "called": classes,
            "instrument": _names(one_column(result.rows, "instrument")),
            "timeframe": _names(one_column(result.rows, "timeframe")),
            "regime": list(REGIMES),
            "fold": [str(fold.index) for fold in result.folds],
        }
        picked = {
            name: _pick(name, options[name])
            for name in filters
            if name != "timeframe" or len(options["timeframe"]) > 1
        }
        days = _period(one_column(result.rows, "ts"))
    write_link(days)
    fold = picked.pop("fold", None)
    chosen = RowFilter(task, **picked, start=days[0], end=days[1], fold=None if fold is None else int(fold))
    count = len(review_cached.rows(key, chosen))
    if count < LEAST_ROWS:
        st.info(
            f"{count} predictions pass these filters; fewer than {LEAST_ROWS} say nothing. "
            "Widen one of them.",
            icon=":material/filter_alt_off:",
        )
        return None
    st.markdown(scope_sentence(review_cached.rows(key, chosen), chosen, bool(cached.series())))
    return Review(key, chosen)


def choose_source(review: Review) -> str | None:
    """Which confidence to look at; None, and why, where it states nothing on these rows."""
    source = st.selectbox(
        "Confidence looked at", list(list_stated()), key="review_source", persist_state="session", width=260,
        format_func=lambda name: stated_title(name).capitalize(),
        help="Final: the calibrator that did best on held-back bars. Platt (1999), isotonic (Zadrozny and "
        "Elkan 2002), temperature (Guo et al. 2017). The "
        f"{count_sources()} sources are not probabilities: alone they need not lie on the diagonal.",
    )  # fmt: skip
    write_link()
    if len(review_cached.stating(review.key, review.chosen, source)) < LEAST_ROWS:
        st.info("This confidence could not be fitted on these folds: too few bars held back for it.")
        return None
    return source


def choose_line() -> int:
    """The whole percent above which one acts; may stand in a fragment."""
    st.session_state.setdefault("review_line", LINE)
    percent = st.slider(
        "Act only above this confidence", LEAST_LINE, MOST_LINE, step=1, format="%d%%", key="review_line",
        persist_state="session", help="A confidence of exactly this much counts as above.",
    )  # fmt: skip
    write_link()
    return percent


def choose_level(levels: Sequence[float]) -> float:
    """How often a prediction set is to hold what happens; may stand in a fragment."""
    if st.session_state.get("review_level") not in levels:
        st.session_state["review_level"] = SET_LEVEL
    level = st.segmented_control(
        "Sets promise to hold what happens", levels, key="review_level", persist_state="session",
        format_func=lambda level: f"{100 * level:g}%", required=True,
        help="Split conformal prediction (Vovk et al. 2005; Sadinle et al. 2019): a set names every class "
        "that cannot be ruled out at this level.",
    )  # fmt: skip
    write_link()
    return SET_LEVEL if level is None else float(level)


def _pick(name: str, options: list[str]) -> str | None:
    label, width, about = _LABELS[name]
    key = f"review_{name}"
    if st.session_state.get(key, EVERY) not in (EVERY, *options):
        st.session_state[key] = EVERY
    picked = st.selectbox(label, [EVERY, *options], key=key, persist_state="session", width=width, help=about)
    return None if picked == EVERY else picked


def _names(column: pd.Series) -> list[str]:
    return sorted(str(name) for name in column.cat.categories)


def _period(times: pd.Series) -> tuple[str | None, str | None]:
    first, last = times.min().date(), times.max().date()
    key = f"review_period_{first}_{last}"
    asked = st.session_state.pop(ASKED_DAYS, None)
    if asked is not None or key not in st.session_state:
        start, end = asked or (None, None)
        start, end = (day if day and first <= day <= last else None for day in (start, end))
        st.session_state[key] = (start or first, max(end or last, start or first))
    picked = st.date_input(
        "Period", min_value=first, max_value=last, key=key, persist_state="session", width=230,
        format="YYYY-MM-DD",
    )  # fmt: skip
    days = list(np.atleast_1d(np.asarray(picked, dtype=object)))
    if len(days) != 2:
        return None, None
    start, end = days
    return None if start <= first else start.isoformat(), None if end >= last else end.isoformat()


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
