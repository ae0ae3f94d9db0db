from __future__ import annotations

import pandas as pd
import pytest

from core.data.ingest.cells.order import UndecidedError
from core.data.ingest.mapping import DATES_ARE_DAYS, guess_mapping, remap
from core.data.ingest.parse import parse_bars
from core.data.ingest.settle import settle_mapping
from core.data.ingest.tables import read_table
from core.errors import BarsError

HEADER = "Date,Open,High,Low,Close,Volume\n"


def opened(text: str, name: str = "X.csv"):
    table = read_table(text.encode(), name)
    return table, guess_mapping(table)


def five_minutes(day_form: str, days: pd.DatetimeIndex) -> str:
    clocks = pd.date_range("09:00", "15:00", freq="5min").strftime("%H:%M")
    return HEADER + "".join(f"{day:{day_form}} {clock},10,11,9,10,5\n" for day in days for clock in clocks)


def test_a_row_behind_the_sample_settles_the_order_of_all():
    days = pd.date_range("2019-03-04", "2019-03-13")
    table, mapping = opened(five_minutes("%d-%m-%Y", days))
    assert len(table.sample) < 9 * 73
    bars = parse_bars(table, settle_mapping(table, mapping), timezone="UTC")
    assert (bars["ts"].min(), bars["ts"].max()) == (
        pd.Timestamp("2019-03-04 09:00", tz="UTC"),
        pd.Timestamp("2019-03-13 15:00", tz="UTC"),
    )
    assert bars["timeframe"].unique().tolist() == ["5m"]


def test_a_clock_behind_the_sample_asks_for_a_zone():
    rows = "".join(f"{day:%Y-%m-%d},1,1,1,1,1\n" for day in pd.date_range("2010-01-01", periods=600))
    table, mapping = opened(HEADER + rows + "2012-01-01 09:30,1,1,1,1,1\n")
    assert not mapping.timezone_needed
    assert DATES_ARE_DAYS in mapping.notes
    settled = settle_mapping(table, mapping)
    assert settled.timezone_needed
    assert DATES_ARE_DAYS not in settled.notes


def test_a_column_said_to_be_utc_stays_so():
    table, mapping = opened(
        "time_utc,open,high,low,close\n01/02/2024 09:00,1,1,1,1\n13/02/2024 09:00,1,1,1,1\n"
    )
    assert settle_mapping(table, mapping).time_style.aware
    assert parse_bars(table, mapping, timeframe="1h")["ts"][0] == pd.Timestamp("2024-02-01 09:00", tz="UTC")


def test_decimals_are_found_in_every_column_and_said():
    rows = '2024-01-02,"149,123","150,189","148,5","149,9","1.234.567"\n'
    table, mapping = opened(HEADER + rows * 2)
    settled = settle_mapping(table, mapping)
    assert settled.decimal_comma
    assert "Numbers are read with a decimal comma." in settled.guessed
    bars = parse_bars(table, settled, timeframe="1d")
    assert bars.loc[0, ["open", "low", "volume"]].tolist() == [149.123, 148.5, 1234567.0]


def test_currencies_units_and_percents_are_numbers_with_their_column():
    text = (
        "Date,Price,Open,High,Low,Vol.,Change %\n"
        + '02/29/2024,$10.5,$10.0,$11.0,$9.5,"1,207.40M",0.56%\n' * 2
    )
    bars = parse_bars(opened(text)[0], timeframe="1d")
    assert bars.loc[0, ["open", "close", "volume", "change"]].tolist() == [
        10.0,
        10.5,
        1_207_400_000.0,
        0.0056,
    ]


def test_a_settled_mapping_is_not_settled_again_and_a_changed_one_is():
    table, mapping = opened(HEADER + "2024-01-02,1,1,1,1,1\n2024-01-03,1,1,1,1,1\n")
    settled = settle_mapping(table, mapping)
    assert settle_mapping(table, settled) is settled
    assert not remap(settled, table, {"Volume": "ignored"}).settled


def test_what_the_user_says_takes_the_place_of_a_question():
    table, mapping = opened(HEADER + '01/02/2024,"1,234","1,250","1,200","1,240",5\n')
    with pytest.raises(UndecidedError, match="--date-order"):
        settle_mapping(table, mapping)
    with pytest.raises(UndecidedError, match="--decimal"):
        settle_mapping(table, mapping, date_order="day first")
    settled = settle_mapping(table, mapping, date_order="day first", decimal="point")
    bars = parse_bars(table, settled, timeframe="1d")
    assert (bars["ts"][0], bars["open"][0]) == (pd.Timestamp("2024-02-01", tz="UTC"), 1234.0)


def test_a_table_without_its_columns_comes_back_as_it_is():
    table, mapping = opened("Date,Open\n2024-01-02,1\n")
    assert settle_mapping(table, mapping) is mapping


@pytest.mark.parametrize("cell", ["45292", "2024-W05", "1st of May", "99/99/2024"])
def test_times_in_a_form_that_is_not_known_are_named_and_nothing_else_is_blamed(cell):
    table, mapping = opened(HEADER + f"{cell},1,1,1,1,1\n" * 3)
    for options in ({}, {"timezone": "UTC"}, {"timeframe": "1d"}):
        with pytest.raises(BarsError, match=f"times in column 'Date'.*'{cell}'"):
            parse_bars(table, mapping, **options)
