"""A table of raw columns, whatever kind of file it came in."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

import pandas as pd

SAMPLE_ROWS = 500
INSTRUMENT = "instrument"
"""The column that names the instruments of a file which names them elsewhere than in its rows."""

LONGEST_CELL = 1000
"""Characters beyond which a text is no instrument, time or label."""


@dataclass(frozen=True)
class Batch:
    """A piece of a table: `frame` as read, `lines` (n,) the line or row number of each row in the file."""

    frame: pd.DataFrame
    lines: pd.Index
    skipped: tuple[tuple[int, str], ...]  # lines with the wrong number of fields
    done: int  # of Table.size


@dataclass(frozen=True)
class Table:
    """An opened file of bars.

    Attributes
    ----------
    name
        File name, from which an instrument may be guessed.
    columns
        Column names as found, made unique; `column_1`... where the file has no header.
    sample
        The first rows (at most `SAMPLE_ROWS`); text in every cell for text files and workbooks.
    size
        What progress is counted against: bytes of a text file, rows of the other kinds.
    has_header
        False for a file that starts with data.
    delimiter
        What separates the fields of a text file, None for the other kinds.
    read
        Reads the table from its start, piece by piece: the columns named, or all for None.
    repeated
        Columns whose name stands more than once in the file.
    left_out
        Columns that are not among `columns`, by what they hold ("binary", "list", ...).
    """

    name: str
    columns: tuple[str, ...]
    sample: pd.DataFrame
    size: int
    has_header: bool
    delimiter: str | None
    read: Callable[[Collection[str] | None], Iterator[Batch]]
    repeated: tuple[str, ...] = ()
    left_out: tuple[tuple[str, str], ...] = ()

    def batches(self, columns: Collection[str] | None = None) -> Iterator[Batch]:
        """Read from the start; kinds that store columns apart read only those named."""
        return self.read(columns)
