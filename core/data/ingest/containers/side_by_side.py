"""Several instruments side by side in one table, turned into rows of one instrument each.

Names in two levels, as yfinance writes them, and names joined into one (``AAPL.Open``, ``Close_MSFT``).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import cast

import pandas as pd

from core.data.ingest.columns.words import claims, field_of
from core.data.ingest.containers.table import INSTRUMENT, SAMPLE_ROWS, Batch, Table

_PRICES = ("open", "high", "low", "close")
_SIDES = ("mid", "bid", "ask", "usd", "usdt", "eur", "price", "trade")

Fields = Mapping[str, Mapping[str, str]]


def stack_instruments(table: Table) -> Table:
    """The table with a row for each bar of each instrument, where instruments stand side by side.

    Rows in which an instrument has no value at all are left out: it has no bar there. A table of one
    instrument whose columns carry its name gets an `instrument` column. Other tables come back as they are.
    """
    found = _in_levels(table.columns)
    if not found and not all(claims(table.columns, name) for name in _PRICES[:3]):
        found = _in_joined_names(table.columns)
    if not found:
        return table
    sides = [side for side in _SIDES if any(side == name.lower() for name in found)]
    if sides and len(sides) == len(found):
        return _one_side(table, next(fields for name, fields in found.items() if name.lower() == sides[0]))
    own = {column for fields in found.values() for column in fields.values()}
    shared = {column: _flat(column) for column in table.columns if column not in own}
    fields = list(dict.fromkeys(name for columns in found.values() for name in columns))
    order = [*shared.values(), *fields, INSTRUMENT]

    def stacked(frame: pd.DataFrame, lines: pd.Index) -> pd.DataFrame:
        frame = frame.set_axis(lines, axis=0)
        pieces = []
        for instrument, columns in found.items():
            held = {column: name for name, column in columns.items() if column in frame.columns}
            piece = frame[[*(column for column in shared if column in frame.columns), *held]]
            own_cells = cast(pd.DataFrame, piece[list(held)])
            filled = (own_cells.notna() & (own_cells != "")).any(axis=1)
            pieces.append(piece.loc[filled].rename(columns=shared | held).assign(**{INSTRUMENT: instrument}))
        return cast(pd.DataFrame, pd.concat(pieces).reindex(columns=order))

    def read(columns: Collection[str] | None) -> Iterator[Batch]:
        wanted = set(order if columns is None else columns)
        needed = [one for of in found.values() for name, one in of.items() if name in wanted]
        kept = [column for column, name in shared.items() if name in wanted]
        for batch in table.batches([*kept, *needed]):
            long = stacked(batch.frame, batch.lines)
            yield replace(batch, frame=long.reset_index(drop=True), lines=long.index)

    sample = stacked(table.sample, pd.RangeIndex(len(table.sample)))
    sample = sample.groupby(INSTRUMENT, sort=False).head(max(SAMPLE_ROWS // len(found), 1))
    return replace(
        table, columns=tuple(order), sample=sample.reset_index(drop=True), has_header=True, read=read
    )


def _one_side(table: Table, fields: Mapping[str, str]) -> Table:
    # Bid and ask (or two currencies) of one instrument: the first is its price, the rest are numbers beside.
    renamed = {column: name for name, column in fields.items()}

    def name(column: str) -> str:
        return renamed.get(column, _flat(column))

    def read(columns: Collection[str] | None) -> Iterator[Batch]:
        wanted = None if columns is None else [one for one in table.columns if name(one) in set(columns)]
        for batch in table.batches(wanted):
            yield replace(batch, frame=batch.frame.rename(columns=name))

    names = tuple(name(column) for column in table.columns)
    return replace(table, columns=names, sample=table.sample.rename(columns=name), read=read)


def _in_levels(columns: tuple[str, ...]) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for column in columns:
        parts = _levels(column)
        fields = [place for place, part in enumerate(parts) if field_of(part)]
        if len(parts) == 2 and fields and parts[1 - fields[0]]:
            found.setdefault(parts[1 - fields[0]], {})[parts[fields[0]]] = column
    return found


def _in_joined_names(columns: tuple[str, ...]) -> dict[str, dict[str, str]]:
    field = r"(?P<field>(?:[Aa]dj(?:usted)?[._ ]?)?[^._ :|/-]+)"
    for pattern in (rf"(?P<rest>.+?)[._ :|/-]{field}", rf"{field}[._ :|/-](?P<rest>.+)"):
        matches = {column: re.fullmatch(pattern, column) for column in columns}
        found: dict[str, dict[str, str]] = {}
        for column, match in matches.items():
            if match and field_of(match["field"]):
                found.setdefault(match["rest"], {})[match["field"]] = column
        whole = {
            name: fields
            for name, fields in found.items()
            if {field_of(field) for field in fields} >= set(_PRICES)
        }
        taken = {column for fields in whole.values() for column in fields.values()}
        for column in columns:
            owner = next((name for name in whole if re.match(rf"{re.escape(name)}[._ :|/-].", column)), None)
            if owner is not None and column not in taken:
                whole[owner][column[len(owner) + 1 :]] = column
        if whole:
            return whole
    return {}


def _levels(column: str) -> tuple[str, ...]:
    if not (column.startswith("(") and column.endswith(")")):
        return ()
    try:
        parts = ast.literal_eval(column)
    except (ValueError, SyntaxError):
        return ()
    return tuple(str(part).strip() for part in parts) if isinstance(parts, tuple) else ()


def _flat(column: str) -> str:
    parts = _levels(column)
    return "_".join(part for part in parts if part) if parts else column
