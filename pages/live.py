"""What the model says of the chosen bar, and how its last calls went."""

from __future__ import annotations

import streamlit as st

from app import controls, live_resources, notices, panels, resources, wording
from app.components.record_strip import record_strip

RANGES = (60, 120, 300, 1000)
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
        model = controls.model_key()
        with said, notices.guard():
            draw_prediction(model, at)
            with why:
                draw_why(model, at)
        with notices.guard():
            draw_record(model, at)


def draw_chart(at: controls.Moment) -> None:
    """Candles; the cached figure is the same object until a new bar, so the browser keeps it."""
    length = st.segmented_control(
        "Bars on the chart", RANGES, default=120, required=True, key="chart_bars", persist_state="session",
        label_visibility="collapsed", format_func=lambda bars: f"{bars:,} bars",
    )  # fmt: skip
    figure = resources.candles(at.key, at.bar, length or 120, controls.palette(), controls.is_dark())
    name = f"{at.key.instrument}_{at.key.timeframe}_{at.bar}"
    st.plotly_chart(
        figure, key="candles", config=controls.figure_config(name),
        alt=f"Candles of {at.key.instrument} up to {at.bar}",
    )  # fmt: skip


def draw_prediction(model: resources.ModelKey, at: controls.Moment) -> None:
    """The panels, and everything that should make one doubt them."""
    with st.skeleton(height=300):
        prediction = resources.predict(model, at.key, at.bar)
    due = resources.next_due(at.key, at.bar)
    st.markdown(wording.facts(prediction, due, at.key.timeframe, controls.zone()))
    if prediction.out_of_distribution:
        st.warning(wording.unlike_training(prediction.distance), icon=":material/help:")
    if not prediction.known_instrument:
        st.info(wording.unknown_instrument(prediction.instrument), icon=":material/info:")
    records = {}
    with notices.guard():
        records = live_resources.confidence_records(model)
    for task in prediction.tasks.values():
        with st.container(border=True):
            st.html(panels.STYLE + panels.task_panel(task, records.get(task.task)))
    st.caption(f"Model {prediction.model_name}, version {prediction.model_version}.")


def draw_why(model: resources.ModelKey, at: controls.Moment) -> None:
    """In one line: where the last bar looks, and whether the window is like training."""
    row = live_resources.last_attention(model, at.key, at.bar)
    st.markdown(
        wording.why_sentence(row, resources.predict(model, at.key, at.bar).distance),
        help="Share of the last bar's attention that stays within the last 20 bars, mean over heads and "
        "layers; attention shows routing, not cause. Unlike training: the larger Mahalanobis distance, of "
        "the model's representation (Lee et al. 2018, covariance shrunk after Ledoit and Wolf 2004) or of "
        "the window itself, over the 99th percentile of the calibrate segment.",
    )


def draw_record(model: resources.ModelKey, at: controls.Moment) -> None:
    """The last calls: right and wrong."""
    st.markdown(
        f"**The {RECORD} calls before this bar: right ✓ and wrong ✗**",
        help="An outcome counts once it was decided by the chosen bar. Click a call to open its bar.",
    )
    past = resources.recent_outcomes(model, at.key, at.bar, RECORD)
    if not past:
        st.caption(
            "Nothing to show: too few bars before this one, or the model knows no outcomes of this series."
        )
        return
    record_strip(past, key="record", on_open=controls.open_bar)


if controls.replaying():
    interval: float | None = controls.replay_interval()
elif controls.selection().bar is None:
    interval = FOLLOW_SECONDS
else:
    interval = None
st.fragment(view, run_every=interval)()
