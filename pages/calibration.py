"""How much a stated confidence is worth: what the model said beside what then happened."""

from __future__ import annotations

import numpy as np
import streamlit as st

from app import controls, notices, review_controls, review_resources
from app.figures.reliability import acted_figure
from app.figures.stated import mark_line
from app.review import CALIBRATORS, STATED
from app.review_acting import acting_sentence
from app.review_calibration import BRIER, MEASURES, error_sentence
from app.review_controls import Review, draw_chart
from app.review_tables import compared_table, errors_table, rolling_share
from core.models.confidence import SOURCES

RISKS = ("confidence", "uncalibrated", "raw", "mix", *SOURCES)


def view(review: Review, source: str) -> None:
    """Everything the line moves through."""
    key, chosen, dark = review.key, review.chosen, controls.is_dark()
    slider, sentence = st.columns([0.3, 0.7], gap="large", vertical_alignment="center")
    with slider:
        percent = st.slider(
            "Act only above this confidence", 0, 100, 50, 1, format="%d%%", key="review_line",
            persist_state="session", help="A confidence of exactly this much counts as above.",
        )  # fmt: skip
    acting = review_resources.acting(key, chosen, source)
    with sentence:
        st.markdown(
            acting_sentence(acting, percent),
            help="In brackets: 95% block-bootstrap interval (Politis and Romano 1992). For direction, a "
            "Sideways call is a call to stay out.",
        )
    left, right = st.columns(2, gap="medium")
    line = percent / 100
    with left:
        draw_chart(
            mark_line(review_resources.reliability(key, chosen, source, dark), line, dark), "reliability"
        )
        draw_chart(mark_line(review_resources.calibrators(key, chosen, dark), line, dark), "calibrators")
    with right:
        draw_chart(mark_line(review_resources.histogram(key, chosen, source), line, dark), "histogram")
        share = acting.calls[:, percent].sum() / acting.total
        shown = tuple(dict.fromkeys((source, *RISKS)))
        draw_chart(mark_line(review_resources.risk(key, chosen, shown, dark), share, dark), "risk_coverage")
    found = review_resources.through_time(key, chosen, source)
    rows = review_resources.stating(key, chosen, source)
    acted = rolling_share(rows.stated[source] >= line, rows.correct, found.rolling.last, found.window)
    draw_chart(acted_figure(found.rolling.time, acted, line=line, dark=dark), "acted")


def draw_errors(review: Review, source: str) -> None:
    """Numbers beside what a perfect model would show."""
    errors = review_resources.errors(review.key, review.chosen, source)
    count = len(review_resources.stating(review.key, review.chosen, source))
    st.markdown(
        error_sentence(errors, count),
        help="ECE, 15 equal bins (Naeini et al. 2015), against perfectly calibrated forecasters simulated "
        "with the same confidences. Overlapping labels make real errors larger, so the limit is strict.",
    )
    table = errors_table(errors, {**MEASURES, **BRIER})
    st.dataframe(table, hide_index=True, height="content", alt="Calibration errors")
    review_controls.offer_csv(errors, f"calibration_errors_{review.chosen.task}_{source}")


def draw_compared(review: Review) -> None:
    """Every source, mix and calibrator by the same measures."""
    st.markdown(
        "**Every confidence by the same measures**",
        help="AURC: mean share wrong over all shares acted on, surest first (Geifman and El-Yaniv 2017). "
        f"Calibrators: {', '.join(STATED[name] for name in CALIBRATORS)}.",
    )
    compared = review_resources.compared(review.key, review.chosen)
    st.dataframe(compared_table(compared), hide_index=True, height="content", alt="Every confidence compared")
    review_controls.offer_csv(compared, f"confidences_{review.chosen.task}")


with notices.guard():
    review = review_controls.choose_rows()
    source = review_controls.choose_source(review) if review else None
    if review and source:
        st.fragment(view)(review, source)
        chart = review_resources.through_time_chart(review.key, review.chosen, source, controls.is_dark())
        draw_chart(chart, "through_time")
        sets = review_resources.through_time(review.key, review.chosen, source).coverage
        if not np.isfinite(sets).any():
            st.caption("No prediction sets were fitted on these folds: too few bars held back.")
        one, other = st.columns(2, gap="large")
        with one:
            draw_errors(review, source)
        with other:
            draw_compared(review)
