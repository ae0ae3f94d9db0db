"""Workbooks (.xlsx): each sheet with cells as a table of texts."""

from __future__ import annotations

import zipfile
from collections import Counter
from collections.abc import Collection, Iterator
from datetime import date, datetime, time, timedelta
from itertools import islice
from typing import Any
from xml.etree.ElementTree import ParseError

import openpyxl
import pandas as pd
from openpyxl.utils.exceptions import InvalidFileException

from core.data.ingest.containers.headers import Header, read_header
from core.data.ingest.containers.packed import Source
from core.data.ingest.containers.table import LONGEST_CELL, SAMPLE_ROWS, Batch, Table
from core.errors import BarsError

_BATCH_ROWS = 20_000
_HEAD_ROWS = 50


def read_sheets(source: Source) -> list[Table]:
    """A table for each sheet that holds more than one row of cells.

    The values of formulas are those that the workbook was saved with. A table is called after its sheet
    where there are several, after the file otherwise.

    Raises
    ------
    BarsError
        If the workbook cannot be opened or no sheet holds a table.
    """
    found = []
    for title in _titles(source):
        first = list(islice(_rows(source, title), _HEAD_ROWS))
        widths = Counter(len(row) for _, row in first if len(row) > 1)
        if len(first) > 1 and widths:
            found.append((title, first))
    if not found:
        raise BarsError("a sheet with bars", f"{source.name} without one", "give another workbook")
    return [_table(source, title, first, title if len(found) > 1 else source.name) for title, first in found]


def _table(source: Source, title: str, first: list[tuple[int, list[str]]], name: str) -> Table:
    width = Counter(len(row) for _, row in first if len(row) > 1).most_common(1)[0][0]
    start = next(place for place, (_, row) in enumerate(first) if len(row) >= width)
    # The upper row of a header in two levels ends with the last name, not with the last column.
    while start and first[start - 1][0] == first[start][0] - 1 and 2 * len(first[start - 1][1]) > width:
        start -= 1
    header = read_header([_fitted(row, width) for _, row in first[start:]])
    skip = first[start + header.rows - 1][0] if header.rows else first[start][0] - 1

    def read(columns: Collection[str] | None, most: int = _BATCH_ROWS) -> Iterator[Batch]:
        rows = ((number, row) for number, row in _rows(source, title) if number > skip)
        while piece := list(islice(rows, most)):
            yield _batch(piece, header)

    sample = next(read(None, SAMPLE_ROWS), None)
    if sample is None:
        raise BarsError("bars below the header", f"{name}, which has none", "give another workbook")
    size = _count(source, title)
    return Table(name, header.columns, sample.frame, size, header.rows > 0, None, read, header.repeated)


def _batch(piece: list[tuple[int, list[str]]], header: Header) -> Batch:
    width = len(header.columns)
    frame = pd.DataFrame([_fitted(row, width) for _, row in piece], columns=list(header.columns), dtype="str")
    return Batch(frame, pd.Index([number for number, _ in piece]), (), piece[-1][0])


def _fitted(row: list[str], width: int) -> list[str]:
    return [*row[:width], *[""] * (width - len(row))]


def _titles(source: Source) -> list[str]:
    with source.open() as (file, _):
        book = _opened(source, file)
        titles = [sheet.title for sheet in book.worksheets if sheet.sheet_state == "visible"]
        book.close()
    return titles


def _count(source: Source, title: str) -> int:
    with source.open() as (file, _):
        book = _opened(source, file)
        rows = book[title].max_row
        book.close()
    return max(int(rows or 0), 1)


def _rows(source: Source, title: str) -> Iterator[tuple[int, list[str]]]:
    """Numbers and texts of the rows that hold anything, empty cells at their end left away."""
    with source.open() as (file, _):
        book = _opened(source, file)
        sheet = book[title]
        sheet.reset_dimensions()  # some programs write wrong ones
        try:
            for number, cells in enumerate(sheet.iter_rows(values_only=True), 1):
                row = [_text(cell) for cell in cells]
                while row and not row[-1]:
                    row.pop()
                if row:
                    yield number, row
        except (ParseError, zipfile.BadZipFile, KeyError, ValueError) as error:
            raise _refusal(source, error) from None
        finally:
            book.close()


def _opened(source: Source, file: Any) -> Any:
    try:
        return openpyxl.load_workbook(file, read_only=True, data_only=True)
    except (
        InvalidFileException,
        zipfile.BadZipFile,
        OSError,
        KeyError,
        ValueError,
        ParseError,
        TypeError,
    ) as error:
        raise _refusal(source, error) from None


def _refusal(source: Source, error: Exception) -> BarsError:
    reason = (str(error).splitlines() or ["cut"])[0].strip("'\".")
    return BarsError("a whole workbook", f"{source.name} ({reason})", "save it again or export it as CSV")


def _text(cell: Any) -> str:
    if cell is None:
        return ""
    if isinstance(cell, datetime):
        # A day's fraction in floating point misses the second by a few microseconds.
        return (cell + timedelta(milliseconds=1)).replace(microsecond=0).isoformat(sep=" ")
    if isinstance(cell, date | time):
        return cell.isoformat()
    if isinstance(cell, bool):
        return str(int(cell))
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 1e15:
        return str(int(cell))
    return str(cell)[: LONGEST_CELL + 1]
