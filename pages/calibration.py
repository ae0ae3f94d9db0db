"""How much a stated confidence is worth: what the model said beside what then happened."""

from __future__ import annotations

import streamlit as st

from app import controls, notices, review_controls, review_resources
from app.figures.reliability import acted_figure
from app.figures.stated import mark_line
from app.review_controls import Review, draw_chart
from app.review_panels import draw_compared, draw_errors, draw_sets
from app.review_tables import rolling_share
from core.confidence.sources import SOURCES
from core.review.acting import acting_sentence

RISKS = ("confidence", "uncalibrated", "raw", "mix", *SOURCES)


def view(review: Review, source: str) -> None:
    """Everything the line moves through."""
    key, chosen, dark = review.key, review.chosen, controls.is_dark()
    slider, sentence = st.columns([0.3, 0.7], gap="large", vertical_alignment="center")
    with slider:
        percent = review_controls.choose_line()
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


with notices.guard():
    review = review_controls.choose_rows()
    source = review_controls.choose_source(review) if review else None
    if review and source:
        st.fragment(view)(review, source)
        chart = review_resources.through_time_chart(review.key, review.chosen, source, controls.is_dark())
        draw_chart(chart, "through_time")
        st.fragment(draw_sets)(review)
        one, other = st.columns(2, gap="large")
        with one:
            draw_errors(review, source)
        with other:
            draw_compared(review)
