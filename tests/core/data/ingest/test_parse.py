from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.data.ingest.mapping import guess_mapping, name_timeframe, remap
from core.data.ingest.parse import parse_bars, parse_batches
from core.data.ingest.tables import read_table
from core.errors import BarsError, InputError

HOURS = pd.date_range("2020-01-06", periods=60, freq="h")
DAYS = pd.bdate_range("2020-01-06", periods=60)


def prices(i: int) -> tuple[float, float, float, float, int]:
    return 100 + i, 102.5 + i, 99.25 + i, 101 + i, 1000 + i


def lines(times, form: str, **more) -> str:
    rows = []
    for i, t in enumerate(times):
        o, h, low, c, v = prices(i)
        rows.append(
            form.format(t=t, o=o, h=h, l=low, c=c, v=v, s=t.value // 10**9, ms=t.value // 10**6, i=i, **more)
        )
    return "\n".join(rows) + "\n"


def parse(name: str, text: str | bytes, **given_by_user) -> pd.DataFrame:
    data = text.encode() if isinstance(text, str) else text
    return parse_bars(read_table(data, name), None, **given_by_user)


def assert_standard(bars: pd.DataFrame, times, instrument: str, timeframe: str) -> None:
    assert bars["instrument"].unique().tolist() == [instrument]
    assert bars["timeframe"].unique().tolist() == [timeframe]
    assert bars["ts"].tolist() == list(pd.DatetimeIndex(times).tz_localize("UTC"))
    expected = np.array([prices(i) for i in range(len(times))])
    np.testing.assert_allclose(bars[["open", "high", "low", "close", "volume"]], expected)


YAHOO = "Date,Open,High,Low,Close,Adj Close,Volume\n" + lines(DAYS, "{t:%Y-%m-%d},{o},{h},{l},{c},{i},{v}")
MT5 = "<DATE>\t<TIME>\t<OPEN>\t<HIGH>\t<LOW>\t<CLOSE>\t<TICKVOL>\t<VOL>\t<SPREAD>\n" + lines(
    HOURS, "{t:%Y.%m.%d}\t{t:%H:%M:%S}\t{o}\t{h}\t{l}\t{c}\t{v}\t0\t{i}"
)
FORMATS = {
    "yahoo": ("BTC-USD.csv", YAHOO, {}, "BTC-USD", "1d"),
    "metatrader 5": ("EURUSD_H1_202001060000_202001081100.csv", MT5, {"timezone": "UTC"}, "EURUSD", "1h"),
    "metatrader 5 in UTF-16": ("EURUSD_H1.csv", MT5.encode("utf-16"), {"timezone": "UTC"}, "EURUSD", "1h"),
    "metatrader 4": (
        "GBPUSD60.csv",
        lines(HOURS, "{t:%Y.%m.%d},{t:%H:%M},{o},{h},{l},{c},{v}"),
        {"timezone": "UTC"},
        "GBPUSD",
        "1h",
    ),
    "ccxt": (
        "BTCUSDT-1h-2020-01.csv",
        "timestamp,open,high,low,close,volume\n" + lines(HOURS, "{ms},{o},{h},{l},{c},{v}"),
        {},
        "BTCUSDT",
        "1h",
    ),
    "epoch seconds": (
        "X.csv",
        "time,o,h,l,c,v\n" + lines(HOURS, "{s},{o},{h},{l},{c},{v}"),
        {},
        "X",
        "1h",
    ),
    "epoch microseconds without header": (
        "x.csv",
        lines(HOURS, "{ms}000,{o},{h},{l},{c},{v}"),
        {},
        "X",
        "1h",
    ),
    "compact times": (
        "eurusd.csv",
        lines(HOURS, "{t:%Y%m%d %H%M%S};{o};{h};{l};{c};{v}"),
        {"timezone": "UTC"},
        "EURUSD",
        "1h",
    ),
    "hours in a column of their own": (
        "ES.csv",
        "Date,Hour,Open,High,Low,Close,Volume\n" + lines(HOURS, "{t:%Y-%m-%d},{t.hour},{o},{h},{l},{c},{v}"),
        {"timezone": "UTC"},
        "ES",
        "1h",
    ),
    "clocks of four digits": (
        "ES.csv",
        "Date,Time,Open,High,Low,Close,Vol\n" + lines(HOURS, "{t:%m/%d/%Y},{t:%H%M},{o},{h},{l},{c},{v}"),
        {"timezone": "UTC", "date_order": "month first"},
        "ES",
        "1h",
    ),
    "hours in words and currencies": (
        "Coinbase_BTCUSD_1h.csv",
        "Date,Open,High,Low,Close,Volume\n" + lines(HOURS, "{t:%Y-%m-%d %I-%p},${o},${h},${l},${c},{v}"),
        {"timezone": "UTC"},
        "BTCUSD",
        "1h",
    ),
    "offsets of two digits": (
        "btc.csv",
        "ts,open,high,low,close,volume\n" + lines(HOURS, "{t:%Y-%m-%d %H:%M:%S}+00,{o},{h},{l},{c},{v}"),
        {"timezone": "America/New_York"},
        "BTC",
        "1h",
    ),
    "years of two digits": (
        "TCS.csv",
        "Date,Open,High,Low,Close,Volume\n" + lines(DAYS, "{t:%d-%b-%y},{o},{h},{l},{c},{v}"),
        {},
        "TCS",
        "1d",
    ),
    "offsets": (
        "A.csv",
        "datetime,open,high,low,close,volume\n"
        + lines(HOURS, "{t:%Y-%m-%dT%H:%M:%S}+00:00,{o},{h},{l},{c},{v}"),
        {},
        "A",
        "1h",
    ),
    "days before months with decimal commas": (
        "SAP.csv",
        "Date;Open;High;Low;Close;Volume\n"
        + lines(DAYS, "{t:%d.%m.%Y};{o};{h};{l};{c};{v}").replace(".5;", ",5;").replace(".25;", ",25;"),
        {},
        "SAP",
        "1d",
    ),
    "months before days": (
        "MSFT.csv",
        "Date,Close/Last,Volume,Open,High,Low\n" + lines(DAYS, "{t:%m/%d/%Y},{c},{v},{o},{h},{l}"),
        {},
        "MSFT",
        "1d",
    ),
    "thousands separators": (
        "X.csv",
        "Date,Open,High,Low,Close,Volume\n" + lines(DAYS, '{t:%Y-%m-%d},{o},{h},{l},{c},"{v:,}"'),
        {},
        "X",
        "1d",
    ),
    "dates and codes of stooq": (
        "aapl.txt",
        "<TICKER>,<PER>,<DATE>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>\n"
        + lines(HOURS, "EURUSD,60,{t:%Y%m%d},{t:%H%M%S},{o},{h},{l},{c},{v}"),
        {"timezone": "UTC"},
        "EURUSD",
        "1h",
    ),
    "prose above the header": (
        "X.csv",
        "Exported by Somebody\n\nDate,Open,High,Low,Close,Volume\n"
        + lines(DAYS, "{t:%Y-%m-%d},{o},{h},{l},{c},{v}"),
        {},
        "X",
        "1d",
    ),
}


@pytest.mark.parametrize("name", FORMATS)
def test_exports_are_read_as_they_are(name):
    file, text, given_by_user, instrument, timeframe = FORMATS[name]
    bars = parse(file, text, **given_by_user)
    assert_standard(bars, DAYS if timeframe == "1d" else HOURS, instrument, timeframe)


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("kind", ["number", "naive", "aware", "date"])
def test_parquet_times_of_every_type_are_read(tmp_path, unit, kind):
    index = pd.DatetimeIndex(DAYS).as_unit(unit)
    ts = {
        "number": index.astype("int64"),
        "naive": index,
        "aware": index.tz_localize("UTC").tz_convert("Asia/Tokyo"),
        "date": index.date,
    }[kind]
    table = pd.DataFrame([prices(i) for i in range(60)], columns=["open", "high", "low", "close", "volume"])
    table.assign(ts=ts).to_parquet(tmp_path / "AAPL.parquet")
    assert_standard(parse_bars(read_table(tmp_path / "AAPL.parquet")), DAYS, "AAPL", "1d")


def test_path_bytes_and_buffer_read_the_same(tmp_path):
    (tmp_path / "A.csv").write_text(YAHOO)
    buffer = io.BytesIO(YAHOO.encode())
    buffer.read(7)
    expected = parse("A.csv", YAHOO)
    pd.testing.assert_frame_equal(parse_bars(read_table(tmp_path / "A.csv")), expected)
    pd.testing.assert_frame_equal(parse_bars(read_table(buffer, "A.csv")), expected)
    assert not buffer.closed


def test_the_mapping_says_what_was_understood():
    table = read_table(MT5.encode(), "EURUSD_H1.csv")
    mapping = guess_mapping(table)
    assert dict(mapping.meanings) == {
        "<DATE>": "ts",
        "<TIME>": "clock",
        "<OPEN>": "open",
        "<HIGH>": "high",
        "<LOW>": "low",
        "<CLOSE>": "close",
        "<TICKVOL>": "volume",
        "<VOL>": "ignored",
        "<SPREAD>": "feature",
    }
    assert mapping.timezone_needed
    assert mapping.instrument == "EURUSD"
    assert any("<TICKVOL>" in sentence for sentence in mapping.guessed)
    assert any("<VOL>" in note for note in mapping.notes)
    assert mapping.features() == {"<SPREAD>": "spread"}


def test_daily_dates_need_no_zone_and_that_is_said():
    mapping = guess_mapping(read_table(YAHOO.encode(), "A.csv"))
    assert not mapping.timezone_needed
    assert "Dates without a time of day are taken as trading days." in mapping.notes
    assert_standard(parse("A.csv", YAHOO, timezone="America/New_York"), DAYS, "A", "1d")


def test_extra_numbers_travel_with_the_bar_and_text_is_named():
    text = "Date,Open,High,Low,Close,Volume,Adj Close,Funding Rate,Comment\n"
    text += lines(DAYS, "{t:%Y-%m-%d},{o},{h},{l},{c},{v},{i},0.5,calm")
    table = read_table(text.encode(), "A.csv")
    bars = parse_bars(table)
    assert list(bars.columns[8:]) == ["adj_close", "funding_rate", "comment"]
    assert set(bars["comment"]) == {"calm"}
    assert bars["adj_close"].tolist() == list(range(60))
    assert any("Comment" in note for note in guess_mapping(table).notes)


def test_several_instruments_and_timeframes_in_one_file():
    text = "symbol,interval,time,open,high,low,close,volume\n"
    text += lines(HOURS, "A,H1,{ms},{o},{h},{l},{c},{v}") + lines(HOURS, "B,240,{ms},{o},{h},{l},{c},{v}")
    bars = parse("all.csv", text)
    assert set(zip(bars["instrument"], bars["timeframe"], strict=True)) == {("A", "1h"), ("B", "4h")}
    with pytest.raises(BarsError, match="one instrument to rename"):
        parse("all.csv", text, instrument="C")


def test_a_corrected_mapping_is_followed():
    table = read_table(YAHOO.encode(), "A.csv")
    mapping = remap(guess_mapping(table), table, {"Close": "ignored", "Adj Close": "close"})
    bars = parse_bars(table, mapping)
    assert bars["close"].tolist() == list(range(60))
    assert "adj_close" not in bars
    for wrong, said in [({"Nope": "open"}, "a column out of"), ({"Open": "price"}, "a meaning out of")]:
        with pytest.raises(BarsError, match=said):
            remap(mapping, table, wrong)
    with pytest.raises(BarsError, match="one column for close"):
        remap(mapping, table, {"Open": "close"})


@settings(max_examples=25, deadline=None)
@given(
    rows=st.lists(
        st.tuples(
            st.datetimes(pd.Timestamp("1980-01-01"), pd.Timestamp("2100-01-01")),
            st.lists(st.floats(-1e12, 1e12), min_size=5, max_size=5),
        ),
        min_size=2,
        max_size=30,
    ),
    delimiter=st.sampled_from([",", ";", "\t", "|"]),
)
def test_any_table_survives_csv(rows, delimiter):
    frame = pd.DataFrame([values for _, values in rows], columns=["open", "high", "low", "close", "volume"])
    frame.insert(0, "ts", pd.Series([ts for ts, _ in rows]).dt.tz_localize("UTC").dt.as_unit("us"))
    bars = parse("X.csv", frame.to_csv(index=False, sep=delimiter), timeframe="1m")
    np.testing.assert_array_equal(bars["ts"].to_numpy(), frame["ts"].to_numpy())
    np.testing.assert_array_equal(bars[list(frame.columns[1:])], frame.iloc[:, 1:])


# Local time


def local(text: str, hours: int, zone: str = "Europe/Berlin") -> pd.DatetimeIndex:
    return pd.date_range(text, periods=hours, freq="h", tz="UTC").tz_convert(zone).tz_localize(None)


def clock_file(times) -> str:
    return "time,open,high,low,close\n" + lines(times, "{t:%Y-%m-%d %H:%M:%S},{o},{h},{l},{c}")


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("start", ["2020-10-24", "2020-03-28"])
def test_local_times_over_a_clock_change_come_back_to_utc(start, descending):
    truth = pd.date_range(start, periods=72, freq="h", tz="UTC")
    times = local(start, 72)
    if descending:
        truth, times = truth[::-1], times[::-1]
    bars = parse("X.csv", clock_file(times), timezone="Europe/Berlin")
    assert bars["ts"].tolist() == list(truth)


def test_hours_that_cannot_be_placed_are_left_out_and_said():
    skipped = clock_file(pd.date_range("2020-03-28", periods=48, freq="h"))
    (batch,) = parse_batches(read_table(skipped.encode(), "X.csv"), timezone="Europe/Berlin")
    assert len(batch.bars) == 47
    assert "'2020-03-29 02:00:00' falls into a clock change of Europe/Berlin" in batch.found[0].detail
    once = clock_file(pd.date_range("2020-10-24", periods=48, freq="h"))
    (batch,) = parse_batches(read_table(once.encode(), "X.csv"), timezone="Europe/Berlin")
    assert (len(batch.bars), batch.found[0].verdict) == (47, "dropped")


def test_a_repeated_hour_is_told_apart_across_pieces_of_a_file():
    truth = pd.date_range("2020-10-24 23:00", periods=240, freq="min", tz="UTC")
    text = clock_file(truth.tz_convert("Europe/Berlin").tz_localize(None))
    table = read_table(text.encode(), "X.csv")
    whole = table.read

    def pieces(*arguments):
        for batch in whole(*arguments):
            for start in range(0, len(batch.frame), 50):
                frame = batch.frame.iloc[start : start + 50].reset_index(drop=True)
                yield replace(batch, frame=frame, lines=batch.lines[start : start + 50])

    bars = parse_bars(replace(table, read=pieces), timezone="Europe/Berlin")
    assert bars["ts"].tolist() == list(truth)


def test_naive_times_need_a_zone_and_a_real_one():
    with pytest.raises(BarsError, match=r"time zone, got times without one .*--timezone UTC"):
        parse("X.csv", clock_file(HOURS))
    with pytest.raises(BarsError, match="IANA time zone"):
        parse("X.csv", clock_file(HOURS), timezone="Mars/Base")


def test_a_gmt_column_needs_no_zone():
    text = "Gmt time,Open,High,Low,Close,Volume\n" + lines(
        HOURS, "{t:%d.%m.%Y %H:%M:%S}.000,{o},{h},{l},{c},{v}"
    )
    assert_standard(parse("EURUSD.csv", text), HOURS, "EURUSD", "1h")


# Broken files, one clear sentence each


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", b"", "a.csv, which is empty"),
        ("a.csv", b" \n \n", "a.csv, which is empty"),
        ("a.csv", b"Date,Open,High,Low,Close\n", "bars below the header"),
        ("a.csv", b"a,b,d\n1,2,3\n", "none for ts, open, high, low, close"),
        ("a.csv", b"Date,Open,High,Low\n2020-01-01,1,2,1\n", "none for close"),
        (
            "a.csv",
            b"Date,Open,High,Low,Close\nsoon,1,1,1,1\nlater,1,1,1,1\n",
            "times in column 'Date', such as .*, got 'soon'",
        ),
        ("a.csv", b"just a letter\nto somebody\n", "separated by commas"),
        ("a.png", b"\x89PNG\r\n\x00\x00\x00", "a picture"),
        ("a.parquet", b"PAR1 and no footer", "a whole Parquet file"),
        (
            "a.csv",
            b"Date,Open,High,Low,Close\n2020-01-01,a,2,1,1\n2020-01-02,b,2,1,1\n",
            r"numbers in column 'Open', got mostly text \(line 2: 'a'",
        ),
        ("a.csv", b"Date,Open,High,Low,Close\n2020-01-01,1,2,1,1\n", "at least two bars"),
        (
            "a.csv",
            b"Date,Open,High,Low,Close\n2020-01-01,1,5,2,5,1,1,1,2\n2020-01-02,1,5,2,5,1,1,1,2\n",
            r"the header names \(5\), got a.csv with 9 in line 2, as decimal commas make",
        ),
        ("a.csv", b"Date,Open,High,Low,Close\n2020-01-01,1,2,1,1\n2020-02-01,1,2,1,1\n", "31 days"),
    ],
)
def test_a_broken_file_is_refused_in_one_sentence(name, content, said):
    with pytest.raises(InputError, match=said) as refusal:
        parse(name, content)
    assert "\n" not in str(refusal.value)


