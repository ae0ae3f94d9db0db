"""CSV and Parquet as tables of raw columns, read in pieces so that memory stays bounded."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal, cast

import pandas as pd
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from core.errors import BarsError

SAMPLE_ROWS = 500
_HEAD_BYTES = 1 << 16
_BLOCK_BYTES = 1 << 20  # Arrow reads up to 32 blocks ahead
_BATCH_ROWS = 65_536


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
        The first rows (at most `SAMPLE_ROWS`); text in every cell for CSV.
    size
        What progress is counted against: bytes of a CSV file, rows of a Parquet file.
    has_header
        False for a CSV file that starts with data.
    delimiter
        What separates the fields of a CSV file, None for Parquet.
    batches
        Reads the table from its start, piece by piece.
    """

    name: str
    kind: Literal["csv", "parquet"]
    columns: tuple[str, ...]
    sample: pd.DataFrame
    size: int
    has_header: bool
    delimiter: str | None
    batches: Callable[[], Iterator[Batch]]


def read_table(source: str | Path | bytes | BinaryIO, name: str | None = None) -> Table:
    """Open a CSV or Parquet file, given as a path, bytes or a seekable buffer.

    CSV: the delimiter (comma, semicolon, tab, bar), the encoding (UTF-8, UTF-16 with a mark, else Windows
    1252), lines of prose before the header and a missing header are recognised.

    Raises
    ------
    BarsError
        If the file is missing, empty, or neither a table in text nor Parquet.
    """
    if isinstance(source, bytes):
        source = io.BytesIO(source)
    if name is None:
        name = Path(source).name if isinstance(source, str | Path) else str(getattr(source, "name", "upload"))
    with _opened(source, name) as file:
        head = file.read(_HEAD_BYTES)
        size = file.seek(0, io.SEEK_END)
    if not head.strip():
        raise BarsError("a file with bars", f"{name}, which is empty", "give another file")
    if head[:4] == b"PAR1":
        return _parquet_table(source, name)
    if b"\0" in head and not head.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise BarsError("a CSV or Parquet file", f"{name}, which is neither", "export the bars as CSV")
    return _csv_table(source, name, head, size)


@contextmanager
def _opened(source: str | Path | BinaryIO, name: str) -> Iterator[BinaryIO]:
    if not isinstance(source, str | Path):
        source.seek(0)
        yield source
        return
    try:
        file = Path(source).open("rb")  # noqa: SIM115 (closed below; only opening may fail in this way)
    except OSError as error:
        raise BarsError("a readable file", f"{name} ({error.strerror})", "check the path") from None
    with file:
        yield cast(BinaryIO, file)


def _parquet_table(source: str | Path | BinaryIO, name: str) -> Table:
    def refusal(error: Exception) -> BarsError:
        reason = str(error).splitlines()[0].rstrip(".")
        return BarsError("a whole Parquet file", f"{name} ({reason})", "export it again")

    def batches(rows: int = _BATCH_ROWS) -> Iterator[Batch]:
        with _opened(source, name) as file:
            try:
                done = 0
                for piece in pq.ParquetFile(file).iter_batches(batch_size=rows):
                    frame = piece.to_pandas()
                    frame.columns = [str(column) for column in piece.schema.names]
                    lines = pd.RangeIndex(done + 1, done + len(frame) + 1)
                    done += len(frame)
                    yield Batch(frame, lines, (), done)
            except (pa.ArrowException, OSError) as error:
                raise refusal(error) from None

    with _opened(source, name) as file:
        try:
            parquet = pq.ParquetFile(file)
            columns, size = tuple(parquet.schema_arrow.names), parquet.metadata.num_rows
        except (pa.ArrowException, OSError) as error:
            raise refusal(error) from None
    first = next(batches(SAMPLE_ROWS), None)
    if first is None or size == 0:
        raise BarsError("a file with bars", f"{name}, which has no rows", "give another file")
    return Table(name, "parquet", columns, first.frame, size, True, None, batches)


