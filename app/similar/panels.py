"""Pieces of the Similar page: its index, its choices, the sum and the small charts."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from app.figures.similar import paths_figure
from app.figures.theme import class_sign
from app.shell import cached, controls, jobs, notices
from app.shell.cached import ModelKey, SeriesKey
from app.shell.choosers import choose_task
from app.shell.selection import bar_time, open_name
from app.shell.view import CHOICES
from app.similar import cached as similar_cached
from app.similar import words as similar_words
from app.similar.cached import IndexKey
from app.words import predictions as prediction_words
from core.config import TaskConfig
from core.explain.evidence.store import EvidenceError
from core.explain.similar.glimpse import AFTER, BEFORE
from core.explain.similar.search import Analogue, Analogues
from core.predictor import naive_utc
from core.timeframe import known_at

COUNTS = CHOICES["similar_count"].options
SCOPES = {"all": "Every series", "timeframe": "This timeframe", "instrument": "This instrument"}
COLUMNS = 5
_BUILDING = "building_moments"


def draw_building(model: ModelKey, label: str, wanted: bool) -> None:
    """A button that builds the index, and its progress once it was pressed."""
    predictor = cached.predictor(model)
    pressed = st.button(label, key="build_moments", type="primary" if wanted else "secondary")
    if pressed:
        st.session_state[_BUILDING] = True
    st.caption(f"Or on the command line: `{similar_words.COMMAND}`")
    if not st.session_state.get(_BUILDING):
        return
    written = jobs.await_result(
        ("moments", model, similar_cached.series_keys()),
        "Scoring the stored history",
        lambda progress, cancelled: similar_cached.rebuild_index(predictor, progress, cancelled),
    )
    if written is not None:
        st.session_state[_BUILDING] = False
        similar_cached.forget_index_key()
        st.rerun()


def find_index(model: ModelKey) -> IndexKey | None:
    """The index of this model's moments; when there is none to use, says so and offers to build it."""
    key = similar_cached.index_key(model)
    try:
        if key is not None and similar_cached.index(model, key) is not None:
            return key
    except EvidenceError as error:
        notices.show_input_error(error)
    with st.container(border=True, key="no_moments"):
        st.markdown(f":material/manage_search: **{similar_words.NO_INDEX}**")
        draw_building(model, "Build the index", wanted=True)
    return None


def draw_reach(model: ModelKey, key: IndexKey) -> tuple[str, ...]:
    """What the index does not know, with the button that mends it; the series that may be searched."""
    reach = similar_cached.reach(model, key, similar_cached.series_keys())
    said = similar_words.reach_sentences(reach)
    if said:
        with st.expander(said[0], icon=":material/update:"):
            for sentence in said[1:]:
                st.markdown(sentence)
            draw_building(model, "Bring the index up to date", wanted=False)
    return tuple(one.name for one in reach if one.searchable)


def choose_among(names: tuple[str, ...], at: controls.Moment) -> tuple[TaskConfig, int, tuple[str, ...]]:
    """Task, number of moments and the series to search."""
    tasks = {task.name: task for task in cached.predictor(controls.model_key()).bundle.config.tasks}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        task = choose_task("Outcome of", list(tasks), key="similar_task")
        count = st.segmented_control(
            "Moments", COUNTS, required=True, key="similar_count", persist_state="session"
        )
        scope = st.segmented_control(
            "Search in",
            list(SCOPES),
            required=True,
            format_func=SCOPES.__getitem__,
            key="similar_scope",
            persist_state="session",
        )
    if scope == "timeframe":
        names = tuple(name for name in names if name.endswith(f"|{at.key.timeframe}"))
    elif scope == "instrument":
        names = tuple(name for name in names if name.startswith(f"{at.key.instrument}|"))
    return tasks[task], int(count or 10), names