def test_a_missing_path_is_a_sentence(tmp_path):
    with pytest.raises(BarsError, match="No such file"):
        read_table(tmp_path / "none.csv")


def test_a_cut_parquet_file_is_refused(tmp_path):
    path = tmp_path / "A.parquet"
    pd.DataFrame({"ts": DAYS, "open": 1.0}).to_parquet(path)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(BarsError, match="a whole Parquet file"):
        read_table(path)


def test_text_in_a_price_names_its_line():
    rows = YAHOO.splitlines()
    rows[20] = rows[20].replace("2020-01-31,", "2020-01-31,oops", 1)
    assert "oops" in rows[20]
    rows.insert(10, "")
    rows.insert(12, "2020-01-20,1,2")
    (batch,) = parse_batches(read_table("\n".join(rows).encode(), "A.csv"))
    details = {finding.check: finding.detail for finding in batch.found}
    assert "Line 23: 'oops119' in column 'Open'." in details["text"]
    assert "Line 13: '2020-01-20,1,2'." in details["row"]
    assert len(batch.bars) == 59


def test_text_in_another_column_leaves_the_bar():
    text = YAHOO.replace(",1005\n", ",many\n")
    (batch,) = parse_batches(read_table(text.encode(), "A.csv"))
    assert len(batch.bars) == 60
    assert np.isnan(batch.bars.loc[5, "volume"])
    assert [(f.check, f.verdict, f.rows) for f in batch.found] == [("text", "flagged", 1)]


@pytest.mark.parametrize("word", ["", "null", "NaN", "N/A", "-"])
def test_words_for_nothing_are_no_text(word):
    rows = YAHOO.splitlines()
    rows[3] = rows[3].split(",")[0] + f",{word}" * 6
    (batch,) = parse_batches(read_table("\n".join(rows).encode(), "A.csv"))
    assert batch.found == ()
    assert batch.bars.loc[2, ["open", "volume"]].isna().all()


def test_timeframe_words_are_known():
    assert [name_timeframe(word) for word in ("H1", "60", "1h", " Daily", "M15", "w")] == [
        "1h",
        "1h",
        "1h",
        "1d",
        "15m",
        "1w",
    ]
    with pytest.raises(BarsError, match="'fortnight'"):
        name_timeframe("fortnight")
