"""What is stored: the table of series, opening one on Live, and deleting one."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import streamlit as st

from app.shell import cached, controls, notices
from core.data.store import SeriesSummary
from core.timeframe import DATED

LIVE = Path(__file__).resolve().parents[2] / "pages" / "live.py"
_DELETING = "deleting"


def draw_stored() -> None:
    """Every stored series with its span and number of bars, and what can be done with one."""
    held = cached.series()
    if not held:
        notices.show_empty_store()
        return
    st.markdown(f"**{len(held)} series stored**")
    table = pd.DataFrame(
        [(s.instrument, s.timeframe, s.first, s.last, s.bars) for s in held],
        columns=["instrument", "timeframe", "first bar, UTC", "last bar, UTC", "bars"],
    )
    form = "YYYY-MM-DD HH:mm" if any(s.timeframe not in DATED for s in held) else "YYYY-MM-DD"
    picked = st.dataframe(
        table, hide_index=True, height="content" if len(table) <= 14 else 520, alt="Stored series",
        key="stored_series", on_select="rerun", selection_mode="single-row",
        column_config={
            name: st.column_config.DatetimeColumn(format=form, timezone="UTC", help="Open of the bar, UTC")
            for name in ("first bar, UTC", "last bar, UTC")
        }
        | {
            "bars": st.column_config.NumberColumn(format="localized"),
        },
    )  # fmt: skip
    rows = [row for row in picked["selection"]["rows"] if row < len(held)]
    if not rows:
        st.caption("Choose a row to open its series on Live or to delete it.")
        return
    _draw_actions(held[rows[0]])


def name_of(series: SeriesSummary) -> str:
    """'AAPL 1d'."""
    return f"{series.instrument} {series.timeframe}"


def _draw_actions(series: SeriesSummary) -> None:
    name = name_of(series)
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button("Open on Live", key="open_on_live", type="primary", icon=":material/candlestick_chart:"):
            controls.change(instrument=series.instrument, timeframe=series.timeframe, bar=None)
            st.switch_page(LIVE)
        if st.button(f"Delete {name} …", key="ask_delete", icon=":material/delete:"):
            st.session_state[_DELETING] = name
    if st.session_state.get(_DELETING) != name:
        return
    with st.container(border=True, key="confirm_delete"):
        st.markdown(
            f"**Delete {name}?** Its {series.bars:,} bars and what was found about them are gone then. Only "
            "ingesting its file again brings them back."
        )
        with st.container(horizontal=True):
            if st.button("Delete it", key="delete_series", type="primary"):
                cached.store().delete(series.instrument, series.timeframe)
                st.session_state.pop(_DELETING)
                cached.forget_data()
                left = cached.series()
                if left:
                    controls.leave(series.instrument, series.timeframe)
                st.rerun()
            if st.button("Keep it", key="keep_series"):
                st.session_state.pop(_DELETING)
                st.rerun()
