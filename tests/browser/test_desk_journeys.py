"""How a trader starts the day on the Desk, in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from core.bundle import SHIPPED, load_bundle
from core.data.store import BarStore
from core.operations.latest import update_latest
from core.predictor import Predictor

if TYPE_CHECKING:
    from tests.browser.conftest import Workbench

pytestmark = pytest.mark.browser

SLOW, USUAL = 120_000, 20_000
"""Milliseconds a click may take on a machine that is busy with other things."""
PREDICTED = 3


@pytest.fixture(autouse=True)
def patient(workbench: Workbench) -> Iterator[None]:
    """Clicks and expectations wait as long as long work does."""
    workbench.page.set_default_timeout(SLOW)
    expect.set_options(timeout=SLOW)
    yield
    expect.set_options(timeout=USUAL)


@pytest.fixture(scope="module", autouse=True)
def predicted(home: Path) -> None:
    """The first series, as the command would have predicted them."""
    store = BarStore(home)
    update_latest(Predictor(load_bundle(SHIPPED), store), store.series()[:PREDICTED])


@pytest.mark.parametrize("context", ["light", "dark"], indirect=True)
def test_a_series_is_chosen_with_the_keyboard_and_opened_on_live(workbench: Workbench) -> None:
    workbench.visit("Desk")
    page = workbench.page
    expect(page.get_by_text("changed since the bar before")).to_be_visible()
    expect(page.get_by_text("have bars the model has not been asked about")).to_be_visible()
    page.get_by_test_id("data-grid-canvas").focus()
    for key in ("ArrowDown", "ArrowDown", "Shift+Space"):
        page.keyboard.press(key)
    chosen = page.locator(".st-key-desk_chosen")
    expect(chosen).to_contain_text("Direction:")
    workbench.settle()
    name = chosen.locator("strong").first.inner_text()
    page.get_by_role("button", name="Open on Live").click()
    workbench.settle()
    expect(page.get_by_text(f"{name} up to").first).to_be_visible()
    workbench.assert_sound()


def test_predicting_the_others_shows_how_far_it_is_and_stops_when_told(workbench: Workbench) -> None:
    workbench.visit("Desk")
    page = workbench.page
    page.get_by_role("button", name="Predict them now").click()
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("series: stopped.")).to_be_visible()
    expect(page.get_by_test_id("data-grid-canvas")).to_be_visible()
    workbench.assert_sound()
