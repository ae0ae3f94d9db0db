"""Challengers on the pages that show them, without a browser."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.bundle import load_bundle
from core.data.store import BarStore
from core.experiments import challengers
from core.predictor import Predictor
from tests.app.workbench import assert_accepted, open_page, said, wait_for
from tests.core.review.synthetic_review import write_synthetic

PLAIN = {"direction": ("logistic",), "volatility": ("har",), "regime": ("logistic",)}


@pytest.mark.usefixtures("home")
def test_without_challengers_live_names_the_command() -> None:
    app = open_page(None, instrument="AAA", timeframe="1d")
    assert_accepted(app)
    assert "run python -m core challengers" in said(app)


def test_live_and_attribution_say_what_a_simpler_model_says_already_and_who_was_nearer(
    home: Path, walk_bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(challengers, "name_challengers", lambda task: PLAIN[task.name])
    bundle = load_bundle(home / "models" / walk_bundle.name)
    found = challengers.fit_challengers(Predictor(bundle, BarStore(home)))
    path = challengers.save_challengers(found, home, bundle)
    app = open_page(None, instrument="AAA", timeframe="1d")
    assert_accepted(app)
    text = said(app)
    for title, name in (("Direction", "logistic regression"), ("Volatility", "HAR")):
        assert f"{title}: {name}" in text
    assert text.count("the model adds **") == 3
    assert "No record of the two on test bars known by then" in text
    write_synthetic(home / "walk_forward" / "small", bars=400)
    later = BarStore(home).read_range("BBB", "1d")
    BarStore(home).upsert(
        later.assign(
            instrument="LATER", ts=later["ts"] + (later["ts"].iloc[-1] - later["ts"].iloc[-2]) * 2600
        )
    )
    app = open_page(None, instrument="LATER", timeframe="1d")
    assert "of 800 test bars" in said(app)
    app.switch_page("../pages/attribution.py").run()
    wait_for(app, "already says")
    path.write_text("{")
    assert "fit them again: python -m core challengers" in said(
        open_page(None, instrument="AAA", timeframe="1d")
    )
