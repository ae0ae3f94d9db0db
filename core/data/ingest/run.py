"""Bars on their way into the store: parsed, checked, written, reported."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
import pandas as pd

from core.data.findings import Finding, findings_table, merge_findings
from core.data.ingest.bundled import LONGER, load_bundled
from core.data.ingest.cells.numbers import Decimal
from core.data.ingest.cells.order import Order
from core.data.ingest.containers.table import Table
from core.data.ingest.mapping import ColumnMapping, guess_mapping
from core.data.ingest.overwrites import find_overwrites, refuse_overwrites
from core.data.ingest.parse import parse_batches
from core.data.ingest.quality import CONTEXT_BARS, check_bars, check_chunk, find_gaps, refuse_nothing_left
from core.data.ingest.settle import settle_mapping
from core.data.ingest.tables import read_table
from core.data.store import BarStore, UpsertCount
from core.progress import Progress

_CHUNK_ROWS = 100_000  # rows held before they are checked and written


@dataclass(frozen=True)
class SeriesIngest:
    """What came into one series: bars new, written over, and dropped by the quality gate."""

    instrument: str
    timeframe: str
    inserted: int
    updated: int
    dropped: int


@dataclass(frozen=True)
class IngestReport:
    """What became of a file.

    Attributes
    ----------
    name
        File name, or "bundled".
    rows
        Rows read.
    series
        One entry per series that received bars or findings.
    findings
        As stored, columns as `BarStore.findings`.
    mapping
        What the columns were taken to mean; None for bundled bars.
    seconds
        Wall time.
    """

    name: str
    rows: int
    series: tuple[SeriesIngest, ...]
    findings: pd.DataFrame
    mapping: ColumnMapping | None
    seconds: float

    @property
    def inserted(self) -> int:
        return sum(entry.inserted for entry in self.series)

    @property
    def updated(self) -> int:
        return sum(entry.updated for entry in self.series)

    @property
    def dropped(self) -> int:
        return sum(entry.dropped for entry in self.series)


def ingest_file(
    store: BarStore,
    source: str | Path | bytes | BinaryIO | Table,
    *,
    name: str | None = None,
    mapping: ColumnMapping | None = None,
    instrument: str | None = None,
    timeframe: str | None = None,
    timezone: str | None = None,
    date_order: Order | None = None,
    decimal: Decimal | None = None,
    progress: Progress | None = None,
) -> IngestReport:
    """Read a table of bars into the store, checked, in bounded memory.

    Bars are checked and written in chunks, each judged together with the bars before it. What is kept of
    the whole file is eight bytes per bar (its time). If a later chunk cannot be used at all, the bars of
    the chunks before it stay stored; ingesting the mended file writes over them.

    Parameters
    ----------
    source, name
        Path, bytes or seekable buffer of a file with one table, or a table opened already; the name stands
        for a buffer's file name.
    mapping, instrument, timeframe, timezone, date_order, decimal
        As `core.data.ingest.parse.parse_batches`.
    progress
        Called with (done, total), in the units of `Table.size`; the last call has done == total.

    Raises
    ------
    BarsError
        If the file cannot be understood or holds no usable bar, or its name was taken from the file's and is
        that of stored bars with other prices.
    """
    started = time.perf_counter()
    table = source if isinstance(source, Table) else read_table(source, name)
    mapping = guess_mapping(table) if mapping is None else mapping
    mapping = settle_mapping(table, mapping, date_order=date_order, decimal=decimal, timezone=timezone)
    if instrument is not None:
        mapping = mapping.without_guessed_name()
    elif mapping.column("instrument") is None and mapping.instrument in _stored(store):
        batches = parse_batches(table, mapping, None, timeframe, timezone)
        refuse_overwrites(find_overwrites(store, batches), table.name)
    intake = _Intake(store)
    rows = 0
    for batch in parse_batches(table, mapping, instrument, timeframe, timezone):
        rows += batch.rows
        intake.take(batch.bars, batch.found)
        if progress is not None:
            progress(min(batch.done, table.size - 1), table.size)
    findings, series = intake.finish(table.name)
    if progress is not None:
        progress(table.size, table.size)
    return IngestReport(table.name, rows, series, findings, mapping, time.perf_counter() - started)


def _stored(store: BarStore) -> set[str]:
    return {summary.instrument for summary in store.series()}


def ingest_bundled(store: BarStore, progress: Progress | None = None) -> IngestReport:
    """Store the bundled bars and the longer ones made of them; `progress` counts series.

    Raises
    ------
    BarsError
        As `core.data.ingest.bundled.load_bundled`; nothing is written then.
    """
    started = time.perf_counter()
    report = check_bars(load_bundled())
    counts: dict[tuple[str, str], UpsertCount] = {}
    groups = list(report.clean.groupby(["instrument", "timeframe"], sort=True))
    for done, (series, bars) in enumerate(groups, 1):
        instrument, timeframe = cast(tuple[str, str], series)
        counts[instrument, timeframe] = store.upsert(bars.dropna(axis="columns", how="all"))
        longer = LONGER[timeframe]
        counts[instrument, longer] = resample_series(store, instrument, timeframe, longer)
        if progress is not None:
            progress(done, len(groups))
    findings = findings_table(report.found, "bundled")
    store.write_findings(findings)
    series = _summaries(counts, list(report.found))
    return IngestReport("bundled", len(report.clean), series, findings, None, time.perf_counter() - started)


def resample_series(store: BarStore, instrument: str, source: str, target: str) -> UpsertCount:
    """Make the complete bars of a longer timeframe out of a stored series and store them."""
    bars = store.resample(instrument, source, target)
    return store.upsert(bars) if len(bars) else UpsertCount(0, 0)


class _Intake:
    """Parsed bars gathered into chunks, checked against what came before, and written."""

    def __init__(self, store: BarStore) -> None:
        self._store = store
        self._waiting: list[pd.DataFrame] = []
        self._found: list[Finding] = []
        self._seen: dict[tuple[str, str], np.ndarray] = {}
        self._tails: dict[tuple[str, str], pd.DataFrame] = {}
        self._counts: dict[tuple[str, str], UpsertCount] = {}

    def take(self, bars: pd.DataFrame, found: tuple[Finding, ...]) -> None:
        self._waiting.append(bars)
        self._found.extend(found)
        if sum(len(piece) for piece in self._waiting) >= _CHUNK_ROWS:
            self._flush()

    def finish(self, name: str) -> tuple[pd.DataFrame, tuple[SeriesIngest, ...]]:
        self._flush()
        for series, opens in self._seen.items():
            self._found.extend(find_gaps(series, opens))
        found = merge_findings(self._found)
        refuse_nothing_left(sum(len(opens) for opens in self._seen.values()), found)
        findings = findings_table(found, name)
        self._store.write_findings(findings)
        return findings, _summaries(self._counts, found)

    def _flush(self) -> None:
        waiting = [piece for piece in self._waiting if len(piece)]
        self._waiting = []
        if not waiting:
            return
        for key, bars in pd.concat(waiting, ignore_index=True).groupby(
            ["instrument", "timeframe"], sort=True
        ):
            self._check(cast(tuple[str, str], key), bars)
        self._found = merge_findings(self._found)

    def _check(self, series: tuple[str, str], bars: pd.DataFrame) -> None:
        clean, found = check_chunk(bars, self._before(series, bars))
        self._found.extend(found)
        if clean.empty:
            return
        # Fewer inserted than new to this file means that an earlier file brought those bars.
        opens = clean["ts"].to_numpy(dtype="datetime64[us]")
        seen = self._seen.get(series, opens[:0])
        written = self._store.upsert(clean)
        rewritten = int(np.isin(opens, seen).sum()) if len(seen) and opens[0] <= seen[-1] else 0
        known = self._counts.get(series, UpsertCount(0, 0))
        self._counts[series] = UpsertCount(
            known.inserted + written.inserted, known.updated + written.updated - rewritten
        )
        ascending = not len(seen) or opens[0] > seen[-1]
        self._seen[series] = np.concatenate([seen, opens]) if ascending else np.union1d(seen, opens)
        self._tails[series] = _united(self._tails.get(series), clean).tail(CONTEXT_BARS)

    def _before(self, series: tuple[str, str], bars: pd.DataFrame) -> pd.DataFrame | None:
        seen = self._seen.get(series)
        if seen is None:
            return None
        tail = self._tails[series]
        opens = bars["ts"].to_numpy(dtype="datetime64[us]")
        again = opens[np.isin(opens, seen)] if opens.min() <= seen[-1] else opens[:0]
        again = again[~np.isin(again, tail["ts"].to_numpy(dtype="datetime64[us]"))]
        if len(again) == 0:
            return tail
        # This file's own bars, written a chunk ago, tell a repetition from a contradiction.
        start, end = (cast(pd.Timestamp, pd.Timestamp(t, tz="UTC")) for t in (again.min(), again.max()))
        stored = self._store.read_range(*series, start, end)
        stored = stored.loc[np.isin(stored["ts"].to_numpy(dtype="datetime64[us]"), again)]
        return _united(stored, tail)


def _united(older: pd.DataFrame | None, newer: pd.DataFrame) -> pd.DataFrame:
    both = newer if older is None else pd.concat([older, newer])
    return both.drop_duplicates(subset=["ts"], keep="last").sort_values("ts", ignore_index=True)


def _summaries(counts: dict[tuple[str, str], UpsertCount], found: list[Finding]) -> tuple[SeriesIngest, ...]:
    dropped: dict[tuple[str, str], int] = {}
    for finding in found:
        if finding.verdict == "dropped":
            key = (finding.instrument, finding.timeframe)
            dropped[key] = dropped.get(key, 0) + finding.rows
    keys = sorted({*counts, *dropped})
    nothing = UpsertCount(0, 0)
    return tuple(
        SeriesIngest(
            *key, counts.get(key, nothing).inserted, counts.get(key, nothing).updated, dropped.get(key, 0)
        )
        for key in keys
    )
