"""How much a stated confidence is worth: what the model said beside what then happened."""

from __future__ import annotations

import streamlit as st

from app.figures.reliability import acted_figure, mark_line
from app.review import cached as review_cached
from app.review import choices as review_choices
from app.review.choices import Review
from app.review.panels import draw_compared, draw_errors, draw_sets, draw_worse_than_before
from app.review.words import acting_sentence, rolling_share
from app.shell import controls, notices
from app.shell.choosers import draw_chart
from core.confidence.sources import SOURCES


def view(review: Review, source: str) -> None:
    """Everything the line moves through."""
    key, chosen, dark = review.key, review.chosen, controls.is_dark()
    slider, sentence = st.columns([0.3, 0.7], gap="large", vertical_alignment="center")
    with slider:
        percent = review_choices.choose_line()
    acting = review_cached.acting(key, chosen, source)
    with sentence:
        st.markdown(
            acting_sentence(acting, percent),
            help="In brackets: 95% interval, dependence over time counted (Lazarus et al. 2018). For "
            "direction, a Sideways call is a call to stay out.",
        )
    left, right = st.columns(2, gap="medium")
    line = percent / 100
    with left:
        draw_chart(mark_line(review_cached.reliability(key, chosen, source, dark), line, dark), "reliability")
        draw_chart(mark_line(review_cached.calibrators(key, chosen, dark), line, dark), "calibrators")
    with right:
        draw_chart(mark_line(review_cached.histogram(key, chosen, source), line, dark), "histogram")
        share = acting.calls[:, percent].sum() / acting.total
        shown = tuple(dict.fromkeys((source, "confidence", "uncalibrated", "raw", "mix", *SOURCES)))
        draw_chart(mark_line(review_cached.risk(key, chosen, shown, dark), share, dark), "risk_coverage")
    found = review_cached.through_time(key, chosen, source)
    rows = review_cached.stating(key, chosen, source)
    acted = rolling_share(rows.stated[source] >= line, rows.correct, found.rolling.last, found.window)
    draw_chart(acted_figure(found.rolling.time, acted, line=line, dark=dark), "acted")


with notices.guard():
    review = review_choices.choose_rows()
    source = review_choices.choose_source(review) if review else None
    if review and source:
        draw_worse_than_before(review)
        st.fragment(view)(review, source)
        chart = review_cached.through_time_chart(review.key, review.chosen, source, controls.is_dark())
        draw_chart(chart, "through_time")
        st.fragment(draw_sets)(review)
        one, other = st.columns(2, gap="large")
        with one:
            draw_errors(review, source)
        with other:
            draw_compared(review)
