"""What acting on the calls would have earned, looked at in a real browser."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

if TYPE_CHECKING:
    from tests.browser.conftest import Workbench

pytestmark = pytest.mark.browser

LONG = 240_000
"""Milliseconds a backtest of the shipped walk-forward may take on a busy machine."""


@pytest.mark.parametrize("context", ["light", "dark"], indirect=True)
def test_the_answer_stands_first_and_other_rules_are_traded_and_counted(workbench: Workbench) -> None:
    workbench.visit("Backtest")
    page = workbench.page
    answer = page.get_by_text("a Sharpe ratio of").first
    expect(answer).to_be_visible(timeout=LONG)
    expect(page.get_by_text("Did the doubts pay?")).to_be_visible()
    expect(page.get_by_text("What an account of 1 became")).to_be_visible()
    said = answer.inner_text()
    page.get_by_role("button", name="Rules").click()
    page.get_by_role("textbox", name="Rules that differ from assets/trading.yaml").fill("exits.bars=2")
    page.get_by_role("button", name="Trade by these rules").click()
    page.wait_for_url("**backtest_rules=exits.bars*")
    page.keyboard.press("Escape")
    workbench.settle()
    expect(page.get_by_text("a Sharpe ratio of").first).not_to_have_text(said, timeout=LONG)
    expect(page.get_by_text("settings and trainings were looked at so far")).to_be_visible()
    workbench.assert_sound()
