"""Bars in JSON: records, lines of records, arrays by column, and the objects that vendors wrap them in."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import pandas as pd

from core.data.bars import one_column
from core.data.ingest.columns.words import field_of, is_time_name
from core.data.ingest.containers.headers import is_value
from core.data.ingest.containers.packed import Source
from core.data.ingest.containers.table import INSTRUMENT, LONGEST_CELL, SAMPLE_ROWS, Batch, Table
from core.errors import BarsError

_BATCH_ROWS = 65_536
_LEAST_COLUMNS = 4
_TIME = "time"
_NAMED = ("ticker", "symbol", "instrument", "pair", "s")


def looks_like_json(head: bytes) -> bool:
    """Whether a file starts as JSON does, and not as prose in brackets."""
    return re.match(rb'\s*(?:\{\s*["}]|\[\s*[\[{\]])', head.removeprefix(b"\xef\xbb\xbf")) is not None


def read_records(source: Source) -> Table:
    """Open bars in JSON: a list of records or of rows, one record a line, arrays or objects by column or by
    time, split columns and data, alone or inside other objects, several by instrument.

    Raises
    ------
    BarsError
        If it is no JSON, larger than 512 MB, or holds no table or several that are not told apart.
    """
    found = _tables(_parsed(source), None)
    if not found:
        raise BarsError(
            "records with open, high, low and close", f"{source.name} without any", "export the bars as CSV"
        )
    frames = [frame if name is None else frame.assign(**{INSTRUMENT: name}) for name, frame in found]
    names = [name for name, _ in found]
    if len(found) > 1 and (None in names or len(set(names)) < len(names)):
        what = f"{source.name} with {len(found)} that no name tells apart"
        raise BarsError("one table of bars, or one for each instrument", what, "split the file")
    frame = pd.concat(frames, ignore_index=True)
    has_header = not all(isinstance(column, int) for column in frame.columns if column != INSTRUMENT)
    frame.columns = [f"column_{c + 1}" if isinstance(c, int) else str(c) for c in frame.columns]
    frame, left_out = _plain_columns(frame)
    if frame.empty:
        raise BarsError("a file with bars", f"{source.name}, which has no rows", "give another file")

    def read(columns: Collection[str] | None) -> Iterator[Batch]:
        for start in range(0, len(frame), _BATCH_ROWS):
            piece = frame.iloc[start : start + _BATCH_ROWS]
            yield Batch(piece.reset_index(drop=True), piece.index + 1, (), start + len(piece))

    sample = frame.head(SAMPLE_ROWS)
    return Table(
        source.name, tuple(frame.columns), sample, len(frame), has_header, None, read, left_out=left_out
    )


def _parsed(source: Source) -> Any:
    data = source.whole()
    try:
        text = data.decode("utf-8-sig")
        try:
            return json.loads(text)
        except json.JSONDecodeError:
            return [json.loads(line) for line in text.splitlines() if line.strip()]
    except (ValueError, RecursionError) as error:
        reason = str(error).rstrip(".")[:80]
        raise BarsError("whole JSON", f"{source.name} ({reason})", "export it again") from None


def _tables(value: Any, name: str | None) -> list[tuple[str | None, pd.DataFrame]]:
    """Tables inside a value, each with the instrument that the objects around it name."""
    frame = _table(value)
    if frame is not None:
        return [(name, frame)]
    if isinstance(value, list):
        return [found for item in value for found in _tables(item, name)]
    if not isinstance(value, Mapping):
        return []
    said = next((value[key] for key in _said(value) if isinstance(value[key], str)), None)
    meta = next((part for key, part in value.items() if str(key).lower().startswith("meta")), None)
    if said is None and isinstance(meta, Mapping):
        said = next((part for key, part in meta.items() if "symbol" in str(key).lower()), None)
    found: list[tuple[str | None, pd.DataFrame]] = []
    inner = [(str(key), _tables(part, None)) for key, part in value.items() if part is not meta]
    full = [(key, tables) for key, tables in inner if tables]
    for key, tables in full:
        for own, table in tables:
            # Under several keys, each is an instrument's; a single key may as well be a word like "data".
            guess = key if len(full) > 1 or _is_symbol(key) else None
            found.append((own or said or guess or name, table))
    return found


def _said(value: Mapping[str, Any]) -> list[str]:
    return [key for word in _NAMED for key in value if str(key).lower() == word and value[key] != "ok"]


def _is_symbol(word: str) -> bool:
    return re.fullmatch(r"[A-Z0-9^][A-Z0-9./:=^-]{0,14}", word) is not None


def _table(value: Any) -> pd.DataFrame | None:
    if isinstance(value, list):
        if value and all(isinstance(row, Mapping) for row in value):
            return _records(value)
        rows = value and all(isinstance(row, list) and len(row) > _LEAST_COLUMNS for row in value)
        return pd.DataFrame(value) if rows and not isinstance(value[0][0], list | dict) else None
    if not isinstance(value, Mapping) or not value:
        return None
    if {"columns", "data"} <= set(value) and all(
        isinstance(value[part], list) for part in ("columns", "data")
    ):
        return _split(value)
    lists = {key: part for key, part in value.items() if isinstance(part, list)}
    if _speaks_of_bars(lists) and len({len(part) for part in lists.values()}) == 1:
        return pd.DataFrame(lists)
    chart = _chart(value)
    if chart is not None:
        return chart
    objects = {key: part for key, part in value.items() if isinstance(part, Mapping)}
    if len(objects) < len(value):
        return None
    if _speaks_of_bars(objects):
        return pd.DataFrame(objects).rename_axis(_TIME).reset_index()
    if all(is_value(str(key)) for key in objects) and _speaks_of_bars(next(iter(objects.values()))):
        # pandas writes a row number or a time; vendors a time.
        return _records([{_TIME: key, **part} for key, part in objects.items()])
    return None


def _records(rows: list[Mapping[str, Any]]) -> pd.DataFrame | None:
    flat = [_flat(row) for row in rows]
    frame = pd.DataFrame(flat)
    return frame if _speaks_of_bars(dict.fromkeys(frame.columns)) else None


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, cell in row.items():
        if isinstance(cell, Mapping) and len(cell) < 20:
            flat |= {f"{key}.{inner}": part for inner, part in cell.items()}
        else:
            flat[str(key)] = cell
    return flat


def _split(value: Mapping[str, Any]) -> pd.DataFrame | None:
    names = [str(tuple(name)) if isinstance(name, list) else str(name) for name in value["columns"]]
    if not all(isinstance(row, list) and len(row) == len(names) for row in value["data"]):
        return None
    frame = pd.DataFrame(value["data"], columns=names)
    if "index" in value and len(value["index"]) == len(frame):
        frame.insert(0, _TIME if _TIME not in names else "index", value["index"])
    return frame


def _chart(value: Mapping[str, Any]) -> pd.DataFrame | None:
    """Yahoo's chart object: times in one place, prices in `indicators.quote`."""
    quotes = value.get("indicators")
    quote = quotes.get("quote") if isinstance(quotes, Mapping) else None
    if "timestamp" not in value or not isinstance(quote, list) or not quote:
        return None
    frame = pd.DataFrame({"timestamp": value["timestamp"], **quote[0]})
    adjusted = quotes.get("adjclose") if isinstance(quotes, Mapping) else None
    if isinstance(adjusted, list) and adjusted:
        frame = frame.assign(**adjusted[0])
    symbol = value.get("meta", {}).get("symbol")
    return frame if symbol is None else frame.assign(**{INSTRUMENT: symbol})


