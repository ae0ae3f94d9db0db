"""Hive-partitioned Parquet on disk: names, atomic locked writes, cached footers.

One series lies in `timeframe=1h/instrument=GBPUSD/`, one file per period: a month of intraday bars, a
year of daily bars, a decade of weekly ones. A partition is replaced whole by a rename, so readers need no
lock; writers hold a file lock per partition.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote, unquote

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from core.disk import hold_lock, remove_leftovers, stage_file, write_json
from core.errors import BarsError
from core.timeframe import Session

LOCK_SECONDS = 30.0
SESSION = "session.json"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NO_SPAN = (-(2**63), 2**63 - 1)  # a column without any value has no statistics
_ROW_GROUP = 4096  # rows; the last 300 bars then cost one or two small groups


@dataclass(frozen=True)
class RowGroup:
    """Span of one Parquet row group; times in microseconds since 1970."""

    first: int
    last: int
    rows: int


@dataclass(frozen=True)
class Footer:
    """What a partition's footer says about its `ts` column."""

    groups: tuple[RowGroup, ...]

    @property
    def rows(self) -> int:
        return sum(group.rows for group in self.groups)

    @property
    def first(self) -> int:
        return min(group.first for group in self.groups)

    @property
    def last(self) -> int:
        return max(group.last for group in self.groups)


class FooterCache:
    """Parquet footers by path, read again when the file has been replaced."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[tuple[int, int, int], Footer]] = {}

    def get(self, path: str) -> Footer:
        """Footer of a partition.

        Raises
        ------
        BarsError
            If the file is not a Parquet file with a `ts` column.
        """
        status = os.stat(path)  # noqa: PTH116 (hundreds per call, os.stat is several times faster)
        version = (status.st_mtime_ns, status.st_size, status.st_ino)
        known = self._known.get(path)
        if known is not None and known[0] == version:
            return known[1]
        footer = _read_footer(path)
        self._known[path] = (version, footer)
        return footer


def microseconds(moment: datetime) -> int:
    """Microseconds since 1970 of a time with a zone."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def _read_footer(path: str) -> Footer:
    with _opened(path) as (_, footer):
        return footer


@contextmanager
def _opened(path: str | Path) -> Iterator[tuple[pq.ParquetFile, Footer]]:
    """One handle for footer and data, so that a partition replaced meanwhile is read as it was, whole."""
    try:
        with pq.ParquetFile(path) as parquet:
            metadata = parquet.metadata
            column = metadata.schema.to_arrow_schema().get_field_index("ts")
            groups = []
            for index in range(metadata.num_row_groups):
                group = metadata.row_group(index)
                span = group.column(column).statistics
                first, last = (
                    (microseconds(span.min), microseconds(span.max)) if span.has_min_max else _NO_SPAN
                )
                groups.append(RowGroup(first, last, group.num_rows))
            yield parquet, Footer(tuple(groups))
    except FileNotFoundError:
        raise BarsError("a stored series", "one deleted just now", "ingest its bars again") from None
    except (pa.ArrowException, OSError, IndexError, AttributeError, TypeError, ValueError) as error:
        if isinstance(error, BarsError):
            raise
        raise corrupt(path, error) from None


def read_span(files: list[str], start: int, end: int) -> pa.Table:
    """Row groups that may hold bars opening from `start` to `end` (microseconds), oldest first.

    Columns are united over the files. DuckDB itself opens a Parquet file once for its footer and again
    for its data, and mixes the two when it is replaced in between; so files are read here.
    """
    tables = []
    for path in files:
        with _opened(path) as (parquet, footer):
            wanted = [
                i for i, group in enumerate(footer.groups) if group.first <= end and group.last >= start
            ]
            tables.append(parquet.read_row_groups(wanted))
    return pa.concat_tables(tables, promote_options="default")


def read_newest(files: list[str], end: int, rows: int) -> pa.Table:
    """Row groups that surely hold the last `rows` bars opening at or before `end`, or all there are."""
    tables, sure = [], 0
    for path in reversed(files):
        if sure >= rows:
            break
        with _opened(path) as (parquet, footer):
            wanted = []
            for index in reversed(range(len(footer.groups))):
                group = footer.groups[index]
                if sure < rows and group.first <= end:
                    wanted.insert(0, index)
                    sure += group.rows if group.last <= end else 0
            tables.insert(0, parquet.read_row_groups(wanted, use_threads=False))  # too few rows to share
    return pa.concat_tables(tables, promote_options="default")


