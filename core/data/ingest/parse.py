"""Files of bars, as users have them: opened, understood, parsed piece by piece."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import pandas as pd

from core.data.bars import OHLCV, empty_bars, one_column
from core.data.findings import Finding, Verdict, make_finding
from core.data.ingest.cells.moments import place_times
from core.data.ingest.cells.numbers import Decimal, read_numbers
from core.data.ingest.cells.order import Order
from core.data.ingest.cells.times import TimeStyle, read_times, unknown_form
from core.data.ingest.cells.trading_dates import TradingDates
from core.data.ingest.cells.zones import check_zone, in_repeated_hour
from core.data.ingest.containers.table import Batch, Table
from core.data.ingest.mapping import ColumnMapping, guess_mapping, missing_columns, name_timeframe
from core.data.ingest.settle import settle_mapping, written_times
from core.errors import BarsError
from core.timeframe import DATED, duration, infer_timeframe

UNKNOWN = "(unknown)"
_LAST_ROWS = 100  # rows that tell whether a batch ends within a repeated hour
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
    **reading: Any,
) -> pd.DataFrame:
    """All bars of a table, in file order and before any quality check; see `parse_batches`."""
    pieces = [
        batch.bars for batch in parse_batches(table, mapping, instrument, timeframe, timezone, **reading)
    ]
    filled = [piece for piece in pieces if len(piece)]
    return pd.concat(filled, ignore_index=True) if filled else empty_bars()


def parse_batches(
    table: Table,
    mapping: ColumnMapping | None = None,
    instrument: str | None = None,
    timeframe: str | None = None,
    timezone: str | None = None,
    date_order: Order | None = None,
    decimal: Decimal | None = None,
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
        IANA zone of times that do not carry one, and of the exchange by whose days daily and weekly bars are
        named. These need none: a plain date, or a written one, is the trading date.
    date_order, decimal
        As `core.data.ingest.settle.settle_mapping`; not used with a mapping that is settled.

    Raises
    ------
    BarsError
        If columns are missing, times of day have no zone, a column is mostly unreadable, dates or numbers
        are not written in one way, or the instrument or timeframe is neither given nor to be found.
    """
    mapping = guess_mapping(table) if mapping is None else mapping
    mapping = settle_mapping(table, mapping, date_order=date_order, decimal=decimal, timezone=timezone)
    style = _refuse_unready(table, mapping)
    if timeframe is not None:
        duration(timeframe)
    elif mapping.column("timeframe") is None:
        timeframe = _infer(table, mapping, style)
    dates = TradingDates(timezone)
    for batch in _whole_hours(table.batches(mapping.used), mapping, style, timezone):
        yield _parse(batch, table, mapping, style, instrument, timeframe, timezone, dates)


def zone_needed(table: Table, mapping: ColumnMapping, timeframe: str | None = None) -> bool:
    """Whether times of day stand in the file without their zone, and its bars are not named by dates."""
    if not mapping.timezone_needed or mapping.missing or mapping.column("timeframe") is not None:
        return mapping.timezone_needed
    assert mapping.time_style is not None
    return (timeframe or _infer(table, mapping, mapping.time_style)) not in DATED


def _refuse_unready(table: Table, mapping: ColumnMapping) -> TimeStyle:
    if mapping.missing:
        raise missing_columns(mapping, table)
    column = str(mapping.column("ts"))
    written = written_times(table.sample, mapping)
    first = written.iloc[0]
    if mapping.time_style is None:
        raise unknown_form(column, str(first))
    return mapping.time_style


def _whole_hours(
    batches: Iterator[Batch], mapping: ColumnMapping, style: TimeStyle, timezone: str | None
) -> Iterator[Batch]:
    """The batches, none ending within an hour that a clock change repeats: its passes stay together."""
    if timezone is None or style.aware or style.dates_only:
        yield from batches
        return
    check_zone(timezone)
    waiting: Batch | None = None
    for batch in batches:
        if waiting is not None:
            batch = _joined(waiting, batch)
        last = read_times(written_times(batch.frame.tail(_LAST_ROWS), mapping), style)
        if not in_repeated_hour(last, timezone).any():
            yield batch
            waiting = None
            continue
        times = read_times(written_times(batch.frame, mapping), style)
        after = np.flatnonzero(~in_repeated_hour(times, timezone) & times.notna().to_numpy())
        whole = int(after[-1]) + 1 if len(after) else 0
        waiting = None
        if whole < len(batch.frame):
            waiting = _slice(batch, whole, len(batch.frame))
            batch = _slice(batch, 0, whole)
        if len(batch.frame):
            yield batch
    if waiting is not None:
        yield waiting


def _slice(batch: Batch, start: int, end: int) -> Batch:
    frame = batch.frame.iloc[start:end].reset_index(drop=True)
    return replace(batch, frame=frame, lines=batch.lines[start:end], skipped=() if start else batch.skipped)


def _joined(one: Batch, other: Batch) -> Batch:
    frame = pd.concat([one.frame, other.frame], ignore_index=True)
    lines = one.lines.append(other.lines)
    return Batch(frame, lines, one.skipped + other.skipped, other.done)


def _infer(table: Table, mapping: ColumnMapping, style: TimeStyle) -> str:
    first = next(table.batches())
    ts = read_times(written_times(first.frame, mapping), style)
    ts = ts.dt.tz_localize(None) if style.aware else ts
    column = mapping.column("instrument")
    opens = ts.to_numpy(dtype="datetime64[us]")
    if column is not None:
        names = first.frame[column].astype("str")
        opens = opens[(names == names.mode().iloc[0]).to_numpy()]
    return infer_timeframe(np.sort(opens[~np.isnat(opens)]))


