"""Candles: one bar one place, whatever the gaps."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from app.figures.candles import candles_figure, visible_bands


def bars(count: int = 40, volume: float = 1000.0) -> pd.DataFrame:
    close = 100 + np.sin(np.arange(count))
    return pd.DataFrame(
        {
            "instrument": "X",
            "timeframe": "1d",
            "ts": pd.bdate_range("2020-01-01", periods=count, tz="UTC"),
            "open": close - 0.5,
            "high": close + 1,
            "low": close - 1,
            "close": close,
            "volume": volume,
        }
    )


def test_bars_stand_side_by_side_across_weekends() -> None:
    figure = candles_figure(bars(), title="t")
    candle = figure.data[0]
    assert figure.layout.xaxis.type == "category"
    assert list(candle.x) == list(bars()["ts"].dt.strftime("%Y-%m-%d"))
    assert figure.layout.xaxis.range == (-0.5, 39.5)


def test_prices_arrive_unchanged() -> None:
    candle = candles_figure(bars(), title="t").data[0]
    for name in ("open", "high", "low", "close"):
        np.testing.assert_array_equal(candle[name], bars()[name])


@pytest.mark.parametrize("volume", [0.0, float("nan")])
def test_a_series_without_volume_has_no_volume_panel(volume: float) -> None:
    with_volume, without = candles_figure(bars(), title="t"), candles_figure(bars(volume=volume), title="t")
    assert [trace.type for trace in with_volume.data] == ["candlestick", "bar"]
    assert [trace.type for trace in without.data] == ["candlestick"]
    assert set(without.data[0].customdata) == {"not given"}


def test_volume_takes_the_colour_of_its_candle() -> None:
    falling = bars()
    falling[["open", "close"]] = falling[["close", "open"]].to_numpy()
    candle, volume = candles_figure(falling, title="t").data
    assert set(volume.marker.color) == {candle.decreasing.line.color}


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (1000, [(300, 700, False), (50, 950, False), (20, 980, False)]),
        (120, [(300, 0, True), (50, 70, False), (20, 100, False)]),
        (50, [(50, 0, False), (20, 30, False)]),
        (10, [(20, 0, True)]),
    ],
)
def test_bands_end_at_the_newest_bar_and_never_lie_on_one_another(count: int, expected: list) -> None:
    bands = visible_bands(count)
    assert [(band.bars, band.first, band.clipped) for band in bands] == expected
    assert {band.last for band in bands} == {count - 1}


def test_no_bars_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one bar"):
        candles_figure(bars(0), title="t")
