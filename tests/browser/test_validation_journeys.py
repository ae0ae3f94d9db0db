"""The validation pack opened from disk without a network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from app.validation.sheet import draw_pack
from tests.app.validation.test_sheet import small_pack
from tests.browser.test_report_journeys import open_offline

if TYPE_CHECKING:
    from tests.browser.conftest import Workbench

pytestmark = pytest.mark.browser


def test_the_pack_opens_offline_and_performance_offers_one(workbench: Workbench, tmp_path: Path) -> None:
    file = tmp_path / "validation.html"
    file.write_text(draw_pack(small_pack()), encoding="utf-8")
    page, complaints = open_offline(workbench, file)
    expect(page.get_by_role("heading", name="Validation of small abc")).to_be_visible()
    for name in ("calibration", "sensitivity"):
        expect(page.locator(f"#figure-{name} .main-svg").first).to_be_visible()
    expect(page.locator("img")).to_have_count(0)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert complaints == []
    workbench.page.context.set_offline(False)
    workbench.open("performance")
    expect(workbench.page.get_by_role("button", name="Validation pack")).to_be_visible()
    expect(workbench.page.get_by_text("Reviewers' notes on this model")).to_be_visible()
    workbench.assert_sound()
