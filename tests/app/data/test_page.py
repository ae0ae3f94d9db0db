"""The Data page: a stored series opened and deleted, and a file's rehearsal before it is ingested."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

import core.bundle
from core.data.store import BarStore
from tests.app.workbench import assert_no_fault, open_page, said
from tests.conftest import random_walk


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two series and no model."""
    monkeypatch.setenv("LOOKBACK_HOME", str(tmp_path))
    monkeypatch.setattr(core.bundle, "SHIPPED", tmp_path / "no model")
    for seed, name in enumerate(["AAA", "BBB"]):
        BarStore(tmp_path).upsert(random_walk(name, 60, seed))
    return tmp_path


def choose(row: int) -> AppTest:
    return open_page("data", {"stored_series": {"selection": {"rows": [row], "columns": [], "cells": []}}})


def labels(app: AppTest) -> list[str]:
    return [button.label for button in app.button]


@pytest.mark.usefixtures("home")
def test_a_stored_series_opens_on_live() -> None:
    app = choose(1)
    assert_no_fault(app)
    app.button(key="open_on_live").click().run()
    assert_no_fault(app)
    assert app.query_params["instrument"] in ("BBB", ["BBB"])
    assert "series stored" not in said(app)


def test_a_series_is_deleted_only_when_that_is_confirmed(home: Path) -> None:
    app = choose(0)
    app.button(key="ask_delete").click().run()
    assert "Delete AAA 1d?" in said(app)
    assert len(BarStore(home).series()) == 2
    app.button(key="keep_series").click().run()
    assert "Delete AAA 1d?" not in said(app)
    app.button(key="ask_delete").click().run()
    app.button(key="delete_series").click().run()
    assert_no_fault(app)
    assert [entry.instrument for entry in BarStore(home).series()] == ["BBB"]
    assert "1 series stored" in said(app)


def prices(frame: pd.DataFrame) -> bytes:
    columns = ["instrument", "ts", "open", "high", "low", "close", "volume"]
    return frame[columns].to_csv(index=False).encode()


def test_a_file_is_counted_before_and_differing_bars_are_written_over_only_on_demand(home: Path) -> None:
    store = BarStore(home)
    before = store.fingerprint("AAA", "1d")
    file = random_walk("AAA", 65, 0)
    file.loc[:59] = random_walk("AAA", 60, 0)
    file.loc[60:, ["open", "high", "low", "close"]] = 100.0
    file.loc[[10, 20], "volume"] += 1.0
    file.loc[62, "high"] = np.nan
    app = open_page("data")
    app.file_uploader(key="bars_file").set_value(("aaa.csv", prices(file), "text/csv")).run()
    assert_no_fault(app)
    assert "Of 65 rows in this file: 4 bars are new, 58 are stored already, the same, 2 are" in said(app)
    assert "1 row would be left out" in said(app)
    assert "Bars without four finite prices, left out: 1." in said(app)
    assert app.button(key="ingest").disabled
    assert store.fingerprint("AAA", "1d") == before
    (agree,) = [box for box in app.checkbox if box.label.startswith("Write over")]
    agree.check().run()
    app.button(key="ingest").click().run()
    assert_no_fault(app)
    assert store.fingerprint("AAA", "1d") != before
    assert "stored with other values" not in said(app)
