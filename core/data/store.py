"""Bars and quality findings on disk: any number of readers, one writer per partition at a time.

Every query goes through an in-memory DuckDB over the partitions of `core.data.partitions`; all SQL of the
project stands here and binds its parameters.
"""

from __future__ import annotations

import difflib
import os
import threading
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import duckdb
import pandas as pd
import pyarrow as pa

from core.data.bars import (
    EARLIEST,
    UTC_DTYPE,
    as_bars,
    bar_content,
    empty_bars,
    label_bars,
    refuse_far,
    resample_bars,
)
from core.data.findings import FINDING_COLUMNS, FINDING_SCHEMA
from core.data.merging import UpsertCount, compare_bars, merge_bars
from core.data.partitions import (
    SESSION,
    FooterCache,
    locked,
    microseconds,
    partition_files,
    partition_name,
    partition_names,
    read_newest,
    read_partition,
    read_session,
    read_span,
    replace_partition,
    series_folder,
    series_folders,
    write_session,
)
from core.disk import digest_parts
from core.errors import BarsError
from core.timeframe import Session, duration, newest_known

_FINDING_KEY = ["instrument", "timeframe", "source", "check", "verdict"]

# ts leaves DuckDB as microseconds: the session's time zone can then not touch it.
_WINDOW = """
    SELECT * REPLACE (epoch_us(ts) AS ts) FROM parts WHERE ts <= ? ORDER BY ts DESC LIMIT ?
"""
_RANGE = """
    SELECT * REPLACE (epoch_us(ts) AS ts) FROM parts WHERE ts >= ? AND ts <= ? ORDER BY ts
"""
_FINDINGS = """
    SELECT * REPLACE (epoch_us(ts) AS ts, epoch_us(last_ts) AS last_ts)
    FROM parts ORDER BY instrument, timeframe, ts, "check"
"""


def home_folder() -> Path:
    """Folder of everything the program keeps: `LOOKBACK_HOME`, or `.lookback` in the checkout."""
    named = os.environ.get("LOOKBACK_HOME")
    return Path(named).expanduser() if named else Path(__file__).resolve().parents[2] / ".lookback"


@dataclass(frozen=True)
class SeriesSummary:
    """One stored series: its span (opens of the first and last bar, UTC) and number of bars."""

    instrument: str
    timeframe: str
    first: pd.Timestamp
    last: pd.Timestamp
    bars: int


