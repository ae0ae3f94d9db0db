"""Daily and weekly bars stand under their trading date, whatever their stamp."""

from __future__ import annotations

import pandas as pd
import pytest

from core.data.ingest.mapping import guess_mapping
from core.data.ingest.parse import parse_bars, parse_batches, zone_needed
from core.data.ingest.tables import read_table
from core.errors import BarsError

WEEKDAYS = pd.bdate_range("2024-03-04", periods=20)  # over New York's and Europe's change to summer time
ALL_DAYS = pd.date_range("2024-03-04", periods=20)
MONDAYS = pd.date_range("2024-01-01", periods=12, freq="7D")


def parse(stamps, timezone: str | None = None, timeframe: str | None = None) -> pd.DatetimeIndex:
    text = "time,open,high,low,close\n" + "".join(f"{stamp},2,3,1,2\n" for stamp in stamps)
    bars = parse_bars(read_table(text.encode(), "X.csv"), None, None, timeframe, timezone)
    return pd.DatetimeIndex(bars["ts"])


def stamped(dates: pd.DatetimeIndex, zone: str, clock: str = "00:00", before: int = 0) -> pd.DatetimeIndex:
    """The wall-clock time of each date (or a day before it) in a zone."""
    return (dates - pd.Timedelta(days=before) + pd.Timedelta(f"{clock}:00")).tz_localize(zone)


def offsets(times: pd.DatetimeIndex) -> list[str]:
    return [time.isoformat(sep=" ") for time in times]


def epochs(times: pd.DatetimeIndex) -> list[int]:
    return [round(time.timestamp()) for time in times]


FORMS = {
    "plain dates": [f"{day:%Y-%m-%d}" for day in WEEKDAYS],
    "midnight": [f"{day:%Y-%m-%d %H:%M:%S}" for day in WEEKDAYS],
    "midnight of UTC": [f"{day:%Y-%m-%dT%H:%M:%SZ}" for day in WEEKDAYS],
    "New York's midnight": offsets(stamped(WEEKDAYS, "America/New_York")),
    "Tokyo's midnight": offsets(stamped(WEEKDAYS, "Asia/Tokyo")),
    "India's midnight": offsets(stamped(WEEKDAYS, "Asia/Kolkata")),
    "New York's close": offsets(stamped(WEEKDAYS, "America/New_York", "16:00")),
    "a close without zone": [f"{day:%Y-%m-%d} 16:00" for day in WEEKDAYS],
    "the last millisecond": [f"{day:%Y-%m-%d}T23:59:59.999Z" for day in WEEKDAYS],
    "Tokyo's midnight in seconds": epochs(stamped(WEEKDAYS, "Asia/Tokyo")),
    "Auckland's midnight in seconds": epochs(stamped(WEEKDAYS, "Pacific/Auckland")),
    "New York's midnight in seconds": epochs(stamped(WEEKDAYS, "America/New_York")),
    "New York's close in seconds": epochs(stamped(WEEKDAYS, "America/New_York", "16:00")),
    "currencies from five the evening before": offsets(stamped(WEEKDAYS, "America/New_York", "17:00", 1)),
    "the same in seconds": epochs(stamped(WEEKDAYS, "America/New_York", "17:00", 1)),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_way_to_stamp_a_day_gives_the_same_dates(form: str) -> None:
    assert parse(FORMS[form]).tolist() == WEEKDAYS.tz_localize("UTC").tolist()


@pytest.mark.parametrize("zone", ["Asia/Tokyo", "America/New_York", "Europe/Athens", "America/Los_Angeles"])
def test_days_traded_all_week_follow_the_nearer_midnight(zone: str) -> None:
    assert parse(epochs(stamped(ALL_DAYS, zone))).tolist() == ALL_DAYS.tz_localize("UTC").tolist()


def test_the_zone_that_is_given_says_which_day_a_moment_belongs_to() -> None:
    eight, dates = epochs(stamped(ALL_DAYS, "UTC", "20:00")), ALL_DAYS.tz_localize("UTC")
    assert parse(eight, "America/New_York").tolist() == dates.tolist()
    assert parse(eight, "Asia/Tokyo").tolist() == (dates + pd.Timedelta(days=1)).tolist()
    assert (
        parse(FORMS["midnight of UTC"], "America/New_York").tolist() == parse(FORMS["plain dates"]).tolist()
    )
    with pytest.raises(BarsError, match="IANA time zone"):
        parse(FORMS["plain dates"], "Mars/Olympus")


def test_a_sunday_to_thursday_market_keeps_its_days() -> None:
    days = pd.DatetimeIndex([day for day in ALL_DAYS if day.weekday() not in (4, 5)])
    for stamps in (offsets(stamped(days, "Asia/Riyadh")), epochs(stamped(days, "Asia/Riyadh"))):
        assert parse(stamps, timeframe="1d").tolist() == days.tz_localize("UTC").tolist()


@pytest.mark.parametrize(
    "stamps",
    [
        MONDAYS,
        MONDAYS - pd.Timedelta(days=1),
        MONDAYS + pd.Timedelta(days=4),
        MONDAYS + pd.Timedelta("6D23h59min59s"),
        stamped(MONDAYS, "Asia/Tokyo"),
        stamped(MONDAYS, "America/New_York"),
    ],
    ids=["Monday", "Sunday before", "Friday", "last second", "Tokyo", "New York"],
)
def test_weeks_stand_under_their_monday(stamps: pd.DatetimeIndex) -> None:
    found = parse(offsets(stamps) if stamps.tz is not None else [f"{stamp}" for stamp in stamps])
    assert found.tolist() == MONDAYS.tz_localize("UTC").tolist()


def test_weeks_that_begin_in_mid_week_keep_their_date() -> None:
    assert parse([f"{day:%Y-%m-%d}" for day in MONDAYS + pd.Timedelta(days=2)]).tolist() == (
        (MONDAYS + pd.Timedelta(days=2)).tz_localize("UTC").tolist()
    )


def test_what_was_moved_is_said_and_what_was_not_is_not() -> None:
    def findings(stamps: list) -> list:
        text = "time,open,high,low,close\n" + "".join(f"{stamp},2,3,1,2\n" for stamp in stamps)
        return [f for batch in parse_batches(read_table(text.encode(), "X.csv")) for f in batch.found]

    (moved,) = findings(FORMS["Tokyo's midnight"])
    assert (moved.check, moved.verdict, moved.rows) == ("date", "repaired", 20)
    assert findings(FORMS["midnight of UTC"]) == []


def test_intraday_bars_are_moments_and_need_their_zone() -> None:
    hours = pd.date_range("2024-03-04", periods=30, freq="h")
    times = [f"{hour:%Y-%m-%d %H:%M}" for hour in hours]
    assert parse(times, "Asia/Tokyo")[0] == hours[0].tz_localize("Asia/Tokyo")
    with pytest.raises(BarsError, match="say which zone"):
        parse(times)
    for stamps, needed in ((times, True), (FORMS["a close without zone"], False)):
        text = "time,open,high,low,close\n" + "".join(f"{stamp},2,3,1,2\n" for stamp in stamps)
        table = read_table(text.encode(), "X.csv")
        assert zone_needed(table, guess_mapping(table)) is needed
