"""Numbers as files write them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute

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
