"""The Desk without a browser: on odd series, before and after its predictions were made."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

import core.bundle
from app.shell import cached
from core.bundle import load_bundle
from core.data.store import BarStore
from core.operations.latest import latest_path, update_latest
from core.predictor import Predictor
from tests.app.odd_series import CASES, SHORT, Case
from tests.app.workbench import assert_accepted, open_page, said, wait_for


@pytest.fixture(scope="module")
def odd_home(walks, walk_bundle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """All odd series beside a small model, not predicted on yet."""
    home = tmp_path_factory.mktemp("desk")
    store = BarStore(home)
    for bars in (*walks.values(), *(case.make() for case in (*CASES, SHORT) if case != Case("AAA"))):
        store.upsert(bars)
    saved = next(tmp_path_factory.getbasetemp().glob("bundles*/small"))
    shutil.copytree(saved, home / "models" / walk_bundle.name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOOKBACK_HOME", str(home))
        patch.setattr(core.bundle, "SHIPPED", home / "no model")
        yield home


@pytest.fixture
def predicted(odd_home: Path, walk_bundle) -> Path:
    scorer = Predictor(load_bundle(odd_home / "models" / walk_bundle.name), BarStore(odd_home))
    if not latest_path(odd_home, scorer.bundle.version).is_file():
        update_latest(scorer, scorer.store.series())
    return odd_home


def table(app):
    return app.dataframe[0].value.set_index("Series")


def test_before_anything_was_predicted_the_button_does_it_and_every_row_is_filled(odd_home: Path) -> None:
    count = len(BarStore(odd_home).series())
    app = open_page("desk", instrument="AAA", timeframe="1d")
    assert_accepted(app)
    assert f"{count} of {count} series have bars the model has not been asked about" in said(app)
    assert set(table(app)["Stance"]) == {"no prediction: not predicted yet"}
    app.button(key="desk_update").click().run()
    wait_for(app, "with a call of direction", seconds=120)
    for _ in range(100):
        if "has not been asked" not in said(app) and not app.get("progress"):
            break
        app.run()
    assert_accepted(app)
    shown = table(app)
    assert len(shown) == count
    silent = shown[shown["Direction"] == ""]
    assert list(silent.index) == ["SHORT 1d"]
    assert "104 bars short" in silent["Stance"].iloc[0]


def test_a_row_shows_what_live_shows(predicted: Path) -> None:
    app = open_page("desk", instrument="AAA", timeframe="1d")
    assert_accepted(app)
    row = table(app).loc["BBB 1d"]
    scorer = Predictor(load_bundle(next((predicted / "models").iterdir())), BarStore(predicted))
    said_there = scorer.predict("BBB", "1d").tasks["direction"]
    assert row["P"] == pytest.approx(100 * said_there.shares.max(), abs=0.01)
    assert row["Sure"] == pytest.approx(100 * said_there.stated.confidence, abs=0.01)
    assert row["Open"] == "./?instrument=BBB&timeframe=1d"


def test_finding_and_showing_leave_the_series_that_are_meant(predicted: Path) -> None:
    app = open_page("desk", instrument="AAA", timeframe="1d")
    app.text_input(key="desk_find").input("coin").run()
    assert list(table(app).index) == ["COIN 1h"]
    app.text_input(key="desk_find").input("").run()
    app.selectbox(key="desk_shown").select("silent").run()
    assert list(table(app).index) == ["SHORT 1d"]
    app.text_input(key="desk_find").input("nothing like it").run()
    assert "No series is like that." in said(app)


def test_the_row_chosen_is_told_in_full_and_opens_on_live(predicted: Path) -> None:
    app = open_page("desk", instrument="AAA", timeframe="1d")
    place = list(table(app).index).index("NEW 1d")
    app.session_state["desk_table"] = {"selection": {"rows": [place], "columns": [], "cells": []}}
    app.run()
    assert_accepted(app)
    assert "trained without it" in said(app).lower()
    app.button(key="desk_open").click().run()
    assert_accepted(app)
    assert app.query_params["instrument"] == "NEW"


def test_new_bars_make_a_row_stale_and_damage_is_said(predicted: Path, walk_bundle) -> None:
    store = BarStore(predicted)
    bars = store.read_range("INDEX", "1d").tail(1)
    store.upsert(bars.assign(ts=bars["ts"] + pd.offsets.BDay(1)))
    cached.forget_data()  # the list of series may be two seconds old
    app = open_page("desk", instrument="AAA", timeframe="1d")
    assert "1 of" in said(app)
    assert "its bars are new since" in table(app).loc["INDEX 1d", "Note"]
    path = next((predicted / "latest").glob("*.json"))
    kept = path.read_text()
    path.write_text("{")
    broken = open_page("desk", instrument="AAA", timeframe="1d")
    assert "make them again: python -m core predict-all" in said(broken)
    path.write_text(kept)
