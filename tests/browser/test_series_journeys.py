"""Journeys over series nobody trained on: too short, priced in millionths, with a bar still open."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from core.data.store import BarStore
from tests.app.odd_series import COIN, OPEN, SHORT
from tests.browser.conftest import Workbench

CASES = (COIN, OPEN, SHORT)


@pytest.fixture(scope="module", autouse=True)
def odd_series(home: Path) -> Iterator[None]:
    """The cases in the store while this module runs."""
    for case in CASES:
        BarStore(home).upsert(case.make())
    yield
    for case in CASES:
        for folder in home.rglob(f"instrument={case.instrument}"):
            shutil.rmtree(folder)


@pytest.mark.parametrize("case", [COIN, OPEN], ids=lambda case: case.name)
def test_pages_stay_sound_on_a_series_the_model_does_not_know(workbench: Workbench, case) -> None:
    workbench.open(f"?instrument={case.instrument}&timeframe={case.timeframe}")
    expect(workbench.page.get_by_text(f"trained without {case.instrument}")).to_be_visible()
    expect(workbench.page.locator(".lb-panel")).to_have_count(3)
    for page in ("Attention", "What-if"):
        workbench.visit(page)
        workbench.assert_sound()


def test_a_short_series_leads_to_one_that_works(workbench: Workbench) -> None:
    workbench.open(f"?instrument={SHORT.instrument}&timeframe={SHORT.timeframe}")
    expect(workbench.page.get_by_text("104 bars short")).to_be_visible()
    workbench.page.get_by_role("button", name="AAPL 1d").click()
    workbench.settle()
    expect(workbench.page.locator(".lb-panel")).to_have_count(3)
    workbench.assert_sound()
