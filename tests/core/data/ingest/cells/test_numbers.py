from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.data.ingest.cells.numbers import DecimalEvidence, holds_numbers, read_numbers
from core.data.ingest.cells.order import UndecidedError
from core.errors import BarsError


def number(cell: str, comma: bool = False) -> float | None:
    values, text = read_numbers(pd.Series([cell, "1"]), comma)
    return None if text[0] else float(values[0])


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("$190.89", 190.89), ("-$1,234.50", -1234.5), ("US$ 5", 5.0), ("12.5 USD", 12.5),
        ("\u20b91,23,456.7", 123456.7),
        ("1,207.40M", 1_207_400_000.0), ("1089.10M", 1_089_100_000.0), ("1.5b", 1.5e9), ("12K", 12_000.0),
        ("2.5T", 2.5e12), ("3.2\u4e07", 32_000.0), ("0.56%", 0.0056), ("-0.56 %", -0.0056), ("+5", 5.0),
        ("1'234.50", 1234.5), ("1 234.5", 1234.5), ("1\u202f234", 1234.0), ("(5.5)", -5.5),
        ("\u22121.5", -1.5),
        ("1e-5", 1e-5), ("1.5E+03", 1500.0), (".5", 0.5), ("5.", 5.0), ("1,234,567", 1_234_567.0),
        (" 7 ", 7.0),
    ],
)  # fmt: skip
def test_what_stands_around_a_number_is_read_with_it(cell, value):
    assert number(cell) == value
    swapped = cell.translate(str.maketrans(".,", ",."))
    assert number(swapped, comma=True) == value


@pytest.mark.parametrize("cell", ["1.234,5", "12 34", "1,2,3", "abc", "1.2.3", "5x", "1,23", "0,123", "1m2"])
def test_what_is_no_number_stays_text(cell):
    assert number(cell) is None


@pytest.mark.parametrize("cell", ["", "null", "NaN", "N/A", "-", "\u2013", "  "])
def test_words_for_nothing_are_neither_number_nor_text(cell):
    assert np.isnan(number(cell))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(-1e12, 1e12), min_size=1, max_size=10))
def test_numbers_survive_both_ways_of_writing(values):
    rounded = [round(value, 2) for value in values]
    cells = pd.Series([f"{value:,.2f}" for value in rounded])
    np.testing.assert_array_equal(read_numbers(cells)[0], rounded)
    swapped = cells.str.translate(str.maketrans(".,", ",."))
    np.testing.assert_array_equal(read_numbers(swapped, decimal_comma=True)[0], rounded)


def test_a_column_holds_numbers_of_either_kind():
    assert holds_numbers(pd.Series(["0,52%", "1.234,5"]))
    assert holds_numbers(pd.Series(["$1,234.5", ""]))
    assert not holds_numbers(pd.Series(["1", "calm"]))
    assert not holds_numbers(pd.Series(["", None]))


def decide(given=None, **columns: list[str]) -> bool:
    evidence = DecimalEvidence()
    for name, cells in columns.items():
        for start in range(0, len(cells), 2):
            part = pd.Series(cells[start : start + 2])
            lines = pd.RangeIndex(2 + start, 2 + start + len(part))
            evidence.add(name, part, lines, main=name in ("close", "volume"), price=name == "close")
    return evidence.decide(given)


@pytest.mark.parametrize(
    ("columns", "comma"),
    [
        ({"close": ["149.32", "150.10"]}, False),
        ({"close": ["149,32", "150,10"]}, True),
        ({"close": ["149.123", "150.189"]}, False),
        ({"close": ["149,123", "150,189", "150,2"]}, True),
        ({"close": ["149,123"], "volume": ["1,234,567"]}, False),
        ({"close": ["149,123"], "volume": ["1.234.567"]}, True),
        ({"close": ["149,123"], "change": ["0,52%"]}, True),
        ({"close": ["149,123"], "change": ["0.52%"]}, False),
        ({"close": ["149,123", "149"]}, True),
        ({"close": ["987", "998", "1,001"]}, False),
        ({"close": ["987", "998", "1.001"]}, True),
        ({"close": ["149.32"], "volume": ["1,234"]}, False),
        ({"close": ["0,123", "0,124"]}, True),
        ({"close": ["38,493.38", "39,030.86"]}, False),
        ({"close": ["100", "101"]}, False),
    ],
)
def test_all_columns_and_rows_tell_thousands_from_decimals(columns, comma):
    assert decide(**columns) is comma


def test_what_may_be_both_is_asked_about_and_followed():
    cells = ["149,123", "150,189"]
    with pytest.raises(
        UndecidedError, match=r"'149,123' in line 2 of column 'close'.*149.123 or 149123.*--decimal"
    ):
        decide(close=cells)
    assert decide("comma", close=cells) is True
    assert decide("point", close=cells) is False


def test_two_signs_in_one_file_are_refused_with_both_cells():
    with pytest.raises(BarsError, match=r"'1.5' in line 2 of column 'close' and '1,5' in line 3"):
        decide(close=["1.5", "1,5"])


def test_a_sign_that_is_given_and_contradicted_is_refused():
    with pytest.raises(BarsError, match=r"decimal comma, got '1.5' in line 2 .*give --decimal point"):
        decide("comma", close=["1.5"])
