"""Arrow keys step the bar on every page, and charts of one page share their crosshair."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Workbench

LINK = "?instrument=AAPL&timeframe=1d&bar=2022-06-15"
LINES = "document.querySelectorAll('.lb-crosshair > div').length"


def press(bench: Workbench, *keys: str) -> None:
    bench.page.locator(".st-key-bar_keys [data-ready]").wait_for(state="attached")
    for key in keys:
        bench.page.keyboard.press(key)
    bench.page.wait_for_timeout(300)
    bench.settle()


@pytest.mark.parametrize("page", ["", "glossary"])
def test_arrow_keys_step_the_bar_and_keys_pressed_quickly_are_one_jump(
    workbench: Workbench, page: str
) -> None:
    workbench.open(page + LINK)
    press(workbench, "ArrowLeft")
    expect(workbench.page).to_have_url(re.compile("bar=2022-06-14"))
    press(workbench, "ArrowRight", "ArrowRight", "ArrowRight")
    expect(workbench.page).to_have_url(re.compile("bar=2022-06-17"))
    press(workbench, "Shift+ArrowLeft")
    expect(workbench.page).to_have_url(re.compile("bar=2022-05-19"))
    workbench.assert_sound()


def test_a_field_keeps_its_own_keys_and_a_question_mark_opens_the_list_of_keys(workbench: Workbench) -> None:
    workbench.open("glossary" + LINK)
    field = workbench.page.get_by_role("textbox", name="Search the terms")
    field.click()
    press(workbench, "?", "ArrowLeft", "Enter")
    expect(field).to_have_value("?")
    expect(workbench.page).to_have_url(re.compile("bar=2022-06-15"))
    keys = workbench.page.get_by_text("Arrow keys step the bar")
    expect(keys).to_have_count(0)
    field.blur()
    press(workbench, "?")
    expect(keys).to_be_visible()
    keys.click()
    workbench.settle()
    press(workbench, "Escape", "ArrowLeft")
    expect(workbench.page).to_have_url(re.compile("bar=2022-06-15"))


def count_lines(page: Page, x: float, y: float) -> int:
    page.mouse.move(x, y)
    page.wait_for_timeout(150)
    return page.evaluate(LINES)


def test_pointing_at_a_candle_marks_the_same_bar_on_the_page_s_other_charts(workbench: Workbench) -> None:
    workbench.open("attention" + LINK)
    stage = workbench.page.locator(".stage")
    stage.scroll_into_view_if_needed()
    box = stage.bounding_box()
    assert box is not None
    assert count_lines(workbench.page, box["x"] + 500, box["y"] + 100) > 0
    assert count_lines(workbench.page, box["x"] + 2, box["y"] + 2) == 0
    workbench.assert_sound()
