"""The parts of a written time: its date in two or three numbers, its clock, its zone."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute

pc: Any = pyarrow.compute  # its functions are made at import, unseen by type checkers

# How months begin in English, German, French, Spanish, Italian and Portuguese.
_MONTHS = (
    ("jan", "ene", "gen"), ("feb", "fev", "f\u00e9v"), ("mar", "m\u00e4r", "mrz", "maer"),
    ("apr", "abr", "avr"), ("may", "mai", "mag"), ("jun", "juin", "giu"), ("jul", "juil", "lug"),
    ("aug", "ago", "ao\u00fb", "aou"),
    ("sep", "set"), ("oct", "okt", "out", "ott"), ("nov",), ("dec", "dez", "dic", "d\u00e9c"),
)  # fmt: skip
_MONTH = rf"(?:{'|'.join(start for starts in _MONTHS for start in starts)})\pL{{0,7}}"
_WEEKDAY = r"(?:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?[.,]*\s+"
_DATE = (
    rf"(?P<a>\d{{1,4}})(?:\s*[-./]\s*|\s)(?P<b>\d{{1,2}}|{_MONTH})\.?(?:\s*[-./,]\s*|\s)(?P<c>\d{{1,4}})"
    rf"|(?P<m>{_MONTH})\.?(?:\s*[-./]\s*|\s)(?P<d>\d{{1,2}})(?:st|nd|rd|th)?(?:\s*[-./,]\s*|\s)(?P<y>\d{{2,4}})"
    rf"|(?P<gd>\d{{1,2}})(?P<gm>{_MONTH})(?P<gy>\d{{4}}|\d{{2}})"
    r"|(?P<k>\d{8}|\d{6})"
)
_CLOCK = (
    r"(?:(?P<h>\d{1,2})[:.h](?P<mi>\d{2})(?:[:.](?P<s>\d{2})(?:[.,:](?P<f>\d{1,9}))?)?|(?P<n>\d{1,9}))"
    r"(?:[-\s]*(?P<half>[ap]\.?m\b\.?))?"
)
_ZONE = (
    r"(?P<o>(?:utc|gmt|z)?\s?[+-]\d{1,2}(?::?\d{2})?)?"
    r"\s*[\[(]?(?P<z>[a-z][a-z0-9_/+-]*)?[\])]?(?:\s*\([a-z ]+\))?"
)
# A cell is cut into date and rest; a file holds each of them far less often than it has rows.
_CUT = rf"^(?P<date>(?:{_WEEKDAY})?(?:{re.sub('[(][?]P<[a-z]+>', '(?:', _DATE)}))(?P<rest>(?:\D.*)?)$"
_HEAD = rf"^(?:{_WEEKDAY})?(?:{_DATE})$"
_REST = rf"^(?:[t\s,;:_-]*{_CLOCK})?\s*{_ZONE}$"
_FLOAT = r"^(\d{6}|\d{8})\.0+$"  # a whole column that some missing cell made one of floats
_GLUED = r"^(\d{8})(\d\d|\d{4}|\d{6})$"
_PLAIN = r"^$|^\d{4}[-./]\d\d[-./]\d\d$|^\d\d[-./]\d\d[-./]\d{4}$"
_PLAIN_LENGTH = 10
MIDNIGHT = 86_400_000_000  # microseconds of a day


@dataclass(frozen=True)
class Dates:
    """Different dates taken apart, arrays of shape (m,).

    Attributes
    ----------
    matched
        The text reads as a date as far as its shape goes.
    first, second, third
        Its numbers in the order they are written, -1 where it has none; a month's name counts as its number.
    first_digits, third_digits
        How many digits they are written with: 1 to 4.
    named
        The month is a name, so that only its neighbours may be year and day; it stands in `second`.
    year_last
        The form itself says that the year comes last.
    packed, packed_digits
        The date as a number of 8 or 6 digits, -1 where it has separators.
    """

    matched: np.ndarray
    first: np.ndarray
    second: np.ndarray
    third: np.ndarray
    first_digits: np.ndarray
    third_digits: np.ndarray
    named: np.ndarray
    year_last: np.ndarray
    packed: np.ndarray
    packed_digits: np.ndarray


@dataclass(frozen=True)
class Written:
    """Cells taken apart, arrays of shape (n,) beside the m different dates.

    Attributes
    ----------
    dates, codes
        The different dates of the cells, and which of them each cell has.
    matched
        The cell reads as a time as far as its shape goes.
    clock
        Microseconds since midnight, -1 where the cell has no clock or one of bare digits.
    digits, digits_length
        The clock as bare digits (935, 093000): its value, -1 where there is none, and its length.
    half
        0 without, 1 with AM, 2 with PM.
    offset
        Microseconds that the clock is ahead of UTC; `NO_OFFSET` where none is written.
    zone
        Words of a zone in lower case, "" where there are none.
    """

    dates: Dates
    codes: np.ndarray
    matched: np.ndarray
    clock: np.ndarray
    digits: np.ndarray
    digits_length: np.ndarray
    half: np.ndarray
    offset: np.ndarray
    zone: np.ndarray


NO_OFFSET = np.iinfo(np.int64).min


def split_times(texts: pd.Series) -> Written:
    """Take written times apart; cells of another shape come back unmatched, none raises."""
    cells = pa.array(texts.astype("str"), type=pa.string(), from_pandas=True)
    if isinstance(cells, pa.ChunkedArray):
        cells = cells.combine_chunks()
    cells = pc.utf8_lower(pc.utf8_trim_whitespace(pc.fill_null(cells, "")))
    heads, rests = _cut(cells)
    head, codes = _unique(heads)
    rest, rest_codes = _unique(rests)
    dates = _dates(head)
    clocks = {name: values[rest_codes] for name, values in _clocks(rest).items()}
    matched = dates.matched[codes] & clocks.pop("matched")
    return Written(dates=dates, codes=codes, matched=matched, **clocks)


def _cut(cells: pa.Array) -> tuple[pa.Array, pa.Array]:
    cells = pc.replace_substring_regex(pc.replace_substring_regex(cells, _FLOAT, r"\1"), _GLUED, r"\1 \2")
    heads = pc.utf8_slice_codeunits(cells, 0, _PLAIN_LENGTH)
    if pc.all(pc.match_substring_regex(pc.unique(heads), _PLAIN)).as_py():
        rests = pc.utf8_slice_codeunits(cells, _PLAIN_LENGTH)
        if not pc.any(pc.match_substring_regex(pc.unique(rests), r"^\d")).as_py():
            return heads, rests
    parts = pc.extract_regex(cells, _CUT)
    return pc.struct_field(parts, "date"), pc.struct_field(parts, "rest")


def _unique(cells: pa.Array) -> tuple[pa.Array, np.ndarray]:
    coded = pc.fill_null(cells, "?").dictionary_encode()
    return coded.dictionary, coded.indices.to_numpy(zero_copy_only=False)


def _fields(cells: pa.Array, pattern: str) -> tuple[np.ndarray, dict[str, pa.Array]]:
    parts = pc.extract_regex(cells, pattern)
    names = re.findall(r"\?P<([a-z]+)>", pattern)
    fields = {name: pc.fill_null(pc.struct_field(parts, name), "") for name in names}
    return _array(parts.is_valid()), fields


def _dates(cells: pa.Array) -> Dates:
    matched, field = _fields(cells, _HEAD)
    front, glued = pc.not_equal(field["m"], ""), pc.not_equal(field["gm"], "")

    def chosen(plain: str, before: str, inside: str) -> pa.Array:
        return pc.if_else(front, field[before], pc.if_else(glued, field[inside], field[plain]))

    first, middle, third = chosen("a", "d", "gd"), chosen("b", "m", "gm"), chosen("c", "y", "gy")
    named = pc.match_substring_regex(middle, r"^\pL")
    months, codes = _unique(middle)
    return Dates(
        matched=matched,
        first=_integers(first),
        second=np.array([_month(text) for text in months.to_pylist()], dtype=np.int64)[codes],
        third=_integers(third),
        first_digits=_lengths(first),
        third_digits=_lengths(third),
        named=_array(named),
        year_last=_array(pc.or_(front, glued)),
        packed=_integers(field["k"]),
        packed_digits=_lengths(field["k"]),
    )


def _month(text: str) -> int:
    if text.isdigit():
        return int(text)
    return next((i for i, starts in enumerate(_MONTHS, 1) if text.startswith(starts)), -1)


def _clocks(cells: pa.Array) -> dict[str, np.ndarray]:
    matched, field = _fields(cells, _REST)
    hours, minutes, seconds = (np.maximum(_integers(field[name]), 0) for name in ("h", "mi", "s"))
    padded = pc.binary_join_element_wise(field["f"], "000000", "")
    fraction = _integers(pc.utf8_slice_codeunits(padded, 0, 6))
    half = np.where(
        _lengths(field["half"]) == 0, 0, np.where(_array(pc.starts_with(field["half"], "a")), 1, 2)
    )
    number = _integers(field["n"])
    bare = (number >= 0) & (half > 0)  # "10 PM": an hour alone
    written = (_lengths(field["h"]) > 0) | bare
    hours, sane = halved(np.where(bare, number, hours), half)
    clock = ((hours * 60 + minutes) * 60 + seconds) * 1_000_000 + fraction
    sane &= (minutes < 60) & (seconds < 61) & (clock <= MIDNIGHT)
    digits = np.where(bare, -1, number)
    offsets, codes = _unique(field["o"])
    return {
        "matched": matched & (sane | ~written),
        "clock": np.where(written, clock, -1),
        "digits": digits,
        "digits_length": np.where(digits >= 0, _lengths(field["n"]), 0),
        "half": half,
        "offset": np.array([_offset(text) for text in offsets.to_pylist()], dtype=np.int64)[codes],
        "zone": _array(field["z"]),
    }


def halved(hours: np.ndarray, half: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Hours of a day from those of its halves, and whether they exist: 12 AM is 0, 12 PM is 12."""
    noon = np.where((half == 2) & (hours <= 12), 12, 0)
    of_day = np.where(half > 0, np.where(hours == 12, 0, hours) + noon, hours)
    return of_day, (hours <= 24) & ~((half == 1) & (hours > 12))


def _offset(text: str) -> int:
    if not text:
        return NO_OFFSET
    sign, digits = cast(re.Match, re.search(r"([+-])([\d:]+)$", text)).groups()
    hours, minutes = digits.split(":") if ":" in digits else (digits[:-2], digits[-2:])
    if len(digits) <= 2:
        hours, minutes = digits, "0"
    size = int(hours) * 60 + int(minutes)
    return (size if sign == "+" else -size) * 60_000_000


def _integers(texts: pa.Array) -> np.ndarray:
    digits = pc.if_else(pc.match_substring_regex(texts, r"^\d+$"), texts, "-1")
    return _array(pc.cast(digits, pa.int64()))


def _lengths(texts: pa.Array) -> np.ndarray:
    return _array(pc.utf8_length(texts))


def _array(values: pa.Array) -> np.ndarray:
    return values.to_numpy(zero_copy_only=False)
