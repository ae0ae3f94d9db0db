"""The quality gate: what is wrong with a series of bars, and what was done about it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

import numpy as np
import pandas as pd
import pandera.pandas as pa
from pandera.errors import SchemaErrors

from core.data.bars import as_bars
from core.data.calendar import missing_before
from core.data.findings import (
    FROZEN_RUN,
    OUTLIER_LIMIT,
    Finding,
    findings_table,
    make_finding,
    merge_findings,
)
from core.errors import BarsError
from core.timeframe import duration

CONTEXT_BARS = 500  # clean bars before a chunk that judge it as the whole series would
_PRICES = ["open", "high", "low", "close"]
_MEMORY = 250  # returns a robust scale is taken over
_LEAST = 30  # returns needed before an outlier is called one
_SLACK = 1e-9  # relative; adjusted or converted prices differ from their own extremes by rounding

# Row checks in the order in which a row that fails several is put down to one.
_ROW_CHECKS = pa.DataFrameSchema(
    {
        "ts": pa.Column(pd.DatetimeTZDtype("us", "UTC")),
        **{name: pa.Column("float64", nullable=True) for name in [*_PRICES, "volume"]},
    },
    checks=[
        pa.Check(lambda bars: np.isfinite(bars[_PRICES]).all(axis=1), name="missing", ignore_na=False),
        pa.Check(lambda bars: ~(bars[_PRICES] <= 0).any(axis=1), name="non_positive", ignore_na=False),
        pa.Check(lambda bars: ~_outside(bars), name="high_low", ignore_na=False),
    ],
)


@dataclass(frozen=True)
class QualityReport:
    """Bars that may be stored, and what was found on the way to them."""

    clean: pd.DataFrame
    found: tuple[Finding, ...]

    @cached_property
    def findings(self) -> pd.DataFrame:
        """One row per finding: series, check, verdict, first and last ts, rows, detail, row_ts."""
        return findings_table(self.found)


def check_bars(bars: pd.DataFrame) -> QualityReport:
    """Check one or several series; drop, repair or flag, and say so.

    Dropped: exact duplicates, bars without four finite positive prices, bars whose open or close lies
    outside low to high. Repaired: order, negative volume (becomes NaN). Flagged and kept: conflicting
    duplicates (the last one stays), gaps, bars without volume, outliers, frozen prices.

    Raises
    ------
    BarsError
        If nothing remains, the frame is no bars frame, or bars come more often than their timeframe.
    """
    clean, found = [], []
    _refuse_no_rows(len(bars))
    for _, rows in bars.groupby(["instrument", "timeframe"], sort=True, dropna=False):
        kept, faults = check_chunk(rows)
        clean.append(kept)
        found.extend(faults)
        if len(kept):
            found.extend(find_gaps(_series(kept), _opens(kept)))
    kept = pd.concat(clean, ignore_index=True)
    found = merge_findings(found)
    refuse_nothing_left(len(kept), found)
    return QualityReport(kept, tuple(found))


def check_chunk(bars: pd.DataFrame, before: pd.DataFrame | None = None) -> tuple[pd.DataFrame, list[Finding]]:
    """Check a piece of one series against the clean bars `before` it; gaps are left to `find_gaps`.

    Parameters
    ----------
    bars
        One series, T >= 1 rows in the order of the source.
    before
        Clean bars known already, ascending: the last `CONTEXT_BARS` and any whose ts comes again in
        `bars`. They are neither returned nor counted.

    Returns
    -------
    clean, findings
        The clean bars may be none.
    """
    before = bars.iloc[:0] if before is None else before
    opens = bars["ts"].to_numpy(dtype="datetime64[us]")
    high_water = np.maximum.accumulate(opens)
    if len(before):
        high_water = np.maximum(high_water, _opens(before).max())
    disordered = opens[opens < high_water]
    bars = as_bars(bars)
    series = _series(bars)
    found = [make_finding(series, "order", "repaired", disordered)] if len(disordered) else []
    bars, rows_found = _check_rows(bars, series)
    found.extend(rows_found)
    if bars.empty:
        return bars, found
    bars, repeats = _drop_repeats(bars, before, series)
    found.extend(repeats)
    if bars.empty:
        return bars, found
    _refuse_wrong_timeframe(bars, series)
    bars, volume_found = _check_volume(bars, series)
    found.extend(volume_found)
    found.extend(_check_moves(bars, before, series))
    return bars, found


def find_gaps(series: tuple[str, str], opens: np.ndarray) -> list[Finding]:
    """Gaps of a whole series against its own calendar: at most one finding.

    Parameters
    ----------
    opens
        Bar opens, datetime64[us] UTC, shape (T,), ascending without repeats.
    """
    missing = missing_before(opens, series[1], hindsight=True)
    after = np.flatnonzero(missing)
    if len(after) == 0:
        return []
    worst = int(missing.argmax())
    example = (
        f"{missing.sum()} bars in all, at most {missing[worst]} between {_say(opens[worst - 1])} "
        f"and {_say(opens[worst])}; holidays count."
    )
    return [make_finding(series, "gaps", "flagged", opens[after], example)]


def refuse_nothing_left(rows: int, found: list[Finding]) -> None:
    """Raise BarsError, naming the commonest fault, if no clean bar is left."""
    if rows:
        return
    dropped = [finding for finding in found if finding.verdict == "dropped"]
    worst = max(dropped, key=lambda finding: finding.rows, default=None)
    raise BarsError(
        "at least one usable bar",
        "none" if worst is None else f"none ({worst.detail.rstrip('.')})",
        "correct the file",
    )


def _refuse_no_rows(rows: int) -> None:
    if rows == 0:
        raise BarsError("at least one bar", "no rows at all", "give bars")


def _check_rows(bars: pd.DataFrame, series: tuple[str, str]) -> tuple[pd.DataFrame, list[Finding]]:
    try:
        _ROW_CHECKS.validate(bars, lazy=True)
        return bars, []
    except SchemaErrors as error:
        failures = error.failure_cases
    bad = np.zeros(len(bars), dtype=bool)
    found = []
    for name in ("missing", "non_positive", "high_low"):
        index = failures.loc[failures["check"] == name, "index"].dropna().unique().astype(int)
        rows = np.zeros(len(bars), dtype=bool)
        rows[index] = True
        rows &= ~bad
        if rows.any():
            first = bars.loc[rows].iloc[0]
            prices = ", ".join(f"{column} {first[column]:g}" for column in _PRICES)
            example = f"First at {_say(first['ts'])}: {prices}."
            found.append(make_finding(series, name, "dropped", _opens(bars.loc[rows]), example))
            bad |= rows
    assert bad.any(), "the schema's column types are those of as_bars"
    return bars.loc[~bad].reset_index(drop=True), found


def _outside(bars: pd.DataFrame) -> pd.Series:
    slack = _SLACK * bars["close"].abs()
    body = bars[["open", "close"]]
    outside = (
        (bars["high"] < bars["low"])
        | (body.max(axis=1) > bars["high"] + slack)
        | (body.min(axis=1) < bars["low"] - slack)
    )
    return cast(pd.Series, outside)


def _drop_repeats(
    bars: pd.DataFrame, before: pd.DataFrame, series: tuple[str, str]
) -> tuple[pd.DataFrame, list[Finding]]:
    known = before.loc[before["ts"].isin(bars["ts"])]
    if len(known) == 0 and not bars["ts"].duplicated().any():
        return bars, []
    stacked = pd.concat([known.reindex(columns=bars.columns), bars], ignore_index=True)
    fresh = np.arange(len(stacked)) >= len(known)
    exact = stacked.duplicated().to_numpy() & fresh
    kept = stacked.loc[~exact]
    conflicting = kept.loc[kept["ts"].duplicated(keep="first"), "ts"].to_numpy(dtype="datetime64[us]")
    result = kept.loc[fresh[~exact]].drop_duplicates("ts", keep="last").sort_values("ts", ignore_index=True)
    found = []
    if exact.any():
        found.append(make_finding(series, "duplicates", "dropped", _opens(stacked.loc[exact])))
    if len(conflicting):
        found.append(make_finding(series, "duplicates", "flagged", conflicting))
    return result, found


def _check_volume(bars: pd.DataFrame, series: tuple[str, str]) -> tuple[pd.DataFrame, list[Finding]]:
    found = []
    volume = bars["volume"].to_numpy(dtype="float64")
    negative = (volume < 0) | np.isinf(volume)
    if negative.any():
        found.append(make_finding(series, "volume", "repaired", _opens(bars.loc[negative])))
        bars = bars.assign(volume=np.where(negative, np.nan, volume))
    without = ~(volume > 0) & ~negative
    if without.any():
        example = "The source gives no volume." if without.all() else ""
        found.append(make_finding(series, "volume", "flagged", _opens(bars.loc[without]), example))
    return bars, found


def _check_moves(bars: pd.DataFrame, before: pd.DataFrame, series: tuple[str, str]) -> list[Finding]:
    # A bar that came again was judged the first time; its neighbours may not be at hand now.
    again = bars["ts"].isin(before["ts"]).to_numpy()
    whole = pd.concat([before.loc[~before["ts"].isin(bars["ts"])], bars], ignore_index=True)
    fresh = np.concatenate([np.zeros(len(whole) - len(bars), dtype=bool), ~again])
    order = np.argsort(whole["ts"].to_numpy(), kind="stable")
    whole, fresh = whole.iloc[order].reset_index(drop=True), fresh[order]
    opens = _opens(whole)
    found = []

    # A split moves the close and not the adjusted close: returns are taken from the latter.
    closes = whole["close"]
    if "adj_close" in whole.columns:
        closes = whole["adj_close"].where(whole["adj_close"] > 0, closes)
    returns = np.log(closes).diff()
    scale = 1.4826 * returns.abs().rolling(_MEMORY, min_periods=_LEAST).median().shift(1)
    if fresh.all() and len(returns) > _LEAST:
        scale = scale.fillna(1.4826 * returns.iloc[:_MEMORY].abs().median())
    strange = ((returns.abs() > OUTLIER_LIMIT * scale) & (scale > 0)).to_numpy() & fresh
    if strange.any():
        size = returns.to_numpy()
        worst = int(np.argmax(np.where(strange, np.abs(size), 0)))
        example = f"The largest is {np.expm1(size[worst]):+.1%} at {_say(opens[worst])}."
        found.append(make_finding(series, "outliers", "flagged", opens[strange], example))

    same = (whole[_PRICES].diff() == 0).all(axis=1)
    run = same.groupby((~same).cumsum()).transform("size")
    frozen = (same & (run >= FROZEN_RUN)).to_numpy() & fresh
    if frozen.any():
        found.append(make_finding(series, "frozen", "flagged", opens[frozen]))
    return found


def _refuse_wrong_timeframe(bars: pd.DataFrame, series: tuple[str, str]) -> None:
    steps = np.diff(_opens(bars))
    length = duration(series[1])
    if len(steps) and np.median(steps) < length.to_numpy():
        usual = pd.Timedelta(np.median(steps.astype(np.int64)), unit="us")
        raise BarsError(
            f"bars of {series[0]} at least {series[1]} apart",
            f"bars mostly {usual} apart",
            "correct the timeframe",
        )


def _series(bars: pd.DataFrame) -> tuple[str, str]:
    return str(bars["instrument"].iloc[0]), str(bars["timeframe"].iloc[0])


def _opens(bars: pd.DataFrame) -> np.ndarray:
    return bars["ts"].to_numpy(dtype="datetime64[us]")


def _say(moment: Any) -> str:
    return pd.Timestamp(moment).strftime("%Y-%m-%d %H:%M")
