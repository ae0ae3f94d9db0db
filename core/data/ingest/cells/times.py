"""Times as files write them: how, recognised from first values and settled by all rows, and read as UTC."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, cast

import numpy as np
import pandas as pd

from core.data.ingest.cells.grammar import MIDNIGHT, NO_OFFSET, Written, halved, split_times
from core.data.ingest.cells.order import ORDERS, Order, OrderEvidence, read_dates
from core.data.ingest.cells.zones import localize, word_offset, word_zone
from core.errors import BarsError

_HOUR = 3_600_000_000  # microseconds
_EPOCH = r"-?\d{9,20}(?:\.\d*)?"
_MIDNIGHT_CLOCK = re.compile(r"[ T]0?0:00(?::00(?:\.0+)?)?$")
_FLOAT = re.compile(r"^(\d{1,9})\.0+$")
_WRITTEN = "such as 2024-01-31 09:30, 31/01/2024, 31-Jan-24 or 1706693400"
_MOSTLY = 0.5
_FEW, _FEW_ROWS = 0.1, 5  # more unreadable rows than both are a form of their own and no stray cells


@dataclass(frozen=True)
class TimeStyle:
    """How a file writes bar times.

    Attributes
    ----------
    form
        "epoch": a number since 1970 (s, ms, us or ns, by its size); "year first", "month first",
        "day first": a written date; "typed": a timestamp column.
    aware
        The times say themselves where they stand to UTC.
    dates_only
        No time of day: a date names the UTC day.
    clock_digits
        Digits of a clock without colons: 2 (hours), 4 (0930), 6 (093000) or 9 (milliseconds).
    """

    form: Literal["epoch", "year first", "month first", "day first", "typed"]
    aware: bool
    dates_only: bool
    clock_digits: int = 4

    @property
    def written(self) -> bool:
        """Whether the times are text that has an order of day, month and year."""
        return self.form in ORDERS


def join_clock(dates: pd.Series, clocks: pd.Series | None) -> pd.Series:
    """One text per row out of a date column and, where there is one, a time-of-day column."""
    if clocks is None:
        return dates
    days = _texts(dates).str.replace(_MIDNIGHT_CLOCK, "", regex=True)
    hours = _texts(clocks).str.replace(_FLOAT, r"\1", regex=True)
    return days.str.replace(_FLOAT, r"\1", regex=True) + " " + hours


def guess_style(sample: pd.Series) -> TimeStyle | None:
    """Style of the non-empty values, or None if they are no times; all rows may change a written one."""
    sample = cast(pd.Series, sample.dropna())
    if sample.empty:
        return None
    if isinstance(sample.dtype, pd.DatetimeTZDtype):
        return TimeStyle("typed", aware=True, dates_only=False)
    if pd.api.types.is_datetime64_any_dtype(sample.dtype):
        return TimeStyle("typed", aware=False, dates_only=bool((sample.dt.normalize() == sample).all()))
    texts = _texts(sample)
    texts = cast(pd.Series, texts[texts != ""])
    if texts.empty:
        return None
    written = split_times(texts)
    orders = {order: ~np.isnat(read_dates(written, order)) for order in ORDERS}
    if texts.str.fullmatch(_EPOCH).mean() > _MOSTLY and orders["year first"].mean() <= _MOSTLY:
        return TimeStyle("epoch", aware=True, dates_only=False)
    order = max(reversed(ORDERS), key=lambda order: orders[order].sum())
    if orders[order].mean() <= _MOSTLY:
        return None
    evidence = StyleEvidence(str(sample.name))
    evidence.add_parts(written, orders[order])
    return evidence.style(order)


class StyleEvidence:
    """What all rows of a file say about how its times are written; `add` them, then `settle`."""

    def __init__(self, column: str) -> None:
        self._column = column
        self._orders = OrderEvidence(column)
        self._read = self._rows = self._zoned = self._timed = 0
        self._digits = self._longest = 0
        self._odd = {4: False, 6: False, 9: False}
        self._unread: tuple[int, str] | None = None
        self._bare: tuple[int, str] | None = None
        self._strange: tuple[int, str] | None = None

    def add(self, texts: pd.Series, lines: pd.Index) -> None:
        """Take in rows: cells and their line numbers, shape (n,); empty cells do not count."""
        texts = _texts(texts)
        filled = (texts != "").to_numpy()
        texts, lines = cast(pd.Series, texts[filled]), lines[filled]
        if texts.empty:
            return
        written = split_times(texts)
        self._orders.add(written, texts, lines)
        dated = np.logical_or.reduce([~np.isnat(read_dates(written, order)) for order in ORDERS])
        self.add_parts(written, dated)

        def first(mask: np.ndarray, known: tuple[int, str] | None) -> tuple[int, str] | None:
            row = int(mask.argmax())
            return known if known or not mask.any() else (int(lines[row]), str(texts.iloc[row]))

        self._unread = first(~dated, self._unread)
        self._bare = first(dated & ~_zoned(written) & (written.zone == ""), self._bare)
        self._strange = first(dated & ~_zoned(written) & (written.zone != ""), self._strange)

    def add_parts(self, written: Written, dated: np.ndarray) -> None:
        """Take in rows taken apart, of which some are `dated`."""
        self._rows += len(dated)
        self._read += int(dated.sum())
        self._zoned += int((dated & _zoned(written)).sum())
        self._timed += int((dated & ((written.clock > 0) | (written.digits > 0))).sum())
        digits = written.digits[dated & (written.digits >= 0)]
        if len(digits):
            self._digits = max(self._digits, int(digits.max()))
            self._longest = max(self._longest, int(written.digits_length[dated].max()))
            for width in self._odd:
                self._odd[width] |= bool((_digit_clock(digits, width, np.zeros_like(digits)) < 0).any())

    def style(self, order: Order) -> TimeStyle:
        """The style of the rows so far, in an order of their dates."""
        aware = 0 < self._zoned == self._read
        return TimeStyle(order, aware, not aware and not self._timed, self._clock_digits())

    def settle(self, order: Order | None, timezone: str | None) -> tuple[TimeStyle, str | None]:
        """The one style of the file, and a sentence on how its order was found where that is worth one.

        Raises
        ------
        BarsError
            If many cells are no times that can be read, their dates contradict each other, or only some
            say in which zone they are.
        UndecidedError
            As `OrderEvidence.decide`.
        """
        unread = self._rows - self._read
        many = unread >= _FEW_ROWS and unread > self._rows * _FEW
        if self._unread is not None and (many or unread >= self._rows * _MOSTLY):
            line, text = self._unread
            raise unknown_form(self._column, text, f" in line {line}")
        found, sentence = self._orders.decide(order)
        style = self.style(found)
        if self._strange is not None and timezone is None:
            line, text = self._strange
            raise BarsError(
                "times whose zone is known (UTC, EST, America/New_York, +01:00)",
                f"{text!r} in line {line} of column {self._column!r}",
                "say the zone, for example --timezone Asia/Kolkata",
            )
        without = self._bare or self._strange
        if self._zoned and not style.aware and without is not None:
            line, text = without
            raise BarsError(
                f"a zone or offset in every row of column {self._column!r}, as other rows have",
                f"{text!r} in line {line}",
                "write one in every row or in none",
            )
        return style, sentence

    def _clock_digits(self) -> int:
        if self._longest <= 2:
            return 2 if self._digits <= 24 else 4
        width = 4 if self._longest <= 4 else 6 if self._longest <= 6 else 9
        # Without leading zeros 500 is five o'clock or five past midnight; 0990 is neither.
        return 6 if width == 4 and self._odd[4] and not self._odd[6] else width


def unknown_form(column: str, text: str, where: str = "") -> BarsError:
    """The refusal of a cell that holds no time in a form that is known."""
    spreadsheet = re.fullmatch(r"[2-6]\d{4}(?:\.\d+)?", text)
    fix = "format the column as dates before exporting: this is a spreadsheet's day number"
    return BarsError(
        f"times in column {column!r}, {_WRITTEN}",
        f"{text[:40]!r}{where}",
        fix if spreadsheet else "rewrite them so, or name the column that holds the time",
    )


def read_times(values: pd.Series, style: TimeStyle) -> pd.Series:
    """Times of the rows, NaT where one cannot be read; in UTC if the style is aware, else without zone.

    Returns
    -------
    Series of datetime64[us] or datetime64[us, UTC], shape (n,)
    """
    if style.form == "typed":
        values = values.dt.tz_convert("UTC") if style.aware else values
        return values.dt.as_unit("us")
    if style.form == "epoch":
        return _from_epoch(cast(pd.Series, pd.to_numeric(values, errors="coerce")))
    written = split_times(_texts(values))
    dates = read_dates(written, style.form)
    clock = np.where(written.clock >= 0, written.clock, 0)
    bare = written.digits >= 0
    clock = np.where(bare, _digit_clock(written.digits, style.clock_digits, written.half), clock)
    micros = np.where(clock >= 0, dates.astype("datetime64[us]") + clock, np.datetime64("NaT", "us"))
    if not style.aware:
        return pd.Series(micros, index=values.index)
    return _to_utc(pd.Series(micros, index=values.index), written)


def _to_utc(times: pd.Series, written: Written) -> pd.Series:
    offset = np.where(written.offset != NO_OFFSET, written.offset, 0)
    places: list[tuple[np.ndarray, str]] = []
    for word in pd.unique(written.zone[written.offset == NO_OFFSET]):
        rows = (written.offset == NO_OFFSET) & (written.zone == word)
        hours, zone = word_offset(word), word_zone(word)
        if hours is not None:
            offset[rows] = hours * _HOUR
        elif zone is not None:
            places.append((rows, zone))
    utc = (times - pd.to_timedelta(offset, unit="us")).dt.as_unit("us").dt.tz_localize("UTC")
    for rows, zone in places:
        local = cast(pd.Series, times[rows])
        utc[rows] = localize(local, zone, pd.Series("", index=local.index))[0]
    return utc


def _zoned(written: Written) -> np.ndarray:
    codes, words = pd.factorize(written.zone)
    known = np.array(
        [word_offset(word) is not None or word_zone(word) is not None for word in words], dtype=bool
    )
    return (written.offset != NO_OFFSET) | known[codes]


def _digit_clock(digits: np.ndarray, width: int, half: np.ndarray) -> np.ndarray:
    """Microseconds since midnight of clocks of bare digits, -1 where they are none."""
    fraction = digits % 1000 if width == 9 else np.zeros_like(digits)
    whole = digits // 1000 if width == 9 else digits * {2: 10_000, 4: 100}.get(width, 1)
    hours, sane = halved(whole // 10_000, half)
    minutes, seconds = whole // 100 % 100, whole % 100
    clock = ((hours * 60 + minutes) * 60 + seconds) * 1_000_000 + fraction * 1000
    return np.where(sane & (minutes < 60) & (seconds < 60) & (clock <= MIDNIGHT), clock, -1)


def _texts(values: pd.Series) -> pd.Series:
    if pd.api.types.is_float_dtype(values.dtype):
        whole = bool((values.dropna() % 1 == 0).all())
        values = values.astype("Int64") if whole else values
    return values.astype("str").where(values.notna(), "").str.strip()


def _from_epoch(numbers: pd.Series) -> pd.Series:
    values = numbers.to_numpy(dtype="float64", na_value=np.nan)
    size = np.abs(values)
    # Seconds stay below 1e11 until the year 5138; each unit is a thousand times the one before.
    unit = np.select([size < 1e11, size < 1e14, size < 1e17], [1e6, 1e3, 1.0], 1e-3)
    known = np.isfinite(values)
    micros = np.full(len(values), np.iinfo(np.int64).min)  # NaT
    micros[known] = np.rint(values[known] * unit[known]).astype(np.int64)
    return pd.Series(micros.view("datetime64[us]"), index=numbers.index).dt.tz_localize("UTC")
