"""What the columns of a file mean: guessed from their names and first values, shown, and correctable."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import pandas as pd

from core.data.bars import OHLCV, one_column
from core.data.ingest.cells.numbers import holds_numbers
from core.data.ingest.cells.times import TimeStyle, guess_style, join_clock
from core.data.ingest.names import instrument_from
from core.data.ingest.tables import Table
from core.errors import BarsError
from core.timeframe import DURATIONS

MEANINGS = ("ts", "clock", *OHLCV, "instrument", "timeframe", "feature", "ignored")
DATES_ARE_DAYS = "Dates without a time of day are taken as UTC days."
_REQUIRED = ("ts", "open", "high", "low", "close")

_NAMES: dict[str, tuple[str, ...]] = {
    "ts": (
        "ts",
        "timestamp",
        "datetime",
        "date_time",
        "open_time",
        "opentime",
        "time_utc",
        "datetime_utc",
        "timestamp_utc",
        "date_utc",
        "gmt_time",
        "utc_time",
        "local_time",
        "unix",
        "unix_timestamp",
        "epoch",
        "date",
        "dtyyyymmdd",
        "time",
        "index_level_0",
    ),
    "open": ("open", "o", "open_price", "price_open"),
    "high": ("high", "h", "high_price", "price_high"),
    "low": ("low", "l", "low_price", "price_low"),
    "close": ("close", "c", "close_price", "price_close", "last", "close_last", "price"),
    "volume": ("volume", "vol", "v", "tick_volume", "tickvol", "shares_traded"),
    "instrument": ("instrument", "symbol", "ticker", "pair", "asset"),
    "timeframe": ("timeframe", "interval", "period", "per"),
}
_TIMES = frozenset({*_NAMES["ts"], "close_time", "closetime"})
_UTC_NAMES = frozenset({"gmt_time", "utc_time", "time_utc", "datetime_utc", "timestamp_utc", "date_utc"})
_FEATURE_NAMES = {"adjclose": "adj_close", "adjusted_close": "adj_close", "tickvol": "tick_volume"}
_MINUTES = {
    "1": "1m",
    "5": "5m",
    "15": "15m",
    "30": "30m",
    "60": "1h",
    "240": "4h",
    "1440": "1d",
    "10080": "1w",
}
_TIMEFRAMES = {
    **{name: name for name in DURATIONS},
    **_MINUTES,
    **{"m1": "1m", "m5": "5m", "m15": "15m", "m30": "30m", "h1": "1h", "h4": "4h", "d1": "1d", "w1": "1w"},
    **{
        "1min": "1m",
        "5min": "5m",
        "15min": "15m",
        "30min": "30m",
        "60m": "1h",
        "60min": "1h",
        "hourly": "1h",
    },
    **{
        "d": "1d",
        "daily": "1d",
        "day": "1d",
        "w": "1w",
        "weekly": "1w",
        "week": "1w",
        "1wk": "1w",
        "1day": "1d",
    },
}


@dataclass(frozen=True)
class ColumnMapping:
    """What each column of a file means.

    Attributes
    ----------
    meanings
        Column name to one of `MEANINGS`: "clock" is a time of day beside a date, "feature" a further
        number that travels with the bar.
    time_style
        How times are written, or None while no time column is known.
    instrument
        Name taken from the file name, used where no column names the instrument.
    decimal_comma
        Numbers are written 1,5.
    settled
        Times and decimals were found from all rows (`core.data.ingest.settle`), not from the first ones.
    guessed
        What was concluded rather than read, one sentence each.
    notes
        What else a user should know before ingesting, one sentence each.
    """

    meanings: Mapping[str, str]
    time_style: TimeStyle | None
    instrument: str | None = None
    decimal_comma: bool = False
    settled: bool = False
    guessed: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default=())

    @property
    def timezone_needed(self) -> bool:
        """Times of day stand in the file without their zone: it must be given."""
        return self.time_style is not None and not (self.time_style.aware or self.time_style.dates_only)

    @property
    def missing(self) -> tuple[str, ...]:
        """Meanings without which there are no bars and which no column has."""
        return tuple(name for name in _REQUIRED if self.column(name) is None)

    def without_guessed_name(self) -> ColumnMapping:
        """The mapping for one who says the instrument: no name of the file's takes its place."""
        said = tuple(sentence for sentence in self.guessed if sentence != _named_by_file(self.instrument))
        return replace(self, instrument=None, guessed=said)

    def column(self, meaning: str) -> str | None:
        """The column of that meaning, or None."""
        return next((column for column, said in self.meanings.items() if said == meaning), None)

    def features(self) -> dict[str, str]:
        """Feature columns: name in the file to name in the store."""
        taken, names = {"instrument", "timeframe", "ts", *OHLCV}, {}
        for column, meaning in self.meanings.items():
            if meaning == "feature":
                plain = _plain(column) or "feature"
                name = base = _FEATURE_NAMES.get(plain, plain)
                copy = 2
                while name in taken:
                    name, copy = f"{base}_{copy}", copy + 1
                taken.add(name)
                names[column] = name
        return names


