"""Bars on their way into the store: parsed, checked, written, reported."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

import pandas as pd

from core.data.findings import findings_table
from core.data.ingest.bundled import BUNDLED_SESSION, LONGER, load_bundled
from core.data.ingest.cells.numbers import Decimal
from core.data.ingest.cells.order import Order
from core.data.ingest.containers.table import Table
from core.data.ingest.intake import Intake, SeriesIngest, summarise
from core.data.ingest.mapping import ColumnMapping, guess_mapping
from core.data.ingest.overwrites import find_overwrites, refuse_overwrites
from core.data.ingest.parse import parse_batches
from core.data.ingest.quality import check_bars
from core.data.ingest.settle import settle_mapping
from core.data.ingest.tables import read_table
from core.data.merging import UpsertCount
from core.data.store import BarStore
from core.errors import InputError
from core.progress import Progress
from core.timeframe import DATED, Session


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
    def changed(self) -> int:
        """Stored bars whose values became others."""
        return sum(entry.changed for entry in self.series)

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
    close: str | None = None,
    rehearse: bool = False,
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
    close
        Wall-clock time in `timezone` at which the session of daily and weekly bars ends, such as 16:00; it
        is kept with these series.
    rehearse
        Only say what would come of it; nothing is written. A bar that a large file holds twice, far apart,
        is then taken for an exact repetition.
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
    intake = Intake(store, _session(timezone, close), rehearse)
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


def _session(zone: str | None, close: str | None) -> Session | None:
    if close is None:
        return None
    if zone is None:
        raise InputError("the zone of a session's close", f"{close!r} without one", "give --timezone too")
    return Session(zone, close)


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
        if timeframe in DATED:
            for frame in (timeframe, longer):
                store.set_session(instrument, frame, BUNDLED_SESSION)
        counts[instrument, longer] = resample_series(store, instrument, timeframe, longer)
        if progress is not None:
            progress(done, len(groups))
    findings = findings_table(report.found, "bundled")
    store.write_findings(findings)
    series = summarise(counts, list(report.found))
    return IngestReport("bundled", len(report.clean), series, findings, None, time.perf_counter() - started)


def resample_series(store: BarStore, instrument: str, source: str, target: str) -> UpsertCount:
    """Make the complete bars of a longer timeframe out of a stored series and store them."""
    bars = store.resample(instrument, source, target)
    return store.upsert(bars) if len(bars) else UpsertCount(0, 0)
