"""Every page on series of other rhythms than days, ended long ago as well."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from core.data.store import BarStore
from tests.app.workbench import assert_no_fault, open_page
from tests.conftest import random_walk

PAGES = (
    "attention", "attribution", "what_if", "similar", "calibration", "selective", "performance", "data",
)  # fmt: skip


@pytest.fixture(scope="session")
def intraday_bars() -> dict[str, pd.DataFrame]:
    """600 bars an hour, and five minutes, apart, the last of them in 2005."""
    bars = {}
    for seed, (timeframe, step) in enumerate({"1h": "h", "5m": "5min"}.items()):
        frame = random_walk("AAA", 600, seed, timeframe)
        ts = pd.date_range("2005-01-03", periods=600, freq=step, tz="UTC").as_unit("us")
        bars[timeframe] = frame.assign(ts=ts)
    return bars


@pytest.fixture
def intraday_home(home: Path, intraday_bars: dict[str, pd.DataFrame]) -> Path:
    for bars in intraday_bars.values():
        BarStore(home).upsert(bars)
    return home


@pytest.mark.usefixtures("intraday_home")
@pytest.mark.parametrize("timeframe", ["1h", "5m"])
@pytest.mark.parametrize("page", [None, *PAGES])
def test_every_page_opens_on_an_intraday_series_that_has_ended(page: str | None, timeframe: str) -> None:
    app = open_page(page, instrument="AAA", timeframe=timeframe)
    assert_no_fault(app)
    assert app.selectbox(key="strip_timeframe").value == timeframe


@pytest.mark.usefixtures("intraday_home")
@pytest.mark.parametrize("timeframe", ["1h", "5m"])
def test_the_bar_picker_shows_the_chosen_bar(timeframe: str, intraday_bars: dict[str, pd.DataFrame]) -> None:
    chosen = intraday_bars[timeframe]["ts"].iloc[450]
    app = open_page(None, instrument="AAA", timeframe=timeframe, bar=chosen.strftime("%Y-%m-%dT%H:%M"))
    assert_no_fault(app)
    picker = next(e for e in app.get("datetime_input"))
    assert pd.Timestamp(picker.value, tz="UTC") == chosen
    app.button(key="step_back").click().run()
    assert_no_fault(app)
    earlier = next(e for e in app.get("datetime_input"))
    assert pd.Timestamp(earlier.value, tz="UTC") == intraday_bars[timeframe]["ts"].iloc[449]