def guess_mapping(table: Table) -> ColumnMapping:
    """Guess the mapping of an opened table; look at `missing` and `timezone_needed` before using it."""
    guessed: list[str] = []
    if table.has_header:
        meanings = _by_name(table, guessed)
    else:
        meanings = _by_position(table)
        guessed.append("The file has no header; columns were taken by their order.")
    mapping = remap(ColumnMapping(meanings, None), table, {})
    notes = list(mapping.notes)
    if "volume" not in meanings.values():
        notes.append("There is no volume column; volume stays empty.")
    instrument = None
    if mapping.column("instrument") is None:
        instrument = instrument_from(table.name)
        if instrument:
            guessed.append(_named_by_file(instrument))
    ignored = [column for column, meaning in meanings.items() if meaning == "ignored"]
    if ignored:
        notes.append(f"Not used: {', '.join(ignored)}.")
    return replace(mapping, instrument=instrument, guessed=tuple(guessed), notes=tuple(notes))


def _named_by_file(instrument: str | None) -> str:
    return f"The instrument {instrument} was taken from the file name."


def remap(mapping: ColumnMapping, table: Table, meanings: Mapping[str, str]) -> ColumnMapping:
    """The mapping with some columns given another meaning; times and decimals are looked at anew.

    Raises
    ------
    BarsError
        If a column or meaning does not exist, or two columns claim one meaning.
    """
    merged = {**mapping.meanings, **meanings}
    for column, meaning in merged.items():
        if column not in table.columns:
            raise BarsError(
                f"a column out of {', '.join(table.columns)}", repr(column), "correct the mapping"
            )
        if meaning not in MEANINGS:
            raise BarsError(f"a meaning out of {', '.join(MEANINGS)}", repr(meaning), "correct the mapping")
    for meaning in MEANINGS[:-2]:
        claims = [column for column, said in merged.items() if said == meaning]
        if len(claims) > 1:
            raise BarsError(f"one column for {meaning}", " and ".join(claims), "set the others to ignored")
    changed = replace(mapping, meanings=merged)
    dates, clocks = changed.column("ts"), changed.column("clock")
    style = None
    if dates is not None:
        clock = None if clocks is None else one_column(table.sample, clocks)
        style = guess_style(join_clock(one_column(table.sample, dates), clock))
        if style is not None and style.written and _plain(dates) in _UTC_NAMES:
            style = replace(style, aware=True, dates_only=False)
    notes = [note for note in mapping.notes if note != DATES_ARE_DAYS]
    if style is not None and style.dates_only:
        notes.append(DATES_ARE_DAYS)
    return replace(changed, time_style=style, settled=False, notes=tuple(notes))


def name_timeframe(said: str) -> str:
    """The timeframe a file's own word means: "H1", "60", "1h" and "hourly" are all "1h".

    Raises
    ------
    BarsError
        If the word is not known.
    """
    known = _TIMEFRAMES.get(str(said).strip().lower())
    if known is None:
        raise BarsError(
            f"a timeframe out of {', '.join(DURATIONS)}", repr(said), "correct it or give --timeframe"
        )
    return known


def _by_name(table: Table, guessed: list[str]) -> dict[str, str]:
    plain = {column: _plain(column) for column in table.columns}
    meanings: dict[str, str] = {}

    def claim(meaning: str, column: str | None) -> None:
        if column is not None and column not in meanings:
            meanings[column] = meaning

    times = [column for name in _NAMES["ts"] for column in table.columns if plain[column] == name]
    styles = {name: guess_style(one_column(table.sample, name)) for name in times}
    aware = [column for column, style in styles.items() if style is not None and style.aware]
    dated = [column for column in times if styles[column] is not None]
    if aware or dated or times:
        claim("ts", (aware or dated or times)[0])
    clock = next((column for column in times if plain[column] == "time" and column not in meanings), None)
    date = next(iter(meanings), None)
    if clock is not None and date is not None and plain[date] in ("date", "dtyyyymmdd") and not aware:
        claim("clock", clock)
    for meaning in ("open", "high", "low", "close", "instrument", "timeframe"):
        claim(meaning, next((c for name in _NAMES[meaning] for c in table.columns if plain[c] == name), None))
    volumes = [column for name in _NAMES["volume"] for column in table.columns if plain[column] == name]
    volumes += [
        column for column in table.columns if plain[column].startswith("volume") and column not in volumes
    ]
    filled = [
        name for name in volumes if one_column(table.sample, name).astype("str").str.contains("[1-9]").any()
    ]
    if volumes:
        claim("volume", (filled or volumes)[0])
        if len(volumes) > 1:
            guessed.append(f"Volume was taken from {(filled or volumes)[0]}.")
        for column in volumes:
            if column not in filled and column not in meanings:
                meanings[column] = "ignored"
    for name in table.columns:
        if name not in meanings:
            usable = plain[name] not in _TIMES and not plain[name].startswith("index_level")
            numeric = usable and _is_numeric(one_column(table.sample, name))
            meanings[name] = "feature" if numeric else "ignored"
    return {column: meanings[column] for column in table.columns}


def _by_position(table: Table) -> dict[str, str]:
    columns = list(table.columns)
    order = ["ts", *OHLCV]
    if (
        len(columns) > 1
        and table.sample[columns[1]].astype("str").str.fullmatch(r"\s*\d\d?:\d\d(:\d\d)?\s*").all()
    ):
        order.insert(1, "clock")
    return {column: order[i] if i < len(order) else "ignored" for i, column in enumerate(columns)}


def _plain(column: str) -> str:
    return re.sub(r"[^0-9a-z]+", "_", column.strip().lower()).strip("_")


def _is_numeric(sample: pd.Series) -> bool:
    if not (pd.api.types.is_numeric_dtype(sample.dtype) or pd.api.types.is_string_dtype(sample.dtype)):
        return False
    return holds_numbers(sample)
