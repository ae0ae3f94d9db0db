"""The rules a person sets on the Backtest page, as one frozen value that a link carries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from app.shell import controls
from core.trading.rules import Rules, load_rules

SEPARATOR = ";"
HELP = (
    "One rule a line as key=value, for example exits.stop=2.5, doubts.both_directions=false, "
    "entry.probability=0.42, costs.slippage_bp=3; every key stands in assets/trading.yaml. Each setting that "
    "is tried counts as a trial, which lowers what a good result is worth."
)


@dataclass(frozen=True)
class Setting:
    """What is traded by which rules.

    Attributes
    ----------
    timeframe
        None takes the one with most rows.
    changes
        ``key=value`` of the rules that differ from assets/trading.yaml.
    """

    timeframe: str | None = None
    changes: tuple[str, ...] = ()

    def rules(self) -> Rules:
        """The whole set.

        Raises
        ------
        ConfigError
            If a change cannot be used.
        """
        return load_rules(None, self.changes)


def read_changes(text: str) -> tuple[str, ...]:
    """Changes as a link or a text field holds them: one a line, or parted by semicolons."""
    lines = text.replace(SEPARATOR, "\n").splitlines()
    return tuple(dict.fromkeys(line.strip() for line in lines if line.strip()))


def choose_setting(timeframes: Sequence[str]) -> Setting:
    """Timeframe and changed rules; both are part of the link."""
    state = st.session_state
    state["backtest_timeframe"] = (
        state.get("backtest_timeframe") if state.get("backtest_timeframe") in timeframes else timeframes[0]
    )
    left, right = st.columns([0.3, 0.7], vertical_alignment="bottom")
    with left:
        timeframe = st.segmented_control(
            "Bars", timeframes, key="backtest_timeframe", required=True, persist_state="session"
        )
    with right, st.popover(":material/tune: Rules", help="What is entered, how large, and when it is closed"):
        with st.form("backtest_form", border=False):
            text = st.text_area(
                "Rules that differ from assets/trading.yaml", height=150, help=HELP, max_chars=2000,
                value="\n".join(read_changes(state.get("backtest_rules", ""))),
            )  # fmt: skip
            if st.form_submit_button("Trade by these rules", type="primary"):
                state["backtest_rules"] = SEPARATOR.join(read_changes(text))
        st.code(load_rules(None, ()).model_dump_json(indent=1), language="json", height=260)
    controls.write_url()
    return Setting(timeframe or timeframes[0], read_changes(state.get("backtest_rules", "")))
