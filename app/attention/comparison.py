"""Does the model look elsewhere at another bar, or another model at the same one?"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import streamlit as st

from app.attention import cached as attention_cached
from app.attention.cached import Comparison
from app.figures.attention_compared import comparison_figure
from app.shell import cached, controls
from app.shell.cached import ModelKey
from app.shell.choosers import choose_bar
from app.shell.selection import find_bar, open_name
from app.words.numbers import percent

_OPEN, _DAY, _TIME, _RIVAL = "compare", "against_day", "against_time", "rival"
SAME = "the same model"


def draw_comparison(model: ModelKey, at: controls.Moment, member: int | None) -> None:
    """An expander that costs nothing while closed."""
    chosen = controls.selection()
    asked = chosen.against is not None or chosen.rival is not None
    with st.expander(
        "Compare with another bar or model", expanded=asked, key=_OPEN, icon=":material/compare_arrows:",
        on_change="rerun",
    ) as box:  # fmt: skip
        if not box.open:
            return
        _draw_choice(at)
        against = _second_bar(at)
        if against is None and chosen.rival is None:
            st.caption(
                "Choose a second bar of this series. Each bar is compared as the newest of its own window, "
                "as the model sees it when it predicts there; ages make the windows comparable."
            )
            return
        entry = cached.find_entry(chosen.rival or chosen.model)
        rival = ModelKey(str(entry.folder), entry.version)
        before = open_name(at.opens[at.position - 1]) if at.position >= _length(model) else None
        compared = attention_cached.comparison(
            model, at.key, at.bar, member, rival, against or at.bar, before
        )
        first, second = (_name(model, at.bar, chosen.rival), _name(rival, against or at.bar, chosen.rival))
        st.markdown(comparison_sentence(compared, first, second))
        figure = comparison_figure(
            compared.found.difference, compared.found.group_distance, compared.windows,
            compared.names,
            title=f"Attention by age, percentage points: {second} minus {first}",
        )  # fmt: skip
        st.plotly_chart(
            figure, key="comparison", config=controls.figure_config("attention_compared"),
            alt=f"Attention by age of {second} minus {first}",
        )  # fmt: skip
        st.caption(
            "Columns: how many bars back. Beside a head: the share of its attention that lies in other "
            "columns (total variation distance), 0% the same, 100% nothing in common. Indigo and + is more, "
            "grey and − less. Each bar is compared as the newest of its own window."
        )


def comparison_sentence(compared: Comparison, first: str, second: str) -> str:
    """What the comparison says, in Markdown; `first` and `second` name the moments."""
    found = compared.found
    before, after = (float(age.mean()) for age in found.mean_age)
    apart = found.group_distance
    layer, head = np.unravel_index(apart.argmax(), apart.shape)
    usual = ""
    if compared.usual is not None:
        usual = f" (between {first} and the bar before it: {percent(compared.usual)})"
    return (
        f"From {first} the heads look back **{before:.0f} bars** on average, from {second} **{after:.0f}**. "
        f"**{percent(float(apart.mean()))}** of the attention lies at other ages{usual}, "
        f"most in layer {layer + 1}, {compared.names[head]}: {percent(float(apart.max()))}."
    )


def _length(model: ModelKey) -> int:
    return cached.predictor(model).length


def _name(model: ModelKey, bar: str, rival: str | None) -> str:
    when = bar.replace("T", " ")
    return when if rival is None else f"{cached.predictor(model).bundle.name} at {when}"


def _second_bar(at: controls.Moment) -> str | None:
    chosen = controls.selection()
    if chosen.against is None:
        return None
    return open_name(at.opens[find_bar(replace(chosen, bar=chosen.against), at.opens)])


def _draw_choice(at: controls.Moment) -> None:
    """Second bar, second model where there is one, and a way out."""
    against = _second_bar(at)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        choose_bar(
            "Second bar (opens, UTC)", at, against, keys=(_DAY, _TIME), widths=(190, 220),
            on_pick=lambda bar: controls.change(against=bar),
        )  # fmt: skip
        names = list(dict.fromkeys(entry.name for entry in cached.models()))
        if len(names) > 1:
            st.session_state[_RIVAL] = controls.selection().rival or SAME
            st.selectbox("Second model", [SAME, *names], key=_RIVAL, on_change=_pick_rival, width=220)
        if against is not None or controls.selection().rival is not None:
            st.button(
                "Stop comparing", key="compare_stop", on_click=controls.change,
                kwargs={"against": None, "rival": None},
            )  # fmt: skip


def _pick_rival() -> None:
    name = st.session_state[_RIVAL]
    controls.change(rival=None if name == SAME else name)
