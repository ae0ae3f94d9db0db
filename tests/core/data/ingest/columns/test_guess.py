from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest

from core.data.ingest.mapping import assign_columns, guess_mapping
from core.data.ingest.parse import parse_bars
from core.data.ingest.tables import read_table
from core.errors import BarsError

DAYS = 60
CLOSE = 100 * np.exp(np.cumsum(np.random.default_rng(3).normal(0, 0.01, DAYS))).round(4)
OPEN = np.concatenate([[100.0], CLOSE[:-1]])
BARS = pd.DataFrame(
    {
        "Date": pd.bdate_range("2024-01-01", periods=DAYS).strftime("%Y-%m-%d"),
        "Open": OPEN,
        "High": np.maximum(OPEN, CLOSE) + 0.5,
        "Low": np.minimum(OPEN, CLOSE) - 0.5,
        "Close": CLOSE,
        "Volume": np.arange(DAYS) % 9 + 1,
    }
)
SECONDS = pd.to_datetime(BARS["Date"]).astype("datetime64[s]").astype("int64")


def table(frame: pd.DataFrame, name: str = "AAPL.csv", **options):
    return read_table(frame.to_csv(index=False, **options).encode(), name)


def assert_prices(bars: pd.DataFrame) -> None:
    np.testing.assert_allclose(bars[["open", "high", "low", "close"]], BARS[["Open", "High", "Low", "Close"]])


@pytest.mark.parametrize(
    "names",
    [
        ("date", "1. open", "2. high", "3. low", "4. close", "5. volume"),
        ("timestamp", "1a. open (USD)", "2a. high (USD)", "3a. low (USD)", "4a. close (USD)", "5. volume"),
        ("tradeDate", "openPrice", "highPrice", "lowPrice", "settlementPrice", "tradeVolume"),
        ("Datum", "Eröffn.", "Hoch", "Tief", "Zuletzt", "Vol."),
        ("日期", "开盘", "最高", "最低", "收盘", "成交量"),
        ("#Date", " OPEN ", "<HIGH>", "Low Price", "LTP last", "vol"),
    ],
)
def test_columns_are_known_by_the_names_that_vendors_give_them(names):
    read = table(BARS.set_axis(list(names), axis=1))
    mapping = guess_mapping(read)
    if names[4] == "LTP last":
        mapping = assign_columns(mapping, read, ["close=LTP last"])
    assert_prices(parse_bars(read, mapping))


def test_the_time_a_bar_opens_goes_before_the_time_it_closes():
    stamps = pd.to_datetime(BARS["Date"])
    frame = BARS.drop(columns="Date").assign(
        timestamp=(stamps + pd.Timedelta("23:59:59.999")).dt.strftime("%Y-%m-%dT%H:%M:%S.999Z"),
        timeOpen=stamps.dt.strftime("%Y-%m-%dT00:00:00.000Z"),
        name=2781,
    )
    mapping = guess_mapping(table(frame))
    assert mapping.column("ts") == "timeOpen"
    assert {mapping.meanings[name] for name in ("timestamp", "name")} == {"ignored"}


@pytest.mark.parametrize("power", [0, 3, 6, 9])
def test_epochs_of_every_unit_in_a_column_of_any_name(power):
    frame = BARS.assign(Date=SECONDS * 10**power).rename(columns={"Date": "when"})
    bars = parse_bars(table(frame))
    assert bars["ts"].dt.strftime("%Y-%m-%d").tolist() == BARS["Date"].tolist()


def test_epochs_may_change_their_unit_within_a_file():
    mixed = SECONDS * np.where(np.arange(DAYS) < 30, 10**3, 10**6)
    bars = parse_bars(table(BARS.assign(Date=mixed), header=False))
    assert bars["ts"].dt.strftime("%Y-%m-%d").tolist() == BARS["Date"].tolist()


@pytest.mark.parametrize(
    "order",
    [("Open", "High", "Low", "Close"), ("Low", "High", "Open", "Close"), ("Open", "Close", "High", "Low")],
)
def test_without_a_header_the_order_of_prices_is_the_one_that_fits(order):
    assert_prices(parse_bars(table(BARS[["Date", *order, "Volume"]], header=False)))


def test_without_a_header_instrument_timeframe_and_clock_may_stand_there_too():
    frame = BARS.assign(Date=BARS["Date"].str.replace("-", ""))
    frame.insert(0, "who", "EURUSD")
    frame.insert(1, "per", "D")
    frame.insert(3, "clock", "000000")
    bars = parse_bars(table(frame, "prices.txt", header=False))
    assert set(bars["instrument"]) == {"EURUSD"}
    assert_prices(bars)


def test_whole_billionths_are_prices_in_the_layout_that_says_so_and_only_there():
    names = ["Open", "High", "Low", "Close"]
    whole = BARS.assign(**{name: (BARS[name] * 1e9).round().astype("int64") for name in names})
    fixed = table(whole.assign(rtype=33, publisher_id=1, instrument_id=5602))
    mapping = guess_mapping(fixed)
    assert mapping.features() == {}
    assert any("divided by 1,000,000,000" in note for note in mapping.notes)
    assert_prices(parse_bars(fixed, mapping))
    np.testing.assert_array_equal(parse_bars(table(whole))["close"], whole["Close"])


