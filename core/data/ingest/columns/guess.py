"""What each column of a file is likely to mean, from its name, its place and its first values."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from core.data.bars import OHLCV, one_column
from core.data.features.table import feature_groups
from core.data.ingest.cells.numbers import holds_numbers, read_numbers
from core.data.ingest.cells.times import TimeStyle, guess_style
from core.data.ingest.columns.words import OTHER_TIMES, claims, is_time_name, key, plain, stored_name
from core.data.ingest.containers.table import INSTRUMENT, Table

_PRICES = OHLCV[:4]
_CLOCK = r"\s*(?:\d\d?(?::\d\d){1,2}(?:\.\d+)?\s*(?:[AaPp][Mm])?|\d{3,4}|\d{5,6})\s*"
_NAMED_CLOCK = rf"{_CLOCK}|\s*\d{{1,2}}\s*"  # hours alone, or midnight as 0, under a name that says so
_TIMEFRAME = r"(?i)\s*(?:[mhdw]\d{0,4}|\d{1,5}(?:[mhdw]|min)?|daily|weekly|hourly)\s*"
_IDENTIFIERS = frozenset(
    {"id", "idx", "index", "level0", "no", "nr", "row", "rownum", "record", "rtype", "flags", "sequence"}
    | {"isin", "cusip", "figi", "sedol", "uuid", "guid"}
    | {"adjopen", "adjhigh", "adjlow", "adjvolume"}  # the adjusted close says all that they do
)
_ORDERS = (
    ("open", "high", "low", "close"),
    ("low", "high", "open", "close"),  # Coinbase
    ("open", "close", "high", "low"),  # KuCoin and Chinese vendors
    ("open", "close", "low", "high"),
    ("close", "high", "low", "open"),
)
_LABEL_CLASSES, _LABEL_LENGTH = 50, 64


def meanings_by_name(table: Table, guessed: list[str]) -> dict[str, str]:
    """Meaning of each column of a table with a header; what was concluded is added to `guessed`."""
    columns = tuple(column for column in table.columns if column not in table.repeated)
    meanings: dict[str, str] = {}

    def claim(meaning: str, column: str | None) -> None:
        if column is not None and column not in meanings:
            meanings[column] = meaning

    time, style = _time_column(table, columns)
    claim("ts", time)
    for meaning in ("open", "high", "low", "close"):
        claim(meaning, next((c for c in claims(columns, meaning) if c not in meanings), None))
    if time is not None and style is not None and style.dates_only:
        clocks = [c for c in columns if key(c) in ("time", "clock", "hour", "timeofday", "时间", "交易时间")]
        claim("clock", next((c for c in clocks if c not in meanings and _all(table, c, _NAMED_CLOCK)), None))
    for meaning in ("instrument", "timeframe"):
        named = [column for column in claims(columns, meaning) if column not in meanings]
        claim(
            meaning,
            next((column for column in named if meaning != "instrument" or _names(table, column)), None),
        )
    if "instrument" not in meanings.values() and time is not None:
        telling = _telling_apart(table, time, [c for c in columns if c not in meanings])
        claim("instrument", telling)
        if telling is not None:
            guessed.append(f"Times repeat, and {telling} tells their rows apart: it names the instrument.")
    volumes = claims(columns, "volume")
    volumes += [column for column in columns if key(column).startswith("volume") and column not in volumes]
    filled = [c for c in volumes if one_column(table.sample, c).astype("str").str.contains("[1-9]").any()]
    if volumes:
        claim("volume", (filled or volumes)[0])
        if len(volumes) > 1:
            guessed.append(f"Volume was taken from {(filled or volumes)[0]}.")
        for column in volumes:
            if column not in filled and column not in meanings:
                meanings[column] = "ignored"
    for column in columns:
        if column not in meanings:
            meanings[column] = _further(table, column)
    return {column: meanings.get(column, "ignored") for column in table.columns}


def meanings_by_place(table: Table) -> dict[str, str]:
    """Meaning of each column of a table without a header.

    An instrument and a timeframe may stand before the time and a time of day after it. Prices are open,
    high, low, close unless only another usual order keeps open and close within low to high.
    """
    columns = [column for column in table.columns if column != INSTRUMENT]
    order: list[str] = []
    for column in columns[:2]:
        if guess_style(one_column(table.sample, column)) is not None:
            break
        order.append("timeframe" if order and _all(table, column, _TIMEFRAME) else "instrument")
    if len(order) == len(columns[:2]) and "timeframe" not in order:
        order = []
    order.append("ts")
    style = guess_style(one_column(table.sample, columns[len(order) - 1]))
    if style is not None and style.dates_only and len(columns) > len(order) + 4:
        clock = columns[len(order)]
        numeric = not _all(table, clock, r".*:.*")
        shifted = _best_order(table, columns[len(order) + 1 :])
        straight = _best_order(table, columns[len(order) :]) if numeric else None
        if _all(table, clock, _CLOCK) and straight is None and (not numeric or shifted is not None):
            order.append("clock")
    order += [*(_best_order(table, columns[len(order) :]) or _PRICES), "volume"]
    meanings = {column: order[i] if i < len(order) else "ignored" for i, column in enumerate(columns)}
    return {column: meanings.get(column, "instrument") for column in table.columns}


def fixed_point(table: Table, meanings: Mapping[str, str]) -> float:
    """What prices are to be divided by: 1e9 in Databento's layout of whole billionths, else 1."""
    names = {key(column) for column in table.columns}
    if not names & {"publisherid", "rtype", "tsevent"}:
        return 1.0
    prices = [column for column, meaning in meanings.items() if meaning in _PRICES]
    values = np.array([read_numbers(one_column(table.sample, column))[0] for column in prices])
    known = values[np.isfinite(values)]
    whole = len(known) > 0 and bool((known == np.round(known)).all())
    return 1e9 if whole and float(np.median(np.abs(known))) >= 1e6 else 1.0


