from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.data.calendar import missing_before, next_open, rests_until


def utc(text: str) -> pd.Timestamp:
    return pd.Timestamp(text, tz="UTC")


@pytest.mark.parametrize(
    ("ts", "timeframe"),
    [
        (pd.bdate_range("2020-01-01", periods=300), "1d"),
        (pd.date_range("2020-01-01", periods=300, freq="D"), "1d"),
        (pd.date_range("2020-01-06", periods=120, freq="7D"), "1w"),
        (pd.date_range("2020-01-01", periods=5000, freq="h"), "1h"),
        (pd.date_range("2020-01-01", periods=40_000, freq="min"), "1m"),
    ],
)
def test_a_regular_series_misses_nothing(ts, timeframe):
    assert missing_before(ts.to_numpy(), timeframe).sum() == 0
    assert missing_before(ts.to_numpy(), timeframe, hindsight=True).sum() == 0


def sessions() -> pd.DatetimeIndex:
    """Half-hour bars 14:30 to 20:30 UTC, Monday to Friday, 30 weeks."""
    ts = pd.date_range("2020-01-06", periods=30 * 7 * 48, freq="30min")
    minutes = ts.hour * 60 + ts.minute
    return ts[(ts.dayofweek < 5) & (minutes >= 870) & (minutes <= 1230)]


@settings(max_examples=40, deadline=None)
@given(gone=st.sets(st.integers(13 * 5 * 9, 30 * 5 * 13 - 2), min_size=1, max_size=40))
def test_exactly_the_removed_bars_are_missed(gone):
    ts = sessions().to_numpy()
    kept = np.delete(ts, sorted(gone))
    missing = missing_before(kept, "30m")
    assert missing.sum() == len(gone)
    position = {moment: i for i, moment in enumerate(ts)}
    steps = np.diff([position[moment] for moment in kept]) - 1
    np.testing.assert_array_equal(missing[1:], steps)


@settings(max_examples=30, deadline=None)
@given(cut=st.integers(1, 800), gone=st.sets(st.integers(0, 799), max_size=200))
def test_later_bars_change_no_earlier_value(cut, gone):
    ts = np.delete(sessions().to_numpy()[:800], sorted(gone))
    np.testing.assert_array_equal(missing_before(ts[:cut], "30m"), missing_before(ts, "30m")[:cut])


def test_whole_weeks_without_bars_count_by_the_week_before():
    ts = pd.bdate_range("2020-01-06", periods=150)
    kept = ts[(ts < "2020-05-04") | (ts >= "2020-05-25")].to_numpy()
    assert missing_before(kept, "1d").max() == 15


def test_missing_weeks_are_counted():
    ts = pd.date_range("2020-01-06", periods=20, freq="7D").delete([4, 5, 9])
    assert missing_before(ts.to_numpy(), "1w").tolist() == [0, 0, 0, 0, 2, 0, 0, 1] + [0] * 9


def test_hindsight_judges_the_first_weeks_too():
    ts = pd.bdate_range("2020-01-06", periods=100).delete([2])
    assert missing_before(ts.to_numpy(), "1d").sum() == 0
    assert missing_before(ts.to_numpy(), "1d", hindsight=True)[2] == 1


def test_a_changed_clock_is_learned_within_the_memory():
    winter = [
        day + pd.Timedelta(hours=h) for day in pd.bdate_range("2020-01-06", periods=60) for h in (14, 15, 16)
    ]
    summer = [
        day + pd.Timedelta(hours=h) for day in pd.bdate_range("2020-03-30", periods=60) for h in (13, 14, 15)
    ]
    missing = missing_before(np.array(winter + summer, dtype="datetime64[us]"), "1h")
    assert missing[180:].sum() > 0
    assert missing[180 + 3 * 5 * 8 :].sum() == 0


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_bars_miss_nothing(count):
    assert (
        missing_before(pd.bdate_range("2020-01-01", periods=count).to_numpy(), "1d").tolist() == [0] * count
    )


@pytest.mark.parametrize(
    ("ts", "timeframe", "due"),
    [
        (pd.bdate_range("2020-01-06", "2020-06-05"), "1d", "2020-06-08"),
        (pd.bdate_range("2020-01-06", "2020-06-03"), "1d", "2020-06-04"),
        (pd.date_range("2020-01-06", "2020-06-05", freq="D"), "1d", "2020-06-06"),
        (pd.date_range("2020-01-06", "2020-06-05", freq="7D"), "1w", "2020-06-08"),
        (pd.date_range("2020-01-01 05:00", periods=100, freq="D"), "1d", "2020-04-10 05:00"),
        (pd.bdate_range("2020-01-02", "2020-01-03"), "1d", "2020-01-04"),
        (pd.date_range("2020-01-01", periods=1, freq="h"), "1h", "2020-01-01 01:00"),
    ],
)
def test_the_next_bar_is_due_when_the_calendar_says(ts, timeframe, due):
    assert next_open(ts.to_numpy(), timeframe) == utc(due)
    assert next_open(ts.tz_localize("UTC"), timeframe) == utc(due)


@settings(max_examples=40, deadline=None)
@given(last=st.integers(13 * 5 * 9, 30 * 5 * 13 - 2))
def test_the_next_bar_of_a_regular_series_is_the_one_that_comes(last):
    ts = sessions()
    assert next_open(ts[: last + 1].to_numpy(), "30m") == ts[last + 1].tz_localize("UTC")


@pytest.mark.parametrize(
    ("ts", "timeframe", "rests"),
    [
        (pd.bdate_range(end="2018-12-31", periods=300), "1d", True),
        (pd.date_range(end="2018-12-31", periods=300, freq="D"), "1d", False),
        (pd.date_range(end="2018-12-31", periods=120, freq="7D"), "1w", False),
        (pd.date_range(end="2018-12-31T12:00", periods=2000, freq="h"), "1h", False),
    ],
)
def test_a_holiday_can_only_keep_away_a_bar_of_a_market_that_rests(ts, timeframe, rests):
    assert rests_until(ts.to_numpy(), next_open(ts.to_numpy(), timeframe), timeframe) == rests


def test_the_next_bar_of_the_same_day_waits_for_no_holiday():
    days = pd.bdate_range("2018-10-01", "2018-12-31")
    ts = pd.DatetimeIndex([day + pd.Timedelta(hours=hour) for day in days for hour in range(14, 21)])
    assert not rests_until(ts[:-1].to_numpy(), next_open(ts[:-1].to_numpy(), "1h"), "1h")
    assert rests_until(ts.to_numpy(), next_open(ts.to_numpy(), "1h"), "1h")
