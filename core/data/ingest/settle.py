"""What only all rows of a file can say: the order of its dates, its clocks, the sign of its decimals."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import pandas as pd

from core.data.bars import OHLCV, one_column
from core.data.ingest.cells.numbers import Decimal, DecimalEvidence
from core.data.ingest.cells.order import Order
from core.data.ingest.cells.times import StyleEvidence, join_clock
from core.data.ingest.containers.table import Table
from core.data.ingest.mapping import DATES_ARE_DAYS, ColumnMapping


def settle_mapping(
    table: Table,
    mapping: ColumnMapping,
    *,
    date_order: Order | None = None,
    decimal: Decimal | None = None,
    timezone: str | None = None,
) -> ColumnMapping:
    """The mapping with `time_style` and `decimal_comma` found from every row, and sentences on how.

    A mapping that is settled, or lacks a column without which there are no bars, comes back as it is. The
    table is read once.

    Parameters
    ----------
    date_order, decimal
        What the user says in place of what the rows say; refused if rows contradict it.
    timezone
        Lets pass a zone's word that is not known.

    Raises
    ------
    BarsError
        If many times cannot be read, or rows contradict each other or what the user says.
    UndecidedError
        If all rows can be read in two ways and nothing tells which is meant.
    """
    if mapping.settled or mapping.missing or mapping.time_style is None:
        return mapping
    times = StyleEvidence(str(mapping.column("ts"))) if mapping.time_style.written else None
    decimals = DecimalEvidence()
    meant = {mapping.column(name): name for name in OHLCV}
    numbers = [*(column for column in meant if column is not None), *mapping.features()]
    for batch in table.batches(mapping.used):
        if times is not None:
            times.add(written_times(batch.frame, mapping), batch.lines)
        for column in numbers:
            name = meant.get(column)
            cells = one_column(batch.frame, column)
            decimals.add(column, cells, batch.lines, main=name is not None, price=name in OHLCV[:4])
    style, sentence = mapping.time_style, None
    if times is not None:
        style, sentence = times.settle(date_order, timezone)
        if mapping.time_style.aware and not style.aware:
            style = replace(style, aware=True, dates_only=False)  # the column's name says UTC
    comma = decimals.decide(decimal)
    guessed = [*mapping.guessed, *([sentence] if sentence else [])]
    if comma and decimal is None:
        guessed.append("Numbers are read with a decimal comma.")
    notes = [note for note in mapping.notes if note != DATES_ARE_DAYS]
    if style.dates_only:
        notes.insert(0, DATES_ARE_DAYS)
    return replace(
        mapping,
        time_style=style,
        decimal_comma=comma,
        guessed=tuple(guessed),
        notes=tuple(notes),
        settled=True,
    )


def written_times(frame: pd.DataFrame, mapping: ColumnMapping) -> pd.Series:
    """Cells of the time column, joined with those of a time of day where it has a column of its own."""
    clock = mapping.column("clock")
    dates = cast(pd.Series, one_column(frame, str(mapping.column("ts"))))
    return join_clock(dates, None if clock is None else one_column(frame, clock))
