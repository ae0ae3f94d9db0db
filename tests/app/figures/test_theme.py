"""Colours and labels that every figure shares."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest

from app.figures.theme import (
    CANDLES,
    CLASS_COLORS,
    CLASS_SIGNS,
    attention_scale,
    class_color,
    class_sign,
    ink_on,
    price_decimals,
    price_format,
    time_labels,
)


def luminance(color: str) -> float:
    parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return float(np.dot([0.2126, 0.7152, 0.0722], linear))


def contrast(first: str, second: str) -> float:
    low, high = sorted([luminance(first), luminance(second)])
    return (high + 0.05) / (low + 0.05)


def test_the_classes_keep_their_agreed_colours() -> None:
    agreed = {
        "Bullish": "#0072B2",
        "Bearish": "#D55E00",
        "Sideways": "#8C8C8C",
        "Trending": "#009E73",
        "Ranging": "#56B4E9",
        "Volatile": "#E69F00",
    }
    assert {name: CLASS_COLORS[name] for name in agreed} == agreed


def test_volatility_grows_darker_with_the_class() -> None:
    low, medium, high = (luminance(CLASS_COLORS[name]) for name in ("Low", "Medium", "High"))
    assert low > medium > high


def test_every_class_has_a_sign_of_its_own_beside_its_colour() -> None:
    assert CLASS_SIGNS.keys() == CLASS_COLORS.keys()
    assert len(set(CLASS_SIGNS.values())) == len(CLASS_SIGNS)
    assert len(set(CLASS_COLORS.values())) == len(CLASS_COLORS)


@pytest.mark.parametrize("name", CLASS_COLORS)
def test_text_on_a_class_colour_is_readable(name: str) -> None:
    assert contrast(ink_on(CLASS_COLORS[name]), CLASS_COLORS[name]) >= 4.5


def test_classes_of_an_own_task_differ_in_colour() -> None:
    colors = [class_color(f"own {i}", i) for i in range(4)]
    assert len(set(colors)) == 4
    assert class_sign("own 1") not in CLASS_SIGNS.values()


@pytest.mark.parametrize("dark", [False, True])
def test_attention_colours_move_away_from_the_page_step_by_step(dark: bool) -> None:
    page = "#12161B" if dark else "#FFFFFF"
    places, colors = zip(*attention_scale(dark), strict=True)
    assert places[0] == 0.0
    assert places[-1] == 1.0
    assert all(a < b for a, b in itertools.pairwise(places))
    steps = [contrast(str(color), page) for color in colors]
    assert all(a < b for a, b in itertools.pairwise(steps))


@pytest.mark.parametrize(("palette", "dark"), list(CANDLES))
def test_candles_stand_out_from_the_page(palette: str, dark: bool) -> None:
    page = "#12161B" if dark else "#FFFFFF"
    colors = CANDLES[palette, dark]  # type: ignore[index]
    assert contrast(colors.up, page) >= 3
    assert contrast(colors.down, page) >= 3


def test_time_labels_are_unique_and_say_the_time_of_day_only_where_it_matters() -> None:
    hours = np.arange("2020-01-01T22", "2020-01-02T02", dtype="datetime64[h]")
    assert time_labels(hours, "1h")[2] == "2020-01-02 00:00"
    assert len(set(time_labels(hours, "1h"))) == len(hours)
    assert time_labels(hours[2:3], "1d") == ["2020-01-02"]


@pytest.mark.parametrize(("price", "form"), [(430.0, ",.2f"), (1.3051, ",.4f"), (0.00231, ",.6f")])
def test_prices_carry_the_decimals_of_their_size(price: float, form: str) -> None:
    assert price_format(np.full(5, price)) == form


@pytest.mark.parametrize("price", [0.00000812, 0.0231, 1.1, 140.0, 38_451.0])
def test_the_decimals_tell_open_from_close(price: float) -> None:
    opens = price * (1 + 0.001 * np.arange(20))
    bars = pd.DataFrame({"open": opens, "close": opens * 1.0008})
    places = price_decimals(bars)
    written = [f"{value:.{places}f}" for value in (*bars["open"], *bars["close"])]
    assert len(set(written)) == len(written)


def test_a_large_price_keeps_its_cents_and_no_more() -> None:
    bars = pd.DataFrame({"open": [38_451.0, 38_460.0], "close": [38_460.0, 38_455.0]})
    assert price_format(bars) == ",.2f"
