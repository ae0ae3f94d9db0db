"""Every page on series of every rhythm, size and state a store may hold."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import core.bundle
from core.data.store import BarStore
from tests.app.odd_series import CASES, COIN, INDEX, RHYTHMS, SHORT, Case
from tests.app.workbench import assert_accepted, assert_no_fault, open_page, said

PAGES = (
    "attention", "attribution", "what_if", "similar", "calibration", "selective", "performance", "data",
)  # fmt: skip
OF_ONE_BAR = PAGES[:4]


@pytest.fixture(scope="module", autouse=True)
def odd_home(walks, walk_bundle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """All cases in one store beside a small model of AAA and BBB, daily, made once."""
    home = tmp_path_factory.mktemp("odd")
    store = BarStore(home)
    for bars in (*walks.values(), *(case.make() for case in (*CASES, SHORT) if case != Case("AAA"))):
        store.upsert(bars)
    saved = next(tmp_path_factory.getbasetemp().glob("bundles*/small"))
    shutil.copytree(saved, home / "models" / walk_bundle.name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOOKBACK_HOME", str(home))
        patch.setattr(core.bundle, "SHIPPED", home / "no model")
        yield home


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_page_of_one_bar_opens_on_every_series(case: Case) -> None:
    app = open_page(None, instrument=case.instrument, timeframe=case.timeframe)
    assert_accepted(app)
    assert app.selectbox(key="strip_timeframe").value == case.timeframe
    assert f"trained without {case.instrument}" in said(app) or case.instrument == "AAA"
    for page in OF_ONE_BAR:
        app.switch_page(f"../pages/{page}.py").run()
        assert_accepted(app)


@pytest.mark.parametrize("case", [RHYTHMS[0], SHORT], ids=lambda case: case.name)
def test_pages_of_many_bars_open_whatever_is_selected(case: Case) -> None:
    app = open_page("calibration", instrument=case.instrument, timeframe=case.timeframe)
    for page in PAGES[4:]:
        app.switch_page(f"../pages/{page}.py").run()
        assert_accepted(app)


def test_a_series_that_is_too_short_says_by_how_much_and_leads_to_those_that_work() -> None:
    app = open_page(None, instrument=SHORT.instrument, timeframe=SHORT.timeframe)
    for page in (None, *OF_ONE_BAR):
        if page:
            app.switch_page(f"../pages/{page}.py").run()
        assert_no_fault(app)
        if page != "similar":
            assert "104 bars short" in said(app), page
    app = open_page(None, instrument=SHORT.instrument, timeframe=SHORT.timeframe)
    next(button for button in app.button if button.label == "AAA 1d").click().run()
    assert_accepted(app)
    assert app.query_params["instrument"] == "AAA"


@pytest.mark.parametrize(("case", "digits"), [(COIN, 9), (INDEX, 2)], ids=["coin", "index"])
def test_hover_shows_the_digits_that_tell_open_from_close(case: Case, digits: int) -> None:
    from app.shell import cached

    key = cached.SeriesKey(case.instrument, case.timeframe, "", case.bars)
    bar = f"{case.make()['ts'].iloc[-1]:%Y-%m-%dT%H:%M}"
    trace = cached.candles(key, bar, 120, "lookback", False).data[0]
    assert f"%{{close:,.{digits}f}}" in trace.hovertemplate


def test_a_change_of_timeframe_never_looks_ahead() -> None:
    daily = pd.bdate_range("2005-01-03", periods=1400, tz="UTC")
    chosen = daily[400]
    app = open_page(None, instrument="AAA", timeframe="1d", bar=f"{chosen:%Y-%m-%d}")
    app.selectbox(key="strip_timeframe").select("1w").run()
    assert_accepted(app)
    week = pd.Timestamp(app.query_params["bar"], tz="UTC")
    closed = chosen + pd.Timedelta(days=1)
    assert week + pd.Timedelta(days=7) <= closed < week + pd.Timedelta(days=14)


def test_bars_that_made_the_model_say_so_on_every_page_and_count_in_no_record(walk_bundle) -> None:
    trained = f"{walk_bundle.borders.train_end - pd.Timedelta(days=30):%Y-%m-%d}"
    app = open_page(None, instrument="AAA", timeframe="1d", bar=trained)
    assert "In sample" in said(app)
    for page in ("attribution", "what_if"):
        app.switch_page(f"../pages/{page}.py").run()
        assert "In sample" in said(app), page
    newest = open_page(None, instrument="AAA", timeframe="1d")
    assert "In sample" not in said(newest)
    fresh = open_page(None, instrument="NEW", timeframe="1d", bar="2007-03-01")
    assert "In sample" not in said(fresh)


@pytest.mark.parametrize("timeframe", ["1h", "5m"])
def test_the_bar_picker_shows_the_chosen_bar(timeframe: str) -> None:
    opens = Case("AAA", timeframe).make()["ts"]
    app = open_page(None, instrument="AAA", timeframe=timeframe, bar=f"{opens.iloc[450]:%Y-%m-%dT%H:%M}")
    assert_no_fault(app)
    picker = next(e for e in app.get("datetime_input"))
    assert pd.Timestamp(picker.value, tz="UTC") == opens.iloc[450]
    app.button(key="step_back").click().run()
    assert_no_fault(app)
    earlier = next(e for e in app.get("datetime_input"))
    assert pd.Timestamp(earlier.value, tz="UTC") == opens.iloc[449]


def test_a_quick_action_moves_the_exact_close_of_a_tiny_price() -> None:
    from app.what_if.drafts import move_close, newest_bar

    bars = COIN.make().tail(5)
    last = newest_bar(bars, ("open", "high", "low", "close"), ())
    moved = dict((column, value) for _, column, value in move_close((), last, 0.98))
    assert moved["close"] == 0.98 * float(bars["close"].iloc[-1])
    assert np.isclose(moved["low"], min(moved["close"], float(bars["low"].iloc[-1])), rtol=0, atol=0)
