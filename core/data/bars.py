"""The bars frame: its columns, price adjustment and resampling, free of storage.

A bars frame has the columns `instrument`, `timeframe`, `ts` (bar open, datetime64[us, UTC]), `open`,
`high`, `low`, `close`, `volume` (float64), any further numeric columns, and text columns that hold labels,
sorted by ts within a series.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import numpy as np
import pandas as pd

from core.errors import BarsError
from core.timeframe import duration

OHLCV = ("open", "high", "low", "close", "volume")
PRICES = ["open", "high", "low", "close"]
KEY = ("instrument", "timeframe", "ts")
UTC_DTYPE = "datetime64[us, UTC]"
EARLIEST = cast(pd.Timestamp, pd.Timestamp("1678-01-01", tz="UTC"))
LATEST = cast(pd.Timestamp, pd.Timestamp("2262-01-01", tz="UTC"))
"""Bars open at or after the one and before the other: times beyond cannot be told in nanoseconds."""
# Bins are counted from a Monday so that weeks start on Mondays; days and hours are unaffected.
_ORIGIN = np.datetime64("1970-01-05", "us")


def as_bars(frame: pd.DataFrame) -> pd.DataFrame:
    """Bring a frame into the form of a bars frame, or refuse it.

    Values are not judged here (that is `core.data.ingest.quality`); columns, types and time zone are.

    Returns
    -------
    DataFrame
        Key columns first, then OHLCV, then extra columns as float64 or text; sorted by key, RangeIndex.

    Raises
    ------
    BarsError
        If a column is missing or not numeric, a key is empty, or ts carries no time zone.
    """
    absent = [name for name in (*KEY, *OHLCV) if name not in frame.columns]
    if absent:
        raise BarsError(
            f"the columns {', '.join((*KEY, *OHLCV))}", f"no {', '.join(absent)}", "add the missing columns"
        )
    if not isinstance(frame["ts"].dtype, pd.DatetimeTZDtype):
        raise BarsError("ts with a time zone", f"ts of type {frame['ts'].dtype}", "convert it to UTC")
    if frame[list(KEY)].isna().to_numpy().any():
        raise BarsError(
            "an instrument, timeframe and ts in every row", "empty ones", "fill or drop those rows"
        )
    columns: dict[str, pd.Series] = {
        "instrument": one_column(frame, "instrument").astype("str"),
        "timeframe": one_column(frame, "timeframe").astype("str"),
        "ts": one_column(frame, "ts").dt.tz_convert("UTC").dt.as_unit("us"),
    }
    extras = [name for name in frame.columns if name not in (*KEY, *OHLCV)]
    for name in (*OHLCV, *extras):
        if name in extras and isinstance(frame[name].dtype, pd.StringDtype):
            columns[name] = one_column(frame, name)
            continue
        try:
            columns[name] = one_column(frame, name).astype("float64")
        except (TypeError, ValueError):
            raise BarsError(
                f"numbers in column {name!r}",
                f"values of type {frame[name].dtype}",
                "convert or drop the column",
            ) from None
    return pd.DataFrame(columns).sort_values(list(KEY), kind="stable", ignore_index=True)


def refuse_far(bars: pd.DataFrame) -> None:
    """Refuse bars that open before `EARLIEST` or from `LATEST` on.

    Raises
    ------
    BarsError
    """
    ts = one_column(bars, "ts")
    far = bars.loc[(ts < EARLIEST) | (ts >= LATEST)]
    if len(far):
        raise BarsError(
            f"bars of the years {EARLIEST.year} to {LATEST.year - 1}",
            f"one of {far['ts'].dt.year.iloc[0]}",
            "correct its time",
        )


def label_bars(table: pd.DataFrame, instrument: str, timeframe: str) -> pd.DataFrame:
    """The bars frame of a series' stored columns, whose ts is in microseconds since 1970."""
    table["ts"] = pd.Series(table["ts"].to_numpy().view("datetime64[us]")).dt.tz_localize("UTC")
    table.insert(0, "timeframe", pd.Series(timeframe, index=table.index, dtype="str"))
    table.insert(0, "instrument", pd.Series(instrument, index=table.index, dtype="str"))
    return table


def bar_content(heading: str, bars: pd.DataFrame) -> Iterator[bytes | np.ndarray]:
    """What a digest of one series is taken over; a column without any value is as good as none."""
    yield heading.encode()
    yield bars["ts"].to_numpy(dtype="datetime64[us]").astype("<i8")
    for name in sorted(bars.columns.difference(["instrument", "timeframe", "ts"])):
        if isinstance(bars[name].dtype, pd.StringDtype):
            if bool(bars[name].notna().any()):
                yield f"{name}\n{bars[name].to_json(orient='values')}\n".encode()
            continue
        # One zero and one NaN, of which bits know two and many.
        values = bars[name].to_numpy(dtype="<f8") + 0.0
        if not np.isnan(values).all():
            yield name.encode() + b"\n"
            yield np.where(np.isnan(values), np.nan, values).astype("<f8")


