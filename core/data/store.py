"""Bars and quality findings on disk: any number of readers, one writer per partition at a time.

Every query goes through an in-memory DuckDB over the partitions of `core.data.partitions`; all SQL of the
project stands here and binds its parameters.
"""

from __future__ import annotations

import difflib
import os
import threading
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa

from core.data.bars import OHLCV, UTC_DTYPE, as_bars, empty_bars, one_column, resample_bars
from core.data.findings import FINDING_COLUMNS, FINDING_SCHEMA
from core.data.partitions import (
    FooterCache,
    locked,
    microseconds,
    partition_files,
    partition_name,
    partition_names,
    read_newest,
    read_partition,
    read_span,
    replace_partition,
    series_folder,
    series_folders,
)
from core.disk import digest_parts
from core.errors import BarsError
from core.timeframe import duration

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
_EARLIEST = cast(pd.Timestamp, pd.Timestamp("1677-01-01", tz="UTC"))
_LATEST = cast(pd.Timestamp, pd.Timestamp("2262-01-01", tz="UTC"))


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


@dataclass(frozen=True)
class UpsertCount:
    """Rows that were new, and rows whose key was there already and was written over."""

    inserted: int
    updated: int


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
        inserted = updated = 0
        for _, path, rows in self._split(bars):
            with locked(path):
                stored = _read(path)
                present = (
                    0 if stored is None else int(one_column(rows, "ts").isin(one_column(stored, "ts")).sum())
                )
                replace_partition(path, _merge(stored, rows))
            updated += present
            inserted += len(rows) - present
        return UpsertCount(inserted, updated)

    def series(self) -> list[SeriesSummary]:
        """Every stored series with its span and number of bars, from the files' footers alone."""
        summaries = []
        for instrument, timeframe, folder in series_folders(self._bars):
            footers = [self._footers.get(path) for path in partition_files(folder)]
            if footers:
                first = min(footer.first for footer in footers)
                last = max(footer.last for footer in footers)
                bars = sum(footer.rows for footer in footers)
                summaries.append(SeriesSummary(instrument, timeframe, _moment(first), _moment(last), bars))
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
        """The last `length` bars that open at or before `end`, ascending; fewer if there are fewer.

        Raises
        ------
        BarsError
            If the series is unknown, `end` has no time zone, or a partition is corrupt.
        """
        if length < 1:
            raise BarsError("a window of at least one bar", f"a length of {length}", "ask for more bars")
        files = self._files(instrument, timeframe)
        latest = _LATEST if end is None else _utc(end)
        newest = _partition_of(latest, timeframe)
        chosen = [path for path in files if Path(path).stem <= newest]
        if not chosen:
            return empty_bars()
        bars = self._query(_WINDOW, read_newest(chosen, microseconds(latest), length), [latest, length])
        return _labelled(bars.iloc[::-1].reset_index(drop=True), instrument, timeframe)

    def read_range(
        self,
        instrument: str,
        timeframe: str,
        start: pd.Timestamp | None = None,
        end: pd.Timestamp | None = None,
    ) -> pd.DataFrame:
        """All bars that open from `start` to `end`, both inclusive; None means unbounded.

        Raises
        ------
        BarsError
            As `read_window`.
        """
        files = self._files(instrument, timeframe)
        first = _EARLIEST if start is None else _utc(start)
        last = _LATEST if end is None else _utc(end)
        low, high = _partition_of(first, timeframe), _partition_of(last, timeframe)
        chosen = [path for path in files if low <= Path(path).stem <= high]
        if not chosen:
            return empty_bars()
        parts = read_span(chosen, microseconds(first), microseconds(last))
        return _labelled(self._query(_RANGE, parts, [first, last]), instrument, timeframe)

    def resample(self, instrument: str, source: str, target: str) -> pd.DataFrame:
        """The series at a longer timeframe, adjusted, without an incomplete last bar; nothing is written."""
        return resample_bars(self.read_range(instrument, source), target)

    def fingerprint(self, instrument: str, timeframe: str, end: pd.Timestamp | None = None) -> str:
        """SHA-256 over the bars up to `end`: the same content gives the same digest anywhere.

        Columns without any value do not count, so that a column first filled after `end` changes nothing.
        """
        bars = self.read_range(instrument, timeframe, end=end)
        return digest_parts(_content(f"{instrument}\n{timeframe}\n{len(bars)}\n", bars))

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
            folder = series_folder(self._bars, instrument, timeframe)
            _refuse_other_kinds(partition_files(folder)[-1:], rows)
            rows = rows.drop(columns=["instrument", "timeframe"]).drop_duplicates("ts", keep="last")
            names = partition_names(rows["ts"].to_numpy(dtype="datetime64[us]"), timeframe)
            parts.extend((timeframe, folder / f"{name}.parquet", part) for name, part in rows.groupby(names))
        return parts

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


def _content(heading: str, bars: pd.DataFrame) -> Iterator[bytes | np.ndarray]:
    yield heading.encode()
    yield bars["ts"].to_numpy(dtype="datetime64[us]").astype("<i8")
    for name in sorted(bars.columns.difference(["instrument", "timeframe", "ts"])):
        if isinstance(bars[name].dtype, pd.StringDtype):
            if bool(bars[name].notna().any()):
                yield f"{name}\n{bars[name].to_json(orient='values')}\n".encode()
            continue
        # One zero and one NaN, of which bits know two and many.
        values = bars[name].to_numpy(dtype="<f8") + 0.0
        if not np.isnan(values).all():
            yield name.encode() + b"\n"
            yield np.where(np.isnan(values), np.nan, values).astype("<f8")


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


def _merge(stored: pd.DataFrame | None, rows: pd.DataFrame) -> pa.Table:
    rows = rows.set_index("ts")
    if stored is not None:
        stored = stored.set_index("ts")
        merged = stored.reindex(
            index=stored.index.union(rows.index), columns=stored.columns.union(rows.columns, sort=False)
        )
        merged.loc[rows.index, rows.columns] = rows
        rows = merged
    rows = rows.sort_index()
    extras = [name for name in rows.columns if name not in OHLCV]
    return pa.Table.from_pandas(rows[[*OHLCV, *extras]].rename_axis("ts").reset_index(), preserve_index=False)


def _labelled(bars: pd.DataFrame, instrument: str, timeframe: str) -> pd.DataFrame:
    bars["ts"] = pd.Series(bars["ts"].to_numpy().view("datetime64[us]")).dt.tz_localize("UTC")
    bars.insert(0, "timeframe", pd.Series(timeframe, index=bars.index, dtype="str"))
    bars.insert(0, "instrument", pd.Series(instrument, index=bars.index, dtype="str"))
    return bars


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
