"""What a trader does on What-if, in a real browser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

if TYPE_CHECKING:
    from tests.browser.conftest import Workbench

pytestmark = pytest.mark.browser

AT = "what_if?instrument=AAPL&timeframe=1d&bar=2012-06-29"
SLOW, USUAL = 120_000, 20_000
"""Milliseconds for work that scores hundreds of windows."""


@pytest.fixture(autouse=True)
def patient(workbench: Workbench) -> Iterator[None]:
    """Clicks and expectations wait as long as long work does."""
    workbench.page.set_default_timeout(SLOW)
    expect.set_options(timeout=SLOW)
    yield
    expect.set_options(timeout=USUAL)


def press(workbench: Workbench, name: str) -> None:
    workbench.page.get_by_role("button", name=name).first.click()
    workbench.settle()


def choose_mode(workbench: Workbench, name: str) -> None:
    workbench.page.get_by_role("radio", name=name).click()
    workbench.settle()


@pytest.mark.parametrize("context", ["light", "dark"], indirect=True)
def test_a_lower_close_moves_the_probabilities_and_is_marked_beside_the_original(
    workbench: Workbench,
) -> None:
    workbench.open(AT)
    expect(workbench.page.get_by_text("Nothing is changed yet")).to_be_visible()
    expect(workbench.page.locator(".js-plotly-plot")).to_have_count(1)
    press(workbench, "Last bar closes 2% lower")
    edited = workbench.page.get_by_role("table", name="What is edited").get_by_role("row")
    expect(edited.filter(has_text=re.compile("2012-06-29.*close"))).to_be_visible()
    expect(workbench.page.get_by_text("Nothing is changed yet")).to_have_count(0)
    expect(workbench.page.locator(".js-plotly-plot")).to_have_count(2)
    expect(workbench.page.get_by_text("▼ edited")).to_be_visible()
    workbench.assert_sound()
    press(workbench, "Undo all")
    expect(workbench.page.get_by_text("Nothing is changed yet")).to_be_visible()
    workbench.assert_sound()


def test_a_feature_is_changed_and_its_course_drawn(workbench: Workbench) -> None:
    workbench.open(AT)
    choose_mode(workbench, "Edit features")
    expect(workbench.page.get_by_text("may correspond to no possible bars")).to_be_visible()
    workbench.page.get_by_label(re.compile(r"^Value \(")).fill("2")
    workbench.page.keyboard.press("Enter")
    workbench.settle()
    press(workbench, "Add this change")
    expect(workbench.page.get_by_text("The changed features: thin as they were")).to_be_visible()
    expect(workbench.page.get_by_text("return over 1 bar = +2.0 sigma in the last 5 bars")).to_be_visible()
    workbench.assert_sound()


def test_the_smallest_change_that_flips_the_call_is_searched_with_progress(workbench: Workbench) -> None:
    workbench.open(AT)
    choose_mode(workbench, "Smallest change that flips the call")
    workbench.page.get_by_role("button", name="Search", exact=True).click()
    expect(
        workbench.page.get_by_text(re.compile("The call flips with|That is no proof that there is none"))
    ).to_be_visible()
    workbench.settle()
    workbench.assert_sound()


def test_the_change_is_explained_feature_by_feature(workbench: Workbench) -> None:
    workbench.open(AT)
    press(workbench, "Last bar closes 2% lower")
    press(workbench, "Explain the change")
    expect(workbench.page.get_by_text(re.compile("The edit moved the log-odds of"))).to_be_visible(
        timeout=SLOW
    )
    workbench.settle()
    expect(workbench.page.get_by_text("moved by the edit")).to_be_visible()
    workbench.assert_sound()
