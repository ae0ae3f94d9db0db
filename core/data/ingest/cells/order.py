"""Which of a date's numbers is the day: found from all rows of a file, by what exists and how days follow."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import combinations
from typing import Literal, cast

import numpy as np
import pandas as pd

from core.data.ingest.cells.grammar import Dates, Written
from core.errors import BarsError

Order = Literal["year first", "month first", "day first"]
ORDERS: tuple[Order, ...] = ("year first", "day first", "month first")
_YEARS = (1000, 9999)
_PACKED_YEARS = (1800, 2199)
_NONE = np.datetime64("NaT", "D")
_DAILY, _HOLIDAYS = 5, 10  # days between two bars: a weekend and a holiday, the longest holidays of a market
_MOSTLY = 0.95
_DAYS_FOR_WEEKDAYS = 5
_SCRAMBLED = 3  # steps back in time that a right order does not make


class UndecidedError(BarsError):
    """A file can be read in two ways and nothing says which; `question` is "date order" or "decimal"."""

    def __init__(self, expected: str, received: str, fix: str, question: str) -> None:
        super().__init__(expected, received, fix)
        self.question = question

    def __reduce__(self):
        return type(self), (self.expected, self.received, self.fix, self.question)


def option_word(order: Order) -> str:
    """An order as the command line writes it: "day-first"."""
    return order.replace(" ", "-")


def read_dates(written: Written, order: Order) -> np.ndarray:
    """Dates of cells in one order, datetime64[D], shape (n,); NaT where they make none in it.

    Years of two digits lie between 99 years ago and next year.
    """
    dates = _read_different(written.dates, order)[written.codes]
    return np.where(written.matched, dates, _NONE)


def _read_different(written: Dates, order: Order) -> np.ndarray:
    packed = written.packed >= 0
    first, second, third = written.first, written.second, written.third
    lengths = [written.first_digits, written.third_digits]
    if packed.any():
        wide = written.packed_digits == 8
        tail = np.where(wide & (order != "year first"), 10_000, 100)
        head = written.packed // tail
        first = np.where(packed, head // 100, first)
        second = np.where(packed, head % 100, second)
        third = np.where(packed, written.packed % tail, third)
        lengths[0] = np.where(packed, np.where(wide & (order == "year first"), 4, 2), lengths[0])
        lengths[1] = np.where(packed, np.where(wide & (order != "year first"), 4, 2), lengths[1])
    if order == "year first":
        year, digits, month, day = first, lengths[0], second, third
        fits = (lengths[1] <= 2) & ~written.year_last
    else:
        month, day = (second, first) if order == "day first" else (first, second)
        month, day = np.where(written.named, second, month), np.where(written.named, first, day)
        year, digits = third, lengths[1]
        fits = lengths[0] <= 2
    fits &= written.matched & ((digits == 2) | (digits == 4))
    year = np.where(digits == 2, _century(year), year)
    low, high = np.where(packed, _PACKED_YEARS[0], _YEARS[0]), np.where(packed, _PACKED_YEARS[1], _YEARS[1])
    fits &= (year >= low) & (year <= high) & (month >= 1) & (month <= 12) & (day >= 1)
    months = (np.where(fits, year, 1970) - 1970) * 12 + np.where(fits, month, 1) - 1
    start = months.astype("datetime64[M]")
    dates = start.astype("datetime64[D]") + np.where(fits, day, 1) - 1
    fits &= dates < (start + 1).astype("datetime64[D]")
    return np.where(fits, dates, _NONE)


def _century(year: np.ndarray) -> np.ndarray:
    newest = pd.Timestamp.now("UTC").year + 1
    return year + (newest - year) // 100 * 100


@dataclass
class _Tally:
    read: int = 0
    against: tuple[int, str] | None = None  # a row that another order reads and this one does not
    days: np.ndarray = field(default_factory=lambda: np.array([], dtype="datetime64[D]"))
    last: np.ndarray = field(default_factory=lambda: np.array([], dtype="datetime64[D]"))
    forward: int = 0
    back: int = 0

    def add(self, dates: np.ndarray) -> None:
        steps = np.diff(np.concatenate([self.last, dates])).astype(np.int64)
        self.forward += int((steps > 0).sum())
        self.back += int((steps < 0).sum())
        self.last = dates[-1:]
        self.days = np.union1d(self.days, dates)

    @property
    def turns(self) -> int:
        """Steps against the direction in which the rows mostly go."""
        return min(self.forward, self.back)


class OrderEvidence:
    """What all rows of a file say about the order of its dates; `add` them, then `decide`."""

    def __init__(self, column: str) -> None:
        self._column = column
        self._tallies = {order: _Tally() for order in ORDERS}
        self._alike = {frozenset(pair): True for pair in combinations(ORDERS, 2)}
        self._example = ""
        self._intraday = False

    def add(self, written: Written, texts: pd.Series, lines: pd.Index) -> None:
        """Take in rows: their parts, their cells and their line numbers, all of shape (n,)."""
        read = {order: read_dates(written, order) for order in ORDERS}
        some = np.logical_or.reduce([~np.isnat(dates) for dates in read.values()])
        if not some.any():
            return
        self._intraday |= bool((some & ((written.clock > 0) | (written.digits > 0))).any())
        self._example = self._example or str(texts.iloc[int(some.argmax())])
        for one, other in combinations(ORDERS, 2):
            self._alike[frozenset((one, other))] &= np.array_equal(read[one][some], read[other][some])
        for order, dates in read.items():
            tally = self._tallies[order]
            wrong = some & np.isnat(dates)
            tally.read += int((some & ~wrong).sum())
            if wrong.any() and tally.against is None:
                row = int(wrong.argmax())
                tally.against = (int(lines[row]), str(texts.iloc[row]))
            if tally.against is None:
                tally.add(dates[some])

    def decide(self, given: Order | None = None) -> tuple[Order, str | None]:
        """The one order of the file, and how it was found where that is worth saying.

        Parameters
        ----------
        given
            What the user says; refused if a row contradicts it.

        Raises
        ------
        BarsError
            If no order fits every row, or the given one does not.
        UndecidedError
            If several fit and neither the sequence and spacing of the days nor their weekdays tell them
            apart.
        """
        fitting: list[Order] = [order for order in ORDERS if self._tallies[order].against is None]
        if given is not None:
            return self._follow(given, fitting), None
        tried: list[Order] = [order for order in ORDERS if self._tallies[order].read]
        if not fitting:
            contradictions = [f"{_cell(self._tallies[order].against)}, not {order}" for order in tried]
            raise BarsError(
                f"dates in one order throughout column {self._column!r}",
                " and ".join(contradictions),
                "write all of them in one order, best as 2024-01-31",
            )
        different = self._different(fitting)
        ruled_out: list[Order] = [order for order in tried if order not in fitting]
        if len(different) > 1:
            order = self._tell_apart(different)
            return (
                order,
                f"Dates such as {self._example} were read {order}: so their days follow one another.",
            )
        order = different[0]
        if order == "year first" or not ruled_out:
            return order, None
        cell = _cell(self._tallies[ruled_out[0]].against)
        return order, f"Dates are read {order}: {cell} cannot be {ruled_out[0]}."

    def _follow(self, given: Order, fitting: list[Order]) -> Order:
        against = self._tallies[given].against
        if against is not None:
            fix = f"give --date-order {option_word(fitting[0])}" if fitting else "write them in one order"
            raise BarsError(f"dates written {given} in column {self._column!r}", _cell(against), fix)
        return given

    def _different(self, orders: list[Order]) -> list[Order]:
        """Orders less those that read every row as one before them does, such as 05/05/2020."""
        kept: list[Order] = []
        for order in orders:
            if not any(self._alike[frozenset((order, other))] for other in kept):
                kept.append(order)
        return kept

    def _tell_apart(self, orders: list[Order]) -> Order:
        tallies = {order: self._tallies[order] for order in orders}
        best = min(orders, key=lambda order: tallies[order].turns)
        allowed = _SCRAMBLED + 5 * tallies[best].turns
        orders = [order for order in orders if order == best or tallies[order].turns < allowed]
        spacings = {order: _spacing(tallies[order].days, self._intraday) for order in orders}
        plausible: list[Order] = [order for order in orders if spacings[order]] or orders
        if len(plausible) == 1:
            return plausible[0]
        weekdays: list[Order] = [order for order in plausible if np.is_busday(tallies[order].days).all()]
        if len(weekdays) == 1 and min(len(tally.days) for tally in tallies.values()) >= _DAYS_FOR_WEEKDAYS:
            return weekdays[0]
        # A month's bar is stamped with its first day; other dates a month apart are days in truth.
        daily: list[Order] = [order for order in plausible if spacings[order] == "daily"]
        if len(daily) == 1 and not any(_first_days(tallies[order].days) for order in plausible):
            return daily[0]
        words = " or ".join(option_word(order) for order in plausible)
        raise UndecidedError(
            f"dates in column {self._column!r} that can be read in one way only",
            f"dates such as {self._example!r}, all of which may be {' or '.join(plausible)}",
            f"say which with --date-order {words}",
            "date order",
        )


def _cell(against: tuple[int, str] | None) -> str:
    line, text = cast(tuple[int, str], against)
    return f"{text!r} in line {line}"


def _spacing(days: np.ndarray, intraday: bool) -> str:
    """How the days of bars follow each other: "daily", "weekly", "monthly", or "" where they do not."""
    steps = np.diff(days).astype(np.int64)
    if len(steps) == 0:
        return ""
    usual = float(np.median(steps))
    if usual < _DAILY and (steps.max() <= _HOLIDAYS or (steps <= _DAILY).mean() >= _MOSTLY):
        return "daily"
    if intraday:
        return ""
    if ((steps >= 5) & (steps <= 9)).mean() >= _MOSTLY:
        return "weekly"
    return "monthly" if ((steps >= 27) & (steps <= 35)).mean() >= _MOSTLY else ""


def _first_days(days: np.ndarray) -> bool:
    return bool((days == days.astype("datetime64[M]").astype("datetime64[D]")).all())
