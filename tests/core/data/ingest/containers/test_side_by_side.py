from __future__ import annotations

import csv
import io

import numpy as np
import pandas as pd
import pytest

from core.data.ingest.containers.headers import read_header
from core.data.ingest.parse import parse_bars, parse_batches
from core.data.ingest.tables import read_table

FIELDS = ["Close", "High", "Low", "Open", "Volume"]
DAYS = pd.bdate_range("2024-01-01", periods=30, name="Date")


def prices(base: float) -> pd.DataFrame:
    close = base + np.cos(np.arange(30))
    columns = {"Close": close, "High": close + 1, "Low": close - 1, "Open": close - 0.5, "Volume": close * 7}
    return pd.DataFrame(columns, index=DAYS)


BOTH = {"AAPL": prices(100), "0700.HK": prices(300)}


def levels(frames: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """As yfinance hands it out: a level of prices above a level of tickers."""
    whole = pd.concat(frames, axis=1, names=["Ticker", "Price"]).swaplevel(axis=1)
    return whole.sort_index(axis=1)


def text(frame: pd.DataFrame, **options) -> bytes:
    return frame.to_csv(**options).encode()


def parquet(frame: pd.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.to_parquet(buffer)
    return buffer.getvalue()


def joined(form: str) -> pd.DataFrame:
    whole = levels(BOTH)
    return whole.set_axis(
        [form.format(price=price, ticker=ticker) for price, ticker in whole.columns], axis=1
    )


def assert_prices(data: bytes, name: str, expected: dict[str, pd.DataFrame]) -> None:
    bars = parse_bars(read_table(data, name))
    assert set(bars["instrument"]) == set(expected)
    for instrument, frame in expected.items():
        own = bars[bars["instrument"] == instrument].sort_values("ts")
        assert own["ts"].dt.tz_localize(None).tolist() == list(frame.index)
        np.testing.assert_allclose(own[[field.lower() for field in FIELDS]], frame[FIELDS])


@pytest.mark.parametrize("frames", [BOTH, {"AAPL": BOTH["AAPL"]}, {"7203": BOTH["AAPL"]}], ids=len)
@pytest.mark.parametrize(
    "write",
    [
        lambda f: text(f),
        lambda f: text(f.swaplevel(axis=1).sort_index(axis=1)),
        lambda f: text(f.rename_axis(columns=[None, None])),
        lambda f: text(f.reset_index()),
        lambda f: text(f.set_axis([str(pair) for pair in f.columns], axis=1)),
    ],
    ids=["prices above", "tickers above", "levels without names", "time among the columns", "pairs as names"],
)
def test_headers_of_two_levels_give_each_instrument_its_bars(frames, write):
    assert_prices(write(levels(frames)), "prices.csv", frames)


def test_the_same_in_parquet():
    assert_prices(parquet(levels(BOTH)), "prices.parquet", BOTH)
    assert_prices(parquet(levels(BOTH).reset_index()), "prices.parquet", BOTH)


@pytest.mark.parametrize(
    "form", ["{ticker}_{price}", "{price}_{ticker}", "{ticker} {price}", "{ticker}:{price}"]
)
def test_names_joined_into_one_give_each_instrument_its_bars(form):
    assert_prices(text(joined(form)), "prices.csv", BOTH)


def test_an_instrument_has_no_bar_where_all_its_cells_are_empty():
    early = {"AAPL": BOTH["AAPL"].iloc[:20], "0700.HK": BOTH["0700.HK"].iloc[5:]}
    assert_prices(text(levels(early)), "prices.csv", early)


def test_further_columns_beside_several_instruments_reach_each_its_own_or_all():
    table = joined("{ticker}_{price}").assign(AAPL_mood=1.0, rate=np.arange(30) % 4)
    bars = parse_bars(read_table(text(table), "prices.csv"))
    apple, other = (bars[bars["instrument"] == name] for name in BOTH)
    assert apple["mood"].eq(1).all()
    assert other["mood"].isna().all()
    assert apple["rate"].tolist() == other["rate"].tolist() == [i % 4 for i in range(30)]


def test_a_fault_of_one_instrument_is_named_by_its_line_and_leaves_the_other():
    lines = text(joined("{ticker}_{price}")).decode().splitlines()
    cells = lines[6].split(",")
    cells[1 + [name.split("_") for name in joined("{ticker}_{price}")].index(["AAPL", "Close"])] = "oops"
    lines[6] = ",".join(cells)
    (batch,) = parse_batches(read_table("\n".join(lines).encode(), "prices.csv"))
    (finding,) = batch.found
    assert (finding.instrument, finding.rows) == ("AAPL", 1)
    assert "Line 7: 'oops'" in finding.detail
    assert batch.bars["instrument"].value_counts().to_dict() == {"AAPL": 29, "0700.HK": 30}


def test_bid_and_ask_are_two_prices_of_one_instrument():
    bid = BOTH["AAPL"].drop(columns="Volume").add_prefix("bid_")
    ask = BOTH["AAPL"].drop(columns="Volume").add(0.1).add_prefix("ask_")
    bars = parse_bars(read_table(text(pd.concat([ask, bid], axis=1)), "EURUSD.csv"))
    assert set(bars["instrument"]) == {"EURUSD"}
    np.testing.assert_allclose(bars["close"], BOTH["AAPL"]["Close"])
    np.testing.assert_allclose(bars["ask_close"], BOTH["AAPL"]["Close"] + 0.1)


def test_rows_that_repeat_the_header_are_no_bars():
    once = text(BOTH["AAPL"])
    header = once.splitlines()[0]
    cut = once.splitlines(keepends=True)
    again = b"".join([*cut[:11], header + b"\n", *cut[11:]])
    bars = parse_bars(read_table(again, "AAPL.csv"))
    assert bars.equals(parse_bars(read_table(once, "AAPL.csv")))


@pytest.mark.parametrize(
    ("rows", "depth"),
    [
        (["date,open,high,low,close,f0,f1,x12,m5", "2024-01-02,1,2,1,2,0,0,0,0"], 1),
        (["a0,b1,c2", "1,2,3"], 1),
        (["date,open,high,low,close,0,1,2,3,4,5,6", "2024-01-02,1,2,1,2,0,0,0,0,0,0,0"], 1),
        (["1. open,2. high", "1,2"], 1),
        (["2024-01-02,1,2,1,2", "2024-01-03,1,2,1,2"], 0),
        (["20240102 170000,1,2,1,2", "20240102 170100,1,2,1,2"], 0),
        (['"Jan 02, 2024",1,2', '"Jan 03, 2024",1,2'], 0),
        (["EURUSD,20240102,0900,1,2,1,2", "EURUSD,20240102,0901,1,2,1,2"], 0),
        (["Date,Open,High,Low,Close", ",USD,USD,USD,USD", "2024-01-02,1,2,1,2"], 2),
    ],
)
def test_a_header_is_told_from_data(rows, depth):
    assert read_header(list(csv.reader(rows))).rows == depth
