"""Where a header stands above rows of cells, how many rows it has, and what its columns are called."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from core.data.ingest.columns.words import field_of, is_time_name, key

_DEEPEST = 3
_LEAST_FIELDS = 4  # of an instrument: its prices
_LEVEL_NAMES = frozenset({"price", "ticker", "tickers", "symbol", "symbols", "attributes", "field"})
_MONTHS = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec"
_WORDS = re.compile(
    rf"t|z|am|pm|utc|gmt|e|k|m|b|nan|(?:{_MONTHS})[a-z]{{0,6}}|(?:mon|tue|wed|thu|fri|sat|sun)[a-z]{{0,6}}"
)
_CURRENCIES = frozenset({"usd", "eur", "gbp", "jpy", "cny", "chf", "aud", "cad", "inr", "krw"})


@dataclass(frozen=True)
class Header:
    """Names of the columns, those whose name stands more than once, and the rows taken by the header.

    A column of one instrument among several is named by both levels, as pandas writes such a name:
    ``('Close', 'MSFT')``.
    """

    columns: tuple[str, ...]
    repeated: tuple[str, ...]
    rows: int


def read_header(rows: Sequence[Sequence[str]]) -> Header:
    """The header of a table from its first rows, all of one width; `rows` is 0 where data come at once."""
    first = rows[0]
    named = sum(field_of(cell) is not None or is_time_name(cell) for cell in first)
    above = len(rows) > 1 and _repeats_names(first) and sum(map(is_value, rows[1])) == 0
    if named < 2 and not above and sum(is_value(cell) for cell in first) * 2 >= len(first):
        return Header(tuple(f"column_{i + 1}" for i in range(len(first))), (), 0)
    depth = 1
    while depth < min(len(rows), _DEEPEST) and _is_level(rows[depth]):
        depth += 1
    names = list(first) if depth == 1 else _joined([list(row) for row in rows[:depth]])
    columns = unique_names(names)
    plain = [name.strip() for name in names]
    repeated = tuple(
        column for column, name in zip(columns, plain, strict=True) if name and plain.count(name) > 1
    )
    return Header(columns, repeated, depth)


def is_value(cell: str) -> bool:
    """Whether a cell holds a number, a date or a time, not a name: "f0" and "1. open" are names."""
    text = cell.strip().lower()
    if not any(character.isdigit() for character in text):
        return False
    words = re.findall(r"[^\W\d_]+", text)
    if any(not _WORDS.fullmatch(word) for word in words):
        return False
    return not text[0].isalpha() or re.match(r"[a-z]{3,9}[\s.,-]+\d", text) is not None


def unique_names(names: Sequence[str]) -> tuple[str, ...]:
    """Names that differ: an empty one is column_N, a second "Close" is Close_2."""
    taken: list[str] = []
    for position, raw in enumerate(names, 1):
        base = raw.strip().lstrip("#").strip() or f"column_{position}"
        name, copy = base, 2
        while name in taken:
            name, copy = f"{base}_{copy}", copy + 1
        taken.append(name)
    return tuple(taken)


def _is_level(row: Sequence[str]) -> bool:
    filled = [cell for cell in row if cell.strip()]
    return bool(filled) and (_repeats_names(row) or not any(is_value(cell) for cell in filled))


def _repeats_names(row: Sequence[str]) -> bool:
    """Whether a row may name instruments, such as 7203: each stands over several columns."""
    often = Counter(cell.strip() for cell in row[1:] if cell.strip())
    named = not row[0].strip() or key(row[0]) in _LEVEL_NAMES
    return named and bool(often) and min(often.values()) >= _LEAST_FIELDS


def _joined(levels: list[list[str]]) -> list[str]:
    fields = max(levels, key=lambda row: sum(field_of(cell) is not None for cell in row))
    tickers = next((row for row in levels if row is not fields and _names_instruments(row, fields)), None)
    if tickers is None:
        return fields
    # A workbook writes a name once above the columns it stands for.
    fields, tickers = _carried(fields), _carried(tickers)
    names = []
    for place, (field, ticker) in enumerate(zip(fields, tickers, strict=True)):
        said = [row[place].strip() for row in levels if row[place].strip()]
        if field_of(field) and ticker and key(field) not in (_LEVEL_NAMES if place == 0 else ()):
            names.append(repr((field, ticker)))
        else:
            own = [word for word in said if key(word) not in _LEVEL_NAMES]
            names.append(own[-1] if own else "index" if place == 0 else "")
    return names


def _names_instruments(row: list[str], fields: list[str]) -> bool:
    named = _carried(row)
    places = [place for place, cell in enumerate(fields) if place and field_of(cell) in ("high", "low")]
    said = [named[place] for place in places]
    return (
        bool(said) and all(said) and not any(field_of(word) or word.lower() in _CURRENCIES for word in said)
    )


def _carried(row: list[str]) -> list[str]:
    carried, last = [], ""
    for place, cell in enumerate(row):
        last = cell.strip() or (last if place > 1 else "")
        carried.append(last)
    return carried