def test_a_column_that_tells_repeated_times_apart_names_the_instrument():
    both = pd.concat([BARS.assign(Firm="AAA"), BARS.assign(Firm="BBB")]).sort_values("Date", kind="stable")
    mapping = guess_mapping(table(both, "all.csv"))
    assert mapping.column("instrument") == "Firm"
    assert any("Firm tells their rows apart" in sentence for sentence in mapping.guessed)
    numbered = both.drop(columns="Firm").assign(contract_id=[5, 7] * DAYS)
    assert set(parse_bars(table(numbered, "all.csv"))["instrument"]) == {"5", "7"}


def test_short_names_are_names_and_their_columns_features():
    frame = BARS.assign(**{f"f{i}": np.arange(DAYS) * i % 7 for i in range(1, 9)}, x12=1.5)
    mapping = guess_mapping(table(frame))
    assert list(mapping.features()) == [*(f"f{i}" for i in range(1, 9)), "x12"]
    (note,) = [note for note in mapping.notes if note.startswith("Features")]
    assert "f8, x12." in note
    assert "its last 250 bars" in note


def test_a_feature_of_a_name_that_is_taken_is_stored_under_another():
    mapping = guess_mapping(table(BARS.assign(rsi_14=50.0, **{"My Rate": 1.0, "my_rate": 2.0})))
    assert mapping.features() == {"rsi_14": "file_rsi_14", "My Rate": "my_rate", "my_rate": "my_rate_2"}


def test_words_are_kept_as_labels_and_prose_is_not():
    said = np.where(np.arange(DAYS) % 2, "Up", "Down")
    prose = [f"It was the {i}th day and much was written about it" for i in range(DAYS)]
    read = table(BARS.assign(Mood=said, News=prose))
    mapping = guess_mapping(read)
    assert mapping.labels() == {"Mood": "mood"}
    assert parse_bars(read, mapping)["mood"].tolist() == said.tolist()
    assert "Not used: News." in mapping.notes


def test_columns_of_one_name_are_left_out_until_one_is_called():
    text = BARS.assign(a=1.0, b=2.0).to_csv(index=False).replace(",a,b\n", ",Plot,Plot\n")
    read = read_table(text.encode(), "AAPL.csv")
    mapping = guess_mapping(read)
    assert mapping.features() == {}
    assert any("more than once: Plot, Plot_2." in note for note in mapping.notes)
    taken = assign_columns(mapping, read, ["feature=Plot_2"])
    assert parse_bars(read, taken)["plot_2"].eq(2).all()


def test_the_user_says_what_a_column_means():
    frame = BARS.rename(columns={"Close": "Mid px"}).assign(Last=1.0, Note=3)
    read = table(frame)
    said = ["close=mid_px", "ignored=Note", "label=Volume"]
    mapping = assign_columns(guess_mapping(read), read, said)
    assert mapping.meanings["Last"] == "ignored"
    bars = parse_bars(read, mapping)
    assert_prices(bars)
    assert bars["volume"].isna().all()
    assert set(bars["volume_2"]) == {str(i) for i in range(1, 10)}
    for wrong, refusal in [
        ("close", "MEANING=COLUMN"),
        ("price=Last", "a meaning out of"),
        ("close=Lasst", "a column out of"),
    ]:
        with pytest.raises(BarsError, match=refusal):
            assign_columns(mapping, read, [wrong])


def test_a_missing_column_is_refused_with_the_option_that_names_it():
    read = table(BARS.rename(columns={"Close": "Mid px"}))
    with pytest.raises(BarsError, match=r"none for close; say which it is with --column close=NAME"):
        parse_bars(read)
    twice = read_table(BARS.to_csv(index=False).replace("High", "Close").encode(), "A.csv")
    with pytest.raises(BarsError, match=r"\(Close, Close_2 bear one name more than once\)"):
        parse_bars(twice)


def test_delimiters_at_the_end_and_names_of_rows_do_not_shift_the_columns():
    lines = BARS.to_csv(index=False).splitlines()
    trailing = "\n".join([lines[0], *(line + "," for line in lines[1:])])
    assert_prices(parse_bars(read_table(trailing.encode(), "A.csv")))
    rows = io.StringIO()
    BARS.set_index("Date").to_csv(rows)
    unnamed = rows.getvalue().removeprefix("Date,")
    assert_prices(parse_bars(read_table(unnamed.encode(), "A.csv")))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-8-sig", "gb18030"])
def test_text_is_read_in_the_encodings_that_exports_have(encoding):
    names = ["日期", "开盘", "最高", "最低", "收盘", "成交量"] if encoding == "gb18030" else list(BARS)
    data = BARS.set_axis(names, axis=1).to_csv(index=False).encode(encoding)
    assert_prices(parse_bars(read_table(data, "A.csv")))


def test_a_line_without_an_end_is_refused():
    with pytest.raises(BarsError, match="lines of at most 1 MB"):
        read_table(b"Date,Open,High,Low,Close\n" + b"1" * 3_000_000, "A.csv")
    late = BARS.to_csv(index=False).encode() * 30 + b"1" * 5_000_000
    with pytest.raises(BarsError, match="lines of at most 1 MB"):
        parse_bars(read_table(late, "A.csv"))
