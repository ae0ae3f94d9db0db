"""Files of bars, as users have them: opened, understood, parsed piece by piece."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from core.data.bars import OHLCV, empty_bars
from core.data.findings import Finding, make_finding
from core.data.mapping import ColumnMapping, guess_mapping, name_timeframe, remap
from core.data.numbers import read_numbers
from core.data.tables import Batch, Table, read_table
from core.data.timeframe import duration, infer_timeframe
from core.data.times import TimeStyle, join_clock, localize, read_times
from core.errors import BarsError

__all__ = [
    "ColumnMapping",
    "ParsedBatch",
    "Table",
    "guess_mapping",
    "parse_bars",
    "parse_batches",
    "read_table",
    "remap",
]

UNKNOWN = "(unknown)"
_MOSTLY = 0.5  # share of unreadable cells above which the column, not the cell, is wrong


@dataclass(frozen=True)
class ParsedBatch:
    """Bars of one piece of a file in file order, what could not be read, and how far the file is read."""

    bars: pd.DataFrame
    found: tuple[Finding, ...]
    rows: int
    done: int
    total: int


def parse_bars(
    table: Table,
    mapping: ColumnMapping | None = None,
    instrument: str | None = None,
    timeframe: str | None = None,
    timezone: str | None = None,
) -> pd.DataFrame:
    """All bars of a table, in file order and before any quality check; see `parse_batches`."""
    pieces = [batch.bars for batch in parse_batches(table, mapping, instrument, timeframe, timezone)]
    filled = [piece for piece in pieces if len(piece)]
    return pd.concat(filled, ignore_index=True) if filled else empty_bars()


def parse_batches(
    table: Table,
    mapping: ColumnMapping | None = None,
    instrument: str | None = None,
    timeframe: str | None = None,
    timezone: str | None = None,
) -> Iterator[ParsedBatch]:
    """Parse a table piece by piece.

    Parameters
    ----------
    mapping
        What the columns mean; guessed if None.
    instrument, timeframe
        Take the place of what the file says. Without them: the file's columns, then the file name and the
        commonest step between bars of the first piece.
    timezone
        IANA zone of times that do not carry one. Plain dates are UTC days whatever it says.

    Raises
    ------
    BarsError
        If columns are missing, times of day have no zone, a column is mostly unreadable, or the
        instrument or timeframe is neither given nor to be found.
    """
    mapping = guess_mapping(table) if mapping is None else mapping
    style = _refuse_unready(table, mapping, timezone)
    if timeframe is not None:
        duration(timeframe)
    elif mapping.column("timeframe") is None:
        timeframe = _infer(table, mapping, style, timezone)
    for batch in table.batches():
        yield _parse(batch, table, mapping, style, instrument, timeframe, timezone)


def _refuse_unready(table: Table, mapping: ColumnMapping, timezone: str | None) -> TimeStyle:
    if mapping.missing:
        raise BarsError(
            "columns for time, open, high, low and close",
            f"{table.name} with {', '.join(table.columns)} and none for {', '.join(mapping.missing)}",
            "rename the columns or give a mapping",
        )
    column = mapping.column("ts")
    if mapping.time_style is None:
        first = table.sample[column].iloc[0]
        raise BarsError(
            f"times in column {column!r}", repr(str(first)), "name the column that holds the time"
        )
    if mapping.timezone_needed and timezone is None:
        raise _zone_needed(column, table.sample[column].iloc[0])
    return mapping.time_style


def _zone_needed(column: str | None, example: object) -> BarsError:
    return BarsError(
        "times with a time zone",
        f"times without one in column {column!r} (such as {str(example)!r})",
        "say which zone they are in, for example --timezone UTC",
    )


def _infer(table: Table, mapping: ColumnMapping, style: TimeStyle, timezone: str | None) -> str:
    first = next(table.batches())
    ts = _times(first.frame, mapping, style, timezone, pd.Series("", index=first.frame.index))[0]
    column = mapping.column("instrument")
    names = (
        first.frame[column].astype("str") if column is not None else pd.Series("", index=first.frame.index)
    )
    largest = names.mode().iloc[0] if len(names) else ""
    return infer_timeframe(np.sort(ts[names == largest].dropna().to_numpy(dtype="datetime64[us]")))


def _parse(
    batch: Batch,
    table: Table,
    mapping: ColumnMapping,
    style: TimeStyle,
    instrument: str | None,
    timeframe: str | None,
    timezone: str | None,
) -> ParsedBatch:
    frame = batch.frame.set_axis(batch.lines, axis=0)
    names = _instruments(frame, mapping, instrument)
    frames = _timeframes(frame, mapping, timeframe)
    found: list[Finding] = []
    if batch.skipped:
        line, text = batch.skipped[0]
        example = f"Line {line}: {text[:60]!r}."
        series = (instrument or mapping.instrument or UNKNOWN, timeframe or "")
        nowhere = np.array([], dtype="datetime64[us]")
        found.append(make_finding(series, "row", "dropped", nowhere, example, rows=len(batch.skipped)))
    ts, unread, unplaced, ordered = _times(frame, mapping, style, timezone, names)
    bars = pd.DataFrame({"instrument": names, "timeframe": frames, "ts": ts}, index=frame.index)
    text = pd.Series(False, index=frame.index)
    examples: dict[int, str] = {}
    loose: list[tuple[pd.Series, str]] = []
    columns = {name: mapping.column(name) for name in OHLCV}
    columns |= {stored: column for column, stored in mapping.features().items()}
    for name, column in columns.items():
        if column is None:
            bars[name] = np.nan
            continue
        bars[name], wrong = read_numbers(frame[column], mapping.decimal_comma)
        if not wrong.any():
            continue
        at = int(wrong.argmax())
        example = f"Line {frame.index[at]}: {str(frame[column].iloc[at])[:40]!r} in column {column!r}."
        if name in ("open", "high", "low", "close"):
            if wrong.mean() > _MOSTLY:
                raise BarsError(
                    f"numbers in column {column!r}", f"mostly text ({example[:-1]})", "correct the file"
                )
            text |= wrong
            for row in np.flatnonzero(wrong):
                said = f"Line {frame.index[row]}: {str(frame[column].iloc[row])[:40]!r} in column {column!r}."
                examples.setdefault(int(frame.index[row]), said)
        else:
            loose.append((pd.Series(wrong, index=frame.index), example))
    if unread.mean() > _MOSTLY:
        column = mapping.column("ts")
        shown = str(frame.loc[unread, column].iloc[0])[:40]
        raise BarsError(f"times in column {column!r}", f"mostly others such as {shown!r}", "correct the file")
    nameless = bars["instrument"].isna() | bars["timeframe"].isna()
    for mask, check, verdict, example in [
        (nameless, "key", "dropped", ""),
        (unread & ~nameless, "time", "dropped", "Line {line}: {time!r}."),
        (
            unplaced & ~nameless,
            "time",
            "dropped",
            "Line {line}: {time!r} falls into a clock change of " + f"{timezone}.",
        ),
        (ordered & ~nameless, "time", "repaired", ""),
        (text & ts.notna() & ~nameless, "text", "dropped", "{text}"),
        *((mask & ts.notna() & ~nameless & ~text, "text", "flagged", said) for mask, said in loose),
    ]:
        found.extend(_note(bars, mask, check, verdict, example, frame[mapping.column("ts")], examples))
    kept = bars.loc[ts.notna() & ~text & ~nameless].reset_index(drop=True)
    return ParsedBatch(kept, tuple(found), len(frame) + len(batch.skipped), batch.done, table.size)


def _note(
    bars: pd.DataFrame,
    mask: pd.Series,
    check: str,
    verdict: str,
    example: str,
    times: pd.Series,
    examples: dict[int, str],
) -> list[Finding]:
    if not mask.any():
        return []
    found = []
    for series, rows in bars.loc[mask].groupby(["instrument", "timeframe"], dropna=False, sort=True):
        line = int(rows.index[0])
        said = (
            example.format(line=line, time=str(times[line])[:40], text=examples.get(line, ""))
            if "{" in example
            else example
        )
        known = tuple(UNKNOWN if pd.isna(part) else str(part) for part in series)
        found.append(make_finding(known, check, verdict, rows["ts"].to_numpy(dtype="datetime64[us]"), said))
    return found


def _times(
    frame: pd.DataFrame, mapping: ColumnMapping, style: TimeStyle, timezone: str | None, names: pd.Series
) -> tuple[pd.Series, pd.Series, pd.Series, pd.Series]:
    dates, clock = mapping.column("ts"), mapping.column("clock")
    values = join_clock(frame[dates], None if clock is None else frame[clock])
    times = read_times(values, style)
    unread = times.isna()
    nothing = pd.Series(False, index=frame.index)
    if style.aware:
        return times, unread, nothing, nothing
    if style.dates_only:
        within = times.notna() & (times != times.dt.normalize())
        if not within.any():
            return times.dt.tz_localize("UTC"), unread, nothing, nothing
        if timezone is None:
            raise _zone_needed(dates, values[within].iloc[0])
    assert timezone is not None
    utc, unplaced, ordered = localize(times, timezone, names)
    return utc, unread, unplaced, ordered


def _instruments(frame: pd.DataFrame, mapping: ColumnMapping, instrument: str | None) -> pd.Series:
    column = mapping.column("instrument")
    if column is not None:
        names = frame[column].astype("str").str.strip().where(frame[column].notna())
        names = names.mask(names == "")
        if instrument is None:
            return names
        if names.nunique() > 1:
            several = ", ".join(sorted(names.dropna().unique())[:3])
            raise BarsError(
                "a file of one instrument to rename", f"several ({several}, ...)", "leave out --instrument"
            )
    name = (instrument or mapping.instrument or "").strip()
    if not name:
        raise BarsError("an instrument", "a file that names none", "give --instrument")
    return pd.Series(name, index=frame.index, dtype="str")


def _timeframes(frame: pd.DataFrame, mapping: ColumnMapping, timeframe: str | None) -> pd.Series:
    column = mapping.column("timeframe")
    if timeframe is not None or column is None:
        return pd.Series(timeframe, index=frame.index, dtype="str")
    said = frame[column].astype("str").where(frame[column].notna())
    named = {word: name_timeframe(word) for word in said.dropna().unique() if word.strip()}
    return said.map(named).astype("str").where(said.isin(list(named)))
