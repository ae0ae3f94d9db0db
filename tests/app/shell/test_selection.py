"""The selection: a link brings back exactly what was looked at, or says what is wrong with it."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.shell.selection import (
    Selection,
    SelectionError,
    bar_name,
    bar_time,
    check_series,
    default_selection,
    find_bar,
    parse_params,
)

DEFAULT = Selection("AAPL", "1d")
HELD = [("AAPL", "1d"), ("AAPL", "1w"), ("MSFT", "1d")]
OPENS = np.array(["2020-01-01", "2020-01-02", "2020-01-06"], dtype="datetime64[us]")

names = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=8)
minutes = st.datetimes(min_value=datetime(1990, 1, 1), max_value=datetime(2090, 1, 1)).map(
    lambda at: f"{at:%Y-%m-%dT%H:%M}"
)


@given(
    st.builds(
        Selection,
        instrument=names,
        timeframe=st.sampled_from(["1m", "1h", "1d", "1w"]),
        bar=st.none() | minutes.map(lambda text: bar_name(bar_time(text))),
        task=st.sampled_from(["direction", "volatility"]),
        layer=st.none() | st.integers(1, 12),
        head=st.none() | st.integers(1, 16),
        looks=st.none() | minutes.map(lambda text: bar_name(bar_time(text))),
        model=st.none() | names,
    )
)
def test_a_link_restores_the_selection(selection: Selection) -> None:
    assert parse_params(selection.to_params(), DEFAULT) == selection


def test_a_link_without_parameters_is_the_default() -> None:
    assert parse_params({}, DEFAULT) == DEFAULT
    assert parse_params({"instrument": "  ", "embed": "true"}, DEFAULT) == DEFAULT


@pytest.mark.parametrize(
    ("params", "reference"),
    [
        ({"baseline": "window_mean"}, "window_mean"),
        ({"baseline": "multi_reference"}, "ordinary_windows"),
        ({"reference": "training_median"}, "ordinary_windows"),
        ({"reference": "typical_window", "baseline": "window_mean"}, "typical_window"),
        ({"baseline": " "}, None),
    ],
)
def test_a_link_made_when_references_were_called_otherwise_still_opens(
    params: dict[str, str], reference: str | None
) -> None:
    found = parse_params({"instrument": "AAPL"} | params, DEFAULT)
    assert found.reference == reference
    assert "baseline" not in found.to_params()


def test_a_link_to_another_series_does_not_keep_the_bar_of_this_one() -> None:
    here = Selection("AAPL", "1d", bar="2020-01-02", looks="2020-01-01")
    assert parse_params({"instrument": "MSFT"}, here) == Selection("MSFT", "1d")


def test_times_with_an_offset_are_read_as_utc() -> None:
    found = parse_params({"instrument": "AAPL", "timeframe": "1h", "bar": "2020-01-01T02:00+02:00"}, DEFAULT)
    assert found.bar == "2020-01-01"


@pytest.mark.parametrize(
    "params",
    [
        {"bar": "yesterdayish"},
        {"bar": "NaT"},
        {"looks": "x"},
        {"layer": "0"},
        {"layer": "two"},
        {"head": "-1"},
    ],
)
def test_what_cannot_be_read_is_refused_by_name(params: dict[str, str]) -> None:
    with pytest.raises(SelectionError, match=next(iter(params))):
        parse_params(params, DEFAULT)


def test_an_unknown_instrument_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(SelectionError, match="AAPL") as refusal:
        check_series(Selection("APPL", "1d"), HELD)
    assert "'APPL'" in str(refusal.value)


def test_an_unknown_timeframe_is_refused_with_those_there_are() -> None:
    with pytest.raises(SelectionError, match="1d, 1w"):
        check_series(Selection("AAPL", "1h"), HELD)


@pytest.mark.parametrize(
    ("bar", "position"),
    [(None, 2), ("2020-01-02", 1), ("2020-01-04", 1), ("2020-01-01", 0), ("2030-01-01", 2)],
)
def test_the_selected_bar_is_the_last_at_or_before_it(bar: str | None, position: int) -> None:
    assert find_bar(Selection("AAPL", "1d", bar=bar), OPENS) == position


def test_a_bar_before_the_first_is_refused_with_the_first() -> None:
    with pytest.raises(SelectionError, match="2020-01-01"):
        find_bar(Selection("AAPL", "1d", bar="2019-12-31"), OPENS)


def test_another_bar_forgets_the_bar_that_looks_but_another_head_does_not() -> None:
    here = Selection("AAPL", "1d", bar="2020-01-06", looks="2020-01-02")
    assert here.with_changes(bar="2020-01-02").looks is None
    assert here.with_changes(head=3).looks == "2020-01-02"


def test_the_default_is_a_daily_series_where_there_is_one() -> None:
    assert default_selection([("A", "1h"), ("B", "1d")]) == Selection("B", "1d")
    assert default_selection([("A", "1h")]) == Selection("A", "1h")
