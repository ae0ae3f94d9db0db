"""What acting on the calls would have earned after costs, and what each doubt was worth."""

from __future__ import annotations

import streamlit as st

from app.backtest import cached as backtest_cached
from app.backtest import choices as backtest_choices
from app.backtest.panels import draw_answer, draw_challengers, draw_doubts, draw_parts, draw_trades
from app.live import cached as live_cached
from app.shell import cached, controls, notices


def setting(model: cached.ModelKey) -> backtest_choices.Setting:
    """Rules and timeframe, the one with most rows first; a model without a walk-forward has no choice."""
    found = live_cached.walk_forward_result(model)
    if found is None:
        return backtest_choices.Setting()
    counts = found.rows["timeframe"].astype(str).value_counts()
    return backtest_choices.choose_setting(list(counts.index))


with notices.guard():
    model = controls.model_key()
    found = backtest_cached.backtest(model, setting(model))
    if found is not None:
        draw_answer(found)
        draw_doubts(found)
        with notices.guard():
            st.fragment(draw_trades)(model, found)
        st.fragment(draw_parts)(found)
        draw_challengers(model)
