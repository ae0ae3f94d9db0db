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

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = r"(?:jan|feb|mar|apr|may|june?|july?|aug|sept?|oct|nov|dec)[a-z]{0,6}"
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
_GLUED = r"^(\d{8})(\d\d|\d{4}|\d{6})$"
_PLAIN = r"^$|^\d{4}[-./]\d\d[-./]\d\d$|^\d\d[-./]\d\d[-./]\d{4}$"
_PLAIN_LENGTH = 10
MIDNIGHT = 86_400_000_000  # microseconds of a day


@dataclass(frozen=True)
class Written:
    """Cells taken apart, arrays of shape (n,).

    Attributes
    ----------
    matched
        The cell reads as a time as far as its shape goes.
    first, second, third
        Numbers of the date in the order they are written; a month's name counts as its number.
    first_digits, third_digits
        How many digits they are written with: 1 to 4.
    named
        The month is a name, so that only its neighbours may be year and day; it stands in `second`.
    year_last
        The form itself says that the year comes last.
    packed
        The date as a number of 8 or 6 digits, -1 where it has separators.
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
    clock: np.ndarray
    digits: np.ndarray
    digits_length: np.ndarray
    half: np.ndarray
    offset: np.ndarray
    zone: np.ndarray


NO_OFFSET = np.iinfo(np.int64).min


def split_times(texts: pd.Series) -> Written:
    """Take written times apart; cells of another shape come back unmatched, none raises."""
    cells = pa.array(texts.astype("str").where(texts.notna(), ""), type=pa.string(), from_pandas=True)
    cells = pc.utf8_lower(pc.utf8_trim_whitespace(pc.fill_null(cells, "")))
    heads, rests = _cut(cells)
    head, head_codes = _unique(heads)
    rest, rest_codes = _unique(rests)
    dates = {name: values[head_codes] for name, values in _dates(head).items()}
    clocks = {name: values[rest_codes] for name, values in _clocks(rest).items()}
    matched = dates.pop("matched") & clocks.pop("matched")
    return Written(matched=matched, **dates, **clocks)


def _cut(cells: pa.Array) -> tuple[pa.Array, pa.Array]:
    cells = pc.replace_substring_regex(cells, _GLUED, r"\1 \2")
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


def _fields(cells: pa.Array, pattern: str) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    parts = pc.extract_regex(cells, pattern)
    matched = parts.is_valid().to_numpy(zero_copy_only=False)
    names = re.findall(r"\?P<([a-z]+)>", pattern)
    fields = {
        name: pc.fill_null(pc.struct_field(parts, name), "").to_numpy(zero_copy_only=False) for name in names
    }
    return matched, fields


def _dates(cells: pa.Array) -> dict[str, np.ndarray]:
    matched, field = _fields(cells, _HEAD)
    rows = range(len(cells))
    a, b, c = field["a"], field["b"], field["c"]
    front, glued = field["m"] != "", field["gm"] != ""
    first = np.array(
        [field["d"][i] if front[i] else field["gd"][i] if glued[i] else a[i] for i in rows], object
    )
    middle = np.array(
        [field["m"][i] if front[i] else field["gm"][i] if glued[i] else b[i] for i in rows], object
    )
    third = np.array(
        [field["y"][i] if front[i] else field["gy"][i] if glued[i] else c[i] for i in rows], object
    )
    named = np.array([text[:1].isalpha() for text in middle], dtype=bool)
    return {
        "matched": matched,
        "first": _integers(first),
        "second": np.array([_month(text) for text in middle], dtype=np.int64),
        "third": _integers(third),
        "first_digits": _lengths(first),
        "third_digits": _lengths(third),
        "named": named,
        "year_last": front | glued,
        "packed": _integers(field["k"]),
        "packed_digits": _lengths(field["k"]),
    }


def _month(text: str) -> int:
    if text[:1].isalpha():
        return _MONTHS.index(text[:3]) + 1
    return int(text) if text else -1


def _clocks(cells: pa.Array) -> dict[str, np.ndarray]:
    matched, field = _fields(cells, _REST)
    hours, minutes, seconds = (np.maximum(_integers(field[name]), 0) for name in ("h", "mi", "s"))
    fraction = np.array([int((text + "000000")[:6]) if text else 0 for text in field["f"]], dtype=np.int64)
    half = np.array([0 if not text else 1 if text[0] == "a" else 2 for text in field["half"]], dtype=np.int64)
    written = field["h"] != ""
    bare = (field["n"] != "") & (half > 0)  # "10 PM": an hour alone
    hours = np.where(bare, np.maximum(_integers(field["n"]), 0), hours)
    hours, sane = halved(hours, half)
    clock = ((hours * 60 + minutes) * 60 + seconds) * 1_000_000 + fraction
    sane &= (minutes < 60) & (seconds < 61) & (clock <= MIDNIGHT)
    digits = np.where(bare, -1, _integers(field["n"]))
    return {
        "matched": matched & (sane | ~(written | bare)),
        "clock": np.where(written | bare, clock, -1),
        "digits": digits,
        "digits_length": np.where(digits >= 0, _lengths(field["n"]), 0),
        "half": half,
        "offset": np.array([_offset(text) for text in field["o"]], dtype=np.int64),
        "zone": field["z"],
    }


def halved(hours: np.ndarray, half: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Hours of a day from those of its halves, and whether they exist: 12 AM is 0, 12 PM is 12."""
    of_day = np.where(
        half > 0, np.where(hours == 12, 0, hours) + np.where((half == 2) & (hours <= 12), 12, 0), hours
    )
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


def _integers(texts: np.ndarray) -> np.ndarray:
    return np.array([int(text) if text else -1 for text in texts], dtype=np.int64)


def _lengths(texts: np.ndarray) -> np.ndarray:
    return np.array([len(text) for text in texts], dtype=np.int64)
