"""Numbers as files write them: with groups of thousands, a decimal comma, a currency, %, K, M or B."""

from __future__ import annotations

from typing import Any, Literal, cast

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute

from core.data.ingest.cells.order import UndecidedError
from core.errors import BarsError

pc: Any = pyarrow.compute  # its functions are made at import, unseen by type checkers

Decimal = Literal["point", "comma"]
DECIMALS: tuple[Decimal, ...] = ("point", "comma")

_EMPTY = ["", "nan", "null", "none", "na", "n/a", "n.a.", "#n/a", "-", "--", "\u2013", "\u2014", "."]
_SPACES = "[\\s'\u2019\u00a0\u2009\u202f]"
_CURRENCY = (
    r"(?:us|au|ca|hk|nz|[acsr])?\$|[" + "\u20ac\u00a3\u00a5\u20b9\u20a9\u20bd\u20bf\u0e3f" + r"]|\brs\.?"
    r"|\b(?:usd|eur|gbp|jpy|chf|inr|cad|aud|cny|krw|usdt)\b"
)
_UNITS = {
    "%": -2, "k": 3, "tsd": 3, "m": 6, "mn": 6, "mio": 6, "b": 9, "bn": 9, "mrd": 9, "t": 12,
    "\u4e07": 4, "\u4ebf": 8,
}  # fmt: skip
_PARTS = (
    r"^(?P<sign>[+-]?)(?P<digits>[\d.,]*\d[.,]?)(?:e(?P<power>[+-]?\d{1,3}))?"
    rf"(?P<unit>{'|'.join(sorted(_UNITS, key=len, reverse=True))})?\.?$"
)
_POINT = r"^(?:[1-9]\d{0,2}(?:,\d{2,3})*,\d{3}|\d+)?(?:\.\d*)?$"
_COMMA = r"^(?:[1-9]\d{0,2}(?:\.\d{2,3})*\.\d{3}|\d+)?(?:,\d*)?$"
_FAR = np.log(30.0)  # prices of one file lie closer together than this
_KEPT = 10_000  # cells looked at for that


