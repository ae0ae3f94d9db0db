"""What the columns of a file mean: guessed from their names and first values, shown, and correctable."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from core.data.bars import OHLCV, one_column
from core.data.ingest.cells.times import TimeStyle, guess_style, join_clock
from core.data.ingest.columns.foresight import find_suspects
from core.data.ingest.columns.guess import fixed_point, meanings_by_name, meanings_by_place, stored_names
from core.data.ingest.columns.words import UTC_TIMES, key
from core.data.ingest.containers.table import Table
from core.data.ingest.names import instrument_from
from core.errors import BarsError
from core.timeframe import DURATIONS, MINUTES

MEANINGS = ("ts", "clock", *OHLCV, "instrument", "timeframe", "feature", "label", "ignored")
DATES_ARE_DAYS = "Dates without a time of day are taken as trading days."
_UNIQUE = MEANINGS[:-3]
_REQUIRED = ("ts", "open", "high", "low", "close")

_MINUTES = {str(minutes): name for name, minutes in MINUTES.items()}
_TIMEFRAMES = {
    **{name: name for name in DURATIONS},
    **_MINUTES,
    **{f"{name[-1]}{name[:-1]}": name for name in DURATIONS},
    **{f"{minutes}{word}": name for minutes, name in _MINUTES.items() for word in ("m", "min")},
    **{"hourly": "1h", "1hour": "1h"},
    **{"d": "1d", "daily": "1d", "day": "1d", "1day": "1d"},
    **{"w": "1w", "weekly": "1w", "week": "1w", "1wk": "1w"},
}


@dataclass(frozen=True)
class ColumnMapping:
    """What each column of a file means.

    Attributes
    ----------
    meanings
        Column name to one of `MEANINGS`: "clock" is a time of day beside a date, "feature" a further
        number that travels with the bar, "label" a class that travels with it and is never a feature.
    time_style
        How times are written, or None while no time column is known.
    instrument
        Name taken from the file name, used where no column names the instrument.
    decimal_comma
        Numbers are written 1,5.
    settled
        Times and decimals were found from all rows (`core.data.ingest.settle`), not from the first ones.
    price_divisor
        What prices are divided by: 1e9 where they are whole numbers of billionths.
    suspects
        Columns that look like labels or like the future, and why; left out until asked for.
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
    price_divisor: float = 1.0
    suspects: Mapping[str, str] = field(default_factory=dict)
    guessed: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def timezone_needed(self) -> bool:
        """Times of day stand in the file without their zone: it must be given."""
        return self.time_style is not None and not (self.time_style.aware or self.time_style.dates_only)

    @property
    def missing(self) -> tuple[str, ...]:
        """Meanings without which there are no bars and which no column has."""
        return tuple(name for name in _REQUIRED if self.column(name) is None)

    @property
    def used(self) -> tuple[str, ...]:
        """Columns that are read at all."""
        return tuple(column for column, meaning in self.meanings.items() if meaning != "ignored")

    def without_guessed_name(self) -> ColumnMapping:
        """The mapping for one who says the instrument: no name of the file's takes its place."""
        said = tuple(sentence for sentence in self.guessed if sentence != _named_by_file(self.instrument))
        return replace(self, instrument=None, guessed=said)

    def column(self, meaning: str) -> str | None:
        """The column of that meaning, or None."""
        return next((column for column, said in self.meanings.items() if said == meaning), None)

    def features(self) -> dict[str, str]:
        """Feature columns: name in the file to name in the store."""
        return self._stored("feature")

    def labels(self) -> dict[str, str]:
        """Label columns: name in the file to name in the store."""
        return self._stored("label")

    def _stored(self, meaning: str) -> dict[str, str]:
        names = stored_names([c for c, said in self.meanings.items() if said in ("feature", "label")])
        return {column: name for column, name in names.items() if self.meanings[column] == meaning}