class BarStore:
    """Bars by (instrument, timeframe, ts), shared by processes without a server.

    A write is atomic per partition (a month, year or decade of one series) and lasting when the call
    returns. Readers never wait and never see half a partition. Safe to share between threads.

    Parameters
    ----------
    home
        Folder to keep bars in; `home_folder()` by default. Made at the first write.
    """

    def __init__(self, home: Path | None = None) -> None:
        self.home = home_folder() if home is None else Path(home)
        self._bars = self.home / "bars"
        self._findings = self.home / "findings"
        self._footers = FooterCache()
        self._connection: list[duckdb.DuckDBPyConnection] = []
        self._connecting = threading.Lock()
        # A connection that is still open at exit makes DuckDB print pages of complaints.
        weakref.finalize(self, self._connection.clear)

    def upsert(self, bars: pd.DataFrame) -> UpsertCount:
        """Add bars and write over those with the same (instrument, timeframe, ts).

        Columns the frame does not have keep their stored values. Where the frame holds a key twice, its
        last row counts.
        """
        total = UpsertCount(0, 0)
        for _, path, rows in self._split(bars):
            with locked(path):
                stored = _read(path)
                replace_partition(path, merge_bars(stored, rows))
            total += compare_bars(stored, rows)
        return total

    def compare(self, bars: pd.DataFrame) -> UpsertCount:
        """What `upsert` would do with these bars; nothing is written."""
        counts = (compare_bars(_read(path), rows) for _, path, rows in self._split(bars))
        return sum(counts, UpsertCount(0, 0))

    def delete(self, instrument: str, timeframe: str) -> int:
        """Remove a series with its findings and its session; the number of bars that it had.

        A reader that has listed its files before is told that they are gone.

        Raises
        ------
        BarsError
            If the series is unknown.
        """
        bars = sum(self._footers.get(path).rows for path in self._files(instrument, timeframe))
        folders = [series_folder(root, instrument, timeframe) for root in (self._bars, self._findings)]
        for path in (Path(name) for folder in folders for name in partition_files(folder)):
            # The lock's own file stays: another writer may be waiting for it.
            with locked(path):
                path.unlink(missing_ok=True)
        (folders[0] / SESSION).unlink(missing_ok=True)
        return bars

    def session(self, instrument: str, timeframe: str) -> Session | None:
        """When the trading day of a series ends, where that was given."""
        return read_session(series_folder(self._bars, instrument, timeframe))

    def set_session(self, instrument: str, timeframe: str, session: Session) -> None:
        """Keep when the trading day of a series ends."""
        write_session(series_folder(self._bars, instrument, timeframe), session)

    def series(self) -> list[SeriesSummary]:
        """Every stored series with the span and number of its closed bars, from the files' footers alone."""
        summaries = []
        for instrument, timeframe, folder in series_folders(self._bars):
            footers = [self._footers.get(path) for path in partition_files(folder)]
            if not footers:
                continue
            first = _moment(min(footer.first for footer in footers))
            last = _moment(max(footer.last for footer in footers))
            bars = sum(footer.rows for footer in footers)
            if last > self._newest(instrument, timeframe):
                closed = self.read_range(instrument, timeframe)["ts"]
                if closed.empty:
                    continue
                last, bars = cast(pd.Timestamp, closed.iloc[-1]), len(closed)
            summaries.append(SeriesSummary(instrument, timeframe, first, last, bars))
        return sorted(summaries, key=lambda s: (s.instrument, duration(s.timeframe)))

    def instruments(self, timeframe: str) -> list[str]:
        """Instruments with bars of `timeframe`, without opening a file."""
        return sorted(
            instrument
            for instrument, stored, folder in series_folders(self._bars)
            if stored == timeframe and partition_files(folder)
        )

    def read_window(
        self, instrument: str, timeframe: str, end: pd.Timestamp | None = None, length: int = 300
    ) -> pd.DataFrame:
        """The last `length` closed bars that open at or before `end`, ascending; fewer if there are fewer.

        A bar that is not complete yet is not there, whatever was stored of it.

        Raises
        ------
        BarsError
            If the series is unknown, `end` has no time zone, or a partition is corrupt.
        """
        if length < 1:
            raise BarsError("a window of at least one bar", f"a length of {length}", "ask for more bars")
        files = self._files(instrument, timeframe)
        latest = self._newest(instrument, timeframe)
        latest = latest if end is None else min(latest, _utc(end))
        newest = _partition_of(latest, timeframe)
        chosen = [path for path in files if Path(path).stem <= newest]
        if not chosen:
            return empty_bars()
        bars = self._query(_WINDOW, read_newest(chosen, microseconds(latest), length), [latest, length])
        return label_bars(bars.iloc[::-1].reset_index(drop=True), instrument, timeframe)

    def read_range(
        self,
        instrument: str,
        timeframe: str,
        start: pd.Timestamp | None = None,
        end: pd.Timestamp | None = None,
    ) -> pd.DataFrame:
        """All closed bars that open from `start` to `end`, both inclusive; None means unbounded.

        Raises
        ------
        BarsError
            As `read_window`.
        """
        files = self._files(instrument, timeframe)
        last = self._newest(instrument, timeframe)
        first, last = (
            (EARLIEST if start is None else _utc(start)),
            (last if end is None else min(last, _utc(end))),
        )
        low, high = _partition_of(first, timeframe), _partition_of(last, timeframe)
        chosen = [path for path in files if low <= Path(path).stem <= high]
        if not chosen:
            return empty_bars()
        parts = read_span(chosen, microseconds(first), microseconds(last))
        return label_bars(self._query(_RANGE, parts, [first, last]), instrument, timeframe)

    def resample(self, instrument: str, source: str, target: str) -> pd.DataFrame:
        """The series at a longer timeframe, adjusted, without an incomplete last bar; nothing is written."""
        return resample_bars(self.read_range(instrument, source), target)

    def fingerprint(self, instrument: str, timeframe: str, end: pd.Timestamp | None = None) -> str:
        """SHA-256 over the bars up to `end`: the same content gives the same digest anywhere.

        Columns without any value do not count, so that a column first filled after `end` changes nothing.
        """
        bars = self.read_range(instrument, timeframe, end=end)
        return digest_parts(bar_content(f"{instrument}\n{timeframe}\n{len(bars)}\n", bars))

    def write_findings(self, findings: pd.DataFrame) -> None:
        """Keep quality findings; those of the same series, source, check and verdict are replaced."""
        absent = [name for name in FINDING_COLUMNS if name not in findings.columns]
        if absent:
            raise BarsError(
                f"the columns {', '.join(FINDING_COLUMNS)}", f"no {', '.join(absent)}", "add them"
            )
        for series, rows in findings.groupby(["instrument", "timeframe"], sort=True):
            instrument, timeframe = cast(tuple[str, str], series)
            path = series_folder(self._findings, instrument, timeframe) / "findings.parquet"
            with locked(path):
                stored = _read(path)
                merged = rows if stored is None else pd.concat([stored, rows], ignore_index=True)
                merged = merged.drop_duplicates(_FINDING_KEY, keep="last")[list(FINDING_COLUMNS)]
                replace_partition(path, pa.Table.from_pandas(merged, FINDING_SCHEMA, preserve_index=False))

    def findings(self, instrument: str | None = None) -> pd.DataFrame:
        """Kept quality findings of one instrument, or of all, with the columns `FINDING_COLUMNS`."""
        files = [
            path
            for name, _, folder in series_folders(self._findings)
            if instrument in (None, name)
            for path in partition_files(folder)
        ]
        if not files:
            return FINDING_SCHEMA.empty_table().to_pandas()
        parts = pa.concat_tables([part for path in files if (part := read_partition(path)) is not None])
        return _as_findings(self._query(_FINDINGS, parts, []))

    def _split(self, bars: pd.DataFrame) -> list[tuple[str, Path, pd.DataFrame]]:
        parts = []
        for series, rows in as_bars(bars).groupby(["instrument", "timeframe"], sort=True):
            instrument, timeframe = cast(tuple[str, str], series)
            duration(timeframe)
            refuse_far(rows)
            folder = series_folder(self._bars, instrument, timeframe)
            _refuse_other_kinds(partition_files(folder)[-1:], rows)
            rows = rows.drop(columns=["instrument", "timeframe"]).drop_duplicates("ts", keep="last")
            names = partition_names(rows["ts"].to_numpy(dtype="datetime64[us]"), timeframe)
            parts.extend((timeframe, folder / f"{name}.parquet", part) for name, part in rows.groupby(names))
        return parts

    def _newest(self, instrument: str, timeframe: str) -> pd.Timestamp:
        now = cast(pd.Timestamp, pd.Timestamp.now("UTC").as_unit("us"))
        return newest_known(now, timeframe, self.session(instrument, timeframe))

    def _files(self, instrument: str, timeframe: str) -> list[str]:
        duration(timeframe)
        files = partition_files(series_folder(self._bars, instrument, timeframe))
        if not files:
            known = [f"{summary.instrument} {summary.timeframe}" for summary in self.series()]
            near = difflib.get_close_matches(f"{instrument} {timeframe}", known, n=3, cutoff=0.3) or known[:3]
            fix = f"choose for example {', '.join(near)}" if near else "ingest bars first"
            raise BarsError("a stored series", f"{instrument} {timeframe}", fix)
        return files

    def _query(self, sql: str, parts: pa.Table, parameters: list) -> pd.DataFrame:
        if not self._connection:
            with self._connecting:
                if not self._connection:
                    self._connection.append(duckdb.connect())
        bound = [value.to_pydatetime() if isinstance(value, pd.Timestamp) else value for value in parameters]
        # A shared connection would hand one thread's rows to another; a cursor per call does not.
        with self._connection[0].cursor() as cursor:
            return cursor.register("parts", parts).execute(sql, bound).df()


