"""Filters the review pages share, and what they say when there is nothing to review."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import streamlit as st

from app.review import cached as review_cached
from app.review.cached import ReviewKey
from app.review.link import ASKED_DAYS, EVERY, LEAST_LINE, LINE, MOST_LINE, read_link, write_link
from app.review.words import evidence_sentence, scope_sentence
from app.shell import cached, controls
from app.shell.choosers import choose_task
from app.words.confidence import count_sources, stated_title
from app.words.numbers import listed
from core.bundle import SHIPPED
from core.confidence.stated import SET_LEVEL
from core.config import Config
from core.data.bars import one_column
from core.review.evidence import find_differences
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
        asked = {name: st.session_state.get(f"review_{name}", EVERY) for name in filters}
        picked = {
            name: _pick(name, options[name])
            for name in filters
            if name != "timeframe" or len(options["timeframe"]) > 1
        }
        days = _period(one_column(result.rows, "ts"))
    write_link(days)
    for name, wanted in asked.items():
        if wanted not in (EVERY, *options[name]):
            st.caption(
                f":material/link_off: {_LABELS[name][0]} {wanted} is not in this walk-forward, which has "
                f"{listed(options[name])}: all of them are shown."
            )
    st.markdown(_evidence(key, result.config))
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


def _evidence(key: ReviewKey, tested: Config) -> str:
    model, other = "", ()
    if cached.models():
        bundle = cached.predictor(controls.model_key()).bundle
        model, other = f"{bundle.name} {bundle.version}", find_differences(tested, bundle.config)
    # Files that came with the program carry the day they were copied.
    shipped = Path(key.folder).is_relative_to(SHIPPED.parent)
    finished = None if shipped else str(np.datetime64(key.finished, "ns").astype("datetime64[D]"))
    return evidence_sentence(review_cached.evidence(key), finished, model, other)


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
