"""The Live page without a browser, over a small model: with and without a record."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pandas as pd
import pytest

from core.bundle import load_bundle
from core.data.store import BarStore
from core.predictor import Predictor
from core.review.own_record import measure_record, save_record
from tests.app.workbench import assert_no_fault, open_page, said
from tests.core.review import synthetic_review

open_live = partial(open_page, None, instrument="AAA", timeframe="1d")


@pytest.mark.usefixtures("home")
def test_live_says_sureness_why_and_that_there_is_no_record_yet() -> None:
    app = open_live()
    assert_no_fault(app)
    text = said(app)
    assert text.count("sure: <b>") + text.count("were it one: <b>") == 3
    assert "no record yet: run python -m core walk-forward" in text
    assert "Where it looks: the last 20 bars carry" in text
    assert "stored history, ends 2010-05-14" in text


def test_a_walk_forward_of_the_same_name_becomes_the_record(home: Path) -> None:
    synthetic_review.write_synthetic(home / "walk_forward" / "small", bars=400)
    store = BarStore(home)
    bars = store.read_range("BBB", "1d")
    store.upsert(bars.assign(instrument="LATER", ts=bars["ts"] + pd.Timedelta(days=2557)))
    app = open_live(instrument="LATER")
    assert_no_fault(app)
    text = said(app)
    assert "times it was this sure" in text or "never this sure in what was measured" in text
    assert "measured 2015 to 2016 on 2 other series, none of LATER 1d, on models trained the same way" in text
    assert "no record yet" not in text


def test_the_record_of_the_models_own_test_bars_says_so(home: Path, walk_bundle) -> None:
    store = BarStore(home)
    bundle = load_bundle(home / "models" / walk_bundle.name)
    save_record(measure_record(Predictor(bundle, store), step=10), home, bundle)
    assert "on its own test bars" in said(open_live())
    early = f"{bundle.borders.calibrate_end - pd.Timedelta(days=9):%Y-%m-%d}"
    assert "no record by then" in said(open_live(bar=early))


def test_a_record_that_begins_after_the_chosen_bar_is_not_shown_there(home: Path) -> None:
    synthetic_review.write_synthetic(home / "walk_forward" / "small", bars=400)
    text = said(open_live())
    assert "no record by then" in text
    assert "times it was this sure" not in text


def test_the_strip_turns_amber_when_the_next_bar_is_overdue_and_not_on_an_older_bar(home: Path) -> None:
    store = BarStore(home)
    bars = store.read_range("BBB", "1d")
    newest = pd.Timestamp.now("UTC").normalize() - pd.Timedelta(days=12)
    late = bars.assign(instrument="LATE", ts=bars["ts"] + (newest - bars["ts"].iloc[-1]))
    store.upsert(late)
    assert "Feed is late: newest bar" in said(open_live(instrument="LATE"))
    before = f"{late['ts'].iloc[-2]:%Y-%m-%d}"
    assert "Feed is late" not in said(open_live(instrument="LATE", bar=before))


@pytest.mark.usefixtures("home")
def test_the_viewers_zone_is_offered_beside_utc() -> None:
    app = open_live()
    assert "closed 2010-05-15 00:00 UTC" in said(app)
    choice = next(group for group in app.get("button_group") if group.key == "times_in")
    assert choice.value == "UTC"
