"""The workbench without a browser: empty states, refused links, no fault."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import core.bundle
from core.data.ingest.bundled import load_bundled
from core.data.store import BarStore
from tests.app.workbench import assert_no_fault, open_page, said


@pytest.fixture(scope="module")
def stored_bars(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("stored")
    bars = load_bundled()
    BarStore(home).upsert(bars[bars["instrument"].isin(["IBM", "META"])])
    return home


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home folder, and no model shipped."""
    monkeypatch.setenv("LOOKBACK_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(core.bundle, "SHIPPED", tmp_path / "no model")
    return tmp_path / "home"


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("page", [None, "attention", "data"])
def test_an_empty_store_says_what_is_missing_and_how_to_mend_it(page: str | None) -> None:
    app = open_page(page)
    assert_no_fault(app)
    assert "No bars in the store yet" in said(app)
    assert "python -m core ingest --bundled" in said(app)
    assert app.button(key="load_bundled").label == "Load the bundled bars"


@pytest.mark.parametrize("page", [None, "attention"])
def test_bars_without_a_model_say_how_to_train_one(home: Path, stored_bars: Path, page: str | None) -> None:
    shutil.copytree(stored_bars, home)
    app = open_page(page)
    assert_no_fault(app)
    assert "python -m core train" in said(app)
    assert app.selectbox(key="strip_instrument").options == ["IBM", "META"]


def test_the_data_page_needs_no_model(home: Path, stored_bars: Path) -> None:
    shutil.copytree(stored_bars, home)
    app = open_page("data")
    assert_no_fault(app)
    assert "2 series stored" in said(app)


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({"instrument": "IBN", "timeframe": "1d"}, "got 'IBN'; choose for example IBM"),
        ({"instrument": "IBM", "timeframe": "5m"}, "a timeframe of IBM out of 1d, got '5m'"),
        ({"instrument": "IBM", "timeframe": "1d", "bar": "someday"}, "got 'someday'"),
        (
            {"instrument": "META", "timeframe": "1d", "bar": "2001-01-01"},
            "from 2012-05-18 on, got 2001-01-01",
        ),
    ],
)
def test_a_link_to_what_is_not_there_says_so_and_leads_back(
    home: Path, stored_bars: Path, params: dict[str, str], sentence: str
) -> None:
    shutil.copytree(stored_bars, home)
    app = open_page(None, **params)
    assert_no_fault(app)
    assert sentence in said(app)
    way_back = next(button for button in app.button if button.label == "Back to the latest bar")
    way_back.click().run()
    assert_no_fault(app)
    assert sentence not in said(app)
    assert app.selectbox(key="strip_instrument").value in ("META", "IBM")


def test_stepping_moves_the_bar_and_the_link(home: Path, stored_bars: Path) -> None:
    shutil.copytree(stored_bars, home)
    app = open_page(None, instrument="IBM", timeframe="1d", bar="2012-06-29")
    app.button(key="step_back").click().run()
    assert app.query_params["bar"] == "2012-06-28"
    app.button(key="step_forward").click().run()
    assert app.query_params["bar"] == "2012-06-29"
    app.button(key="step_latest").click().run()
    assert "bar" not in app.query_params
    assert_no_fault(app)


def test_an_instrument_without_the_chosen_bar_shows_its_latest(home: Path, stored_bars: Path) -> None:
    shutil.copytree(stored_bars, home)
    app = open_page(None, instrument="IBM", timeframe="1d", bar="2005-03-01")
    app.selectbox(key="strip_instrument").select("META").run()
    assert app.query_params["instrument"] == "META"
    assert "bar" not in app.query_params
    assert_no_fault(app)
