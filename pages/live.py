"""What the model says of the chosen bar, and how its last calls went."""

from __future__ import annotations

import streamlit as st

from app import controls, notices, panels, resources
from app.components.record_strip import record_strip

RANGES = (60, 120, 300, 1000)
RECORD = 50
FOLLOW_SECONDS = 5.0


def view() -> None:
    """Chart, panels and record; reruns by itself while replaying or following the newest bar."""
    with notices.guard():
        if controls.replaying():
            controls.advance_replay()
        at = controls.moment()
        chart, said = st.columns([0.66, 0.34], gap="medium")
        with chart:
            draw_chart(at)
        model = controls.model_key()
        with said, notices.guard():
            draw_prediction(model, at)
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
    st.markdown(panels.facts(prediction, resources.next_due(at.key, at.bar), at.key.timeframe))
    if prediction.out_of_distribution:
        st.warning(
            f"Unlike training: this window lies {prediction.distance:.1f} times as far from the training "
            "data as the limit. Trust the numbers less.",
            icon=":material/help:",
        )
    if not prediction.known_instrument:
        st.info(
            f"The model was trained without {prediction.instrument}; it treats it as an unknown instrument.",
            icon=":material/info:",
        )
    for task in prediction.tasks.values():
        with st.container(border=True):
            st.html(panels.STYLE + panels.task_panel(task))
    near = f"Unlike training? No: at {panels.percent(prediction.distance)} of the limit. "
    st.caption(
        ("" if prediction.out_of_distribution else near)
        + f"Model {prediction.model_name}, version {prediction.model_version}.",
        help="Mahalanobis distance of the last bar's representation to the training distribution "
        "(Lee et al. 2018), with a shrunk covariance (Ledoit and Wolf 2004).",
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
