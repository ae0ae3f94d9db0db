"""Filters the review pages share, and what they say when there is nothing to review."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from app import controls, resources, review_resources
from app.panels import TITLES
from app.review import REGIMES, STATED, RowFilter
from app.review_resources import ReviewKey
from core.data.bars import one_column

LEAST_ROWS = 30
EVERY = "all"


@dataclass(frozen=True)
class Review:
    """What is under review."""

    key: ReviewKey
    chosen: RowFilter


def choose_review() -> ReviewKey | None:
    """The chosen walk-forward; None, and how to make one, where there is none."""
    found = review_resources.reviews()
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
    name = next(iter(found))
    if len(found) > 1:
        name = st.selectbox("Walk-forward", list(found), key="review", persist_state="session", width=260)
    return found.get(str(name), next(iter(found.values())))


def choose_task(tasks: Sequence[str]) -> str:
    """One of the tasks; the same as elsewhere in the workbench where that has it."""
    linked = bool(resources.series())
    wanted = controls.selection().task if linked else st.session_state.get("review_task", tasks[0])
    st.session_state["review_task"] = wanted if wanted in tasks else tasks[0]

    def follow() -> None:
        if linked:
            controls.change(task=st.session_state["review_task"])

    return st.selectbox("Task", tasks, key="review_task", format_func=title_of, on_change=follow, width=130)


def choose_rows() -> Review | None:
    """Filters in one row; None where nothing is left to review, after saying so."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        key = choose_review()
        if key is None:
            return None
        result = review_resources.result(key)
        task = choose_task([task.name for task in result.config.tasks])
        classes = next(list(t.classes) for t in result.config.tasks if t.name == task)
        called = _pick("Called", classes, f"review_called_{task}", 130, "What the model called")
        instrument = _pick(
            "Instrument", _names(one_column(result.rows, "instrument")), "review_instrument", 130
        )
        timeframes = _names(one_column(result.rows, "timeframe"))
        timeframe = _pick("Timeframe", timeframes, "review_timeframe", 110) if len(timeframes) > 1 else None
        regime = _pick(
            "Market was", list(REGIMES), "review_regime", 130,
            "By the rule on bars up to the prediction alone, so known when it was made",
        )  # fmt: skip
        folds = [str(fold.index) for fold in result.folds]
        fold = _pick(
            "Fold", folds, "review_fold", 90, "Each fold is one training, scored on what came after it"
        )
        start, end = _period(one_column(result.rows, "ts"))
    chosen = RowFilter(
        task, called, instrument, timeframe, regime, start, end, None if fold is None else int(fold)
    )
    count = len(review_resources.rows(key, chosen))
    if count < LEAST_ROWS:
        st.info(
            f"{count} predictions pass these filters; fewer than {LEAST_ROWS} say nothing. "
            "Widen one of them.",
            icon=":material/filter_alt_off:",
        )
        return None
    return Review(key, chosen)


def choose_source(review: Review) -> str | None:
    """Which confidence to look at; None, and why, where it states nothing on these rows."""
    source = st.selectbox(
        "Confidence looked at", list(STATED), key="review_source", persist_state="session", width=260,
        format_func=lambda name: STATED[name].capitalize(),
        help="Final: the calibrator that did best on held-back bars. Platt (1999), isotonic (Zadrozny and "
        "Elkan 2002), temperature (Guo et al. 2017). The four sources are not probabilities: alone they need "
        "not lie on the diagonal.",
    )  # fmt: skip
    if len(review_resources.stating(review.key, review.chosen, source)) < LEAST_ROWS:
        st.info("This confidence could not be fitted on these folds: too few bars held back for it.")
        return None
    return source


def title_of(task: str) -> str:
    """How a task is called on the screen."""
    return TITLES.get(task, task.replace("_", " ").capitalize())


def draw_chart(figure: go.Figure, name: str) -> None:
    """A chart with the few tools that leave room for its title in half a page."""
    config = controls.figure_config(name)
    removed = [*config["modeBarButtonsToRemove"], "pan2d", "zoomIn2d", "zoomOut2d", "autoScale2d"]
    st.plotly_chart(
        figure, key=name, config=config | {"modeBarButtonsToRemove": removed},
        alt=str(figure.to_dict()["layout"]["title"]["text"]),
    )  # fmt: skip


def offer_csv(table: pd.DataFrame, name: str) -> None:
    """Download button of a table."""
    st.download_button(
        "CSV", table.to_csv().encode(), file_name=f"{name}.csv", mime="text/csv", key=f"csv_{name}",
        icon=":material/download:", on_click="ignore",
    )  # fmt: skip


def _pick(label: str, options: list[str], key: str, width: int, about: str | None = None) -> str | None:
    if st.session_state.get(key, EVERY) not in (EVERY, *options):
        st.session_state[key] = EVERY
    picked = st.selectbox(label, [EVERY, *options], key=key, persist_state="session", width=width, help=about)
    return None if picked == EVERY else picked


def _names(column: pd.Series) -> list[str]:
    return sorted(str(name) for name in column.cat.categories)


def _period(times: pd.Series) -> tuple[str | None, str | None]:
    first, last = times.min().date(), times.max().date()
    picked = st.date_input(
        "Period", value=(first, last), min_value=first, max_value=last, key=f"review_period_{first}_{last}",
        persist_state="session", width=230, format="YYYY-MM-DD",
    )  # fmt: skip
    days = list(np.atleast_1d(np.asarray(picked, dtype=object)))
    if len(days) != 2 or (days[0] <= first and days[1] >= last):
        return None, None
    return days[0].isoformat(), days[1].isoformat()
