"""Cells as files write them: times recognised from a sample and read as UTC, and numbers."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from typing import Any, Literal, cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute
from pandas.tseries.api import guess_datetime_format

from core.errors import BarsError

_OFFSET = re.compile(r":\d\d(?:\.\d+)?\s*(?:Z|UTC|GMT|(?:UTC|GMT)?\s*[+-]\d\d:?\d\d)$", re.IGNORECASE)
_COMPACT = re.compile(r"(?:19|20|21)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])[ T_]?(?:\d{4}|\d{6})?")
_CLOCK = re.compile(r"\d:\d\d|^\d{8}[ T_]?\d{4}")
_MIDNIGHT = re.compile(r"[ T]0?0:00(?::00(?:\.0+)?)?$")


@dataclass(frozen=True)
class TimeStyle:
    """How a file writes bar times.

    Attributes
    ----------
    form
        "epoch": a number since 1970 (s, ms, us or ns, by its size); "compact": 20200131[ 0930[00]];
        "year first", "day first", "month first": a written date; "typed": a timestamp column.
    aware
        The times say themselves where they stand to UTC.
    dates_only
        No time of day: a date names the UTC day.
    ambiguous
        Day and month could be either way round; the month was taken to come first.
    format
        strptime format of day-first and month-first dates.
    """

    form: Literal["epoch", "compact", "year first", "day first", "month first", "typed"]
    aware: bool
    dates_only: bool
    ambiguous: bool = False
    format: str | None = None


def join_clock(dates: pd.Series, clocks: pd.Series | None) -> pd.Series:
    """One text per row out of a date column and, where there is one, a time-of-day column."""
    if clocks is None:
        return dates
    days, hours = dates.astype("str").str.strip(), clocks.astype("str").str.strip()
    bare = hours.str.fullmatch(r"\d{1,6}").fillna(False)
    if bool(bare.any()):
        hours = hours.where(
            ~bare, hours.str.zfill(6).str.replace(r"(\d\d)(\d\d)(\d\d)", r"\1:\2:\3", regex=True)
        )
    return days + " " + hours


def guess_style(sample: pd.Series) -> TimeStyle | None:
    """Style of the non-empty values, or None if they are no times."""
    sample = sample.dropna()
    if sample.empty:
        return None
    if isinstance(sample.dtype, pd.DatetimeTZDtype):
        return TimeStyle("typed", aware=True, dates_only=False)
    if pd.api.types.is_datetime64_any_dtype(sample.dtype):
        return TimeStyle("typed", aware=False, dates_only=bool((sample.dt.normalize() == sample).all()))
    if pd.api.types.is_numeric_dtype(sample.dtype) and not pd.api.types.is_bool_dtype(sample.dtype):
        sample = sample.astype("int64").astype("str")
    texts = sample.astype("str").str.strip()
    texts = texts[texts != ""]
    if texts.empty:
        return None
    first = texts.iloc[0]
    compact = texts.str.replace(":", "", regex=False).str.fullmatch(_COMPACT.pattern).mean() > 0.5
    if compact:
        return TimeStyle("compact", aware=False, dates_only=bool(texts.str.len().max() == 8))
    if texts.str.fullmatch(r"-?\d{9,20}(?:\.\d+)?").mean() > 0.5:
        return TimeStyle("epoch", aware=True, dates_only=False)
    aware = bool(texts.str.contains(_OFFSET).mean() > 0.5)
    clock = texts.str.contains(_CLOCK)
    dates_only = not aware and (not bool(clock.any()) or bool(texts[clock].str.contains(_MIDNIGHT).all()))
    if texts.str.match(r"\d{4}[-./]").mean() > 0.5:
        return TimeStyle("year first", aware, dates_only)
    parts = texts.str.extract(r"^(\d{1,2})[-./](\d{1,2})[-./]\d{2,4}").dropna().astype("int64")
    if len(parts) * 2 > len(texts):
        day_first = bool((parts[0] > 12).any()) or ("." in first[:4] and not bool((parts[1] > 12).any()))
        unclear = not bool((parts > 12).to_numpy().any()) and "." not in first[:4]
        form = "day first" if day_first else "month first"
        return TimeStyle(form, aware, dates_only, unclear, guess_datetime_format(first, dayfirst=day_first))
    named = guess_datetime_format(first)  # "Jan 02, 2020" and the like
    if named is None or not re.search(r"\d{4}", first):
        return None
    return TimeStyle("month first", aware, dates_only, False, named)


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
    if pd.api.types.is_numeric_dtype(values.dtype):
        values = values.astype("Int64")
    texts = values.astype("str").str.strip()
    if style.form == "compact":
        digits = texts.str.replace(r"\D", "", regex=True).str.pad(14, side="right", fillchar="0")
        return pd.to_datetime(digits, format="%Y%m%d%H%M%S", errors="coerce").dt.as_unit("us")
    if style.aware:
        texts = texts.str.replace(r"\s*(?:UTC|GMT|Z)$", "+00:00", regex=True, case=False)
        texts = texts.str.replace(r"\s*(?:UTC|GMT)?\s*([+-]\d\d:?\d\d)$", r"\1", regex=True, case=False)
    if style.form == "year first":
        texts = texts.str.replace(r"^(\d{4})[./](\d\d)[./]", r"\1-\2-", regex=True)
        times = pd.to_datetime(texts, format="ISO8601", errors="coerce", utc=style.aware)
    else:
        times = pd.to_datetime(texts, format=style.format or "mixed", errors="coerce", utc=style.aware)
    unread = times.isna() & (texts != "") & texts.notna()
    if unread.any():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # pandas says that it reads such texts one by one
            again = pd.to_datetime(
                texts[unread],
                format="mixed",
                errors="coerce",
                dayfirst=style.form == "day first",
                utc=style.aware,
            )
        times = times.astype(times.dtype).mask(unread, again.reindex(times.index))
    return times.dt.as_unit("us")


def localize(times: pd.Series, zone: str, groups: pd.Series) -> tuple[pd.Series, pd.Series, pd.Series]:
    """Local times of a zone in UTC.

    Where a clock change repeats an hour and the rows hold both of its passes, their order tells them apart;
    a time that stands there once cannot be placed, nor can one that the clock skipped.

    Parameters
    ----------
    times
        Without zone, shape (n,).
    groups
        Instrument of each row: repeats are looked for within one.

    Returns
    -------
    utc, unplaced, ordered
        Times (NaT where unplaced), and masks of the rows left out and of those told apart by order.

    Raises
    ------
    BarsError
        If the zone is not known.
    """
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise BarsError(
            "an IANA time zone such as UTC, Europe/London or America/New_York",
            repr(zone),
            "correct the time zone",
        ) from None
    keys = pd.DataFrame({"group": groups.to_numpy(), "time": times.to_numpy()})
    twice = keys.duplicated(keep=False).to_numpy()
    first_pass = ~keys.duplicated(keep="first").to_numpy()
    rising = len(times) < 2 or times.iloc[0] <= times.iloc[-1]
    index = pd.DatetimeIndex(times)
    utc = index.tz_localize(zone, ambiguous="NaT", nonexistent="NaT")
    lost = np.asarray(utc.isna() & index.notna())
    ordered = lost & twice
    if ordered.any():
        summer = first_pass if rising else ~first_pass
        placed = index[ordered].tz_localize(zone, ambiguous=summer[ordered], nonexistent="NaT")
        values = utc.tz_convert("UTC").to_series(index=range(len(utc)))
        values[ordered] = placed.tz_convert("UTC")
        utc = pd.DatetimeIndex(values)
        lost &= np.asarray(utc.isna())
        ordered &= ~lost
    result = pd.Series(utc.tz_convert("UTC").as_unit("us"), index=times.index)
    return result, pd.Series(lost, index=times.index), pd.Series(ordered, index=times.index)


def _from_epoch(numbers: pd.Series) -> pd.Series:
    values = numbers.to_numpy(dtype="float64", na_value=np.nan)
    size = np.abs(values)
    # Seconds stay below 1e11 until the year 5138; each unit is a thousand times the one before.
    unit = np.select([size < 1e11, size < 1e14, size < 1e17], [1e6, 1e3, 1.0], 1e-3)
    known = np.isfinite(values)
    micros = np.full(len(values), np.iinfo(np.int64).min)  # NaT
    micros[known] = np.rint(values[known] * unit[known]).astype(np.int64)
    return pd.Series(micros.view("datetime64[us]"), index=numbers.index).dt.tz_localize("UTC")


pc: Any = pyarrow.compute  # its functions are made at import, unseen by type checkers
_EMPTY = ["", "nan", "null", "none", "na", "n/a", "#n/a", "-", "--"]


def read_numbers(values: pd.Series, decimal_comma: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of a column, and where it holds text instead.

    Empty cells and the usual words for them are NaN and not text; `1,234.5` is read as 1234.5.

    Returns
    -------
    values, text
        float64 and bool, both shape (n,); NaN where text is True.
    """
    if pd.api.types.is_numeric_dtype(values.dtype):
        return values.to_numpy(dtype="float64", na_value=np.nan), np.zeros(len(values), dtype=bool)
    cells = pa.array(values.astype("str").where(values.notna(), None), type=pa.string(), from_pandas=True)
    cells = pc.utf8_trim_whitespace(cells)
    empty = pc.is_in(pc.utf8_lower(cells), value_set=pa.array(_EMPTY))
    cells = pc.if_else(empty, pa.scalar(None, pa.string()), cells)
    if decimal_comma:
        cells = pc.replace_substring(pc.replace_substring(cells, ".", ""), ",", ".")
    try:
        numbers = pc.cast(cells, pa.float64()).to_numpy(zero_copy_only=False)
        return numbers, np.zeros(len(values), dtype=bool)
    except pa.ArrowInvalid:
        pass  # some cell is text: read cell by cell
    grouped = pc.match_substring_regex(cells, r"^[+-]?\d{1,3}(,\d{3})+(\.\d*)?$")
    cells = pc.if_else(grouped, pc.replace_substring(cells, ",", ""), cells)
    texts: pd.Series = cells.to_pandas()
    numbers = np.asarray(pd.to_numeric(texts, errors="coerce"), dtype="float64")
    filled = cells.is_valid().to_numpy(zero_copy_only=False)
    return numbers, filled & np.isnan(numbers)