def read_numbers(values: pd.Series, decimal_comma: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of a column, and where it holds text instead.

    Empty cells and the usual words for them are NaN and not text. Groups of thousands and signs of a
    currency are taken off, K, M, B and T multiply, and 0.5% is 0.005.

    Parameters
    ----------
    decimal_comma
        Read 1.234,5 rather than 1,234.5; a cell of the other kind is text.

    Returns
    -------
    values, text
        float64 and bool, both shape (n,); NaN where text is True.
    """
    if pd.api.types.is_numeric_dtype(values.dtype):
        return values.to_numpy(dtype="float64", na_value=np.nan), np.zeros(len(values), dtype=bool)
    plain = None if decimal_comma else _cast(_strings(values))
    if plain is not None:
        return plain, np.zeros(len(values), dtype=bool)
    cells = _filled(values)
    if not decimal_comma or not pc.any(pc.match_substring(cells, ".")).as_py():
        plain = _cast(cells)
        if plain is not None:
            return plain, np.zeros(len(values), dtype=bool)
    parts = _split(cells)
    digits, others = parts["digits"], (".", ",") if decimal_comma else (",", ".")
    sane = pc.match_substring_regex(digits, _COMMA if decimal_comma else _POINT)
    digits = pc.replace_substring(pc.replace_substring(digits, others[0], ""), others[1], ".")
    powers = np.array([int(text or 0) for text in parts["power"].to_pylist()], dtype=np.int64)
    powers += np.array([_UNITS.get(text or "", 0) for text in parts["unit"].to_pylist()], dtype=np.int64)
    # A power in the text rounds once: 1089.10e6, where 1089.10 * 1e6 would round twice.
    written = pc.binary_join_element_wise(parts["sign"], digits, "e", pa.array(powers.astype(str)), "")
    numbers = np.asarray(
        pd.to_numeric(pc.if_else(sane, written, None).to_pandas(), errors="coerce"), dtype="float64"
    )
    return numbers, cells.is_valid().to_numpy(zero_copy_only=False) & np.isnan(numbers)


def holds_numbers(sample: pd.Series) -> bool:
    """Whether every filled cell reads as a number, with either sign of decimals, and some cell is filled."""
    for comma in (False, True):
        values, text = read_numbers(sample, comma)
        if not text.any():
            return bool(np.isfinite(values).any())
    return False


class DecimalEvidence:
    """What all columns and rows of a file say about the sign of its decimals; `add` them, then `decide`."""

    def __init__(self) -> None:
        self._proof: dict[tuple[str, bool], tuple[str, int, str]] = {}
        self._either: dict[str, tuple[str, int, str]] = {}
        self._grouped: list[np.ndarray] = []
        self._bare: list[np.ndarray] = []
        self._kept = 0

    def add(self, column: str, cells: pd.Series, lines: pd.Index, main: bool, price: bool) -> None:
        """Take in cells of one column with their line numbers, shape (n,).

        Parameters
        ----------
        main
            The column is a price or the volume; others speak only where these do not.
        price
            Its values lie close to one another.
        """
        if not pd.api.types.is_string_dtype(cells.dtype) and cells.dtype != object:
            return
        if ("point", main) in self._proof and _cast(_strings(cells)) is not None:
            return  # digits with one point at most say nothing new
        filled = _filled(cells)
        if not pc.any(pc.match_substring_regex(filled, "[.,]")).as_py():
            if price:
                self._keep(filled)
            return
        if ("point", main) in self._proof and _cast(filled) is not None:
            return  # digits with one point at most say nothing new
        parts = _split(filled)
        digits = parts["digits"]
        exact = pc.or_kleene(pc.not_equal(parts["power"], ""), pc.starts_with(digits, "0"))
        shape = {
            "point": r"^[\d,]*,[\d,]*\.\d*$|^\d{1,3}(,\d{2,3})+,\d{3}$",
            "comma": r"^[\d.]*\.[\d.]*,\d*$|^\d{1,3}(\.\d{2,3})+\.\d{3}$",
        }
        single = {"point": r"^\d*\.\d*$", "comma": r"^\d*,\d*$"}
        thousands = {"point": r"^\d{1,3}\.\d{3}$", "comma": r"^\d{1,3},\d{3}$"}
        for sign in DECIMALS:
            one = pc.match_substring_regex(digits, single[sign])
            unclear = pc.and_not(pc.match_substring_regex(digits, thousands[sign]), exact)
            proven = pc.or_(pc.match_substring_regex(digits, shape[sign]), pc.and_not(one, unclear))
            self._note(self._proof, (sign, main), proven, column, cells, lines)
            if main:
                self._note(self._either, sign, unclear, column, cells, lines)
                if price:
                    self._keep(pc.filter(digits, pc.fill_null(unclear, False)))
        if price:
            self._keep(pc.filter(digits, pc.fill_null(pc.match_substring_regex(digits, r"^\d+$"), False)))

    def decide(self, given: Decimal | None = None) -> bool:
        """Whether decimals follow a comma in this file.

        Raises
        ------
        BarsError
            If cells contradict each other or the sign that is `given`.
        UndecidedError
            If 149,123 may be both.
        """
        proven = [sign for sign in DECIMALS if (sign, True) in self._proof]
        if given is not None:
            other: Decimal = "comma" if given == "point" else "point"
            if other in proven:
                fix = "leave it out" if given in proven else f"give --decimal {other}"
                raise BarsError(f"numbers with a decimal {given}", _cell(self._proof[other, True]), fix)
            return given == "comma"
        if len(proven) > 1:
            cells = " and ".join(_cell(self._proof[sign, True]) for sign in DECIMALS)
            raise BarsError("one sign for decimals in the whole file", cells, "write one of them")
        if proven:
            return proven[0] == "comma"
        near = self._nearer()
        if near is not None:
            return near
        if "comma" not in self._either:
            return False
        beside = [sign for sign in DECIMALS if (sign, False) in self._proof]
        if len(beside) == 1:
            return beside[0] == "comma"
        cell = self._either["comma"]
        text = cell[2].strip()
        raise UndecidedError(
            "numbers that can be read in one way only",
            f"{_cell(cell)}, which may be {text.replace(',', '.')} or {text.replace(',', '')}",
            "say which with --decimal comma or --decimal point",
            "decimal",
        )

    def _nearer(self) -> bool | None:
        """What the prices say that have neither sign: 987 stands beside 1,001 and not beside 1.001."""
        if not self._grouped or not self._bare:
            return None
        bare = np.log(np.median(np.concatenate(self._bare)))
        whole = np.log(np.median(np.concatenate(self._grouped)))
        as_thousands, as_decimals = abs(whole - bare), abs(whole - np.log(1000.0) - bare)
        if min(as_thousands, as_decimals) >= _FAR or max(as_thousands, as_decimals) < _FAR:
            return None
        grouped_by_comma = "comma" in self._either
        return grouped_by_comma != bool(as_thousands < as_decimals)

    def _keep(self, digits: pa.Array) -> None:
        if self._kept >= _KEPT or len(self._either) > 1:
            return
        texts = cast(pd.Series, digits.to_pandas()).dropna()
        separated = texts.str.contains("[.,]", regex=True)
        numbers = np.asarray(pd.to_numeric(texts.str.replace("[.,]", "", regex=True), errors="coerce"))
        for kept, rows in ((self._grouped, separated.to_numpy()), (self._bare, ~separated.to_numpy())):
            found = numbers[rows]
            found = found[np.isfinite(found) & (found > 0)]
            if len(found):
                kept.append(found)
                self._kept += len(found)

    def _note(
        self, known: dict, key: Any, mask: pa.Array, column: str, cells: pd.Series, lines: pd.Index
    ) -> None:
        if key not in known:
            rows = pc.fill_null(mask, False).to_numpy(zero_copy_only=False)
            if rows.any():
                row = int(rows.argmax())
                known[key] = (column, int(lines[row]), str(cells.iloc[row]))


def _cell(where: tuple[str, int, str]) -> str:
    column, line, text = where
    return f"{text.strip()[:40]!r} in line {line} of column {column!r}"


def _cast(cells: pa.Array) -> np.ndarray | None:
    try:
        return pc.cast(cells, pa.float64()).to_numpy(zero_copy_only=False)
    except pa.ArrowInvalid:
        return None


def _strings(values: pd.Series) -> pa.Array:
    texts = values.astype("str")
    missing = values.isna() if texts.dtype != values.dtype else None
    cells = pa.array(texts, type=pa.string(), from_pandas=True, mask=missing)
    return cells.combine_chunks() if isinstance(cells, pa.ChunkedArray) else cells


def _filled(values: pd.Series) -> pa.Array:
    cells = pc.utf8_trim_whitespace(_strings(values))
    empty = pc.is_in(pc.utf8_lower(cells), value_set=pa.array(_EMPTY))
    return pc.if_else(empty, pa.scalar(None, pa.string()), cells)


def _split(cells: pa.Array) -> dict[str, pa.Array]:
    cells = pc.utf8_lower(cells)
    cells = pc.replace_substring_regex(cells, "^\u2212", "-")
    cells = pc.replace_substring_regex(cells, _CURRENCY, "")
    cells = pc.replace_substring_regex(cells, r"^\s*\((.*)\)\s*$", r"-\1")
    grouped = rf"^\D*\d{{1,3}}(?:{_SPACES}\d{{3}})+(?:[.,]\d*)?(?:\D*|e.*)$"
    loose = pc.replace_substring_regex(cells, _SPACES, "")
    apart = rf"\d{_SPACES}+\d"
    keep = pc.and_not(pc.match_substring_regex(cells, apart), pc.match_substring_regex(cells, grouped))
    cells = pc.if_else(keep, cells, loose)
    parts = pc.extract_regex(cells, _PARTS)
    return {name: pc.struct_field(parts, name) for name in ("sign", "digits", "power", "unit")}