def one_column(frame: pd.DataFrame, name: str) -> pd.Series:
    """One column of a frame (indexing by a name may give a frame, for all a type checker knows)."""
    return cast(pd.Series, frame[name])


def empty_bars() -> pd.DataFrame:
    """A bars frame without rows."""
    columns = {
        "instrument": pd.Series(dtype="str"),
        "timeframe": pd.Series(dtype="str"),
        "ts": pd.Series(dtype=UTC_DTYPE),
    }
    return pd.DataFrame(columns | {name: pd.Series(dtype="float64") for name in OHLCV})


def adjust_prices(bars: pd.DataFrame) -> pd.DataFrame:
    """Scale open, high, low and close by adj_close / close and drop `adj_close`.

    Bars without a positive `adj_close` take the factor of the bar before them (of the bar after them at
    the start of a series); a series without any keeps its prices. Frames without the column come back as
    they are.
    Volume is left alone. Several series may stand in one frame.
    """
    if "adj_close" not in bars.columns:
        return bars
    known = one_column(bars, "adj_close") > 0
    factor = (one_column(bars, "adj_close") / one_column(bars, "close")).where(known)
    if factor.hasnans:
        series = [bars["instrument"], bars["timeframe"]]
        factor = factor.groupby(series).ffill().groupby(series).bfill().fillna(1.0)
    adjusted = bars.drop(columns="adj_close")
    for name in PRICES:
        adjusted[name] = bars[name] * factor
    # close * (adj_close / close) may differ from adj_close in the last bit.
    adjusted["close"] = bars["adj_close"].where(known, adjusted["close"])
    adjusted["high"] = adjusted[["open", "high", "low", "close"]].max(axis=1)
    adjusted["low"] = adjusted[["open", "low", "close"]].min(axis=1)
    return adjusted


def has_no_range(bars: pd.DataFrame) -> np.ndarray:
    """Bars whose open, high, low and close are one price, shape (T,) bool."""
    return (bars["high"] == bars["low"]).to_numpy()


def is_filled_in(bars: pd.DataFrame) -> np.ndarray:
    """Bars without volume that repeat the close before them, in a series that has volume; (T,) bool."""
    volume = bars["volume"].to_numpy(float)
    repeats = has_no_range(bars) & (bars["close"].diff() == 0).to_numpy()
    return repeats & ~(volume > 0) & bool((volume > 0).any())


def resample_bars(bars: pd.DataFrame, target: str) -> pd.DataFrame:
    """Adjusted bars of one series at a longer timeframe, each stamped by its open on the UTC grid.

    Weeks start on Monday 00:00 UTC. A source bar belongs to the target bar in which it opens. Open is the
    first, close the last, high and low the extremes, volume the sum (NaN where no source bar has one);
    extra columns take their last known value inside the bar. The last target bar is left out unless a
    source bar opens at or after its end or the last source bar is complete by then.

    Raises
    ------
    BarsError
        If the target is not a longer multiple of the source timeframe.
    """
    if bars.empty:
        return bars.assign(timeframe=target)
    source = str(bars["timeframe"].iloc[0])
    step, length = duration(source), duration(target)
    if length <= step or length % step != pd.Timedelta(0):
        raise BarsError(f"a timeframe longer than {source}", repr(target), "choose a longer one")
    bars = adjust_prices(bars)
    width = length.to_numpy().astype("timedelta64[us]")
    opens = bars["ts"].to_numpy(dtype="datetime64[us]")
    bins = (opens - _ORIGIN) // width
    rules = {"open": "first", "high": "max", "low": "min", "close": "last"}
    extras = [name for name in bars.columns if name not in (*KEY, *OHLCV)]
    groups = bars.groupby(bins, sort=True)
    table = groups.agg(rules | {name: "last" for name in extras})
    table["volume"] = groups["volume"].sum(min_count=1)
    last_end = _ORIGIN + (bins[-1] + 1) * width
    if opens[-1] + step.to_numpy().astype("timedelta64[us]") < last_end:
        table = table.iloc[:-1]
    starts = pd.Series(_ORIGIN + table.index.to_numpy() * width).dt.tz_localize("UTC")
    return pd.DataFrame(
        {
            "instrument": str(bars["instrument"].iloc[0]),
            "timeframe": target,
            "ts": starts,
            **{name: table[name].to_numpy() for name in (*OHLCV, *extras)},
        }
    ).astype({"instrument": "str", "timeframe": "str"})


def quoted_prices(traded: pd.DataFrame, anchor: int = -1) -> pd.DataFrame:
    """Bars adjusted for splits and dividends where data allow, scaled to the price bar `anchor` traded at.

    Parameters
    ----------
    traded
        One series as `core.data.store` returns it, ascending, at least one row.
    """
    bars = adjust_prices(traded)
    return bars.assign(**(bars[PRICES] * (traded["close"].iloc[anchor] / bars["close"].iloc[anchor])))
