"""One series out of two sources that overlap, brought to one scale and checked where both speak."""

from __future__ import annotations

from typing import cast

import numpy as np
import pandas as pd

from core.data.bars import PRICES
from core.errors import BarsError

LEAST_OVERLAP = 20  # bars both sources must hold
TOLERANCE = 1e-3  # log return; cents on a price of ten dollars make 5e-4


def splice_bars(older: pd.DataFrame, newer: pd.DataFrame) -> pd.DataFrame:
    """Continue the series `older` with `newer`, whose bars are taken where both hold one.

    Sources differ by splits and dividends paid after the older one was recorded. The median ratios over the
    bars that both hold bring the adjusted closes and volumes of `older` to the scale of `newer`. Quoted
    prices stay as each source has them, so the seam may look like a split; without adjusted closes they are
    brought to one scale instead.

    Parameters
    ----------
    older, newer
        Bars frames of one series each, ascending, with the same instrument, timeframe and columns; `older`
        begins first, `newer` ends last.

    Returns
    -------
    DataFrame
        Bars frame: `older` up to the first bar of `newer`, then `newer` as it is.

    Raises
    ------
    BarsError
        If fewer than `LEAST_OVERLAP` bars are common, one source lacks a bar of the other inside the span
        of both, or a return (of the adjusted close where there is one) differs by more than `TOLERANCE`.
    """
    name = f"{newer['instrument'].iloc[0]} {newer['timeframe'].iloc[0]}"
    old, new = _overlap(older, newer, name)
    judged = "adj_close" if "adj_close" in newer.columns else "close"
    _refuse_other_returns(old, new, judged, name)
    factors = dict.fromkeys(["adj_close"] if judged == "adj_close" else PRICES, _ratio(old, new, judged))
    factors["volume"] = _ratio(old, new, "volume")
    before = older.loc[older["ts"] < newer["ts"].iloc[0]]
    scaled = before.assign(**{column: before[column] * factor for column, factor in factors.items()})
    return pd.concat([scaled, newer], ignore_index=True)


def _ratio(old: pd.DataFrame, new: pd.DataFrame, column: str) -> float:
    numerator, denominator = new[column].to_numpy(), old[column].to_numpy()
    both = (numerator > 0) & (denominator > 0)
    return float(np.median(numerator[both] / denominator[both])) if both.any() else 1.0


def _overlap(older: pd.DataFrame, newer: pd.DataFrame, name: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    first, last = newer["ts"].iloc[0], older["ts"].iloc[-1]
    old, new = (
        cast(pd.DataFrame, bars.loc[bars["ts"].between(first, last)].set_index("ts"))
        for bars in (older, newer)
    )
    common = len(old.index.intersection(new.index))
    if common < LEAST_OVERLAP:
        raise BarsError(
            f"two sources of {name} with {LEAST_OVERLAP} bars in common",
            str(common),
            "choose sources that overlap longer",
        )
    alone = old.index.symmetric_difference(new.index)
    if len(alone):
        raise BarsError(
            f"the same bars in two sources of {name} where they overlap",
            f"{len(alone)} that only one holds, the first on {alone[0]:%Y-%m-%d %H:%M}",
            "keep the two apart",
        )
    return old, new


def _refuse_other_returns(old: pd.DataFrame, new: pd.DataFrame, column: str, name: str) -> None:
    differences = np.abs(np.diff(np.log(new[column].to_numpy() / old[column].to_numpy())))
    # A missing price compares as false and must not pass for agreement.
    wrong = np.flatnonzero(~(differences <= TOLERANCE))
    if len(wrong):
        raise BarsError(
            f"returns of {column} within {TOLERANCE:g} of each other in two sources of {name}",
            f"a difference of {differences[wrong[0]]:.3g} on {new.index[wrong[0] + 1]:%Y-%m-%d %H:%M}",
            "keep the two apart",
        )
