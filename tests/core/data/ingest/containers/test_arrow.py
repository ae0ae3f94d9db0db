from __future__ import annotations

import io
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.data.ingest.mapping import guess_mapping
from core.data.ingest.parse import parse_bars
from core.data.ingest.tables import read_table
from core.errors import BarsError


def frame(rows: int = 50) -> pd.DataFrame:
    close = 100 + np.sin(np.arange(rows)) + np.arange(rows) % 7
    index = pd.bdate_range("2024-01-01", periods=rows, name="Date")
    prices = {"Open": close - 0.5, "High": close + 1, "Low": close - 1, "Close": close}
    return pd.DataFrame(prices | {"Volume": np.arange(rows) + 10}, index=index)


def parquet(table: pd.DataFrame | pa.Table, **options) -> bytes:
    buffer = io.BytesIO()
    if isinstance(table, pd.DataFrame):
        table.to_parquet(buffer)
    else:
        pq.write_table(table, buffer, **options)
    return buffer.getvalue()


def assert_bars(bars: pd.DataFrame, expected: pd.DataFrame) -> None:
    assert bars["ts"].dt.tz_localize(None).tolist() == list(expected.index)
    names = ["Open", "High", "Low", "Close", "Volume"]
    np.testing.assert_array_equal(bars[[name.lower() for name in names]], expected[names])


@pytest.mark.parametrize(
    "change",
    [
        lambda f: f,
        lambda f: f.rename_axis(None),
        lambda f: f.reset_index(),
        lambda f: f.reset_index().iloc[::-1].iloc[::-1].set_index(np.arange(50) * 2),
        lambda f: f.assign(symbol="KO").set_index("symbol", append=True),
    ],
)
def test_an_index_is_a_column_like_any_other(change):
    assert_bars(parse_bars(read_table(parquet(change(frame())), "KO.parquet")), frame())


def test_feather_is_read():
    buffer = io.BytesIO()
    frame().reset_index().to_feather(buffer)
    assert_bars(parse_bars(read_table(buffer, "KO.feather")), frame())


def test_columns_that_hold_no_numbers_times_or_words_are_left_out_by_name():
    odd = frame().reset_index()
    table = pa.Table.from_pandas(odd, preserve_index=False)
    for name, values in {
        "blob": pa.array([b"x"] * 50),
        "many": pa.array([[1, 2]] * 50),
        "parts": pa.array([{"a": 1}] * 50),
        "nothing": pa.nulls(50),
        "exact": pa.array([Decimal("1.25")] * 50),
        "flag": pa.array([True, None] * 25),
        "mood": pa.array(["calm", "wild"] * 25).dictionary_encode(),
    }.items():
        table = table.append_column(name, values)
    read = read_table(parquet(table), "KO.parquet")
    assert dict(read.left_out) == {"blob": "binary", "many": "list", "parts": "struct", "nothing": "nothing"}
    bars = parse_bars(read)
    assert_bars(bars, frame())
    assert bars["exact"].eq(1.25).all()
    assert bars["flag"].fillna(-1).tolist() == [1, -1] * 25
    assert bars["mood"].tolist() == ["calm", "wild"] * 25
    notes = " ".join(guess_mapping(read).notes)
    assert "Left out: blob (binary)." in notes
    assert "Left out: parts (struct)." in notes


def test_two_columns_of_one_name_are_left_out_and_named_where_they_are_needed():
    table = pa.Table.from_pandas(frame().reset_index(), preserve_index=False)
    twice = table.append_column("extra", table["Open"]).append_column("extra", table["Close"])
    read = read_table(parquet(twice), "KO.parquet")
    assert read.left_out == (("extra", "a name that stands twice"),)
    assert_bars(parse_bars(read), frame())
    with pytest.raises(BarsError, match=r"left out: Close\) and none for close"):
        parse_bars(read_table(parquet(table.append_column("Close", table["Open"])), "KO.parquet"))


def test_huge_texts_are_never_unfolded():
    table = pa.Table.from_pandas(frame().reset_index(), preserve_index=False)
    huge = pa.DictionaryArray.from_arrays(pa.array([0] * 50, pa.int32()), pa.array(["x" * 10_000_000]))
    read = read_table(parquet(table.append_column("letter", huge), compression="zstd"), "KO.parquet")
    assert dict(read.left_out) == {"letter": "texts that are too long"}
    before = pa.total_allocated_bytes()
    assert_bars(parse_bars(read), frame())
    assert pa.total_allocated_bytes() - before < 1_000_000
    longer = table.append_column("letter", pa.array(["x" * 2000] * 50))
    assert dict(read_table(parquet(longer), "KO.parquet").left_out) == {
        "letter": "texts of more than 1,000 characters"
    }


def test_a_long_text_further_down_is_refused_only_where_the_column_is_used():
    rows = frame(600).reset_index()
    table = pa.Table.from_pandas(rows.assign(symbol=["KO"] * 599 + ["x" * 2000]), preserve_index=False)
    with pytest.raises(BarsError, match="at most 1,000 characters, got a longer one in column 'symbol'"):
        parse_bars(read_table(parquet(table, row_group_size=550), "all.parquet"))


def test_only_the_columns_asked_for_are_read():
    read = read_table(parquet(frame().assign(more=1.0)), "KO.parquet")
    (batch,) = read.batches(["Date", "more"])
    assert list(batch.frame.columns) == ["more", "Date"]
