"""When bars are complete, and which spacings have a name."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from core.errors import InputError
from core.timeframe import DURATIONS, Session, infer_timeframe, known_at, newest_known

NEW_YORK = Session("America/New_York", "16:00")


def utc(text: str) -> pd.Timestamp:
    return pd.Timestamp(text, tz="UTC")


@pytest.mark.parametrize(
    ("session", "timeframe", "date", "closes"),
    [
        (None, "1d", "2013-03-01", "2013-03-02 00:00"),
        (NEW_YORK, "1d", "2013-03-01", "2013-03-01 21:00"),
        (NEW_YORK, "1d", "2013-07-01", "2013-07-01 20:00"),
        (NEW_YORK, "1w", "2023-09-11", "2023-09-15 20:00"),
        (NEW_YORK, "1h", "2013-03-01", "2013-03-01 01:00"),
        (Session("Asia/Tokyo", "15:30"), "1d", "2024-11-26", "2024-11-26 06:30"),
        (Session("America/Los_Angeles", "24:00"), "1d", "2024-01-01", "2024-01-02 08:00"),
        (Session("America/New_York", "24:00"), "1d", "2024-11-02", "2024-11-03 04:00"),
    ],
)
def test_a_bar_is_known_at_the_close_of_its_session(session, timeframe, date, closes) -> None:
    assert known_at(utc(date), timeframe, session) == utc(closes)


@pytest.mark.parametrize("session", [None, NEW_YORK, Session("Pacific/Auckland", "16:45")])
@pytest.mark.parametrize("timeframe", ["5m", "1d", "1w"])
def test_the_newest_known_bar_is_known_and_the_next_is_not(session, timeframe) -> None:
    for now in pd.date_range("2024-03-08 00:30", periods=40, freq="5h17min", tz="UTC"):
        newest = newest_known(now, timeframe, session)
        assert known_at(newest, timeframe, session) <= now
        after = newest + (pd.Timedelta(microseconds=1) if session is None else pd.Timedelta(days=1))
        if timeframe != "5m":
            assert known_at(after, timeframe, session) > now


@pytest.mark.parametrize(("zone", "close"), [("Mars/Olympus", "16:00"), ("UTC", "4pm"), ("UTC", "24:30")])
def test_a_session_that_is_none_is_refused(zone: str, close: str) -> None:
    with pytest.raises(InputError):
        Session(zone, close)


@pytest.mark.parametrize("name", DURATIONS)
def test_every_timeframe_is_recognised_by_its_spacing_and_fills_days_or_weeks(name: str) -> None:
    length = DURATIONS[name]
    opens = np.datetime64("2024-01-01", "us") + np.arange(9) * length.to_numpy().astype("timedelta64[us]")
    assert infer_timeframe(opens) == name
    assert not pd.Timedelta(days=7) % length


@pytest.mark.parametrize(
    ("freq", "said"),
    [("MS", "a month.*bring the daily or weekly bars"), ("7min", "7 minutes.*resample"), ("90s", "to 3m")],
)
def test_another_spacing_is_refused_with_the_names_that_exist_and_a_way_out(freq: str, said: str) -> None:
    with pytest.raises(InputError, match=f"1m, 2m, .*1d, 1w, got bars spaced mostly by .*{said}|{said}"):
        infer_timeframe(pd.date_range("2024-01-01", periods=9, freq=freq).to_numpy())
