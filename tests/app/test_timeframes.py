"""Every page on series of other rhythms than days, ended long ago as well."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from core.data.store import BarStore
from tests.conftest import random_walk

ROOT = Path(__file__).resolve().parents[2]
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


def said(app: AppTest) -> str:
    return " ".join(str(e.value) for kind in ("markdown", "caption", "text", "info") for e in app.get(kind))


def open_page(page: str | None, timeframe: str, bar: str | None) -> AppTest:
    app = AppTest.from_file(str(ROOT / "app" / "main.py"), default_timeout=90)
    app.query_params["instrument"] = "AAA"
    app.query_params["timeframe"] = timeframe
    if bar:
        app.query_params["bar"] = bar
    app.run()
    return app.switch_page(f"../pages/{page}.py").run() if page else app


@pytest.mark.usefixtures("intraday_home")
@pytest.mark.parametrize("timeframe", ["1h", "5m"])
@pytest.mark.parametrize("page", [None, *PAGES])
def test_every_page_opens_on_an_intraday_series_that_has_ended(page: str | None, timeframe: str) -> None:
    app = open_page(page, timeframe, None)
    assert not app.exception
    assert "Something went wrong" not in said(app)
    assert app.selectbox(key="strip_timeframe").value == timeframe


@pytest.mark.usefixtures("intraday_home")
@pytest.mark.parametrize("timeframe", ["1h", "5m"])
def test_the_bar_picker_shows_the_chosen_bar(timeframe: str, intraday_bars: dict[str, pd.DataFrame]) -> None:
    chosen = intraday_bars[timeframe]["ts"].iloc[450]
    app = open_page(None, timeframe, chosen.strftime("%Y-%m-%dT%H:%M"))
    assert not app.exception
    picker = next(e for e in app.get("datetime_input"))
    assert pd.Timestamp(picker.value, tz="UTC") == chosen
    app.button(key="step_back").click().run()
    assert not app.exception
    earlier = next(e for e in app.get("datetime_input"))
    assert pd.Timestamp(earlier.value, tz="UTC") == intraday_bars[timeframe]["ts"].iloc[449]