def draw_sum(model: ModelKey, at: controls.Moment, task: TaskConfig, found: Analogues) -> None:
    """The chosen bar, what came after the others, and both beside chance."""
    own, after, said = st.columns([0.26, 0.37, 0.37], gap="medium")
    call = cached.predict(model, at.key, at.bar).tasks[task.name].call
    target = controls.selection().target
    target = target if target in task.classes else call
    with own:
        st.markdown(f"**The chosen bar: {at.key.instrument} {at.key.timeframe}, {at.bar.replace('T', ' ')}**")
        _draw_multiple(at.key, at.bar, at)
        st.caption(f"The model says {class_sign(call)} {call}. The last {BEFORE} bars.")
    with after:
        until = closes(at)
        glimpses = [similar_cached.glimpse(*_place(m), until) for m in found.moments]
        figure = paths_figure(
            [glimpse.after for glimpse in glimpses], [task.classes[m.outcome] for m in found.moments],
            [similar_words.moment_title(m) for m in found.moments], dark=controls.is_dark(),
        )  # fmt: skip
        st.plotly_chart(
            figure, key="paths", config=controls.figure_config("what_came_next"),
            alt="Close after each similar moment",
        )  # fmt: skip
        st.caption(
            f"Each line is a moment, coloured and marked by its "
            f"{prediction_words.title_of(task.name).lower()}; the thick one is the middle of them."
        )
    with said:
        st.markdown(
            similar_words.went_sentence(found, list(task.classes).index(target), task.classes),
            help=similar_words.INTERVAL,
        )
        st.markdown(similar_words.right_sentence(found))
        shares = [found.went(i) for i in range(len(task.classes))]
        table = pd.DataFrame(
            {
                "outcome": [f"{class_sign(name)} {name}" for name in task.classes],
                "nearest": [
                    f"{share.count} of {share.total} {similar_words.brackets(share)}" for share in shares
                ],
                "all candidates": [f"{100 * one.base:.1f}%" for one in shares],
            }
        )
        st.dataframe(table, hide_index=True, height="content", alt="Outcomes of nearest and of all")
        trained = at.opens[at.position] < naive_utc(cached.predictor(model).bundle.borders.train_end)
        for sentence in similar_words.doubts(found, bool(trained)):
            st.caption(f":material/warning: {sentence}")


def draw_moments(model: ModelKey, key: IndexKey, at: controls.Moment, found: Analogues) -> None:
    """Small charts, nearest first, each with every task's outcome and a way to open its bar."""
    st.markdown(
        f"**The nearest first: {BEFORE} bars before each moment; behind the line, in grey, "
        f"up to {AFTER} bars after it**",
        help="Percent of the moment's close, so that all can be compared. " + similar_words.HOW,
    )
    for start in range(0, len(found.moments), COLUMNS):
        for column, place in zip(
            st.columns(COLUMNS, gap="small"), range(start, start + COLUMNS), strict=True
        ):
            if place < len(found.moments):
                with column, st.container(border=True):
                    _draw_moment(model, key, at, found.moments[place], place)


def _draw_moment(model: ModelKey, key: IndexKey, at: controls.Moment, moment: Analogue, place: int) -> None:
    bundle, index = cached.predictor(model).bundle, similar_cached.index(model, key)
    series, bar = _place(moment)
    title = similar_words.moment_title(moment)
    st.markdown(f"**{place + 1}. {title}**  \nsimilarity {moment.similarity:.3f}")
    _draw_multiple(series, bar, at)
    assert index is not None
    lines = similar_words.outcome_lines(bundle, index, moment.row, closes(at))
    st.caption("  \n".join(lines))
    if st.button("Open this bar", key=f"open_{place}", width="stretch"):
        controls.change(instrument=series.instrument, timeframe=series.timeframe, bar=bar)
        st.rerun()


def _draw_multiple(series: SeriesKey, bar: str, at: controls.Moment) -> None:
    drawn = similar_cached.multiple(series, bar, closes(at), controls.palette(), controls.is_dark())
    st.image(drawn, width="stretch", alt=f"Candles of {series.instrument} {series.timeframe} around {bar}")


def closes(at: controls.Moment) -> np.datetime64:
    """When the chosen bar had closed: nothing later counts or is drawn."""
    return naive_utc(known_at(bar_time(at.bar), at.key.timeframe))


def _place(moment: Analogue) -> tuple[SeriesKey, str]:
    instrument, timeframe = moment.series.rsplit("|", 1)
    key = next(
        key
        for key in similar_cached.series_keys()
        if (key.instrument, key.timeframe) == (instrument, timeframe)
    )
    return key, open_name(moment.ts)
