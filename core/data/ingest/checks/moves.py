"""What prices do from bar to bar that prices of a traded market seldom do."""

from __future__ import annotations

from typing import cast

import numpy as np
import pandas as pd

from core.data.bars import PRICES, adjust_prices, has_no_range, is_filled_in, one_column
from core.data.findings import FROZEN_RUN, OUTLIER_LIMIT, Finding, make_finding
from core.data.ingest.checks.spacing import say_time

_MEMORY = 250  # returns a robust scale is taken over
_LEAST = 30  # returns needed before an outlier is called one
_ROBUST = 1.4826
_THROUGHOUT = 0.95
_LARGE = 0.3  # log return; called a break where too few returns are known to judge it by
_SPLITS = (2, 3, 4, 5, 6, 7, 8, 10, 15, 20, 25, 50, 100, 1.5)
_LIKE_SPLIT = 0.08  # log; what a day may add to a split


def find_moves(bars: pd.DataFrame, before: pd.DataFrame, series: tuple[str, str]) -> list[Finding]:
    """Outliers, frozen and filled-in prices, bars of one price, and an adjusted close that jumps alone.

    Parameters
    ----------
    bars, before
        Clean bars of one series, and those known before them, as in `core.data.ingest.quality.check_chunk`.
    """
    # A bar that came again was judged the first time; its neighbours may not be at hand now.
    again = bars["ts"].isin(before["ts"]).to_numpy()
    whole = pd.concat([before.loc[~before["ts"].isin(bars["ts"])], bars], ignore_index=True)
    fresh = np.concatenate([np.zeros(len(whole) - len(bars), dtype=bool), ~again])
    order = np.argsort(whole["ts"].to_numpy(), kind="stable")
    whole, fresh = whole.iloc[order].reset_index(drop=True), fresh[order]
    return [*_find_jumps(whole, fresh, series), *_find_still(whole, fresh, series)]


def find_break(older: pd.DataFrame, newer: pd.DataFrame, series: tuple[str, str]) -> list[Finding]:
    """Whether bars of two sources that follow each other join: at most one finding, at the newer's first bar.

    Parameters
    ----------
    older, newer
        Clean bars of one series, ascending, every bar of `older` before those of `newer`; may be empty.
    """
    if older.empty or newer.empty:
        return []
    whole = pd.concat([older, newer], ignore_index=True)
    returns = np.log(adjust_prices(whole)["close"].to_numpy(float))
    returns, seam = np.diff(returns), len(older) - 1
    move, others = returns[seam], np.abs(np.delete(returns, seam))
    opens = _opens(whole)
    limit = _LARGE
    if len(others) >= _LEAST:
        usual_step = np.median(np.diff(opens).astype(np.int64))
        bars_apart = max((opens[seam + 1] - opens[seam]).astype(np.int64) / usual_step, 1.0)
        limit = OUTLIER_LIMIT * _ROBUST * float(np.median(others)) * np.sqrt(bars_apart)
    if not abs(move) > max(limit, 1e-12):
        return []
    example = (
        f"{np.expm1(move):+.1%} between {say_time(opens[seam])} and {say_time(opens[seam + 1])}"
        f"{_split_text(move)}."
    )
    return [make_finding(series, "join", "flagged", opens[seam + 1 : seam + 2], example)]


def _split_text(move: float) -> str:
    factor = min(_SPLITS, key=lambda ratio: abs(abs(move) - np.log(ratio)))
    if abs(abs(move) - np.log(factor)) > _LIKE_SPLIT:
        return ""
    said = f"{factor:g} to 1" if move < 0 else f"1 to {factor:g}"
    return f", as if a split of {said} lay between them that one side is adjusted for"


def _find_jumps(whole: pd.DataFrame, fresh: np.ndarray, series: tuple[str, str]) -> list[Finding]:
    # A split moves the close and not the adjusted close: returns are taken from the latter.
    closes = whole["close"]
    if "adj_close" in whole.columns:
        closes = whole["adj_close"].where(whole["adj_close"] > 0, closes)
    returns = cast(pd.Series, np.log(closes)).diff()
    scale = _ROBUST * returns.abs().rolling(_MEMORY, min_periods=_LEAST).median().shift(1)
    if fresh.all() and len(returns) > _LEAST:
        scale = scale.fillna(_ROBUST * returns.iloc[:_MEMORY].abs().median())
    strange = ((returns.abs() > OUTLIER_LIMIT * scale) & (scale > 0)).to_numpy() & fresh
    if not strange.any():
        return []
    opens, size = _opens(whole), returns.to_numpy()
    worst = int(np.argmax(np.where(strange, np.abs(size), 0)))
    example = f"The largest is {np.expm1(size[worst]):+.1%} at {say_time(opens[worst])}."
    found = [make_finding(series, "outliers", "flagged", opens[strange], example)]
    traded = cast(pd.Series, np.log(one_column(whole, "close"))).diff()
    alone = strange & (traded.abs() <= OUTLIER_LIMIT * scale).to_numpy()
    if alone.any():
        first = int(alone.argmax())
        example = (
            f"First at {say_time(opens[first])}: {np.expm1(size[first]):+.1%} adjusted, "
            f"{np.expm1(traded[first]):+.1%} as traded."
        )
        found.append(make_finding(series, "adj_close", "flagged", opens[alone], example))
    return found


def _find_still(whole: pd.DataFrame, fresh: np.ndarray, series: tuple[str, str]) -> list[Finding]:
    opens, found = _opens(whole), []
    single = has_no_range(whole) & fresh
    if fresh.any() and single.sum() >= _THROUGHOUT * fresh.sum():
        example = "A fund's net asset value is such a price: nothing of a range can be measured."
        return [make_finding(series, "range", "flagged", opens[single], example)]
    filled = is_filled_in(whole) & fresh
    if filled.any():
        found.append(make_finding(series, "filled", "flagged", opens[filled]))
    same = cast(pd.Series, (whole[PRICES].diff() == 0).all(axis=1))
    run = cast(pd.Series, same.groupby((~same).cumsum()).transform("size"))
    frozen = (same & (run >= FROZEN_RUN)).to_numpy() & fresh & ~filled
    if frozen.any():
        found.append(make_finding(series, "frozen", "flagged", opens[frozen]))
    return found


def _opens(bars: pd.DataFrame) -> np.ndarray:
    return bars["ts"].to_numpy(dtype="datetime64[us]")
