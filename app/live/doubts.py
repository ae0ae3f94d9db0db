"""What should make one doubt a prediction, before its panels."""

from __future__ import annotations

import streamlit as st

from app.shell import cached, controls, notices
from app.words import predictions as prediction_words
from core.prediction import Prediction


def draw_doubts(prediction: Prediction, at: controls.Moment) -> None:
    """When the bar was; whether it is in sample, strange, or of a series the model does not know."""
    due, holiday = cached.next_due(at.key, at.bar), cached.may_be_holiday(at.key, at.bar)
    st.markdown(prediction_words.facts(prediction, due, at.key.timeframe, controls.zone(), holiday=holiday))
    notices.show_in_sample(prediction)
    for said in prediction_words.reservations(prediction):
        st.warning(said, icon=":material/help:")
    unseen = prediction_words.unseen_sentence(prediction)
    if unseen:
        st.info(unseen, icon=":material/info:")