def corrupt(path: str | Path, error: Exception) -> BarsError:
    """The refusal of a partition that cannot be read."""
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
    return BarsError(
        "a readable Parquet partition", f"{path} ({reason})", "delete that file and ingest its bars again"
    )


def series_folder(root: Path, instrument: str, timeframe: str) -> Path:
    """Folder of one series; the instrument is URL-quoted so that any name is a safe folder name."""
    quoted = quote(instrument, safe="^=")
    if not instrument or len(quoted) > 200:
        raise BarsError("an instrument name of 1 to 200 characters", repr(instrument[:80]), "shorten it")
    return root / f"timeframe={timeframe}" / f"instrument={quoted}"


def series_folders(root: Path) -> Iterator[tuple[str, str, Path]]:
    """(instrument, timeframe, folder) of every series, in name order."""
    for outer in sorted(root.glob("timeframe=*")):
        for inner in sorted(outer.glob("instrument=*")):
            yield unquote(inner.name.partition("=")[2]), outer.name.partition("=")[2], inner


def read_session(folder: Path) -> Session | None:
    """When the trading day of the series in `folder` ends, where that is kept."""
    try:
        return Session(**json.loads((folder / SESSION).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as error:
        raise corrupt(folder / SESSION, error) from None


def write_session(folder: Path, session: Session) -> None:
    """Keep when the trading day of the series in `folder` ends."""
    write_json(folder / SESSION, asdict(session))


def partition_files(folder: Path) -> list[str]:
    """Partition files of one series, oldest first; temporary and lock files are not among them."""
    try:
        names = os.listdir(folder)  # noqa: PTH208 (no stat per entry)
    except FileNotFoundError:
        return []
    return [f"{folder}/{name}" for name in sorted(names) if name.endswith(".parquet") and name[0] != "."]


def partition_name(moment: np.datetime64, timeframe: str) -> str:
    """Name of the partition a bar opening at `moment` (UTC) lies in; names sort in time order."""
    if timeframe == "1w":
        return f"{str(moment.astype('datetime64[Y]'))[:3]}0s"
    return str(moment.astype("datetime64[Y]" if timeframe == "1d" else "datetime64[M]"))


def partition_names(ts: np.ndarray, timeframe: str) -> np.ndarray:
    """Partition name of each bar open, shape (T,)."""
    periods, inverse = np.unique(ts.astype("datetime64[M]"), return_inverse=True)
    return np.array([partition_name(period, timeframe) for period in periods])[inverse]


@contextmanager
def locked(path: Path, seconds: float = LOCK_SECONDS) -> Iterator[None]:
    """Hold the writers' lock of one partition, its folder made and crash leftovers removed.

    Raises
    ------
    BarsError
        If another process keeps the lock for longer than `seconds`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    busy = BarsError(
        f"the writers' lock of {path} within {seconds:g} s",
        "another process still writing it",
        "wait for that process or stop it",
    )
    with hold_lock(path.parent / f".{path.stem}.lock", seconds, busy):
        # Whoever holds the lock is the only writer, so any temporary file is a killed writer's.
        remove_leftovers(path.parent, f"{path.stem}.")
        yield


def replace_partition(path: Path, table: pa.Table) -> None:
    """Write a partition so that readers see the old or the new one whole; call with its lock held."""
    with stage_file(path) as staging:
        pq.write_table(table, staging, compression="zstd", row_group_size=_ROW_GROUP)


def read_partition(path: str | Path) -> pa.Table | None:
    """A whole partition, or None where there is none yet.

    Raises
    ------
    BarsError
        If the file is not Parquet.
    """
    try:
        with pq.ParquetFile(path) as parquet:
            return parquet.read()
    except FileNotFoundError:
        return None
    except (pa.ArrowException, OSError) as error:
        raise corrupt(path, error) from None
