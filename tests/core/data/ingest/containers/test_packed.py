from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zipfile

import pyarrow as pa
import pytest

from core.data.ingest.containers import packed
from core.data.ingest.parse import parse_bars
from core.data.ingest.tables import read_table, read_tables
from core.errors import BarsError

DAYS = 40
TEXT = "Date,Open,High,Low,Close,Volume\n" + "".join(
    f"2024-{1 + i // 28:02}-{1 + i % 28:02},{10 + i},{12 + i},{9 + i},{11 + i},{100 + i}\n"
    for i in range(DAYS)
)


def zstandard(data: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(data)
    return sink.getvalue().to_pybytes()


def zipped(members: dict[str, str | bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


PACKERS = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress, ".zst": zstandard}


@pytest.mark.parametrize("suffix", PACKERS)
def test_a_packed_file_gives_the_bars_of_the_file(suffix):
    table = read_table(PACKERS[suffix](TEXT.encode()), f"AAPL.csv{suffix}")
    assert table.name == "AAPL.csv"
    bars = parse_bars(table)
    assert bars.equals(parse_bars(read_table(TEXT.encode(), "AAPL.csv")))
    assert parse_bars(table).equals(bars)


def test_progress_of_a_packed_file_counts_its_own_bytes():
    data = gzip.compress(TEXT.encode())
    table = read_table(data, "AAPL.csv.gz")
    assert table.size == len(data)
    assert [batch.done for batch in table.batches()][-1] == len(data)


def test_each_table_of_a_zip_is_taken_and_nothing_else():
    other = TEXT.replace(",10,", ",10.5,", 1)
    members = {"b/MSFT.csv": other, "AAPL.csv": TEXT, "__MACOSX/._AAPL.csv": "x", "readme.txt": "hello"}
    tables = read_tables(zipped(members), "both.zip")
    assert [table.name for table in tables] == ["AAPL.csv", "MSFT.csv"]
    assert [parse_bars(table)["open"].iloc[0] for table in tables] == [10, 10.5]
    with pytest.raises(BarsError, match=r"a file of one table, got both.zip with 2 \(AAPL.csv, MSFT.csv"):
        read_table(zipped(members), "both.zip")


def test_a_packed_file_in_a_zip_is_unpacked_too():
    data = zipped({"AAPL.csv.gz": gzip.compress(TEXT.encode())})
    assert len(parse_bars(read_table(data, "x.zip"))) == DAYS


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("a.csv.gz", gzip.compress(TEXT.encode())[:-20], "a whole packed file"),
        ("a.zip", zipped({"a.csv": TEXT})[:-20], "a whole packed file"),
        ("a.zip", zipped({"readme.md": "x"}), "a zip with tables of bars, got a.zip with readme.md"),
        ("a.docx", zipped({"[Content_Types].xml": "x", "word/document.xml": "x"}), "which is a document"),
        ("a.tar.gz", gzip.compress(b"a" * 257 + b"ustar" + b"\0" * 300), "a tar archive"),
        ("a.xls", b"\xd0\xcf\x11\xe0" + b"\0" * 99, r"a workbook of the old kind \(.xls\)"),
        ("a.pkl", b"\x80\x04\x95" + b"\0" * 99, "may run code"),
        ("a.csv", b"<!DOCTYPE html><html></html>", "a web page"),
    ],
)
def test_what_holds_no_bars_is_called_by_its_name(name, data, said):
    with pytest.raises(BarsError, match=said):
        read_tables(data, name)


def test_a_zip_with_a_password_is_refused():
    data = bytearray(zipped({"a.csv": TEXT}))
    data[data.index(b"PK\x01\x02") + 8] |= 1  # the flag in the archive's list
    with pytest.raises(BarsError, match="without a password"):
        read_tables(bytes(data), "a.zip")


def test_what_unpacks_beyond_its_bounds_is_refused(monkeypatch):
    rows = TEXT + "2024-05-01,1,1,1,1,1\n" * 20_000
    monkeypatch.setattr(packed, "_RATIO_FROM", 10_000)
    for name, data in (("a.csv.gz", gzip.compress(rows.encode())), ("a.zip", zipped({"a.csv": rows}))):
        with pytest.raises(BarsError, match="more than 200 times its size"):
            parse_bars(read_table(data, name))
    monkeypatch.setattr(packed, "_RATIO_FROM", 1 << 30)
    monkeypatch.setattr(packed, "UNPACKED_BYTES", 100_000)
    for name, data in (("a.csv.gz", gzip.compress(rows.encode())), ("a.zip", zipped({"a.csv": rows}))):
        with pytest.raises(BarsError, match="unpacks to at most"):
            parse_bars(read_table(data, name))


def test_json_beyond_its_bound_is_refused(monkeypatch):
    monkeypatch.setattr(packed, "WHOLE_BYTES", 1000)
    with pytest.raises(BarsError, match="a file of this kind of at most"):
        read_tables(b'[{"t": 1, "o": 1}' + b" " * 2000 + b"]", "a.json")
