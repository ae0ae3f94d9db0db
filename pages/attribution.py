"""Why the model says what it says: which features at which bars, and whether that is true of the model."""

from __future__ import annotations

import streamlit as st

from app.attribution import cached as attribution_cached
from app.attribution.cached import Ask
from app.attribution.choices import choose_ask, stop_others
from app.attribution.importance import draw_importance
from app.attribution.panels import draw_curves, draw_depth, draw_method, draw_trust, whose_sentence
from app.attribution.words import causes_text, legend_sentence, reference_sentence, sums_sentence
from app.challengers.panels import draw_task
from app.figures.theme import time_labels
from app.shell import cached, controls, notices
from core.explain.attribution import Attribution
from core.explain.explanation import Check

THIS, ALL = "This bar", "Over many bars"


def view() -> None:
    """The whole page; a choice in it leaves the strip alone."""
    with notices.guard():
        at, model = controls.moment(), controls.model_key()
        this, every = st.tabs([THIS, ALL], key="attribution_tab", on_change="rerun")
        if every.open:
            with every, notices.guard():
                draw_importance(model)
        else:
            with this:
                ask = choose_ask(model, at)
                notices.show_in_sample(cached.predict(model, at.key, at.bar))
                draw_moment(ask)
        controls.write_url()


def draw_moment(ask: Ask) -> None:
    """The map as soon as it is there, then its check; what belongs together stays together."""
    stop_others(ask)
    words = st.empty()
    attribution = attribution_cached.await_attribution(ask)
    if attribution is None:
        return
    words.markdown(
        legend_sentence(
            ask.method, ask.target, block=ask.block, grouped=ask.rows == "source", dark=controls.is_dark()
        )
    )
    compared = reference_sentence(attribution, ask.series.instrument, ask.reference)
    st.caption(f"{compared} {sums_sentence(attribution)}")
    said = whose_sentence(ask, attribution)
    if said:
        st.caption(said)
    with notices.guard():
        draw_task(ask.model, controls.moment(), ask.task, ask.target)
    figure = attribution_cached.figure(ask, controls.palette(), controls.is_dark(), attribution)
    st.plotly_chart(
        figure, key="attribution", config=controls.figure_config(f"attribution_{ask.task}_{ask.target}"),
        alt=f"What spoke for {ask.target}: bars by features",
    )  # fmt: skip
    causes, trust = st.container(), st.container()
    check = attribution_cached.await_check(ask, attribution)
    with causes:
        draw_causes(ask, attribution, check)
    with trust:
        draw_trust(ask, attribution, check)
    if check is not None:
        draw_curves(ask, attribution, check)
    draw_method(ask)
    draw_depth(ask)


def draw_causes(ask: Ask, attribution: Attribution, check: Check | None) -> None:
    """The strongest causes in market units, numbered as on the map."""
    st.markdown(
        "**The strongest causes, and what the model says without each**",
        help="Numbered as on the map. P is the model's own probability before calibration; without a cause "
        "means with its cells as in what is compared with.",
    )
    if check is None:
        st.caption("As soon as each of them has been taken away once.")
        return
    window = attribution_cached.moment(ask.model, ask.series, ask.bar).window
    labels = time_labels(window.ts, window.timeframe)
    st.markdown(causes_text(check.causes, labels, attribution))


st.fragment(view)()
