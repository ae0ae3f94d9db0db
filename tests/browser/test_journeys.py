"""What a person does on the three pages, in a real browser."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pandas as pd
import pytest
from playwright.sync_api import expect

if TYPE_CHECKING:
    from tests.browser.conftest import Workbench

pytestmark = pytest.mark.browser


def params(workbench: Workbench) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(workbench.page.url).query).items()}


def panel_text(workbench: Workbench) -> str:
    return " ".join(workbench.page.locator(".lb-panel").all_inner_texts())


def good_csv(folder: Path) -> Path:
    rng = np.random.default_rng(7)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, 700)))
    bars = pd.DataFrame(
        {
            "Date": pd.bdate_range("2015-01-01", periods=700).strftime("%Y-%m-%d"),
            "Open": close,
            "High": close * 1.01,
            "Low": close * 0.99,
            "Close": close,
            "Volume": 1000,
        }
    )
    path = folder / "ZZTEST.csv"
    bars.to_csv(path, index=False)
    return path


@pytest.mark.parametrize("context", ["light", "dark"], indirect=True)
def test_every_page_opens_without_an_error_in_both_themes(workbench: Workbench) -> None:
    expect(workbench.page.locator(".lb-panel")).to_have_count(3)
    expect(workbench.page.locator(".js-plotly-plot")).to_have_count(1)
    workbench.assert_sound()
    workbench.visit("Attention")
    expect(workbench.page.locator("button.map")).to_have_count(32)
    expect(workbench.page.locator(".js-plotly-plot")).to_have_count(1)
    expect(workbench.page.locator(".stage[data-looks]")).to_have_count(1)
    expect(workbench.page.get_by_text("Attention shows routing, not cause.")).to_be_visible()
    workbench.assert_sound()
    workbench.visit("Data")
    expect(workbench.page.get_by_text("22 series stored")).to_be_visible()
    workbench.assert_sound()


def test_switching_the_instrument_keeps_the_bar_and_survives_a_change_of_page(workbench: Workbench) -> None:
    workbench.open("?instrument=AAPL&timeframe=1d&bar=2012-06-29")
    before = panel_text(workbench)
    workbench.choose("Instrument", "IBM")
    assert params(workbench) == {"instrument": "IBM", "timeframe": "1d", "bar": "2012-06-29"}
    assert panel_text(workbench) != before
    workbench.visit("Attention")
    assert params(workbench) == {"instrument": "IBM", "timeframe": "1d", "bar": "2012-06-29"}
    workbench.assert_sound()


def test_stepping_back_a_bar_changes_the_prediction_and_forward_restores_it(workbench: Workbench) -> None:
    workbench.open("?instrument=MSFT&timeframe=1d&bar=2012-06-29")
    shown = workbench.page.get_by_text("Bar of 2012-06-29")
    expect(shown).to_be_visible()
    before = workbench.page.locator(".lb-panel").first.inner_html()
    workbench.page.locator(".st-key-step_back button:visible").click()
    expect(workbench.page.get_by_text("Bar of 2012-06-28")).to_be_visible()
    workbench.settle()
    assert params(workbench)["bar"] == "2012-06-28"
    assert workbench.page.locator(".lb-panel").first.inner_html() != before
    workbench.page.locator(".st-key-step_forward button:visible").click()
    expect(shown).to_be_visible()
    workbench.settle()
    assert workbench.page.locator(".lb-panel").first.inner_html() == before
    workbench.assert_sound()


def test_a_clicked_head_opens_and_its_link_restores_it(workbench: Workbench) -> None:
    workbench.open("attention?instrument=AAPL&timeframe=1d&bar=2012-06-29")
    workbench.page.get_by_label("Layer 3 - all 300, member 3, head 1: open this map").click()
    expect(workbench.page.get_by_text("Layer 3, member 3, head 1", exact=True)).to_be_visible()
    workbench.settle()
    found = params(workbench)
    assert (found["layer"], found["head"]) == ("3", "5")
    workbench.page.get_by_role("button", name="Copy link").click()
    link = workbench.page.evaluate("navigator.clipboard.readText()")
    workbench.page.goto(link)
    workbench.settle()
    pressed = workbench.page.locator("button.map[aria-pressed=true]")
    expect(pressed).to_have_count(1)
    expect(pressed).to_have_attribute("aria-label", re.compile("Layer 3 .* member 3, head 1"))
    assert params(workbench) == found
    workbench.assert_sound()


def test_a_link_copied_at_the_latest_bar_names_that_bar(workbench: Workbench) -> None:
    assert "bar" not in params(workbench)
    workbench.page.get_by_role("button", name="Copy link").click()
    link = workbench.page.evaluate("navigator.clipboard.readText()")
    assert parse_qs(urlsplit(link).query)["bar"] == ["2023-09-21"]


def test_arrow_keys_and_enter_open_a_map(workbench: Workbench) -> None:
    workbench.open("attention?instrument=AAPL&timeframe=1d&bar=2012-06-29&layer=1&head=1")
    workbench.page.locator("button.map[aria-pressed=true]").focus()
    workbench.page.keyboard.press("ArrowDown")
    workbench.page.keyboard.press("ArrowRight")
    workbench.page.keyboard.press("Enter")
    expect(workbench.page.get_by_text("Layer 2, member 1, head 2", exact=True)).to_be_visible()
    workbench.assert_sound()


def test_an_unknown_instrument_in_a_link_says_so_and_leads_back(workbench: Workbench) -> None:
    workbench.open("?instrument=APPL&timeframe=1d")
    expect(workbench.page.get_by_text("Expected an instrument in the store, got 'APPL'")).to_be_visible()
    workbench.page.get_by_role("button", name="Back to the latest bar").click()
    expect(workbench.page.locator(".lb-panel")).to_have_count(3)
    workbench.assert_sound()


def test_a_bar_before_the_series_in_a_link_says_so_and_leads_back(workbench: Workbench) -> None:
    workbench.open("?instrument=META&timeframe=1d&bar=1999-01-01")
    expect(workbench.page.get_by_text("Expected a bar of META 1d from 2012-05-18 on")).to_be_visible()
    workbench.page.get_by_role("button", name="Back to the latest bar").click()
    expect(workbench.page.locator(".lb-panel")).to_have_count(3)
    workbench.assert_sound()


def test_replay_moves_bar_by_bar_and_pause_keeps_the_bar(workbench: Workbench) -> None:
    workbench.open("?instrument=AAPL&timeframe=1d&bar=2012-06-20")
    workbench.page.get_by_role("button", name="Replay").click()
    workbench.page.wait_for_function("location.search.includes('bar=2012-06-22')")
    workbench.page.get_by_role("button", name="Pause").click()
    expect(workbench.page.get_by_role("button", name="Replay")).to_be_visible()
    workbench.settle()
    stopped = params(workbench)["bar"]
    assert stopped >= "2012-06-22"
    expect(workbench.page.get_by_text(f"Bar of {stopped}")).to_be_visible()
    workbench.page.wait_for_timeout(1500)
    assert params(workbench)["bar"] == stopped
    workbench.assert_sound()


def test_the_browsers_back_button_returns_to_the_bar_before(workbench: Workbench) -> None:
    workbench.open("?instrument=AAPL&timeframe=1d&bar=2012-06-29")
    workbench.page.locator(".st-key-step_back button:visible").click()
    workbench.page.wait_for_function("location.search.includes('bar=2012-06-28')")
    workbench.settle()
    workbench.page.wait_for_timeout(2500)
    workbench.page.go_back()
    expect(workbench.page.get_by_text("Bar of 2012-06-29")).to_be_visible()
    workbench.assert_sound()


def test_a_good_file_is_previewed_and_ingested(workbench: Workbench, tmp_path: Path) -> None:
    workbench.visit("Data")
    workbench.page.locator("input[type=file]").set_input_files(good_csv(tmp_path))
    expect(workbench.page.get_by_text("The first 20 bars as they would be stored")).to_be_visible()
    workbench.page.get_by_role("button", name="Ingest this file").click()
    expect(workbench.page.get_by_text("ZZTEST.csv: 700 rows read")).to_be_visible()
    workbench.assert_sound()
    workbench.visit("Live")
    workbench.choose("Instrument", "ZZTEST")
    expect(workbench.page.get_by_text("The model was trained without ZZTEST")).to_be_visible()
    workbench.assert_sound()


def test_a_broken_file_is_refused_in_one_sentence(workbench: Workbench, tmp_path: Path) -> None:
    broken = tmp_path / "broken.csv"
    broken.write_text("a,b\n1,2\n")
    workbench.visit("Data")
    workbench.page.locator("input[type=file]").set_input_files(broken)
    refusal = workbench.page.get_by_text("Expected columns for time, open, high, low and close")
    expect(refusal).to_be_visible()
    expect(workbench.page.get_by_test_id("stException")).to_have_count(0)
    expect(workbench.page.get_by_text("Something went wrong in Lookback itself")).to_have_count(0)
    assert workbench.complaints == []
