"""Tables in text: CSV and its kin, read in pieces so that memory stays bounded."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pacsv

from core.data.ingest.columns.words import field_of
from core.data.ingest.containers.headers import Header, is_value, read_header
from core.data.ingest.containers.packed import HEAD_BYTES, Source
from core.data.ingest.containers.table import SAMPLE_ROWS, Batch, Table
from core.errors import BarsError

_BLOCK_BYTES = 1 << 20  # Arrow reads up to 32 blocks ahead; no line may be longer than one
_HEADER_LINES = 50


def read_text(source: Source) -> Table:
    """Open a table in text.

    The delimiter (comma, semicolon, tab, bar), the encoding (UTF-8, UTF-16, GB 18030 under Chinese headers,
    else Windows 1252), lines of prose before the header, a header of several rows and a missing one are
    recognised. Rows that repeat the header are left out.

    Raises
    ------
    BarsError
        If it is no table, or a line is longer than 1 MB.
    """
    head = source.head()
    if head.count(b"\n") + head.count(b"\r") < _HEADER_LINES and len(head) == HEAD_BYTES:
        head = source.head(_BLOCK_BYTES)
    encoding = _encoding(head, source.name)
    text = head.decode(encoding, errors="ignore").lstrip("\ufeff")
    lines = text.splitlines()
    if len(head) in (HEAD_BYTES, _BLOCK_BYTES):
        lines = lines[:-1]
    if not any(line.strip() for line in lines):
        raise BarsError("lines of at most 1 MB", f"{source.name} with a longer one", "export it again as CSV")
    layout = _find_layout(lines, source.name)

    def read(columns: Collection[str] | None, block: int | None = None) -> Iterator[Batch]:
        return _read(source, encoding, layout, _BLOCK_BYTES if block is None else block)

    sample = next(read(None, max(HEAD_BYTES, len(head))), None)
    if sample is None or sample.frame.empty:
        raise BarsError("bars below the header", f"{source.name}, which has none", "give another file")
    return Table(
        source.name, layout.header.columns, sample.frame.head(SAMPLE_ROWS), source.size,
        layout.header.rows > 0, layout.delimiter, read, layout.header.repeated,
    )  # fmt: skip


@dataclass(frozen=True)
class _Layout:
    delimiter: str
    header: Header
    skip: int  # lines before the first row of data
    repeats: tuple[str, ...]  # the cells of the header's first row, in which it may come again


def _read(source: Source, encoding: str, layout: _Layout, block: int) -> Iterator[Batch]:
    skipped: list[tuple[int, str]] = []
    columns, size = layout.header.columns, source.size
    width_of_character = 2 if encoding.startswith("utf-16") else 1

    def note(row: pacsv.InvalidRow) -> str:
        skipped.append((row.number or 0, row.text))
        return "skip"

    with source.open() as (file, position):
        try:
            reader = pacsv.open_csv(
                pa.PythonFile(_Unclosed(file), mode="r"),
                pacsv.ReadOptions(
                    use_threads=False,
                    column_names=columns,
                    skip_rows=layout.skip,
                    block_size=block,
                    encoding=encoding,
                ),
                pacsv.ParseOptions(
                    delimiter=layout.delimiter, invalid_row_handler=note, ignore_empty_lines=False
                ),
                pacsv.ConvertOptions(column_types=dict.fromkeys(columns, pa.string())),
            )
            line, done = layout.skip + 1, 0
            while True:
                try:
                    piece = reader.read_next_batch()
                except StopIteration:
                    break
                numbers, line = _line_numbers(line, piece.num_rows, [number for number, _ in skipped])
                wrong = tuple((number, text) for number, text in skipped if text.strip())
                skipped.clear()
                frame = piece.to_pandas()
                kept = (frame != "").any(axis=1).to_numpy()  # a blank line is no row
                kept = kept.copy()
                again = np.zeros(len(frame), dtype=bool)
                if layout.repeats:
                    again |= (frame[columns[0]] == layout.repeats[0]).to_numpy()
                if again.any():
                    again[again] = (frame.loc[again] == list(layout.repeats)).all(axis=1)
                    kept &= ~again
                if not kept.all():
                    frame, numbers = frame.loc[kept].reset_index(drop=True), numbers[kept]
                # Each cell's text and its delimiter, less Arrow's four bytes of offset.
                done += (piece.nbytes - 3 * piece.num_rows * piece.num_columns) * width_of_character
                yield Batch(frame, numbers, wrong, min(position() if source.packed else done, size))
        except (pa.ArrowException, UnicodeError) as error:
            if "Empty CSV" in str(error) or "no data" in str(error).lower():
                return
            if "straddling" in str(error):
                raise BarsError(
                    "lines of at most 1 MB", f"{source.name} with a longer one", "export it again as CSV"
                ) from None
            reason = str(error).splitlines()[0].rstrip(".")
            raise BarsError(
                "a table in text", f"{source.name} ({reason})", "export it again as CSV"
            ) from None


class _Unclosed(io.RawIOBase):
    """A view of a file that Arrow may close without closing an uploaded buffer."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        return self._file.read(size)


