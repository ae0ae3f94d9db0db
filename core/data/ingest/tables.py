"""Files of bars as tables of raw columns, whatever kind of file they come in."""

from __future__ import annotations

import io
from pathlib import Path
from typing import BinaryIO

from core.data.ingest.containers.arrow import read_arrow
from core.data.ingest.containers.packed import Source, open_sources
from core.data.ingest.containers.records import looks_like_json, read_records
from core.data.ingest.containers.side_by_side import stack_instruments
from core.data.ingest.containers.table import Table
from core.data.ingest.containers.text import read_text
from core.errors import BarsError

FILE_TYPES = (
    *("csv", "txt", "tsv", "prn", "parquet", "pq", "feather", "xlsx", "json", "jsonl", "ndjson"),
    *("gz", "bz2", "xz", "zst", "zip"),
)
"""Suffixes of the files that can be read, for a picker of files."""


def read_tables(source: str | Path | bytes | BinaryIO, name: str | None = None) -> list[Table]:
    """Open every table in a file, given as a path, bytes or a seekable buffer.

    Text (CSV and its kin), Parquet, Feather, JSON and workbooks, also packed by gzip, bzip2, xz, zstandard
    or zip. A zip of several files and a workbook of several sheets give a table each; instruments side by
    side in one table become rows of one instrument each.

    Raises
    ------
    BarsError
        If the file is missing, empty, of another kind, too large unpacked, or holds no table.
    """
    if isinstance(source, bytes):
        source = io.BytesIO(source)
    if name is None:
        name = Path(source).name if isinstance(source, str | Path) else str(getattr(source, "name", "upload"))
    found = [table for member in open_sources(source, name) for table in _read(member)]
    return [stack_instruments(table) for table in found]


def read_table(source: str | Path | bytes | BinaryIO, name: str | None = None) -> Table:
    """Open a file that holds one table; see `read_tables`.

    Raises
    ------
    BarsError
        As `read_tables`, and if the file holds several tables.
    """
    found = read_tables(source, name)
    if len(found) > 1:
        several = ", ".join(table.name for table in found[:3])
        raise BarsError(
            "a file of one table",
            f"{name or 'a file'} with {len(found)} ({several}, ...)",
            "take one of read_tables",
        )
    return found[0]


def _read(source: Source) -> list[Table]:
    head = source.head()
    if head.startswith((b"PAR1", b"ARROW1")):
        return [read_arrow(source, head)]
    if head.startswith(b"PK\x03\x04"):
        # openpyxl takes a fifth of a second to import, and workbooks are rare.
        from core.data.ingest.containers.workbook import read_sheets

        return read_sheets(source)
    if looks_like_json(head):
        return [read_records(source)]
    return [read_text(source)]
