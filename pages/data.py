"""What is stored, bringing in more, and what the quality gate found."""

from __future__ import annotations

import streamlit as st

from app.data import stored, upload
from app.shell import cached, notices

VERDICTS = {"dropped": "left out", "repaired": "repaired", "flagged": "kept, look at it"}


def draw_findings() -> None:
    """What was wrong with the bars, and what was done about it."""
    st.markdown(
        "**What the quality gate found**",
        help="Every file is checked on its way in. Nothing is left out or changed without a line here.",
    )
    found = cached.findings()
    if found.empty:
        st.caption("Nothing was wrong with the stored bars, or none have been ingested yet.")
        return
    verdicts = st.segmented_control(
        "Show", list(VERDICTS), selection_mode="multi", default=list(VERDICTS), key="verdicts",
        label_visibility="collapsed", format_func=VERDICTS.__getitem__,
    )  # fmt: skip
    shown = found[found["verdict"].isin(verdicts)].assign(verdict=lambda rows: rows["verdict"].map(VERDICTS))
    st.dataframe(
        shown[["instrument", "timeframe", "ts", "last_ts", "verdict", "source", "detail"]],
        hide_index=True, alt="Findings of the quality gate",
        column_config={
            "detail": st.column_config.TextColumn("what was found", width=900),
            "verdict": "what was done",
            "ts": st.column_config.DatetimeColumn("from", format="YYYY-MM-DD", timezone="UTC"),
            "last_ts": st.column_config.DatetimeColumn("to", format="YYYY-MM-DD", timezone="UTC"),
        },
    )  # fmt: skip


held, bring = st.columns([0.45, 0.55], gap="large")
with held, notices.guard():
    stored.draw_stored()
with bring, notices.guard():
    st.markdown("**Bring your own bars**")
    upload.draw_upload()
with notices.guard():
    draw_findings()