def _parse(
    batch: Batch,
    table: Table,
    mapping: ColumnMapping,
    style: TimeStyle,
    instrument: str | None,
    timeframe: str | None,
    timezone: str | None,
    dates: TradingDates,
) -> ParsedBatch:
    # Rows are known by their place: instruments side by side in one line repeat its number.
    frame, lines = batch.frame.reset_index(drop=True), batch.lines
    names = _instruments(frame, mapping, instrument)
    frames = _timeframes(frame, mapping, timeframe)
    written = one_column(frame, str(mapping.column("ts")))
    values = written_times(frame, mapping).rename(written.name)
    times = place_times(values, style, timezone, names, frames.isin(DATED))
    _refuse_mostly(times.unread.to_numpy(), written, lines, "times")
    bars = pd.DataFrame({"instrument": names, "timeframe": frames, "ts": times.utc}, index=frame.index)
    bars["ts"], found = dates.place(bars, times.clock)

    named = (names.notna() & frames.notna()).to_numpy()
    usable = named & bars["ts"].notna().to_numpy()
    shift = f"falls into a clock change of {timezone}"
    faults: list[_Fault] = [
        _Fault("key", "dropped", ~named, None, ""),
        _Fault("time", "dropped", times.unread.to_numpy() & named, written, ""),
        _Fault("time", "dropped", times.unplaced.to_numpy() & named, written, shift),
        _Fault("time", "repaired", times.ordered.to_numpy() & usable, None, ""),
    ]
    text = np.zeros(len(frame), dtype=bool)
    loose: list[_Fault] = []
    meant = {name: mapping.column(name) for name in OHLCV}
    meant |= {stored: column for column, stored in mapping.features().items()}
    for name, column in meant.items():
        if column is None:
            bars[name] = np.nan
            continue
        cells = one_column(frame, column)
        bars[name], wrong = read_numbers(cells, mapping.decimal_comma)
        if name in ("open", "high", "low", "close"):
            bars[name] /= mapping.price_divisor
            _refuse_mostly(wrong, cells, lines, "numbers")
            faults.append(_Fault("text", "dropped", wrong & usable & ~text, cells, f"in column {column!r}"))
            text |= wrong
        else:
            loose.append(_Fault("text", "flagged", wrong & usable, cells, f"in column {column!r}"))
    for column, name in mapping.labels().items():
        bars[name] = _read_labels(one_column(frame, column))
    faults.extend(replace(fault, mask=fault.mask & ~text) for fault in loose)
    found += [finding for fault in faults for finding in _note(bars, fault, lines)]
    if batch.skipped:
        line, content = batch.skipped[0]
        series = (instrument or mapping.instrument or UNKNOWN, timeframe or UNKNOWN)
        example = f"Line {line}: {content[:60]!r}."
        nowhere = np.array([], dtype="datetime64[us]")
        found.append(make_finding(series, "row", "dropped", nowhere, example, rows=len(batch.skipped)))
    kept = bars.loc[usable & ~text].reset_index(drop=True)
    return ParsedBatch(kept, tuple(found), len(frame) + len(batch.skipped), batch.done, table.size)


def _read_labels(cells: pd.Series) -> pd.Series:
    """Classes as text, a whole number without its decimals; empty cells are none."""
    texts = cells.astype("str").str.strip().str.replace(r"^(-?\d+)\.0+$", r"\1", regex=True)
    return texts.where(cells.notna() & (texts != "")).astype("str")


@dataclass(frozen=True)
class _Fault:
    check: str
    verdict: Verdict
    mask: np.ndarray
    cells: pd.Series | None  # what to show of the first row concerned
    remark: str


def _refuse_mostly(wrong: np.ndarray, cells: pd.Series, lines: pd.Index, expected: str) -> None:
    if wrong.any() and wrong.mean() > _MOSTLY:
        row = int(wrong.argmax())
        raise BarsError(
            f"{expected} in column {cells.name!r}",
            f"mostly text (line {lines[row]}: {str(cells.iloc[row])[:40]!r})",
            "name the right column or correct the file",
        )


def _note(bars: pd.DataFrame, fault: _Fault, lines: pd.Index) -> list[Finding]:
    if not fault.mask.any():
        return []
    found = []
    for key, rows in bars.loc[fault.mask].groupby(["instrument", "timeframe"], dropna=False, sort=True):
        instrument, timeframe = (UNKNOWN if pd.isna(part) else str(part) for part in cast(tuple, key))
        example = ""
        if fault.cells is not None:
            row = rows.index[0]
            shown = str(fault.cells.loc[row])[:40]
            example = f"Line {lines[row]}: {shown!r} {fault.remark}".rstrip() + "."
        opens = rows["ts"].to_numpy(dtype="datetime64[us]")
        found.append(make_finding((instrument, timeframe), fault.check, fault.verdict, opens, example))
    return found


def _instruments(frame: pd.DataFrame, mapping: ColumnMapping, instrument: str | None) -> pd.Series:
    column = mapping.column("instrument")
    if column is not None:
        cells = one_column(frame, column)
        names = cells.astype("str").str.strip().where(cells.notna())
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
    cells = one_column(frame, column)
    said = cells.astype("str").where(cells.notna())
    named = {word: name_timeframe(word) for word in said.dropna().unique() if word.strip()}
    return cast(pd.Series, said.map(named.get).astype("str").where(said.isin(list(named))))
