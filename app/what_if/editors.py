"""Three ways to change what the model sees: bars, features, or a search for the smallest change."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from app.attribution.cached import moment
from app.figures.theme import price_decimals, time_labels
from app.shell import controls
from app.shell.cached import ModelKey
from app.shell.jobs import await_result
from app.shell.view import CHOICES, keep_known, keep_within
from app.what_if import cached as what_if_cached
from app.what_if import words as what_if_words
from app.what_if.cached import Cells, FlipSearch
from app.what_if.drafts import (
    fill_table,
    find_draft,
    keep_draft,
    move_close,
    multiply_volume,
    newest_bar,
    read_cells,
    read_value,
    restart_table,
    widen,
)
from app.what_if.marks import draw_marks, mark_cells, mark_changes
from app.words.features import GROUP_TITLES, feature_words, group_title
from core.explain.edits import PRICES, EditableBars
from core.explain.moment import Moment

ROWS = CHOICES["what_if_rows"].options
# The table's own tools appear above it on hover, over whatever stands there.
_ROOM = "<style>.st-key-what_if_table { padding-top: 1.6rem; }</style>"
_FIXED_GROUPS = ("calendar", "mask")


def edit_bars(model: ModelKey, at: controls.Moment) -> Cells:
    """A table of the newest bars and quick actions on the last; the cells changed so far."""
    bars, draft = what_if_cached.editable(model, at.key, at.bar), find_draft(at)
    count = st.segmented_control(
        "Newest bars to edit", ROWS, required=True, key="what_if_rows", persist_state="session",
        on_change=lambda: restart_table(at, find_draft(at).cells),
    )  # fmt: skip
    shown = bars.shown(int(count or 10))
    _draw_actions(at, bars)
    table = fill_table(shown, bars.columns, draft.base)
    st.html(_ROOM)
    with st.container(key="what_if_table"):
        edited = st.data_editor(
            table, key=f"what_if_{at.key.instrument}_{at.key.timeframe}_{at.bar}_{draft.version}",
            hide_index=True, num_rows="fixed", disabled=["bar"], height="content",
            column_config=_columns(bars, price_decimals(shown)),
        )  # fmt: skip
    st.caption(
        "A high or low follows an open or close beyond it, unless it is typed itself. "
        "Prices as traded at the newest bar; earlier ones are adjusted for splits and dividends. Every "
        "indicator is computed again from the edited bars; other instruments stay as they are."
    )
    cells = widen(read_cells(shown, bars.columns, edited, draft.base), draft.base, shown)
    if cells:
        st.html(draw_marks(mark_cells(bars.shown(), cells)))
    keep_draft(at, cells=cells)
    return cells


def _columns(bars: EditableBars, decimals: int) -> dict[str, Any]:
    config: dict[str, Any] = {"bar": st.column_config.TextColumn("bar (opens, UTC)", width=110)}
    for name in bars.columns:
        form = f"%.{decimals}f" if name in PRICES else "localized"
        config[name] = st.column_config.NumberColumn(name, format=form, width=84)
    return config


def _draw_actions(at: controls.Moment, bars: EditableBars) -> None:
    """Quick actions on the newest bar, as it stands with the edits so far."""

    def newest() -> dict[str, Any]:
        return newest_bar(bars.shown(1), bars.columns, find_draft(at).cells)

    def close_by(percent: float) -> None:
        restart_table(at, move_close(find_draft(at).cells, newest(), 1 + percent / 100))

    def shift() -> None:
        close_by(st.session_state["what_if_shift"])

    def triple() -> None:
        restart_table(at, multiply_volume(find_draft(at).cells, newest(), 3.0))

    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        st.button("Last bar closes 2% lower", key="close_lower", on_click=close_by, args=(-2.0,))
        st.button("2% higher", key="close_higher", on_click=close_by, args=(2.0,))
        st.button("Volume x3", key="volume_triple", on_click=triple)
        st.number_input(
            "Shift the close by %", -50.0, 100.0, 0.0, 0.5, key="what_if_shift", on_change=shift, width=150
        )
        # Never disabled: the table below, drawn after this, may just have brought the first edit.
        st.button("Undo all", key="what_if_undo", on_click=restart_table, args=(at, ()))


def edit_features(model: ModelKey, at: controls.Moment) -> Moment | None:
    """Feature, bars and value to change; the changed moment, None before any change."""
    original, draft = moment(model, at.key, at.bar), find_draft(at)
    scaler = original.bundle.scaler
    st.caption(what_if_words.IMPOSSIBLE)
    keep_known(st.session_state, "what_if_feature", original.feature_names, original.feature_names[0])
    name = st.selectbox(
        "Feature", original.feature_names, key="what_if_feature", persist_state="session",
        format_func=lambda feature: feature_words(feature).label,
    )  # fmt: skip
    words, place = feature_words(name), original.feature_names.index(name)
    scale = np.linspace(0.0, 100.0, 1001)
    numbers = words.numbers(np.array([what_if_words.unscale(name, point, scaler) for point in scale]))
    now = float(original.features[-1, place])
    with st.container(horizontal=True, vertical_alignment="bottom"):
        keep_within(st.session_state, "what_if_bars", 1, len(original.features))
        bars = st.number_input(
            "Newest bars", 1, len(original.features), key="what_if_bars", width=120, persist_state="session"
        )
        low, high, usual = float(numbers.min()), float(numbers.max()), float(np.interp(now, scale, numbers))
        entered = read_value(st.session_state.get("what_if_value", ""), name)
        key = f"what_if_value_{name}_{at.bar}"
        st.session_state.setdefault(key, usual if entered is None else float(np.clip(entered, low, high)))
        value = st.number_input(
            f"Value ({words.unit})", low, high, key=key, width=190,
            help=f"{words.meaning} The range is what the model can tell apart: 0 to 100 on its own scale.",
        )  # fmt: skip
        st.session_state["what_if_value"] = "" if value == usual else f"{name}~{value!r}"
        scaled = float(np.interp(value, numbers, scale))
        added = (name, int(bars), scaled)
        st.button(
            "Add this change", key="what_if_add", type="primary",
            on_click=lambda: keep_draft(at, changes=(*find_draft(at).changes, added)),
        )  # fmt: skip
    present = words.state(what_if_words.unscale(name, now, scaler))
    st.caption(f"Now {present} at the chosen bar; asked for: {scaled:.0f} on the model's scale of 100.")
    locked = _choose_locked(original)
    if draft.changes:
        st.html(draw_marks(mark_changes(original.features, original.feature_names, draft.changes, scaler)))
    for number, change in enumerate(draft.changes):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"- {what_if_words.change_sentence(*change, scaler)}")
            kept = draft.changes[:number] + draft.changes[number + 1 :]
            st.button(
                "Remove",
                key=f"what_if_remove_{number}",
                on_click=keep_draft,
                args=(at,),
                kwargs={"changes": kept},
            )
    if not draft.changes:
        return None
    return what_if_cached.features_moment(model, at.key, at.bar, draft.changes, locked)


def _choose_locked(original: Moment) -> tuple[str, ...]:
    keep_known(st.session_state, "what_if_locked", original.feature_names, [])
    return tuple(
        st.multiselect(
            "Locked features (stay as they are)", original.feature_names, key="what_if_locked",
            format_func=lambda feature: feature_words(feature).title, persist_state="session",
        )
    )  # fmt: skip


def search_flip(model: ModelKey, at: controls.Moment, task: str) -> Moment | None:
    """What may change, the search, and its result in market units; the flipped moment."""
    original = moment(model, at.key, at.bar)
    groups = original.groups
    offered = [group for group in GROUP_TITLES if group in groups.values()]
    st.caption(what_if_words.IMPOSSIBLE)
    usual = [group for group in offered if group not in _FIXED_GROUPS]
    keep_known(st.session_state, "what_if_groups", offered, usual)
    chosen = st.pills(
        "What may change", offered, selection_mode="multi", key="what_if_groups", format_func=group_title,
        persist_state="session",
    )  # fmt: skip
    locked = _choose_locked(original)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        keep_within(st.session_state, "flip_bars", 1, len(original.features))
        bars = st.number_input(
            "Newest bars that may change", 1, len(original.features), key="flip_bars", width=190,
            persist_state="session",
        )  # fmt: skip
        penalty = st.segmented_control(
            "Rather", ["sparse", "smooth"], required=True, key="flip_penalty", persist_state="session",
            format_func=lambda name: "few large changes" if name == "sparse" else "many small ones",
        )  # fmt: skip
        free = what_if_cached.free_features(original.feature_names, groups, chosen, locked)
        asked = FlipSearch(task, free, int(bars), penalty or "sparse")
        st.button(
            "Search", key="flip_search", type="primary", disabled=not free, on_click=keep_draft, args=(at,),
            kwargs={"search": asked},
        )  # fmt: skip
    search = find_draft(at).search
    if search is None or search.task != task:
        st.caption(what_if_words.LOCAL)
        return None
    return _draw_flip(model, at, original, search)


def _draw_flip(model: ModelKey, at: controls.Moment, original: Moment, search: FlipSearch) -> Moment | None:
    found = await_result(
        ("flip", model, at.key, at.bar, search), "Looking for the smallest change",
        what_if_cached.search_flip(model, at.key, at.bar, search),
    )  # fmt: skip
    if found is None:
        return None
    (flip,) = found
    if flip is None:
        st.info(what_if_words.NO_FLIP, icon=":material/search_off:")
        return None
    times = time_labels(pd.DatetimeIndex(original.window.ts), at.key.timeframe)
    st.markdown(what_if_words.flip_sentence(flip), help=what_if_words.LOCAL)
    st.dataframe(
        what_if_words.flip_table(flip, times, original.bundle.scaler), hide_index=True, height=300,
        alt="Changes that flip the call",
    )  # fmt: skip
    return what_if_cached.flip_moment(model, at.key, at.bar, flip)
