"""What a person does on the Attribution page, in a real browser."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

if TYPE_CHECKING:
    from tests.browser.conftest import Workbench

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

QUICK = "attribution?instrument=AAPL&timeframe=1d&bar=2013-02-28&task=volatility&method=gradient_times_input"
PATIENCE = 240_000
"""A busy machine explains slowly; what is waited for is that it comes, not how soon."""


def open_explained(workbench: Workbench, path: str = QUICK) -> None:
    """Open the page and wait for the explanation and its check."""
    workbench.open(path)
    expect(workbench.page.locator(".js-plotly-plot .heatmaplayer").first).to_be_attached(timeout=PATIENCE)
    expect(workbench.page.get_by_text("Without the 7 bars")).to_be_visible(timeout=PATIENCE)
    workbench.settle()


def map_title(workbench: Workbench) -> str:
    return workbench.page.locator(".js-plotly-plot .gtitle").first.text_content() or ""


@pytest.mark.parametrize("context", ["light", "dark"], indirect=True)
def test_the_page_explains_and_checks_in_both_themes(workbench: Workbench) -> None:
    open_explained(workbench)
    page = workbench.page
    expect(page.get_by_text(re.compile(r"Blue cells pushed the model towards"))).to_be_visible()
    expect(page.get_by_text("The strongest causes")).to_be_visible()
    expect(page.get_by_text("Beats a random order?")).to_be_visible()
    expect(page.get_by_text("Finds planted causes?")).to_be_visible()
    expect(page.locator(".js-plotly-plot")).to_have_count(2)
    # Candles, map and sum stand bar under bar.
    spans = page.evaluate(
        """() => ['xaxis', 'xaxis2', 'xaxis4'].map(name => {
            const axis = document.querySelector('.js-plotly-plot')._fullLayout[name];
            return [Math.round(axis._offset), Math.round(axis._length), axis.range.join()];
        })"""
    )
    assert spans[0] == spans[1] == spans[2]
    workbench.assert_sound()


def test_another_class_is_explained_and_the_second_time_at_once(workbench: Workbench) -> None:
    open_explained(workbench)
    first = map_title(workbench)
    box = workbench.page.get_by_role("combobox", name="Class")
    called = box.input_value()
    box.click()
    other = workbench.page.get_by_role("option").filter(has_not_text="called").first
    name = (other.text_content() or "").split()[-1]
    other.click()
    expect(workbench.page.locator(".gtitle").filter(has_text=name).first).to_be_attached(timeout=PATIENCE)
    expect(workbench.page).to_have_url(re.compile(f"target={name}"))
    expect(workbench.page.get_by_text(f"P({name})").first).to_be_visible(timeout=PATIENCE)
    assert map_title(workbench) != first
    box.click()
    workbench.page.get_by_role("option", name=called).click()
    # Nothing is computed any more: no progress bar comes up before the whole answer stands.
    expect(workbench.page.get_by_text("Without the 7 bars")).to_be_visible()
    workbench.settle()
    expect(workbench.page.get_by_test_id("stProgress")).to_have_count(0)
    assert map_title(workbench) == first
    workbench.assert_sound()


def test_long_work_shows_progress_and_can_be_cancelled(workbench: Workbench) -> None:
    workbench.open(QUICK.replace("gradient_times_input", "ig").replace("2013-02-28", "2013-02-20"))
    expect(workbench.page.get_by_text(re.compile("Explaining: Integrated Gradients"))).to_be_visible()
    workbench.page.get_by_role("button", name="Cancel").first.click()
    expect(workbench.page.get_by_text(re.compile("stopped"))).to_be_visible(timeout=PATIENCE)
    workbench.page.get_by_role("button", name="Start again").click()
    expect(workbench.page.locator(".heatmaplayer").first).to_be_attached(timeout=PATIENCE)
    workbench.settle()
    workbench.assert_sound()


def test_another_method_explains_itself_with_its_paper(workbench: Workbench) -> None:
    open_explained(workbench)
    workbench.page.get_by_role("combobox", name="Method").click()
    offered = workbench.page.get_by_role("option").all_text_contents()
    assert "Integrated Gradients" in offered
    assert not [name for name in offered if "deep" in name.lower()]
    workbench.page.get_by_role("option", name="Feature ablation").click()
    expect(workbench.page.get_by_text("tells features apart but not bars")).to_be_visible(timeout=PATIENCE)
    expect(workbench.page.get_by_text("Zeiler & Fergus 2014")).to_be_visible()
    expect(workbench.page.get_by_text("This method promises no sum")).to_be_visible()
    workbench.assert_sound()


def test_global_importance_says_how_to_measure_it_where_nobody_has(workbench: Workbench) -> None:
    open_explained(workbench)
    workbench.page.get_by_role("tab", name="Over many bars").click()
    expect(
        workbench.page.get_by_text(re.compile("python -m core evidence|carries \\d+%")).first
    ).to_be_visible()
    workbench.settle()
    workbench.assert_sound()
