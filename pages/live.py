"""What the model says of the chosen bar, and how its last calls went."""

from __future__ import annotations

import streamlit as st

from app.challengers.panels import draw_challengers
from app.components.record_strip import record_strip
from app.live import cached as live_cached
from app.live import panels as live_panels
from app.live.doubts import draw_doubts
from app.live.why import draw_why
from app.shell import cached, controls, notices
from app.shell.view import CHOICES
from app.stances.panels import draw_stance
from app.words import predictions as prediction_words
from app.words.records import RECORD_HELP

RANGES = CHOICES["chart_bars"].options
RECORD, FOLLOW_SECONDS = 50, 5.0


def view() -> None:
    """Chart, panels and record; reruns by itself while replaying or following the newest bar."""
    with notices.guard():
        if controls.replaying():
            controls.advance_replay()
        at = controls.moment()
        chart, said = st.columns([0.66, 0.34], gap="medium")
        with chart:
            draw_chart(at)
            why = st.empty()
            beside = st.container()
        model = controls.model_key()
        with said, notices.guard():
            draw_prediction(model, at)
            with why:
                draw_why(model, at)
            if not controls.replaying():
                with beside:
                    draw_challengers(model, at)
        with notices.guard():
            draw_record(model, at)


def draw_chart(at: controls.Moment) -> None:
    """Candles; the cached figure is the same object until a new bar, so the browser keeps it."""
    length = st.segmented_control(
        "Bars on the chart", RANGES, required=True, key="chart_bars", persist_state="session",
        label_visibility="collapsed", format_func=lambda bars: f"{bars:,} bars",
    )  # fmt: skip
    figure = cached.candles(at.key, at.bar, length or 120, controls.palette(), controls.is_dark())
    name = f"{at.key.instrument}_{at.key.timeframe}_{at.bar}"
    st.plotly_chart(
        figure, key="candles", config=controls.figure_config(name),
        alt=f"Candles of {at.key.instrument} up to {at.bar}",
    )  # fmt: skip


def draw_prediction(model: cached.ModelKey, at: controls.Moment) -> None:
    """The panels, and everything that should make one doubt them."""
    with st.skeleton(height=300):
        prediction = cached.predict(model, at.key, at.bar)
    draw_doubts(prediction, at)
    with notices.guard():
        draw_stance(model, at)
    records = {}
    with notices.guard():
        records = live_cached.confidence_records(model, prediction.known_at)
    shown = f"{prediction.instrument} {prediction.timeframe}"
    for task in prediction.tasks.values():
        with st.container(border=True):
            st.html(live_panels.STYLE + live_panels.task_panel(task, records.get(task.task), shown))
    said = f"{prediction_words.made_of_sentence(prediction)} {prediction_words.silent_sentence(prediction)}"
    st.caption(f"{said} Model {prediction.model_name}, version {prediction.model_version}.")


def draw_record(model: cached.ModelKey, at: controls.Moment) -> None:
    """The last calls: right and wrong."""
    st.markdown(f"**The {RECORD} bars before this one: right ✓ and wrong ✗**", help=RECORD_HELP)
    past = cached.recent_outcomes(model, at.key, at.bar, RECORD)
    if not past:
        st.caption(prediction_words.NO_OUTCOMES)
        return
    record_strip(past, key="record", on_open=controls.open_bar)


if controls.replaying():
    interval: float | None = controls.replay_interval()
elif controls.selection().bar is None:
    interval = FOLLOW_SECONDS
else:
    interval = None
st.fragment(view, run_every=interval)()
