import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pandas as pd
import pytest

from app.figures.similar import multiple_svg, paths_figure
from app.figures.theme import CANDLES, class_color
from core.explain.similar.glimpse import Glimpse
from tests.conftest import random_walk

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def bars() -> pd.DataFrame:
    return random_walk("AAA", 81, 0)


def drawn(glimpse: Glimpse, **options) -> ElementTree.Element:
    return ElementTree.fromstring(multiple_svg(glimpse, **options))


def test_every_bar_is_a_candle_and_those_after_the_moment_are_grey(bars):
    candles = drawn(Glimpse(bars, 60)).findall(f"{SVG}g")
    assert len(candles) == 81
    colors = CANDLES["lookback", False]
    before = {candle.get("stroke") for candle in candles[:61]}
    after = {candle.get("stroke") for candle in candles[61:]}
    assert before == {colors.up, colors.down}
    assert len(after) == 1
    assert not after & before


def test_rising_bars_are_hollow_so_that_colour_is_not_alone(bars):
    candles = drawn(Glimpse(bars, 60)).findall(f"{SVG}g")
    rising = (bars["close"] >= bars["open"]).to_numpy()
    hollow = [candle.find(f"{SVG}rect").get("fill") == "none" for candle in candles]
    assert hollow == rising.tolist()


def test_a_moment_without_future_has_no_band_and_no_mark_for_it(bars):
    assert [text.text for text in drawn(Glimpse(bars, 80)).findall(f"{SVG}text")][-2:] == ["−80", "0"]
    assert drawn(Glimpse(bars, 80)).find(f"{SVG}rect") is None
    assert [text.text for text in drawn(Glimpse(bars, 60)).findall(f"{SVG}text")][-3:] == ["−60", "0", "+20"]
    with pytest.raises(ValueError, match="must be one of the bars"):
        multiple_svg(Glimpse(bars, 81))


def test_heights_are_percent_of_the_moments_close_whatever_the_price(bars):
    scaled = bars.assign(**{name: bars[name] * 7 for name in ("open", "high", "low", "close")})
    numbers = [re.findall(r"-?\d+\.?\d*", multiple_svg(Glimpse(one, 60))) for one in (bars, scaled)]
    np.testing.assert_allclose(np.array(numbers[0], float), np.array(numbers[1], float), atol=0.02)


def test_paths_start_at_the_close_end_with_their_outcomes_sign_and_the_middle_is_their_median(bars):
    glimpses = [Glimpse(random_walk("AAA", 81, seed), 60) for seed in range(3)]
    paths = [glimpse.after for glimpse in glimpses]
    assert all(path[0] == 0 and len(path) == 21 for path in paths)
    figure = paths_figure(paths, ["Bullish", "Bearish", "Bullish"], ["a", "b", "c"], dark=False)
    *lines, middle = figure.data
    assert [line.text[-1] for line in lines] == ["▲", "▼", "▲"]
    assert lines[1].line.color == class_color("Bearish")
    np.testing.assert_allclose(middle.y, np.median(paths, axis=0))


def test_paths_known_for_different_times_are_all_drawn_as_far_as_they_go():
    figure = paths_figure(
        [np.array([0.0, 1.0]), np.array([0.0, 3.0, 5.0])], ["Low", "High"], ["a", "b"], dark=True
    )
    assert list(figure.data[-1].y) == [0.0, 2.0, 5.0]
    assert len(paths_figure([np.array([0.0])], ["Low"], ["a"], dark=True).data) == 1
