"""The report at one click: made, downloaded, opened from disk without a network, and back again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, expect

if TYPE_CHECKING:
    from tests.browser.conftest import Workbench

pytestmark = pytest.mark.browser

EXPLAIN_SECONDS = 180
ASKED = (
    "?instrument=AAPL&timeframe=1d&bar=2012-06-29&task=regime&target=Trending"
    "&method=gradient_times_input&reference=typical_window"
)


def ask_report(workbench: Workbench) -> None:
    workbench.page.get_by_role("button", name="Report", exact=True).click()
    expect(workbench.page.get_by_text("is ready")).to_be_visible(timeout=EXPLAIN_SECONDS * 1000)
    workbench.settle()


def download_report(workbench: Workbench, folder: Path) -> Path:
    with workbench.page.expect_download() as started:
        workbench.page.get_by_role("button", name="Download", exact=True).click()
    path = folder / started.value.suggested_filename
    started.value.save_as(path)
    return path


def open_offline(workbench: Workbench, file: Path) -> tuple[Page, list[str]]:
    """The file in a page of its own without a network, and whatever the browser complained about."""
    context = workbench.page.context
    context.set_offline(True)
    page, complaints = context.new_page(), []
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda asked: None if _stays(asked.url, file) else complaints.append(asked.url))
    page.goto(file.as_uri(), timeout=EXPLAIN_SECONDS * 1000)
    return page, complaints


def _stays(url: str, file: Path) -> bool:
    return url == file.as_uri() or url.startswith(("data:", "blob:"))


def test_one_click_makes_a_report_that_opens_offline_and_leads_back(
    workbench: Workbench, tmp_path: Path
) -> None:
    workbench.open(ASKED)
    ask_report(workbench)
    workbench.assert_sound()
    file = download_report(workbench, tmp_path)
    assert file.name == "lookback_AAPL_1d_2012-06-29_regime.html"
    page, complaints = open_offline(workbench, file)
    for name in ("candles", "attribution", "faithfulness", "attention"):
        expect(page.locator(f"#figure-{name} .main-svg").first).to_be_visible()
    expect(page.get_by_role("heading", name="AAPL 1d, bar of 2012-06-29")).to_be_visible()
    expect(page.get_by_role("heading", name="Why Trending, in words")).to_be_visible()
    expect(page.locator(".lb-panel")).to_have_count(3)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert complaints == []
    link = page.get_by_role("link").get_attribute("href")
    assert link is not None
    assert link.startswith(workbench.base)
    workbench.page.context.set_offline(False)
    workbench.page.goto(link)
    workbench.settle()
    found = {name: values[0] for name, values in parse_qs(urlsplit(workbench.page.url).query).items()}
    asked = {name: values[0] for name, values in parse_qs(ASKED[1:]).items()}
    assert asked.items() <= found.items()
    expect(workbench.page.get_by_text("This cannot be used as it is")).to_have_count(0)


def test_another_bar_puts_the_offered_report_away(workbench: Workbench) -> None:
    workbench.open(ASKED)
    ask_report(workbench)
    workbench.page.locator(".st-key-step_back button:visible").click()
    expect(workbench.page.get_by_text("is ready")).to_have_count(0)
    workbench.settle()
    workbench.page.locator(".st-key-step_forward button:visible").click()
    expect(workbench.page.get_by_text("is ready")).to_be_visible()
    workbench.settle()
    workbench.page.locator(".st-key-report_close button:visible").click()
    expect(workbench.page.get_by_text("is ready")).to_have_count(0)
    workbench.assert_sound()


def test_too_few_bars_are_said_in_place_of_a_report(workbench: Workbench) -> None:
    workbench.open("?instrument=META&timeframe=1d&bar=2012-06-29")
    workbench.page.get_by_role("button", name="Report", exact=True).click()
    said = workbench.page.locator(".st-key-report").get_by_text("270 bars short")
    expect(said).to_be_visible()
    assert workbench.complaints == []