def guess_mapping(table: Table) -> ColumnMapping:
    """Guess the mapping of an opened table; look at `missing` and `timezone_needed` before using it."""
    guessed: list[str] = []
    if table.has_header:
        meanings = meanings_by_name(table, guessed)
    else:
        meanings = meanings_by_place(table)
        guessed.append("The file has no header; columns were taken by their order.")
    mapping = remap(ColumnMapping(meanings, None, price_divisor=fixed_point(table, meanings)), table, {})
    suspects = find_suspects(table, mapping.meanings, mapping.time_style)
    mapping = remap(replace(mapping, suspects=suspects), table, dict.fromkeys(suspects, "ignored"))
    instrument = None
    if mapping.column("instrument") is None:
        instrument = instrument_from(table.name)
        if instrument:
            guessed.append(_named_by_file(instrument))
    return replace(mapping, instrument=instrument, guessed=tuple(guessed))


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
    for meaning in _UNIQUE:
        claims = [column for column, said in merged.items() if said == meaning]
        if len(claims) > 1:
            raise BarsError(f"one column for {meaning}", " and ".join(claims), "set the others to ignored")
    changed = replace(mapping, meanings=merged)
    dates, clocks = changed.column("ts"), changed.column("clock")
    style = None
    if dates is not None:
        clock = None if clocks is None else one_column(table.sample, clocks)
        style = guess_style(join_clock(one_column(table.sample, dates), clock))
        if style is not None and style.written and key(dates) in UTC_TIMES:
            style = replace(style, aware=True, dates_only=False)
    changed = replace(changed, time_style=style, settled=False)
    return replace(changed, notes=tuple(_notes(changed, table)))


def assign_columns(mapping: ColumnMapping, table: Table, given: Sequence[str]) -> ColumnMapping:
    """The mapping with what a user said of columns, each as MEANING=COLUMN: close=settle, feature=x12.

    A column that had the meaning before is not used. Case and punctuation of the column's name need not be
    right where only one column fits.

    Raises
    ------
    BarsError
        If one is not of that form, or names a meaning or column that does not exist.
    """
    said: dict[str, str] = {}
    for pair in given:
        meaning, equals, name = pair.partition("=")
        if not equals or meaning not in MEANINGS:
            raise BarsError(
                f"MEANING=COLUMN with a meaning out of {', '.join(MEANINGS)}",
                repr(pair),
                "write for example --column close=settle",
            )
        exact = [column for column in table.columns if column == name.strip()]
        near = exact or [column for column in table.columns if key(column) == key(name)]
        if len(near) != 1:
            raise BarsError(f"a column out of {', '.join(table.columns)}", repr(name), "correct --column")
        if meaning in _UNIQUE:
            before = {**mapping.meanings, **said}
            said |= {column: "ignored" for column, had in before.items() if had == meaning}
        said[near[0]] = meaning
    return remap(mapping, table, said)


def missing_columns(mapping: ColumnMapping, table: Table) -> BarsError:
    """The refusal of a table in which no column means what bars must have."""
    twice = f" ({', '.join(table.repeated)} bear one name more than once)" if table.repeated else ""
    gone = f" (left out: {', '.join(name for name, _ in table.left_out)})" if table.left_out else ""
    there, absent = ", ".join(table.columns), ", ".join(mapping.missing)
    return BarsError(
        "columns for time, open, high, low and close",
        f"{table.name} with {there}{twice}{gone} and none for {absent}",
        f"say which it is with --column {mapping.missing[0]}=NAME (may be repeated) or rename it",
    )


def _notes(mapping: ColumnMapping, table: Table) -> Iterator[str]:
    meanings = mapping.meanings
    if mapping.time_style is not None and mapping.time_style.dates_only:
        yield DATES_ARE_DAYS
    if mapping.price_divisor != 1:
        yield f"Prices are whole numbers of fixed point, divided by {mapping.price_divisor:,.0f}."
    if mapping.column("volume") is None:
        yield "There is no volume column; volume stays empty."
    features = {column: name for column, name in mapping.features().items() if name != "adj_close"}
    if features:
        yield (
            f"Features from further columns: {_listed(features)}. Each becomes its distance from the median "
            "of its last 250 bars, in robust standard deviations; data.as_is in the configuration takes one "
            "as it is."
        )
    if mapping.labels():
        yield f"Kept as labels, which a task may name and which are no features: {_listed(mapping.labels())}."
    for column, why in mapping.suspects.items():
        if meanings.get(column) == "ignored":
            yield (
                f"Left out: {column}, {why}. Call it a label to keep it for a task "
                f"(--column label={column}), or a feature if its values are known when the bar closes."
            )
    for column, what in table.left_out:
        yield f"Left out: {column} ({what})."
    twice = [column for column in table.repeated if meanings[column] == "ignored"]
    if twice:
        yield (
            f"Left out, because their name stands more than once: {', '.join(twice)}. "
            f"Call one a feature to take it (--column feature={twice[0]})."
        )
    named = {*mapping.suspects, *twice}
    ignored = [column for column, said in meanings.items() if said == "ignored" and column not in named]
    if ignored:
        yield f"Not used: {', '.join(ignored)}."


def _listed(names: Mapping[str, str]) -> str:
    return ", ".join(name if name == column else f"{column} ({name})" for column, name in names.items())


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
