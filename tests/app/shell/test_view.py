"""What a page shows is what its link brings back; what cannot be read is refused in one sentence."""

from __future__ import annotations

from typing import Any

import pytest

from app.shell.selection import FIELDS, SelectionError
from app.shell.view import CHOICES, MOST_EDITS, keep_known, keep_within, read_choices, settle, write_choices
from tests.app.workbench import open_page

CHOSEN: dict[str, Any] = {
    "times_in": "viewer", "importance_of": "period", "importance_instrument": "AAPL",
    "importance_regime": "Volatile", "importance_period": "2016", "importance_all": True,
    "what_if_feature": "rsi_14", "what_if_bars": 12, "what_if_value": "rsi_14~71.5", "flip_bars": 7,
    "flip_penalty": "smooth", "term": "planted market", "backtest_timeframe": "1d",
    "backtest_rules": "hold", "backtest_instrument": "AAPL", "backtest_slices": "year",
    "chart_bars": 300, "classic_candles": True, "heads_seen_from": "mean", "one_scale": True,
    "attribution_tab": "Over many bars", "attribution_rows": "source", "attribution_block": 20,
    "attribution_shown": 60, "importance_rows": "groups", "similar_count": 20, "similar_scope": "instrument",
    "what_if_mode": "flip", "what_if_rows": 60, "what_if_groups": ["price", "cross-asset"],
    "what_if_locked": ["rsi_14"], "edits": "2013-03-01T14:30~close~52.1", "changes": "rsi_14~5~80.0",
    "risk_shown": ["confidence", "mix"], "score": "mcc",
}  # fmt: skip


def test_every_choice_comes_back_from_its_link() -> None:
    assert set(CHOSEN) == set(CHOICES)
    params = write_choices(CHOSEN)
    assert set(params) == set(CHOICES)
    back: dict[str, Any] = {}
    read_choices(params, back)
    assert back == CHOSEN
    assert write_choices(back) == params


def test_defaults_are_left_out_and_come_back_where_a_link_is_silent() -> None:
    state: dict[str, Any] = {}
    settle(state)
    assert write_choices(state) == {}
    later = dict(CHOSEN)
    read_choices({}, later)
    assert later == state


def test_what_was_chosen_is_not_undone_by_the_defaults() -> None:
    state = dict(CHOSEN)
    settle(state)
    assert state == CHOSEN


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("chart_bars", "121"),
        ("chart_bars", "many"),
        ("one_scale", "yes"),
        ("what_if_mode", "fly"),
        ("attribution_block", "-5"),
    ],
)
def test_a_value_that_is_none_of_the_choices_is_refused_and_changes_nothing(name: str, text: str) -> None:
    state = dict(CHOSEN)
    with pytest.raises(SelectionError, match=name):
        read_choices({"attribution_rows": "feature", name: text}, state)
    assert state == CHOSEN


def test_nothing_chosen_is_told_from_nothing_said() -> None:
    params = write_choices({"risk_shown": []})
    assert params == {"risk_shown": "-"}
    back: dict[str, Any] = {}
    read_choices(params, back)
    assert back["risk_shown"] == []


def test_more_edits_than_a_link_can_hold_stay_out_of_it() -> None:
    assert "edits" not in write_choices({"edits": "x" * (MOST_EDITS + 1)})


def test_names_only_a_page_knows_are_dropped_where_it_does_not_know_them() -> None:
    state: dict[str, Any] = {"what_if_locked": ["rsi_14", "gone"], "score": "gone"}
    keep_known(state, "what_if_locked", ["rsi_14"], [])
    keep_known(state, "score", ["mcc", "ece"], "mcc")
    keep_known(state, "risk_shown", ["mix"], ["mix"])
    assert state == {"what_if_locked": ["rsi_14"], "score": "mcc", "risk_shown": ["mix"]}


def test_no_choice_has_the_name_of_a_field_of_the_selection() -> None:
    assert not set(CHOICES) & {*FIELDS, "baseline"}


@pytest.mark.usefixtures("home")
def test_a_link_with_a_chart_length_opens_with_it() -> None:
    app = open_page(None, instrument="AAA", timeframe="1d", bar="2009-06-01", chart_bars="300")
    assert next(group for group in app.get("button_group") if group.key == "chart_bars").value == 300
    assert not app.exception


@pytest.mark.parametrize(("told", "kept"), [(0, 1), (7, 7), (400, 300)])
def test_a_number_beyond_the_page_s_bounds_is_brought_back(told: int, kept: int) -> None:
    state: dict[str, Any] = {"flip_bars": told}
    keep_within(state, "flip_bars", 1, 300)
    assert state["flip_bars"] == kept
