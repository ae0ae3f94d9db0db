"""What a person does on the Attention page, in a real browser."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pandas as pd
import pytest
from playwright.sync_api import Browser, Locator, expect

from app.figures.theme import CANDLES, Palette
from app.words.members import head_title
from core.bundle import SHIPPED, load_bundle
from core.data.store import BarStore
from core.prediction import AttentionWindow
from core.predictor import Predictor

if TYPE_CHECKING:
    from tests.browser.conftest import Workbench

pytestmark = pytest.mark.browser

BAR = "2012-06-29"
LINK = f"attention?instrument=AAPL&timeframe=1d&bar={BAR}&layer=4&head=5"


@pytest.fixture(scope="module")
def seen(home: Path) -> AttentionWindow:
    """What the page is about, computed apart from it."""
    predictor = Predictor(load_bundle(SHIPPED), BarStore(home))
    return predictor.attention("AAPL", "1d", pd.Timestamp(BAR, tz="UTC"))


def params(workbench: Workbench) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(workbench.page.url).query).items()}


def open_page(workbench: Workbench, link: str = LINK) -> Locator:
    """The stage, drawn, with the last band that arrives apart from it."""
    workbench.open(link)
    stage = workbench.page.locator(".stage")
    expect(stage).to_have_attribute("data-looks", "299")
    expect(workbench.page.locator(".labels button")).to_have_count(6)
    workbench.settle()
    stage.scroll_into_view_if_needed()
    return stage


def point_at(workbench: Workbench, stage: Locator, bar: int, y: float = 150) -> tuple[float, float]:
    """Move the pointer onto a bar of the window."""
    box = stage.bounding_box()
    assert box is not None
    x = box["x"] + 148 + (bar + 0.5) * (box["width"] - 148 - 74) / 300
    workbench.page.mouse.move(x, box["y"] + y)
    return x, box["y"] + y


def sentence(workbench: Workbench) -> str:
    return " ".join(workbench.page.locator(".said > div").all_inner_texts())


def day(seen: AttentionWindow, bar: int) -> str:
    return f"{pd.Timestamp(seen.ts[bar]):%Y-%m-%d}"


def assert_says_what(text: str, seen: AttentionWindow, layer: int, head: int, query: int) -> None:
    """The sentence against the weights themselves."""
    row = seen.weights[layer - 1, head - 1, query]
    assert text.startswith(f"{day(seen, query)} looks")
    strongest = int(row.argmax())
    share = re.search(r"most on (\d{4}-\d\d-\d\d) \(([\d.]+)%, (?:(\d+) bars? before|itself)\)", text)
    assert share is not None, text
    assert share[1] == day(seen, strongest)
    assert float(share[2]) == pytest.approx(100 * row[strongest], abs=0.51)
    assert int(share[3] or 0) == query - strongest
    for span in (20, 50):
        said = re.search(rf"(\d+)% on the last {span}", text)
        assert said is not None, text
        assert float(said[1]) == pytest.approx(
            100 * row[max(query + 1 - span, 0) : query + 1].sum(), abs=1.01
        )


def test_hovering_a_candle_shows_what_it_attended_without_asking_the_server(
    workbench: Workbench, seen: AttentionWindow
) -> None:
    stage = open_page(workbench)
    traffic: list[str] = []
    workbench.page.on("request", lambda request: traffic.append(request.url))
    sent: list[object] = []
    workbench.page.evaluate(
        "() => { window.sent = 0; const send = WebSocket.prototype.send;"
        " WebSocket.prototype.send = function (...a) { window.sent += 1; return send.apply(this, a) } }"
    )
    for query in (80, 150, 290):
        point_at(workbench, stage, query)
        expect(stage).to_have_attribute("data-looks", str(query))
        assert_says_what(sentence(workbench), seen, 4, 5, query)
        sent.append(workbench.page.evaluate("window.sent"))
    workbench.page.mouse.move(5, 5)
    expect(stage).to_have_attribute("data-looks", "299")
    assert sent == [0, 0, 0]
    assert traffic == []
    assert "looks" not in params(workbench)
    workbench.assert_sound()


def test_a_click_fixes_the_bar_that_looks_and_its_link_restores_it(
    workbench: Workbench, seen: AttentionWindow
) -> None:
    stage = open_page(workbench)
    x, y = point_at(workbench, stage, 200)
    workbench.page.mouse.click(x, y)
    workbench.page.wait_for_function("location.search.includes('looks=')")
    workbench.settle()
    assert params(workbench)["looks"] == day(seen, 200)
    workbench.page.mouse.move(5, 5)
    expect(stage).to_have_attribute("data-looks", "200")
    workbench.page.goto(workbench.page.url)
    workbench.settle()
    expect(workbench.page.locator(".stage")).to_have_attribute("data-looks", "200")
    assert_says_what(sentence(workbench), seen, 4, 5, 200)
    workbench.assert_sound()


def test_arrow_keys_move_the_bar_that_looks_and_escape_returns_to_the_newest(
    workbench: Workbench, seen: AttentionWindow
) -> None:
    stage = open_page(workbench)
    stage.focus()
    for key in ("ArrowLeft", "ArrowLeft", "PageUp", "ArrowRight"):
        workbench.page.keyboard.press(key)
    expect(stage).to_have_attribute("data-looks", "278")
    workbench.page.wait_for_function(f"location.search.includes('looks={day(seen, 278)}')")
    expect(stage).to_have_attribute("aria-valuetext", re.compile(f"^{day(seen, 278)}"))
    workbench.settle()
    expect(stage).to_have_attribute("data-looks", "278")
    workbench.page.keyboard.press("Escape")
    workbench.page.wait_for_function(f"location.search.includes('looks={BAR}')")
    workbench.settle()
    expect(stage).to_have_attribute("data-looks", "299")
    workbench.assert_sound()


def test_pointing_at_a_band_says_the_weights_of_that_bar_in_every_layer(
    workbench: Workbench, seen: AttentionWindow
) -> None:
    stage = open_page(workbench)
    point_at(workbench, stage, 285, y=20 + 290 + 10 + 12)
    tip = workbench.page.locator(".tip")
    expect(tip).to_be_visible()
    lines = tip.inner_text().splitlines()
    assert lines[0] == f"{day(seen, 285)}, seen from {BAR}: 14 bars before"
    assert len(lines) == 7
    for layer in range(4):
        said = float(re.search(r": ([\d.]+)%", lines[1 + layer])[1])
        assert said == pytest.approx(100 * seen.weights[layer, 4, 299, 285], abs=0.51)
    point_at(workbench, stage, 100, y=20 + 290 + 10 + 12)
    expect(tip).to_contain_text("Layer 1 · last 20: may not look there")
    expect(stage).to_have_attribute("data-looks", "299")


def test_a_click_on_a_band_opens_its_layer_and_lights_the_candles_by_it(workbench: Workbench) -> None:
    stage = open_page(workbench)
    workbench.page.get_by_role("button", name="Layer 2 · last 50").click()
    expect(stage).to_have_attribute("data-glow", "1")
    expect(workbench.page.get_by_text("Layer 2, member 3, head 1", exact=True)).to_be_visible()
    workbench.settle()
    assert params(workbench)["layer"] == "2"
    workbench.page.get_by_role("button", name="Through all layers").click()
    expect(workbench.page.locator(".what")).to_contain_text("Through all 4 layers (rollout, all heads)")
    workbench.assert_sound()


def test_the_last_band_explains_the_call_of_the_chosen_task(workbench: Workbench) -> None:
    open_page(workbench)
    band = workbench.page.locator(".labels button").last
    before = band.inner_text()
    assert re.match(r"For .*(Bullish|Bearish|Sideways)", before)
    workbench.page.get_by_role("radio", name="Volatility").click()
    expect(band).to_have_text(re.compile(r"For .*(Low|Medium|High)"))
    workbench.settle()
    assert params(workbench)["task"] == "volatility"
    band.click()
    expect(workbench.page.locator(".what")).to_contain_text(f"at {BAR}")
    workbench.assert_sound()


def test_the_table_sorts_by_a_clicked_column_and_a_row_opens_its_head(
    workbench: Workbench, seen: AttentionWindow
) -> None:
    open_page(workbench)
    ages = seen.weights[:, :, -1] @ np.arange(299, -1, -1.0)
    layer, head = np.unravel_index(ages.argmax(), ages.shape)
    rows = workbench.page.locator(".heads tbody tr")
    expect(rows).to_have_count(32)
    column = workbench.page.get_by_role("button", name="looks back, bars")
    column.click()
    expect(workbench.page.locator("th[aria-sort=descending]")).to_have_text("looks back, bars")
    expect(rows.first).to_have_attribute("data-layer", str(layer + 1))
    expect(rows.first).to_have_attribute("data-head", str(head + 1))
    shown = [float(cell) for cell in workbench.page.locator(".heads tbody td:nth-child(4)").all_inner_texts()]
    assert shown == sorted(shown, reverse=True)
    assert shown[0] == pytest.approx(ages.max(), abs=0.06)
    column.click()
    expect(rows.last).to_have_attribute("data-head", str(head + 1))
    rows.last.click()
    expect(
        workbench.page.get_by_text(f"Layer {layer + 1}, {head_title(head + 1, 8, 4)}", exact=True)
    ).to_be_visible()
    workbench.settle()
    assert (params(workbench)["layer"], params(workbench)["head"]) == (str(layer + 1), str(head + 1))
    expect(rows.last).to_have_attribute("aria-selected", "true")
    workbench.assert_sound()


def test_a_second_bar_is_compared_and_the_link_keeps_it(workbench: Workbench) -> None:
    open_page(workbench)
    workbench.page.get_by_text("Compare with another bar or model").click()
    workbench.page.get_by_label("year, Second bar (opens, UTC)").click()
    workbench.page.keyboard.type("20110901")
    workbench.page.get_by_role("button", name=re.compile("September 1, 2011")).click()
    expect(workbench.page.get_by_text("of the attention lies at other ages")).to_be_visible()
    workbench.settle()
    assert params(workbench)["against"] == "2011-09-01"
    expect(workbench.page.locator(".st-key-comparison .js-plotly-plot")).to_have_count(1)
    workbench.page.get_by_role("button", name="Stop comparing").click()
    workbench.page.wait_for_function("!location.search.includes('against=')")
    workbench.assert_sound()


COUNT_COLORS = """over => {
  const { data } = over.getContext("2d").getImageData(0, 0, over.width, over.height)
  const hex = value => value.toString(16).padStart(2, "0")
  const found = {}
  for (let i = 0; i < data.length; i += 4) {
    if (data[i + 3] < 255) continue
    const color = "#" + hex(data[i]) + hex(data[i + 1]) + hex(data[i + 2])
    found[color] = (found[color] ?? 0) + 1
  }
  return found
}"""


@pytest.mark.parametrize("context", ["light", "dark"], indirect=True)
def test_the_candles_follow_the_theme_and_the_chosen_palette(workbench: Workbench) -> None:
    open_page(workbench)
    dark = workbench.page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    candles = workbench.page.locator("canvas.over")

    def assert_drawn_in(palette: Palette) -> None:
        found = candles.evaluate(COUNT_COLORS)
        for color in (CANDLES[palette, dark].up, CANDLES[palette, dark].down):
            assert found.get(color.lower(), 0) > 100

    assert_drawn_in("lookback")
    workbench.page.locator("[data-testid=stPopover] button").first.click()
    workbench.page.get_by_text("Classic green and red candles").click()
    workbench.settle()
    workbench.page.wait_for_timeout(500)
    assert_drawn_in("classic")
    workbench.assert_sound()


@pytest.mark.parametrize("ratio", [1, 2])
def test_the_canvas_has_a_pixel_for_every_pixel_of_the_screen(
    browser: Browser, server: str, ratio: int
) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 900}, device_scale_factor=ratio)
    page.goto(f"{server}/{LINK}")
    canvas = page.locator("canvas.over")
    expect(page.locator(".stage")).to_have_attribute("data-looks", "299")
    size = canvas.evaluate("c => [c.width, c.height, c.clientWidth, c.clientHeight]")
    assert size[:2] == [round(ratio * size[2]), round(ratio * size[3])]
    page.close()