def _as_findings(table: pd.DataFrame) -> pd.DataFrame:
    for name in ("ts", "last_ts"):
        table[name] = pd.to_datetime(table[name], unit="us", utc=True).astype(UTC_DTYPE)
    return cast(pd.DataFrame, table[list(FINDING_COLUMNS)])


def _read(path: Path) -> pd.DataFrame | None:
    part = read_partition(path)
    return None if part is None else part.to_pandas()


def _refuse_other_kinds(files: list[str], rows: pd.DataFrame) -> None:
    for path in files:
        stored = _read(Path(path))
        if stored is None:
            continue
        for name in stored.columns.intersection(rows.columns):
            kinds = [isinstance(frame[name].dtype, pd.StringDtype) for frame in (stored, rows)]
            if kinds[0] != kinds[1]:
                words = ["numbers", "texts"]
                raise BarsError(
                    f"{words[kinds[0]]} in column {name!r}, as stored",
                    words[kinds[1]],
                    "give the column another name or leave it out",
                )


def _partition_of(moment: pd.Timestamp, timeframe: str) -> str:
    return partition_name(moment.tz_localize(None).to_datetime64(), timeframe)


def _utc(moment: pd.Timestamp) -> pd.Timestamp:
    given = pd.Timestamp(moment)
    if not isinstance(given, pd.Timestamp):
        raise BarsError("a time", str(moment), "write for example 2020-01-31T15:00:00+00:00")
    if given.tzinfo is None:
        example = f"write for example {given.isoformat()}+00:00"
        raise BarsError("a time with a time zone", str(moment), example)
    return cast(pd.Timestamp, given.tz_convert("UTC").as_unit("us"))


def _moment(microseconds: int) -> pd.Timestamp:
    return cast(pd.Timestamp, pd.Timestamp(microseconds, unit="us", tz="UTC"))
