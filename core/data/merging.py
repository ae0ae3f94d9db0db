"""Where new bars of a series meet stored ones: merged into one partition, or only compared."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa

from core.data.bars import OHLCV

_ROUNDING = 1e-9  # relative; the same price through another text format


@dataclass(frozen=True)
class UpsertCount:
    """Rows that were new, and rows whose key was there already and was written over.

    `changed` counts those of the latter whose stored values became others; a value where there was none
    changes nothing.
    """

    inserted: int
    updated: int
    changed: int = 0

    def __add__(self, other: UpsertCount) -> UpsertCount:
        return UpsertCount(
            self.inserted + other.inserted, self.updated + other.updated, self.changed + other.changed
        )


def compare_bars(stored: pd.DataFrame | None, rows: pd.DataFrame) -> UpsertCount:
    """What merging `rows` into a partition comes to; both with a column ts, `rows` without repeats."""
    if stored is None:
        return UpsertCount(len(rows), 0)
    old = stored.set_index("ts")
    new = rows.set_index("ts")
    common = new.index.intersection(old.index)
    columns = [name for name in new.columns if name in old.columns]
    other = np.zeros(len(common), dtype=bool)
    for name in columns:
        before, after = (part.loc[common, name] for part in (old, new))
        if pd.api.types.is_numeric_dtype(before.dtype):
            same = np.isclose(before.to_numpy("float64"), after.to_numpy("float64"), rtol=_ROUNDING, atol=0.0)
        else:
            same = (before == after).fillna(False).to_numpy(dtype=bool)
        other |= ~same & before.notna().to_numpy()
    return UpsertCount(len(new) - len(common), len(common), int(other.sum()))


def merge_bars(stored: pd.DataFrame | None, rows: pd.DataFrame) -> pa.Table:
    """One partition of both, ascending; where both have a bar its columns in `rows` are those of `rows`."""
    rows = rows.set_index("ts")
    if stored is not None:
        stored = stored.set_index("ts")
        merged = stored.reindex(
            index=stored.index.union(rows.index), columns=stored.columns.union(rows.columns, sort=False)
        )
        merged.loc[rows.index, rows.columns] = rows
        rows = merged
    rows = rows.sort_index()
    extras = [name for name in rows.columns if name not in OHLCV]
    return pa.Table.from_pandas(rows[[*OHLCV, *extras]].rename_axis("ts").reset_index(), preserve_index=False)
