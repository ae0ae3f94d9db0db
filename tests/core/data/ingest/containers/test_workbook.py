from __future__ import annotations

import io
import zipfile

import numpy as np
import pandas as pd
import pytest

from core.data.ingest.containers import packed
from core.data.ingest.parse import parse_bars
from core.data.ingest.tables import read_table, read_tables
from core.errors import BarsError


def frame(base: float = 100.0, freq: str = "D") -> pd.DataFrame:
    close = base + np.sin(np.arange(30))
    index = pd.date_range("2024-01-01", periods=30, freq=freq, name="Date")
    return pd.DataFrame({"Open": close, "High": close + 1, "Low": close - 1, "Close": close}, index=index)


def workbook(sheets: dict[str, pd.DataFrame], **options) -> bytes:
    buffer = io.BytesIO()
    with pd.ExcelWriter(buffer, engine="openpyxl") as writer:
        for title, table in sheets.items():
            table.to_excel(writer, sheet_name=title, **options)
    return buffer.getvalue()


@pytest.mark.parametrize(("freq", "options"), [("D", {}), ("h", {}), ("h", {"startrow": 4}), ("10min", {})])
def test_a_sheet_gives_its_bars_wherever_it_starts(freq, options):
    expected = frame(freq=freq)
    table = read_table(workbook({"Sheet1": expected}, **options), "AAPL.xlsx")
    assert table.name == "AAPL.xlsx"
    bars = parse_bars(table, timeframe="1m", timezone="UTC")
    assert bars["ts"].dt.tz_localize(None).tolist() == list(expected.index)
    np.testing.assert_allclose(bars[["open", "high", "low", "close"]], expected)


def test_each_sheet_with_a_table_is_a_table_of_its_name():
    note = pd.DataFrame({"made by": []})
    tables = read_tables(workbook({"AAPL": frame(), "notes": note, "MSFT": frame(300)}), "all.xlsx")
    assert [table.name for table in tables] == ["AAPL", "MSFT"]
    assert parse_bars(tables[1])["close"].iloc[0] == 300


def test_two_instruments_under_merged_headers_are_kept_apart():
    both = pd.concat({"AAPL": frame(), "MSFT": frame(300)}, axis=1, names=["Ticker", "Price"])
    for table in (both, both.swaplevel(axis=1).sort_index(axis=1)):
        bars = parse_bars(read_table(workbook({"Sheet1": table}), "both.xlsx"))
        assert bars.groupby("instrument")["close"].first().to_dict() == {"AAPL": 100, "MSFT": 300}


def test_a_broken_or_endless_workbook_is_refused(monkeypatch):
    data = workbook({"Sheet1": frame()})
    parts = zipfile.ZipFile(io.BytesIO(data))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as broken:
        for name in ("[Content_Types].xml", "xl/workbook.xml"):
            broken.writestr(name, parts.read(name))
    with pytest.raises(BarsError, match="a whole workbook"):
        read_tables(buffer.getvalue(), "a.xlsx")
    monkeypatch.setattr(packed, "WHOLE_BYTES", 100)
    with pytest.raises(BarsError, match="unpacks to at most"):
        read_tables(data, "a.xlsx")