def stored_names(columns: Iterable[str]) -> dict[str, str]:
    """Names under which further columns are stored: plain, different, and none that a feature has."""
    taken, names = {"instrument", "timeframe", "ts", *OHLCV}, {}
    for column in columns:
        name = stored_name(column)
        if feature_groups([name])[name] != "user":
            name = f"file_{name}"
        base, copy = name, 2
        while name in taken:
            name, copy = f"{base}_{copy}", copy + 1
        taken.add(name)
        names[column] = name
    return names


def _time_column(table: Table, columns: Sequence[str]) -> tuple[str | None, TimeStyle | None]:
    named = claims(tuple(columns), "ts")
    styles = {column: guess_style(one_column(table.sample, column)) for column in named}
    aware = [column for column in named if (style := styles[column]) is not None and style.aware]
    dated = [column for column in named if styles[column] is not None]
    if dated:
        best = (aware or dated)[0]
        return best, styles[best]
    others = [column for column in columns if column not in named and key(column) not in OTHER_TIMES]
    for column in others:
        cells = one_column(table.sample, column)
        style = guess_style(cells)
        # A volume of nine digits looks like an epoch, one of four like a year; times rise or fall.
        numeric = style is not None and style.form != "typed" and _is_numeric(cells)
        if style is not None and (
            not numeric or (style.form in ("epoch", "year first") and _is_sorted(cells))
        ):
            return column, style
    return (named[0], None) if named else (None, None)


def _is_sorted(cells: pd.Series) -> bool:
    values, _ = read_numbers(cells)
    steps = np.diff(values)
    return len(steps) > 0 and bool((steps > 0).all() or (steps < 0).all())


def _names(table: Table, column: str) -> bool:
    """Whether an instrument may be read from a column: a bare `name` that is a number is an identifier."""
    return key(column) not in ("name", "product", "contract") or not _is_numeric(
        one_column(table.sample, column)
    )


def _telling_apart(table: Table, time: str, columns: Sequence[str]) -> str | None:
    times = one_column(table.sample, time).astype("str")
    if not times.duplicated().any() or table.sample.duplicated().any():
        return None
    for column in columns:
        cells = one_column(table.sample, column)
        numeric = _is_numeric(cells)
        if numeric and not re.search(r"(?:^|_)(?:id|code|no|nr)$", plain(column)):
            continue
        names = cells.astype("str")
        if names.nunique() > 1 and not pd.DataFrame({"time": times, "name": names}).duplicated().any():
            return column
    return None


def _further(table: Table, column: str) -> str:
    cells = one_column(table.sample, column)
    name = plain(column)
    # A number under a word for instruments is a vendor's identifier, unless it was taken as the instrument.
    identifies = (
        key(column) in _IDENTIFIERS
        or claims((column,), "instrument")
        or re.search(r"(?:^|_)(?:id|uuid|guid)$", name)
    )
    if identifies or key(column) in OTHER_TIMES or is_time_name(column) or name.startswith("index_level"):
        return "ignored"
    if _is_numeric(cells):
        unnamed = column == table.columns[0] or re.fullmatch(r"(?:column|unnamed)_\d+", name)
        return "ignored" if unnamed and _counts_rows(cells) else "feature"
    texts = cells.dropna().astype("str").str.strip()
    texts = texts[texts != ""]
    if texts.empty or guess_style(cells) is not None:
        return "ignored"
    few = texts.nunique() <= min(_LABEL_CLASSES, max(len(texts) // 2, 1))
    return "label" if few and texts.str.len().max() <= _LABEL_LENGTH else "ignored"


def _is_numeric(sample: pd.Series) -> bool:
    if not (pd.api.types.is_numeric_dtype(sample.dtype) or pd.api.types.is_string_dtype(sample.dtype)):
        return False
    return holds_numbers(sample)


def _counts_rows(cells: pd.Series) -> bool:
    values, _ = read_numbers(cells)
    return len(values) >= 10 and bool((np.abs(np.diff(values)) == 1).all()) and values[0] in (0, 1)


def _all(table: Table, column: str, pattern: str) -> bool:
    cells = one_column(table.sample, column).dropna().astype("str")
    return len(cells) > 0 and bool(cells.str.fullmatch(pattern).all())


def _best_order(table: Table, columns: Sequence[str]) -> tuple[str, ...] | None:
    """The order of prices in the first four columns that nearly all rows agree with, or None."""
    if len(columns) < 4:
        return None
    values = [read_numbers(one_column(table.sample, column))[0] for column in columns[:4]]
    for order in _ORDERS:
        of = dict(zip(order, values, strict=True))
        known = np.isfinite(np.array(values)).all(axis=0)
        inside = (of["high"] >= np.maximum(of["open"], of["close"])) & (
            of["low"] <= np.minimum(of["open"], of["close"])
        )
        if known.any() and inside[known].mean() >= 0.9:
            return order
    return None
