"""What a reviewer does on Calibration, Selective and Performance, in a real browser."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.core.review.synthetic_review import write_synthetic

if TYPE_CHECKING:
    from tests.browser.conftest import Workbench

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module", autouse=True)
def reviewed(home: Path) -> Path:
    """A walk-forward of known truth in the workbench's home, and a second one to choose it from."""
    folder = home / "walk_forward" / "synthetic"
    for name, bars in (("other", 400), ("synthetic", 600)):
        if not (folder.parent / name).exists():
            write_synthetic(folder.parent / name, bars=bars, folds=2)
    return folder


def open_review(workbench: Workbench, page: str) -> None:
    workbench.open(page)
    expect(workbench.page.get_by_role("combobox", name="Walk-forward")).to_be_visible()
    workbench.choose("Walk-forward", "synthetic")
    expect(workbench.page.get_by_role("combobox", name="Walk-forward")).to_have_value("synthetic")


@pytest.mark.parametrize("context", ["light", "dark"], indirect=True)
def test_the_review_pages_open_without_an_error_in_both_themes(workbench: Workbench) -> None:
    open_review(workbench, "calibration")
    expect(workbench.page.locator(".js-plotly-plot")).to_have_count(7)
    expect(workbench.page.get_by_text("A perfect model whose predictions hang together")).to_be_visible()
    workbench.assert_sound()
    workbench.visit("Selective")
    expect(workbench.page.locator(".js-plotly-plot")).to_have_count(3)
    workbench.assert_sound()
    workbench.visit("Performance")
    expect(workbench.page.locator(".js-plotly-plot")).to_have_count(6)
    workbench.assert_sound()


def test_the_line_changes_the_sentence(workbench: Workbench) -> None:
    open_review(workbench, "calibration")
    expect(workbench.page.get_by_text("Above 50% it would have acted")).to_be_visible()
    workbench.page.get_by_role("slider", name="Act only above this confidence").focus()
    for _ in range(10):
        workbench.page.keyboard.press("ArrowRight")
    expect(workbench.page.get_by_text("Above 60% it would have acted")).to_be_visible()
    workbench.settle()
    workbench.assert_sound()


def test_a_filter_narrows_the_rows_and_follows_to_the_next_page(workbench: Workbench) -> None:
    open_review(workbench, "calibration")
    expect(workbench.page.get_by_text(re.compile(r"of 1,200\)"))).to_be_visible()
    workbench.page.get_by_role("combobox", name="Instrument").nth(1).click()
    workbench.page.get_by_role("option", name="BBB", exact=True).click()
    workbench.settle()
    expect(workbench.page.get_by_text(re.compile(r"of 600\)"))).to_be_visible()
    workbench.visit("Selective")
    expect(workbench.page.get_by_role("combobox", name=re.compile("Instrument")).nth(1)).to_have_value("BBB")
    workbench.assert_sound()


def test_a_copied_link_shows_another_visitor_the_same_rows(workbench: Workbench) -> None:
    open_review(workbench, "calibration")
    workbench.page.get_by_role("combobox", name="Instrument").nth(1).click()
    workbench.page.get_by_role("option", name="BBB", exact=True).click()
    workbench.settle()
    workbench.page.get_by_role("slider", name="Act only above this confidence").focus()
    workbench.page.keyboard.press("ArrowRight")
    workbench.settle()
    expect(workbench.page).to_have_url(re.compile("review_instrument=BBB"))
    expect(workbench.page).to_have_url(re.compile("review_line=51"))
    link = workbench.page.url
    visitor = workbench.page.context.browser.new_context()  # type: ignore[union-attr]
    page = visitor.new_page()
    page.goto(link)
    expect(page.get_by_text("Above 51% it would have acted")).to_be_visible(timeout=60_000)
    expect(page.get_by_text(re.compile(r"of 600\)"))).to_be_visible()
    visitor.close()
    workbench.assert_sound()


def test_the_sets_follow_the_level_and_performance_follows_the_filters(workbench: Workbench) -> None:
    open_review(workbench, "calibration")
    workbench.page.get_by_role("radio", name="95%").click()
    workbench.settle()
    expect(workbench.page.get_by_text("Promised 95%, held")).to_be_visible()
    expect(workbench.page).to_have_url(re.compile("review_level=0.95"))
    workbench.visit("Performance")
    workbench.page.get_by_role("combobox", name="Instrument").nth(1).click()
    workbench.page.get_by_role("option", name="AAA", exact=True).click()
    workbench.settle()
    expect(workbench.page.get_by_text("All folds, 600 predictions, 95% whiskers")).to_be_visible()
    expect(workbench.page.get_by_text("600 direction predictions of AAA")).to_be_visible()
    workbench.assert_sound()