def _csv_table(source: str | Path | BinaryIO, name: str, head: bytes, size: int) -> Table:
    encoding = _encoding(head)
    text = head.decode(encoding, errors="ignore").lstrip("\ufeff")
    lines = text.splitlines()
    if len(head) == _HEAD_BYTES:
        lines = lines[:-1]
    delimiter, start, width = _layout(lines, name)
    first = next(csv.reader([lines[start]], delimiter=delimiter))
    has_header = sum(_is_value(cell) for cell in first) * 2 < len(first)
    columns = _unique(first) if has_header else tuple(f"column_{i + 1}" for i in range(width))
    skip = start + has_header
    width_of_character = 2 if encoding == "utf-16" else 1

    def batches(block: int = _BLOCK_BYTES) -> Iterator[Batch]:
        skipped: list[tuple[int, str]] = []

        def note(row: pacsv.InvalidRow) -> str:
            skipped.append((row.number or 0, row.text))
            return "skip"

        with _opened(source, name) as file:
            try:
                reader = pacsv.open_csv(
                    pa.PythonFile(_Unclosed(file), mode="r"),
                    pacsv.ReadOptions(
                        use_threads=False,
                        column_names=columns,
                        skip_rows=skip,
                        block_size=block,
                        encoding=encoding,
                    ),
                    pacsv.ParseOptions(
                        delimiter=delimiter, invalid_row_handler=note, ignore_empty_lines=False
                    ),
                    pacsv.ConvertOptions(column_types=dict.fromkeys(columns, pa.string())),
                )
                line, done = skip + 1, 0
                while True:
                    try:
                        piece = reader.read_next_batch()
                    except StopIteration:
                        break
                    numbers, line = _line_numbers(line, piece.num_rows, [number for number, _ in skipped])
                    wrong = tuple((number, text) for number, text in skipped if text.strip())
                    skipped.clear()
                    frame = piece.to_pandas()
                    filled = (frame != "").any(axis=1).to_numpy()  # a blank line is no row
                    if not filled.all():
                        frame, numbers = frame.loc[filled].reset_index(drop=True), numbers[filled]
                    # Each cell's text and its delimiter, less Arrow's four bytes of offset.
                    done += (piece.nbytes - 3 * piece.num_rows * piece.num_columns) * width_of_character
                    yield Batch(frame, numbers, wrong, min(done, size))
            except (pa.ArrowException, UnicodeError) as error:
                if "Empty CSV" in str(error) or "no data" in str(error).lower():
                    return
                reason = str(error).splitlines()[0].rstrip(".")
                raise BarsError("a table in text", f"{name} ({reason})", "export it again as CSV") from None

    sample = next(batches(_HEAD_BYTES), None)
    if sample is None or sample.frame.empty:
        raise BarsError("bars below the header", f"{name}, which has none", "give another file")
    return Table(name, "csv", columns, sample.frame.head(SAMPLE_ROWS), size, has_header, delimiter, batches)


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


def _encoding(head: bytes) -> str:
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    try:
        # A character cut at the end of the head must not decide.
        head[: max(len(head) - 4, 1) if len(head) == _HEAD_BYTES else len(head)].decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 8:
            return "cp1252"
    return "utf-8"


def _layout(lines: list[str], name: str) -> tuple[str, int, int]:
    filled = [(number, line) for number, line in enumerate(lines) if line.strip()][:50]
    best: tuple[int, str, int] = (0, "", 0)
    for delimiter in (",", ";", "\t", "|"):
        counts = [len(next(csv.reader([line], delimiter=delimiter))) for _, line in filled]
        width, often = Counter(counts).most_common(1)[0]
        if width >= 2 and often * width > best[0]:
            start = next(number for (number, _), count in zip(filled, counts, strict=True) if count == width)
            best = (often * width, delimiter, start)
            found = width
    if not best[1]:
        raise BarsError(
            "columns separated by commas, semicolons or tabs",
            f"{name}, whose first line is {filled[0][1][:60]!r}",
            "export the bars as CSV",
        )
    return best[1], best[2], found


def _is_value(cell: str) -> bool:
    digits = sum(character.isdigit() for character in cell)
    return digits > 0 and digits * 2 >= len(cell.strip())


def _unique(names: list[str]) -> tuple[str, ...]:
    taken: list[str] = []
    for position, raw in enumerate(names, 1):
        name = raw.strip() or f"column_{position}"
        copy = 2
        while name in taken:
            name, copy = f"{raw.strip()}_{copy}", copy + 1
        taken.append(name)
    return tuple(taken)
