"""The Similar page without a browser: without an index, with one, with a damaged one."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from app.similar import cached as similar_cached
from core.data.store import BarStore
from core.explain.evidence.store import evidence_folder, evidence_path
from core.explain.similar.index import build_index, save_index
from core.predictor import Predictor
from tests.app.workbench import assert_no_fault, open_page, said, wait_for

STEP = 10
open_similar = partial(open_page, "similar", instrument="AAA", timeframe="1d", bar="2009-06-01")
NEAREST = re.compile(r"Of the \*\*(\d+)\*\* nearest moments")


@pytest.fixture
def home(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No index of moments, and one quickly made."""
    monkeypatch.setattr(similar_cached, "build_index", partial(build_index, step=STEP))
    return home


@pytest.fixture
def indexed(home: Path, walk_bundle) -> Path:
    """The path of an index in that home."""
    path = evidence_path(evidence_folder(home, walk_bundle), "moments")
    return save_index(build_index(Predictor(walk_bundle, BarStore(home)), step=STEP), path, walk_bundle)


@pytest.mark.usefixtures("home")
def test_without_an_index_the_page_says_so_and_builds_one(walk_bundle) -> None:
    app = open_similar()
    assert_no_fault(app)
    assert "has not been built yet" in said(app)
    assert "python -m core evidence --parts moments" in said(app)
    app.button(key="build_moments").click().run()
    text = wait_for(app, "nearest moments")
    assert_no_fault(app)
    assert NEAREST.search(text)


@pytest.mark.usefixtures("indexed")
def test_the_nearest_stand_beside_chance_with_every_tasks_outcome() -> None:
    app = open_similar()
    text = said(app)
    assert_no_fault(app)
    found = NEAREST.search(text)
    assert found
    assert "The model was right on" in text
    assert "chance" in text
    assert text.count("Direction: ") == int(found[1])
    assert text.count("Regime: ") == int(found[1])
    assert not any(button.key == "build_moments" for button in app.button)


@pytest.mark.usefixtures("indexed")
def test_a_moment_opens_its_bar() -> None:
    app = open_similar()
    title = next(e.value for e in app.markdown if e.value.startswith("**1. "))
    _, instrument, timeframe, bar = title.split("**")[1].split(" ")
    app.button(key="open_0").click().run()
    assert_no_fault(app)
    assert (app.query_params["instrument"], app.query_params["bar"]) == (instrument, bar)
    assert timeframe == "1d"


@pytest.mark.usefixtures("indexed")
def test_another_task_is_another_outcome_and_stays_in_the_link() -> None:
    app = open_similar(task="volatility")
    assert_no_fault(app)
    assert any(f"went {sign} **" in said(app) for sign in "○◐●")
    assert app.query_params["task"] == "volatility"


@pytest.mark.usefixtures("indexed")
def test_a_bar_before_any_outcome_was_known_says_that_there_is_nothing() -> None:
    app = open_similar(bar="2006-07-12")
    assert_no_fault(app)
    assert "No moment of these series has an outcome" in " ".join(e.value for e in app.info)


def test_bars_that_came_after_the_index_are_said_and_can_be_added(home: Path, indexed: Path, walks) -> None:
    store = BarStore(home)
    last = store.read_range("AAA", "1d").iloc[-3:]
    later = last.assign(ts=last["ts"] + np.timedelta64(7, "D"))
    store.upsert(later)
    app = open_similar()
    assert_no_fault(app)
    labels = " ".join(expander.label for expander in app.expander)
    assert "The index reaches to 2010-05-14 for AAA 1d" in labels
    assert app.button(key="build_moments").label == "Bring the index up to date"


def test_a_damaged_index_is_a_sentence_and_a_button(indexed: Path) -> None:
    indexed.write_bytes(indexed.read_bytes()[:1000])
    app = open_similar()
    assert_no_fault(app)
    assert "a damaged file" in said(app)
    assert app.button(key="build_moments").label == "Build the index"