def _speaks_of_bars(columns: Mapping[Any, Any]) -> bool:
    words = [re.split(r"[.]", str(column))[-1] for column in columns]
    fields = {field_of(word) or field_of(str(column)) for word, column in zip(words, columns, strict=True)}
    fields |= {field for word in columns for field in map(field_of, re.findall(r"'([^']+)'", str(word)))}
    return len(fields & {"open", "high", "low", "close"}) >= 3 or (
        len(fields - {None}) >= 2 and any(is_time_name(str(column)) for column in columns)
    )


def _plain_columns(frame: pd.DataFrame) -> tuple[pd.DataFrame, tuple[tuple[str, str], ...]]:
    left_out, kept = [], {}
    for column in frame.columns:
        cells = one_column(frame, column)
        if cells.map(lambda cell: isinstance(cell, list | dict)).any():
            left_out.append((column, "nested"))
        elif not pd.api.types.is_numeric_dtype(cells.dtype):
            texts = cells.map(lambda cell: None if cell is None or cell != cell else str(cell)).astype("str")
            if texts.str.len().max() > LONGEST_CELL:
                left_out.append((column, f"texts of more than {LONGEST_CELL:,} characters"))
            else:
                kept[column] = texts
        else:
            kept[column] = cells.astype("int8") if pd.api.types.is_bool_dtype(cells.dtype) else cells
    return pd.DataFrame(kept), tuple(left_out)
