"""Is it worth listening only when the model is sure, and which source knows?"""

from __future__ import annotations

import streamlit as st

from app.figures.selective import areas_figure, leave_out_figure
from app.review import cached as review_cached
from app.review import choices as review_choices
from app.review.choices import Review
from app.review.panels import draw_worse_than_before
from app.review.tables import areas_table, forms_table, left_out_table
from app.review.words import forms_sentence, left_out_sentence
from app.shell import choosers, controls, notices
from app.shell.choosers import draw_chart
from app.shell.view import keep_known
from app.words.confidence import STATED, count_sources, stated_title
from core.review.rows import list_stated


def view(review: Review) -> None:
    """Curves and their areas."""
    dark = controls.is_dark()
    names = list_stated()
    usual = [name for name in names if STATED[name].shown]
    keep_known(st.session_state, "risk_shown", names, usual)
    shown = st.pills(
        "Confidences", names, selection_mode="multi", key="risk_shown", format_func=stated_title,
        persist_state="session",
    )  # fmt: skip
    controls.write_url()
    left, right = st.columns(2, gap="medium")
    with left:
        st.markdown(
            "**Wrong, by how choosy one is**",
            help="Risk-coverage curves (El-Yaniv and Wiener 2010). The dotted line is an oracle that puts "
            "every right prediction first, the dashed one a random order.",
        )
        draw_chart(
            review_cached.risk(review.key, review.chosen, tuple(shown or ["confidence"]), dark), "risk"
        )
    areas = review_cached.areas(review.key, review.chosen)
    with right:
        st.markdown(
            "**Which of them knows when it is right**",
            help="Share wrong of acting on everything less AURC, the area under the risk-coverage curve "
            "(Geifman and El-Yaniv 2017), with 95% intervals, dependence over time counted.",
        )
        draw_chart(areas_figure(areas, dark=dark), "areas")
    st.dataframe(areas_table(areas), hide_index=True, height="content", alt="Areas under the curves")
    choosers.offer_csv(areas, f"selective_{review.chosen.task}")


def draw_forms(review: Review) -> None:
    """What the final confidence could be made of, and what the sources add."""
    forms = review_cached.forms(review.key, review.chosen)
    missing = review_cached.missing_ranks(review.key, review.chosen)
    if len(forms):
        st.markdown(
            forms_sentence(forms),
            help="Paired on the same rows, 95%, dependence over time counted; what is called better or worse "
            "in log-loss holds with all forms counted (Holm 1979). A model states the form that was best on "
            "stretches held out of the later half of its calibrate segment.",
        )
        st.dataframe(forms_table(forms), hide_index=True, height="content", alt="Forms of the confidence")
        choosers.offer_csv(forms, f"confidence_forms_{review.chosen.task}")
    if missing:
        st.caption(missing)


def draw_left_out(review: Review) -> None:
    """What each source adds when it is left out."""
    table = review_cached.left_out(review.key, review.chosen)
    st.markdown(
        left_out_sentence(table),
        help="Paired on the same rows, dependence over time counted. Sum: the "
        f"other {count_sources(less=1)} weights scaled back to 1. "
        "Learned mix: fitted again without the source, on the bars each fold held back.",
    )
    missing = review_cached.missing_mixes(review.key, review.chosen)
    if missing:
        st.caption(missing)
    left, right = st.columns([0.46, 0.54], gap="medium", vertical_alignment="center")
    with left:
        draw_chart(leave_out_figure(table, dark=controls.is_dark()), "left_out")
    with right:
        st.dataframe(left_out_table(table), hide_index=True, height="content", alt="What each source adds")
        choosers.offer_csv(table, f"sources_left_out_{review.chosen.task}")


with notices.guard():
    review = review_choices.choose_rows()
    if review:
        draw_worse_than_before(review)
        st.fragment(view)(review)
        draw_forms(review)
        draw_left_out(review)
