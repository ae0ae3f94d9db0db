from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.data.ingest.cells.times import StyleEvidence, guess_style, join_clock, read_times
from core.errors import BarsError

MOMENT = pd.Timestamp("2018-03-31 21:05:00")
FORMS = {
    "ISO": "%Y-%m-%d %H:%M:%S",
    "ISO with T": "%Y-%m-%dT%H:%M:%S.000",
    "slashes, year first": "%Y/%m/%d %H:%M",
    "day first": "%d.%m.%Y %H:%M:%S",
    "month first, half days": "%m/%d/%Y %I:%M:%S %p",
    "glued half day": "%m/%d/%Y %I:%M%p",
    "hour words": "%Y-%m-%d %H:05",
    "month by name": "%d-%b-%Y %H:%M",
    "month by its whole name": "%B %d, %Y %H:%M",
    "weekday before": "%a, %d %b %Y %H:%M:%S",
    "year, month by name": "%Y-%b-%d %H:%M",
    "packed": "%Y%m%d %H%M%S",
    "packed without a blank": "%Y%m%d%H%M",
    "clock of digits": "%Y%m%d %H%M",
    "all glued": "%d%b%Y:%H:%M:%S",
    "clock with points": "%Y-%m-%d %H.%M.%S",
}


def read(*cells: str) -> list[pd.Timestamp]:
    values = pd.Series(cells)
    style = guess_style(values)
    assert style is not None
    return read_times(values, style).tolist()


@pytest.mark.parametrize("form", FORMS)
def test_every_form_reads_the_moment_it_was_written_from(form):
    assert read(MOMENT.strftime(FORMS[form])) == [MOMENT]
    assert read(MOMENT.strftime(FORMS[form]).upper()) == [MOMENT]


@pytest.mark.parametrize(
    ("cell", "hour"),
    [("12-AM", 0), ("01-AM", 1), ("11-AM", 11), ("12-PM", 12), ("1 pm", 13), ("11-PM", 23), ("11 p.m.", 23)],
)
def test_hours_in_words_are_those_of_their_half_of_the_day(cell, hour):
    assert read(f"2020-07-05 {cell}") == [pd.Timestamp(2020, 7, 5, hour)]


@pytest.mark.parametrize(
    ("zone", "ahead"),
    [
        ("+00", 0), ("+02", 2), ("-05", -5), ("+0530", 5.5), ("+05:30", 5.5), ("Z", 0), (" UTC", 0),
        (" GMT+2", 2),
        (" EST", -5), (" EDT", -4), (" US/Eastern", -5), (" America/New_York", -5),
        ("-05:00[America/New_York]", -5),
        (" ET", -5), (" GMT+0100 (Central European Standard Time)", 1),
    ],
)  # fmt: skip
def test_a_zone_in_the_text_is_heeded_however_it_is_written(zone, ahead):
    expected = pd.Timestamp("2024-01-02 09:30", tz="UTC") - pd.Timedelta(hours=ahead)
    assert read(f"2024-01-02 09:30:00{zone}") == [expected]


def test_each_row_has_its_own_offset():
    assert read("2024-03-08T09:30:00-05:00", "2024-03-11T09:30:00-04:00") == [
        pd.Timestamp("2024-03-08 14:30", tz="UTC"),
        pd.Timestamp("2024-03-11 13:30", tz="UTC"),
    ]


@pytest.mark.parametrize(
    ("clocks", "expected"),
    [
        (["0900", "0935", "1600"], ["09:00", "09:35", "16:00"]),
        (["900", "935", "1600"], ["09:00", "09:35", "16:00"]),
        (["0", "5", "1000"], ["00:00", "00:05", "10:00"]),
        (["93000", "93500", "160000"], ["09:30", "09:35", "16:00"]),
        (["093000", "093500", "160000"], ["09:30", "09:35", "16:00"]),
        (["0", "500", "10000"], ["00:00", "00:05", "01:00"]),
        (["0", "9", "23"], ["00:00", "09:00", "23:00"]),
        (["93000000", "160000000"], ["09:30", "16:00"]),
        (["9:30", "16:00"], ["09:30", "16:00"]),
        (["9:30:00 AM", "4:00:00 PM"], ["09:30", "16:00"]),
    ],
)
def test_clocks_of_any_length_are_hours_and_minutes(clocks, expected):
    days = pd.Series(["2024-01-02"] * len(clocks))
    times = read(*join_clock(days, pd.Series(clocks)))
    assert [f"{time:%H:%M}" for time in times] == expected


