"""The stance on Live and the Desk, without a browser."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.bundle import load_bundle
from core.data.store import BarStore
from core.operations import stances
from core.operations.latest import update_latest
from core.predictor import Predictor
from core.trading.stance import Thresholds
from tests.app.workbench import assert_accepted, open_page, said, wait_for
from tests.core.review.synthetic_review import write_synthetic


@pytest.mark.usefixtures("home")
def test_without_a_walk_forward_live_names_the_command() -> None:
    app = open_page(None, instrument="AAA", timeframe="1d")
    assert_accepted(app)
    assert "No thresholds: run python -m core walk-forward" in said(app)


def test_thresholds_are_chosen_at_a_click_and_every_reason_stands_on_live_and_the_desk(
    home: Path, walk_bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_synthetic(home / "walk_forward" / "small", bars=400)
    strict = Thresholds(1, 0.97, 0.98, 0.99, 40, 90, 0.3)
    monkeypatch.setattr(stances, "latest", lambda *asked: strict)
    scorer = Predictor(load_bundle(home / "models" / walk_bundle.name), BarStore(home))
    update_latest(scorer, scorer.store.series())
    app = open_page(None, instrument="AAA", timeframe="1d")
    assert "Thresholds not chosen yet" in said(app)
    app.button(key="choose_thresholds").click().run()
    text = wait_for(app, "NO TRADE")
    assert_accepted(app)
    assert "threshold 98%" in text
    assert "threshold 97%" in text
    assert "In hindsight: the thresholds were chosen on bars up to 201" in text
    app.switch_page("../pages/desk.py").run()
    assert_accepted(app)
    shown = app.dataframe[0].value.set_index("Series")["Stance"]
    assert all("no trade: sure" in one and "threshold 98%" in one for one in shown)
    assert "**0** in a trade" in said(app)


def test_thresholds_that_cannot_be_chosen_say_why_and_ask_no_more(home: Path) -> None:
    write_synthetic(home / "walk_forward" / "small", bars=400)
    app = open_page(None, instrument="AAA", timeframe="1d")
    app.button(key="choose_thresholds").click().run()
    text = wait_for(app, "No thresholds: Expected")
    assert "choose_thresholds" not in {button.key for button in app.button}
    assert "NOT JUDGED" in text
