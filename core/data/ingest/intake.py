"""Parsed bars of a file on their way into the store: in chunks, checked, written or only counted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
import pandas as pd

from core.data.bars import empty_bars
from core.data.findings import Finding, findings_table, merge_findings
from core.data.ingest.checks.moves import find_break
from core.data.ingest.checks.spacing import find_gaps
from core.data.ingest.quality import CONTEXT_BARS, check_chunk, refuse_nothing_left
from core.data.merging import UpsertCount
from core.data.store import BarStore
from core.errors import BarsError
from core.timeframe import DATED, Session

_CHUNK_ROWS = 100_000  # rows held before they are checked and written
_MOMENT = pd.Timedelta(microseconds=1)
_AFTER = pd.Timedelta(days=90)  # how far stored bars are looked for that a file's last bar may join


@dataclass(frozen=True)
class SeriesIngest:
    """What came into one series: bars new, written over (some of them changed), and dropped by the gate."""

    instrument: str
    timeframe: str
    inserted: int
    updated: int
    dropped: int
    changed: int = 0


class Intake:
    """Parsed bars gathered into chunks, checked against what came before, and written.

    Parameters
    ----------
    session
        When the trading day of the file's daily and weekly series ends; None asks the store.
    rehearse
        Nothing is written.
    """

    def __init__(self, store: BarStore, session: Session | None = None, rehearse: bool = False) -> None:
        self._store = store
        self._session = session
        self._rehearse = rehearse
        self._waiting: list[pd.DataFrame] = []
        self._found: list[Finding] = []
        self._seen: dict[tuple[str, str], np.ndarray] = {}
        self._heads: dict[tuple[str, str], pd.DataFrame] = {}
        self._tails: dict[tuple[str, str], pd.DataFrame] = {}
        self._counts: dict[tuple[str, str], UpsertCount] = {}

    def take(self, bars: pd.DataFrame, found: tuple[Finding, ...]) -> None:
        """Add parsed bars, and what was found while parsing them."""
        self._waiting.append(bars)
        self._found.extend(found)
        if sum(len(piece) for piece in self._waiting) >= _CHUNK_ROWS:
            self._flush()

    def finish(self, name: str) -> tuple[pd.DataFrame, tuple[SeriesIngest, ...]]:
        """Check what is left and judge each series as a whole; findings and counts of the file `name`."""
        self._flush()
        for series in self._seen:
            self._found.extend(self._judge_whole(series))
        found = merge_findings(self._found)
        refuse_nothing_left(sum(len(opens) for opens in self._seen.values()), found)
        findings = findings_table(found, name)
        if not self._rehearse:
            self._use_unadjusted(found)
            self._store.write_findings(findings)
        return findings, summarise(self._counts, found)

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
        session = self._session or self._store.session(*series)
        clean, found = check_chunk(bars, self._before(series, bars), session)
        self._found.extend(found)
        if clean.empty:
            return
        # Fewer inserted than new to this file means that an earlier file brought those bars.
        opens = clean["ts"].to_numpy(dtype="datetime64[us]")
        seen = self._seen.get(series, opens[:0])
        written = self._store.compare(clean) if self._rehearse else self._write(series, clean)
        rewritten = int(np.isin(opens, seen).sum()) if len(seen) and opens[0] <= seen[-1] else 0
        known = self._counts.get(series, UpsertCount(0, 0))
        again = UpsertCount(-rewritten, 0) if self._rehearse else UpsertCount(0, -rewritten)
        self._counts[series] = known + written + again
        ascending = not len(seen) or opens[0] > seen[-1]
        self._seen[series] = np.concatenate([seen, opens]) if ascending else np.union1d(seen, opens)
        self._heads[series] = _united(self._heads.get(series), clean).head(CONTEXT_BARS)
        self._tails[series] = _united(self._tails.get(series), clean).tail(CONTEXT_BARS)

    def _write(self, series: tuple[str, str], clean: pd.DataFrame) -> UpsertCount:
        if self._session is not None and series[1] in DATED:
            self._store.set_session(*series, self._session)
        return self._store.upsert(clean)

    def _before(self, series: tuple[str, str], bars: pd.DataFrame) -> pd.DataFrame | None:
        seen = self._seen.get(series)
        if seen is None:
            return None
        tail = self._tails[series]
        opens = bars["ts"].to_numpy(dtype="datetime64[us]")
        again = opens[np.isin(opens, seen)] if opens.min() <= seen[-1] else opens[:0]
        again = again[~np.isin(again, tail["ts"].to_numpy(dtype="datetime64[us]"))]
        if len(again) == 0 or self._rehearse:
            return tail
        # This file's own bars, written a chunk ago, tell a repetition from a contradiction.
        start, end = (cast(pd.Timestamp, pd.Timestamp(t, tz="UTC")) for t in (again.min(), again.max()))
        stored = self._store.read_range(*series, start, end)
        stored = stored.loc[np.isin(stored["ts"].to_numpy(dtype="datetime64[us]"), again)]
        return _united(stored, tail)

    def _judge_whole(self, series: tuple[str, str]) -> list[Finding]:
        """Gaps of the file, and how it joins the stored bars that lie before and after it."""
        opens = self._seen[series]
        before, after = self._neighbours(series, opens)
        around = [part["ts"].to_numpy(dtype="datetime64[us]") for part in (before, after)]
        whole = np.concatenate([around[0], opens, around[1][:1]])
        return [
            *find_gaps(series, whole, np.arange(len(whole)) >= len(around[0])),
            *find_break(before, self._heads[series], series),
            *find_break(self._tails[series], after, series),
        ]

    def _neighbours(self, series: tuple[str, str], opens: np.ndarray) -> tuple[pd.DataFrame, pd.DataFrame]:
        try:
            first, last = (pd.Timestamp(opens[i], tz="UTC") for i in (0, -1))
            ends = (first - _MOMENT, last + _MOMENT, last + _AFTER)
            until, start, end = (cast(pd.Timestamp, moment) for moment in ends)
            before = self._store.read_window(*series, until, CONTEXT_BARS)
            after = self._store.read_range(*series, start, end)
        except BarsError:  # nothing of the series is stored
            return empty_bars(), empty_bars()
        return before, after.head(CONTEXT_BARS)

    def _use_unadjusted(self, found: list[Finding]) -> None:
        """Take the adjusted closes from the whole of a series in which some are impossible."""
        for finding in found:
            if (finding.check, finding.verdict) == ("adj_close", "repaired"):
                stored = self._store.read_range(finding.instrument, finding.timeframe)
                self._store.upsert(stored.assign(adj_close=np.nan))


def _united(older: pd.DataFrame | None, newer: pd.DataFrame) -> pd.DataFrame:
    both = newer if older is None else pd.concat([older, newer])
    return both.drop_duplicates(subset=["ts"], keep="last").sort_values("ts", ignore_index=True)


def summarise(counts: dict[tuple[str, str], UpsertCount], found: list[Finding]) -> tuple[SeriesIngest, ...]:
    """What came into every series that bars or findings of dropped bars name, sorted."""
    dropped: dict[tuple[str, str], int] = {}
    for finding in found:
        if finding.verdict == "dropped":
            key = (finding.instrument, finding.timeframe)
            dropped[key] = dropped.get(key, 0) + finding.rows
    keys = sorted({*counts, *dropped})
    counted = {key: counts.get(key, UpsertCount(0, 0)) for key in keys}
    return tuple(
        SeriesIngest(*key, count.inserted, count.updated, dropped.get(key, 0), count.changed)
        for key, count in counted.items()
    )