def test_whole_numbers_that_were_floats_are_dates_and_clocks():
    joined = join_clock(pd.Series(["20240102.0"] * 2), pd.Series(["935.0", "1600.0"]))
    assert read(*joined) == [pd.Timestamp("2024-01-02 09:35"), pd.Timestamp("2024-01-02 16:00")]
    assert read("20240102.0", "20240103.0")[0] == pd.Timestamp("2024-01-02")


def test_a_midnight_beside_a_clock_is_no_second_clock():
    joined = join_clock(pd.Series(["2024-01-02 00:00:00"]), pd.Series(["935"]))
    assert read(*joined) == [pd.Timestamp("2024-01-02 09:35")]


def test_the_end_of_a_day_is_the_start_of_the_next():
    assert read("2024-01-02 24:00", "2024-01-02 23:00")[0] == pd.Timestamp("2024-01-03")


@pytest.mark.parametrize("year", [1970, 1999, 2000, 2018, 2026])
def test_two_digits_mean_the_year_nearest_to_now(year):
    day = pd.Timestamp(year, 3, 31)
    assert read(f"{day:%d-%b-%y}") == [day]
    assert read(f"{day:%m/%d/%y}") == [day]


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.datetimes(pd.Timestamp("1980-01-01"), pd.Timestamp("2025-12-31")), min_size=1, max_size=20)
)
def test_iso_times_survive_to_the_microsecond(moments):
    assert read(*(f"{moment:%Y-%m-%d %H:%M:%S.%f}" for moment in moments)) == moments


@pytest.mark.parametrize(
    ("cell", "month"),
    [
        ("1. M\u00e4rz 2018", 3), ("01. Dez. 2018", 12), ("1 f\u00e9vr. 2018", 2), ("1 juin 2018", 6),
        ("1 juil. 2018", 7), ("01-ene-2018", 1), ("1 ago 2018", 8), ("1 set 2018", 9), ("01/Oct/2018", 10),
        ("1 gennaio 2018", 1),
    ],
)  # fmt: skip
def test_months_are_known_in_the_languages_of_europe(cell, month):
    assert read(cell) == [pd.Timestamp(2018, month, 1)]


def test_a_stray_cell_is_left_out_and_many_are_a_form_that_is_named():
    days = [f"{day:%Y-%m-%d}" for day in pd.date_range("2024-01-01", periods=30)]
    assert settle(*days, "Total").dates_only
    with pytest.raises(BarsError, match="got 'week 1' in line 32"):
        settle(*days, *(f"week {i}" for i in range(1, 7)))


@pytest.mark.parametrize(
    "cell", ["soon", "2024-13-45", "2021-W05", "45292", "25:61", "2024-01-02 25:00", "12.5"]
)
def test_what_is_no_time_has_no_style(cell):
    assert guess_style(pd.Series([cell] * 3)) is None


def settle(*cells: str, timezone: str | None = None):
    evidence = StyleEvidence("Date")
    half = len(cells) // 2
    for part in (slice(0, half), slice(half, None)):
        evidence.add(pd.Series(cells[part]), pd.RangeIndex(2, 2 + len(cells))[part])
    return evidence.settle(None, timezone)[0]


def test_rows_far_down_decide_what_the_first_ones_leave_open():
    assert settle("2024-01-02", "2024-01-03", "2024-01-04 09:30", "2024-01-05 10:00").dates_only is False
    assert settle("20240102 0", "20240102 500", "20240102 1000", "20240102 103000").clock_digits == 6


def test_a_form_that_is_not_known_is_named_with_its_line():
    with pytest.raises(BarsError, match=r"column 'Date'.*got '2024-W02' in line 3"):
        settle("2024-01-02", "2024-W02", "2024-W03", "2024-W04")


def test_rows_without_a_zone_among_rows_with_one_are_named():
    with pytest.raises(BarsError, match=r"in every row.*'2024-01-03 09:30' in line 3"):
        settle("2024-01-02 09:30+01:00", "2024-01-03 09:30", timezone="UTC")


def test_a_zone_word_of_several_zones_is_asked_about():
    cells = ["2024-01-02 09:30 IST", "2024-01-03 09:30 IST"]
    with pytest.raises(BarsError, match=r"'2024-01-02 09:30 IST' in line 2.*--timezone"):
        settle(*cells)
    assert settle(*cells, timezone="Asia/Kolkata").aware is False
