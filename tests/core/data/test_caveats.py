"""What is said of a window's bars before a prediction made of them is believed."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from core.data.caveats import describe_windows, find_missing
from core.data.store import BarStore
from tests.core.data.synthetic_bars import make_bars

LENGTH = 300


@pytest.fixture
def store(tmp_path) -> BarStore:
    return BarStore(tmp_path)


def caveats(store: BarStore, bars: pd.DataFrame, end: int | None = None) -> tuple[str, ...]:
    store.upsert(bars)
    series = str(bars["instrument"].iloc[0]), str(bars["timeframe"].iloc[0])
    read = store.read_window(*series, length=900)
    ends = [len(read) - 1 if end is None else end]
    return describe_windows(read, find_missing(store, read), ends, LENGTH)[0]


def sessions(days: int, hours=range(9, 17), start="2024-01-02", step: str = "5min") -> pd.DatetimeIndex:
    """Bars of a market open some hours of every weekday."""
    ts = pd.date_range(start, periods=days * 24 * 12, freq=step, tz="UTC")
    return ts[(ts.dayofweek < 5) & ts.hour.isin(hours)]


def test_days_weeks_and_nights_of_a_market_are_no_hole(store):
    assert caveats(store, make_bars(900)) == ()
    weekly = make_bars(900, "BBB", "1w")
    assert caveats(store, weekly) == ()
    ts = sessions(30)
    assert caveats(store, make_bars(len(ts), "CCC").assign(ts=ts.as_unit("us"), timeframe="5m")) == ()


@pytest.mark.parametrize(("timeframe", "absent"), [("1d", 390), ("1w", 78)])
def test_a_window_over_a_long_hole_says_from_when_to_when(store, timeframe, absent):
    bars = make_bars(900 + absent, timeframe=timeframe)
    kept = bars.drop(index=range(800, 800 + absent)).reset_index(drop=True)
    (said,) = caveats(store, kept)
    before, after = (f"{kept['ts'][row]:%Y-%m-%d}" for row in (799, 800))
    assert f"no bars between {before} and {after} (18 months)" in said


def test_a_hole_is_told_only_where_the_window_spans_it(store):
    kept = make_bars(1200).drop(index=range(600, 800)).reset_index(drop=True)
    store.upsert(kept)
    missing = find_missing(store, kept)
    before, across, after = describe_windows(kept, missing, [599, 650, 950], LENGTH)
    assert before == after == ()
    assert len(across) == 1


def test_two_days_missing_right_before_the_last_bar_are_told_and_long_ago_are_not(store):
    bars = make_bars(900)
    (said,) = caveats(store, bars.drop(index=[897, 898]))
    assert "hole" in said
    assert caveats(BarStore(store.home / "other"), bars.drop(index=[797, 798])) == ()


def test_an_hour_missing_within_a_trading_day_is_found_by_the_weeks_before(store):
    ts = sessions(40)
    bars = make_bars(len(ts)).assign(ts=ts.as_unit("us"), timeframe="5m")
    midday = (bars["ts"] >= bars["ts"].iloc[-1].normalize()) & bars["ts"].dt.hour.isin([11, 12])
    (said,) = caveats(store, bars.loc[~midday])
    assert "10:55 and " in said


def test_bars_of_one_price_and_bars_without_volume_are_told(store):
    bars = make_bars(900)
    for name in ("open", "high", "low"):
        bars[name] = bars["close"]
    said = caveats(store, bars.assign(volume=0.0))
    assert ["one price" in said[0], "no volume" in said[1], len(said)] == [True, True, 2]
    assert caveats(store, make_bars(900)) == ()


def test_bars_filled_in_while_the_market_was_closed_are_counted(store):
    bars = make_bars(900)
    closed = bars.index[800:850]
    bars.loc[closed, ["open", "high", "low", "close"]] = bars["close"][799]
    bars.loc[closed, "volume"] = 0.0
    (said,) = caveats(store, bars)
    assert said.startswith("50 of these 300 bars repeat the last price")


def test_what_is_said_of_a_window_does_not_depend_on_later_bars(store):
    bars = make_bars(900).drop(index=range(500, 530)).reset_index(drop=True)
    store.upsert(bars)
    whole = describe_windows(bars, find_missing(store, bars), range(LENGTH, len(bars), 37), LENGTH)
    for end, told in zip(range(LENGTH, len(bars), 37), whole, strict=True):
        part = bars.iloc[: end + 1]
        assert describe_windows(part, find_missing(store, part), [end], LENGTH) == [told]
    assert any(whole)
    assert not np.all([bool(told) for told in whole])
