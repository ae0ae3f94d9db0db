"""What the quality gate has to say about a series, one finding per kind of fault."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd
import pyarrow as pa

FINDING_SCHEMA = pa.schema(
    [
        ("instrument", pa.string()),
        ("timeframe", pa.string()),
        ("ts", pa.timestamp("us", "UTC")),
        ("last_ts", pa.timestamp("us", "UTC")),
        ("check", pa.string()),
        ("verdict", pa.string()),
        ("rows", pa.int64()),
        ("detail", pa.string()),
        ("row_ts", pa.list_(pa.timestamp("us", "UTC"))),
        ("source", pa.string()),
    ]
)
FINDING_COLUMNS = tuple(FINDING_SCHEMA.names)
KEPT_ROWS = 100  # bar times stored with a finding; its `rows` counts all
Verdict = Literal["dropped", "repaired", "flagged"]

# One sentence per check and verdict; {rows} counts the bars concerned.
_SENTENCES: dict[tuple[str, str], str] = {
    ("row", "dropped"): "Lines with the wrong number of fields, left out: {rows}.",
    ("time", "dropped"): "Rows whose time could not be read, left out: {rows}.",
    ("time", "repaired"): "Rows in an hour that a clock change repeats, told apart by their order: {rows}.",
    (
        "date",
        "repaired",
    ): "Bars stamped within or beside their day, now under its date: {rows}.",
    ("text", "dropped"): "Rows with text in a price, left out: {rows}.",
    ("text", "flagged"): "Cells with text where a number belongs, read as empty: {rows}.",
    ("key", "dropped"): "Rows without an instrument or timeframe, left out: {rows}.",
    ("duplicates", "dropped"): "Exact repetitions of a bar, left out: {rows}.",
    ("duplicates", "flagged"): "Bars that came again with other values, the last version kept: {rows}.",
    ("order", "repaired"): "Bars that stood after a later bar, sorted into place: {rows}.",
    ("far", "dropped"): "Bars before 1678 or after 2261, left out: {rows}.",
    ("future", "dropped"): "Bars that lie in the future, left out: {rows}.",
    ("open", "dropped"): "Bars that are not closed yet, left out: {rows}.",
    ("grid", "flagged"): "Bars that open beside the grid of their timeframe in UTC, kept: {rows}.",
    ("join", "flagged"): "Places where the bars of the file and those stored before do not join: {rows}.",
    ("gaps", "flagged"): "Times at which bars due by the series' own calendar are missing: {rows}.",
    ("missing", "dropped"): "Bars without four finite prices, left out: {rows}.",
    ("non_positive", "dropped"): "Bars with a price of zero or below, left out: {rows}.",
    ("high_low", "dropped"): "Bars whose open or close lies outside low to high, left out: {rows}.",
    ("volume", "repaired"): "Bars with a negative or infinite volume, now without one: {rows}.",
    ("volume", "flagged"): "Bars with no volume or a volume of zero, kept: {rows}.",
    (
        "adj_close",
        "repaired",
    ): "Bars whose adjusted close is zero, negative or out of all proportion: {rows}.",
    ("adj_close", "flagged"): "Bars at which the adjusted close jumps and the close does not, kept: {rows}.",
    ("range", "flagged"): "Bars whose open, high, low and close are one price, almost all there are: {rows}.",
    (
        "filled",
        "flagged",
    ): "Bars without volume that repeat the last price, as filled in while a market is closed: {rows}.",
    ("outliers", "flagged"): "Bars that moved more than {limit:g} times the usual, kept: {rows}.",
    (
        "frozen",
        "flagged",
    ): "Bars that repeat the prices of the bar before, in runs of {run} equal bars or more: {rows}.",
}
OUTLIER_LIMIT = 10.0  # robust standard deviations of the last 250 log returns
FROZEN_RUN = 10  # equal bars, the first one among them


@dataclass(frozen=True)
class Finding:
    """One fault of one series.

    Attributes
    ----------
    instrument, timeframe
        The series; empty where a row's own series could not be read.
    check
        Which check found it, e.g. "duplicates".
    verdict
        "dropped", "repaired" or "flagged" (kept as it is).
    rows
        How many bars it concerns.
    times
        Opens of the bars concerned, datetime64[us] UTC, at most `KEPT_ROWS`, ascending.
    first, last
        Earliest and latest open concerned, or None where no time could be read.
    example
        One case in words, or empty.
    """

    instrument: str
    timeframe: str
    check: str
    verdict: Verdict
    rows: int
    times: tuple[np.datetime64, ...] = ()
    first: np.datetime64 | None = None
    last: np.datetime64 | None = None
    example: str = ""

    @property
    def detail(self) -> str:
        """The finding in one or two sentences."""
        sentence = _SENTENCES[self.check, self.verdict]
        said = sentence.format(rows=self.rows, limit=OUTLIER_LIMIT, run=FROZEN_RUN)
        return f"{said} {self.example}".strip()


def make_finding(
    series: tuple[str, str],
    check: str,
    verdict: Verdict,
    ts: np.ndarray,
    example: str = "",
    *,
    rows: int | None = None,
) -> Finding:
    """A finding over the bars that open at `ts` (datetime64, shape (n,)); NaT where no time was read."""
    times = np.sort(np.asarray(ts, dtype="datetime64[us]"))
    count = len(times) if rows is None else rows
    times = times[~np.isnat(times)]
    first, last = (times[0], times[-1]) if len(times) else (None, None)
    return Finding(*series, check, verdict, count, tuple(times[:KEPT_ROWS]), first, last, example)


def merge_findings(findings: Iterable[Finding]) -> list[Finding]:
    """Findings of the same series, check and verdict as one; the first example is kept."""
    merged: dict[tuple[str, str, str, str], Finding] = {}
    for finding in findings:
        key = (finding.instrument, finding.timeframe, finding.check, finding.verdict)
        known = merged.get(key)
        merged[key] = finding if known is None else _join(known, finding)
    return list(merged.values())


def _join(one: Finding, other: Finding) -> Finding:
    return replace(
        one,
        rows=one.rows + other.rows,
        times=tuple(sorted({*one.times, *other.times})[:KEPT_ROWS]),
        first=min((t for t in (one.first, other.first) if t is not None), default=None),
        last=max((t for t in (one.last, other.last) if t is not None), default=None),
        example=one.example or other.example,
    )


def findings_table(findings: Iterable[Finding], source: str = "") -> pd.DataFrame:
    """Findings as the frame `BarStore.write_findings` keeps: one row each, `detail` in words."""
    rows = [
        {
            "instrument": finding.instrument,
            "timeframe": finding.timeframe,
            "ts": finding.first,
            "last_ts": finding.last,
            "check": finding.check,
            "verdict": finding.verdict,
            "rows": finding.rows,
            "detail": finding.detail,
            "row_ts": [pd.Timestamp(t).tz_localize("UTC") for t in finding.times],
            "source": source,
        }
        for finding in findings
    ]
    table = pd.DataFrame(rows, columns=list(FINDING_COLUMNS))
    for name in ("ts", "last_ts"):
        moments = table[name].to_numpy(dtype="datetime64[us]")
        table[name] = pd.Series(moments, dtype="datetime64[us]").dt.tz_localize("UTC")
    return table.astype({"rows": "int64"})
