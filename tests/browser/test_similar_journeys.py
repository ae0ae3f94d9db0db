"""What a trader does on Similar, in a real browser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from core.bundle import SHIPPED, load_bundle
from core.data.store import BarStore
from core.explain.evidence.store import evidence_folder, evidence_path
from core.explain.similar.index import build_index, save_index
from core.predictor import Predictor

if TYPE_CHECKING:
    from tests.browser.conftest import Workbench

pytestmark = pytest.mark.browser

AT = "similar?instrument=AAPL&timeframe=1d&bar=2012-06-29"
SLOW, USUAL = 120_000, 20_000
"""Milliseconds a click may take on a machine that is busy with other things."""
STEP = 200
"""So wide that the index is built in seconds."""


@pytest.fixture(autouse=True)
def patient(workbench: Workbench) -> Iterator[None]:
    """Clicks and expectations wait as long as long work does."""
    workbench.page.set_default_timeout(SLOW)
    expect.set_options(timeout=SLOW)
    yield
    expect.set_options(timeout=USUAL)


@pytest.fixture(scope="module", autouse=True)
def indexed(home: Path) -> Path:
    """An index of the shipped model's moments in the workbench's home."""
    bundle = load_bundle(SHIPPED)
    path = evidence_path(evidence_folder(home, bundle), "moments")
    return save_index(build_index(Predictor(bundle, BarStore(home)), step=STEP), path, bundle)


@pytest.mark.parametrize("context", ["light", "dark"], indirect=True)
def test_the_nearest_moments_stand_beside_chance_in_both_themes(workbench: Workbench) -> None:
    workbench.open(AT)
    expect(workbench.page.get_by_text(re.compile(r"Of the 10 nearest moments, \d+ went"))).to_be_visible()
    expect(workbench.page.get_by_text(re.compile("chance")).first).to_be_visible()
    expect(workbench.page.get_by_role("img", name=re.compile("^Candles of"))).to_have_count(11)
    expect(workbench.page.locator(".js-plotly-plot")).to_have_count(1)
    workbench.assert_sound()


def test_another_task_and_number_change_the_sentence(workbench: Workbench) -> None:
    workbench.open(AT)
    workbench.page.get_by_role("radio", name="Volatility").click()
    workbench.settle()
    expect(workbench.page.get_by_text(re.compile(r"went [○◐●] (Low|Medium|High)"))).to_be_visible()
    assert "task=volatility" in workbench.page.url
    workbench.page.get_by_role("radio", name="5", exact=True).click()
    workbench.settle()
    expect(workbench.page.get_by_text(re.compile("Of the 5 nearest moments"))).to_be_visible()
    expect(workbench.page.get_by_role("img", name=re.compile("^Candles of"))).to_have_count(6)
    workbench.assert_sound()


def test_a_moment_opens_its_bar_and_the_way_back_is_the_browsers(workbench: Workbench) -> None:
    workbench.open(AT)
    first = workbench.page.get_by_text(re.compile(r"^1\. ")).first
    _, instrument, _, bar = first.inner_text().split("\n")[0].split(" ")
    workbench.page.get_by_role("button", name="Open this bar").first.click()
    workbench.settle()
    expect(workbench.page.get_by_text(re.compile(f"The chosen bar: {instrument} .*{bar}"))).to_be_visible()
    assert f"bar={bar}" in workbench.page.url
    workbench.assert_sound()
    workbench.page.go_back()
    workbench.settle()
    expect(workbench.page.get_by_text("The chosen bar: AAPL 1d, 2012-06-29")).to_be_visible()
