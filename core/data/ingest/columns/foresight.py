"""Columns that know more than their bar can: labels and the future, by name or by what they foretell."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
import pandas as pd

from core.data.bars import one_column
from core.data.ingest.cells.numbers import read_numbers
from core.data.ingest.cells.times import TimeStyle, read_times
from core.data.ingest.columns.words import plain, stored_name
from core.data.ingest.containers.table import Table

_WORDS = re.compile(
    r"(?:^|_)(?:target|targets|label|labels|lookahead|future|tomorrow|tomorrows|y_true|ground_truth|"
    r"(?:next|fwd|forward|ahead|lead|leading|nextday)_?(?:\d+_?)?[a-z]{0,3}_?"
    r"(?:ret|return|returns|close|open|high|low|price|change|move|direction|day|bar|up|vol|volatility|log))"
    r"(?:_|\d|$)|^y\d?$|t_?plus_?\d|shift_+\d"
)
_RAW = re.compile(r"t\s*\+\s*\d|shift\(?\s*-\s*\d", re.IGNORECASE)
_HORIZONS = (1, 2, 3, 5, 10)
_LEAST_SPANS = 30
_MOST = 0.75
"""Rank correlation with a later return that no market gives: the sign of the next return alone has .87, pure
bouncing between bid and ask at most .7."""


def find_suspects(table: Table, meanings: Mapping[str, str], style: TimeStyle | None) -> dict[str, str]:
    """Feature columns that look like a label or like the future, each with the reason.

    A column foretells where, over the first rows of the file's commonest instrument, its ranks or those of
    its distance from the close go with the ranks of the return over the next 1 to 10 bars.
    """
    features = [column for column, meaning in meanings.items() if meaning == "feature"]
    found = {
        column: "whose name is that of a label or of the future"
        for column in features
        if _WORDS.search(plain(column)) or _RAW.search(column)
    }
    rows = _ordered_rows(table, meanings, style)
    close = next((column for column, meaning in meanings.items() if meaning == "close"), None)
    if close is None or rows is None:
        return found
    prices, _ = read_numbers(one_column(rows, close))
    with np.errstate(invalid="ignore", divide="ignore"):
        logs = np.log(np.where(prices > 0, prices, np.nan))
        for column in features:
            values, _ = read_numbers(one_column(rows, column))
            if column in found or stored_name(column) == "adj_close" or not np.isfinite(values).any():
                continue
            distance = np.log(np.where(values > 0, values, np.nan)) - logs
            for horizon in _HORIZONS:
                later = logs[horizon:] - logs[:-horizon] if len(logs) > horizon else logs[:0]
                match = max(
                    _rank_correlation(side[: len(later)], later, horizon) for side in (values, distance)
                )
                if match > _MOST:
                    bars = "bar" if horizon == 1 else f"{horizon} bars"
                    found[column] = (
                        f"which goes with the return of the next {bars} at a rank correlation of "
                        f"{match:.2f}, as nothing known at the time does"
                    )
                    break
    return found


def _ordered_rows(table: Table, meanings: Mapping[str, str], style: TimeStyle | None) -> pd.DataFrame | None:
    time = next((column for column, meaning in meanings.items() if meaning == "ts"), None)
    if time is None or style is None:
        return None
    rows = table.sample
    instrument = next((column for column, meaning in meanings.items() if meaning == "instrument"), None)
    if instrument is not None:
        names = one_column(rows, instrument).astype("str")
        rows = rows.loc[names == names.mode().iloc[0]]
    times = read_times(one_column(rows, time), style)
    return rows.loc[times.dropna().sort_values(kind="stable").index]


def _rank_correlation(values: np.ndarray, later: np.ndarray, horizon: int) -> float:
    known = np.isfinite(values) & np.isfinite(later)
    if known.sum() < _LEAST_SPANS * horizon:
        return 0.0
    ranks = np.array([pd.Series(side[known]).rank().to_numpy() for side in (values, later)])
    ranks -= ranks.mean(axis=1, keepdims=True)
    whole = np.linalg.norm(ranks, axis=1)
    if (values[known] == values[known][0]).all():
        return 0.0
    # What only rises with time, and returns that only fall with it, know nothing of each other.
    time = np.arange(ranks.shape[1]) - (ranks.shape[1] - 1) / 2
    ranks -= np.outer(ranks @ time, time) / (time @ time)
    spread = np.linalg.norm(ranks, axis=1)
    if (spread <= 0.1 * whole).any():
        return 0.0
    return float(abs(ranks[0] @ ranks[1]) / spread.prod())
