"""The quality gate: what is wrong with a series of bars, and what was done about it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import cast

import numpy as np
import pandas as pd
import pandera.pandas as pa
from pandera.errors import SchemaErrors

from core.data.bars import EARLIEST, LATEST, as_bars
from core.data.findings import Finding, findings_table, make_finding, merge_findings
from core.data.ingest.checks.moves import find_moves
from core.data.ingest.checks.spacing import find_gaps, find_off_grid, refuse_wrong_spacing, say_time
from core.errors import BarsError
from core.timeframe import DATED, Session, known_at, newest_known

CONTEXT_BARS = 500  # clean bars before a chunk that judge it as the whole series would
_PRICES = ["open", "high", "low", "close"]
_FACTORS = (1e-6, 1e9)  # of adjusted to traded prices; the largest known is a fund's of 3e8
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
    outside low to high, bars not closed yet, in the future, or in years that cannot be told in nanoseconds.
    Repaired: order, negative volume (becomes NaN), an impossible adjusted close (the series is then
    unadjusted). Flagged and kept: conflicting duplicates (the last one stays), gaps, bars beside the grid,
    without volume or range, outliers, frozen and filled-in prices.

    Raises
    ------
    BarsError
        If nothing remains, the frame is no bars frame, or bars stand otherwise apart than their timeframe.
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


def check_chunk(
    bars: pd.DataFrame, before: pd.DataFrame | None = None, session: Session | None = None
) -> tuple[pd.DataFrame, list[Finding]]:
    """Check a piece of one series against the clean bars `before` it; gaps are left to `find_gaps`.

    Parameters
    ----------
    bars
        One series, T >= 1 rows in the order of the source.
    before
        Clean bars known already, ascending: the last `CONTEXT_BARS` and any whose ts comes again in
        `bars`. They are neither returned nor counted.
    session
        When the trading day of a daily or weekly series ends, where it is known.

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
    bars, times_found = _check_times(bars, series, session)
    found.extend(times_found)
    bars, rows_found = _check_rows(bars, series)
    found.extend(rows_found)
    if bars.empty:
        return bars, found
    bars, repeats = _drop_repeats(bars, before, series)
    found.extend(repeats)
    if bars.empty:
        return bars, found
    refuse_wrong_spacing(series, _opens(bars))
    found.extend(find_off_grid(series, _opens(bars)))
    bars, volume_found = _check_volume(bars, series)
    found.extend(volume_found)
    bars, adjusted_found = _check_adjusted(bars, series)
    found.extend(adjusted_found)
    found.extend(find_moves(bars, before, series))
    return bars, found


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


def _check_times(
    bars: pd.DataFrame, series: tuple[str, str], session: Session | None
) -> tuple[pd.DataFrame, list[Finding]]:
    now = pd.Timestamp.now("UTC")
    ts = bars["ts"]
    far = ((ts < EARLIEST) | (ts >= LATEST)).to_numpy()
    future = ((ts > now) & ~far).to_numpy()
    unfinished = (ts > newest_known(now, series[1], session)).to_numpy() & ~far & ~future
    found = []
    if far.any():
        found.append(make_finding(series, "far", "dropped", _opens(bars.loc[far])))
    if future.any():
        example = f"The last at {say_time(_opens(bars)[future].max())}; it is {now:%Y-%m-%d %H:%M} UTC."
        found.append(make_finding(series, "future", "dropped", _opens(bars.loc[future]), example))
    if unfinished.any():
        last = bars.loc[unfinished, "ts"].iloc[-1]
        closes = known_at(last, series[1], session)
        example = f"That of {say_time(last)} closes at {closes:%Y-%m-%d %H:%M} UTC"
        if series[1] in DATED and session is None:
            example += " by the clock; an exchange that closes earlier is named by --timezone and --close"
        found.append(make_finding(series, "open", "dropped", _opens(bars.loc[unfinished]), f"{example}."))
    return bars.loc[~(far | future | unfinished)].reset_index(drop=True), found


def _check_adjusted(bars: pd.DataFrame, series: tuple[str, str]) -> tuple[pd.DataFrame, list[Finding]]:
    if "adj_close" not in bars.columns:
        return bars, []
    factor = (bars["adj_close"] / bars["close"]).to_numpy(float)
    wrong = ~np.isnan(factor) & ~((factor > _FACTORS[0]) & (factor < _FACTORS[1]))
    if not wrong.any():
        return bars, []
    first = bars.loc[wrong].iloc[0]
    example = (
        f"First at {say_time(first['ts'])}: {first['adj_close']:g} beside a close of "
        f"{first['close']:g}. The series is used as it traded, without any adjustment."
    )
    found = make_finding(series, "adj_close", "repaired", _opens(bars.loc[wrong]), example)
    return bars.assign(adj_close=np.nan), [found]


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
            example = f"First at {say_time(first['ts'])}: {prices}."
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


def _series(bars: pd.DataFrame) -> tuple[str, str]:
    return str(bars["instrument"].iloc[0]), str(bars["timeframe"].iloc[0])


def _opens(bars: pd.DataFrame) -> np.ndarray:
    return bars["ts"].to_numpy(dtype="datetime64[us]")