def _line_numbers(first: int, rows: int, skipped: list[int]) -> tuple[pd.Index, int]:
    # Arrow reads ahead by one block: lines it skipped there belong after this batch's last row.
    total = rows + len(skipped)
    numbers = pd.RangeIndex(first, first + total)
    if not skipped:
        return numbers, first + rows
    left = numbers.difference(skipped)[:rows]
    last = int(left[-1]) if len(left) else first - 1
    return left, max([last, *skipped]) + 1


def _encoding(head: bytes, name: str) -> str:
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    if b"\0" in head:
        # Latin text in UTF-16 without a mark has a zero in every other place.
        for first, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
            if head[first::2].count(0) > 0.9 * len(head[first::2]) and 0 not in head[1 - first :: 2]:
                return encoding
        raise BarsError(
            "a table of bars",
            f"{name}, which is neither text, Parquet, Feather, JSON nor a workbook",
            "export the bars as CSV",
        )
    try:
        # A character cut at the end of the head must not decide.
        head[: max(len(head) - 4, 1) if len(head) in (HEAD_BYTES, _BLOCK_BYTES) else len(head)].decode(
            "utf-8"
        )
    except UnicodeDecodeError as error:
        if error.start < len(head) - 8:
            chinese = head.decode("gb18030", errors="ignore")
            return "gb18030" if any(word in chinese for word in ("日期", "时间", "收盘")) else "cp1252"
    return "utf-8"


def _find_layout(lines: list[str], name: str) -> _Layout:
    filled = [(number, line) for number, line in enumerate(lines) if line.strip()][:_HEADER_LINES]
    best, found = 0, None
    for delimiter in (",", ";", "\t", "|"):
        rows = [next(csv.reader([line], delimiter=delimiter), []) for _, line in filled]
        width, often = Counter(map(len, rows)).most_common(1)[0]
        if width >= 2 and often * width > best:
            best, found = often * width, (delimiter, rows, width)
    if found is None:
        raise BarsError(
            "columns separated by commas, semicolons or tabs",
            f"{name}, whose first line is {filled[0][1][:60]!r}",
            "export the bars as CSV",
        )
    delimiter, rows, width = found
    start = next(place for place, row in enumerate(rows) if len(row) == width)
    table = [row for row in rows[start:] if len(row) == width]
    short = rows[start - 1] if start else []
    if len(short) == width - 1 and not any(is_value(cell) for cell in short):
        # Data lines end with a delimiter, or start with a row's name that the header does not speak of.
        named = [*short, ""] if all(not row[-1].strip() for row in table) else ["", *short]
        header = read_header([named, *table])
        return _Layout(delimiter, header, filled[start - 1][0] + header.rows, tuple(named))
    if delimiter == "," and len(short) < width - 1 and sum(field_of(cell) is not None for cell in short) > 2:
        raise BarsError(
            f"as many cells in each row as the header names ({len(short)})",
            f"{name} with {width} in line {filled[start][0] + 1}, as decimal commas make",
            "put such numbers in quotes or separate the columns by semicolons",
        )
    header = read_header(table)
    repeats = tuple(table[0]) if header.rows else ()
    return _Layout(delimiter, header, filled[start][0] + header.rows, repeats)
