"""Pickers that several pages share show the one selection and change it."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path

import pandas as pd
import pytest

from core.data.store import BarStore
from tests.app.workbench import assert_accepted, open_page
from tests.conftest import random_walk

TASKS = {"attention": "attended_task", "what_if": "what_if_task"}


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(("page", "key"), TASKS.items())
def test_a_task_of_the_link_is_shown_and_another_is_written_to_it(page: str, key: str) -> None:
    app = open_page(page, instrument="AAA", timeframe="1d", task="regime")
    assert app.button_group(key=key).value == "regime"
    app.button_group(key=key).set_value("volatility").run()
    assert_accepted(app)
    assert app.button_group(key=key).value == "volatility"
    assert app.query_params["task"] in ("volatility", ["volatility"])


@pytest.mark.usefixtures("home")
def test_a_day_without_a_bar_picks_the_last_one_before_it() -> None:
    app = open_page(None, instrument="AAA", timeframe="1d")
    app.date_input(key="strip_date").set_value(date(2009, 3, 8)).run()
    assert_accepted(app)
    assert app.date_input(key="strip_date").value == date(2009, 3, 6)
    app.date_input(key="strip_date").set_value(date(2009, 3, 9)).run()
    assert app.date_input(key="strip_date").value == date(2009, 3, 9)


def test_a_second_bar_of_an_ended_intraday_series_starts_empty_and_can_be_picked(home: Path) -> None:
    ts = pd.date_range("2005-01-03", periods=600, freq="h", tz="UTC").as_unit("us")
    BarStore(home).upsert(random_walk("AAA", 600, 0, "1h").assign(ts=ts))
    app = open_page("attention", {"compare": True}, instrument="AAA", timeframe="1h")
    assert_accepted(app)
    picker = app.datetime_input(key="against_time")
    assert picker.value is None
    picker.set_value(datetime(2005, 1, 27, 5, 30)).run()
    assert_accepted(app)
    assert app.datetime_input(key="against_time").value == datetime(2005, 1, 27, 5, 0)
