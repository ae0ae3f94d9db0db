"""The trading date of daily and weekly bars, whatever moment a file stamps them with.

Stored, such a bar has midnight UTC of its date as ts, a weekly one that of the Monday of its week.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
import pandas as pd

from core.data.bars import one_column
from core.data.findings import Finding, make_finding
from core.data.ingest.cells.zones import check_zone
from core.timeframe import DATED

_OFFSET = r"\d:\d\d(?:\.\d+)?\s*(?:UTC|GMT)?\s*([+-])(\d\d):?(\d\d)?$"
_DAY = np.timedelta64(1, "D")
_LAST_MINUTE = np.timedelta64(23 * 60 + 59, "m")
_AFTERNOON = np.timedelta64(11, "h")  # midnight of the most eastern zones is 11:00 UTC of the day before
_MOSTLY = 0.9
_MONDAY, _THURSDAY, _FRIDAY, _SATURDAY, _SUNDAY = 0, 3, 4, 5, 6


@dataclass(frozen=True)
class _Rule:
    zoned: bool  # read on the clock of the zone that was given
    shift: int  # days after the stamp's own date
    weekday: int | None = None  # of a week's stamp, where its bars are put under Mondays


class TradingDates:
    """Puts daily and weekly bars under their dates; a series' first rows settle how, for all that follow.

    A stamp of midnight, or of a day's last minute, names its own day on the clock it is written on. Another
    one is read on the clock of `zone`, and without that by the weekdays that come out: a series that would
    trade from Sunday to Thursday is stamped on the evening before. Where every day is traded the nearer
    midnight counts.

    Parameters
    ----------
    zone
        IANA zone of the exchange; None where it was not given.

    Raises
    ------
    BarsError
        If the zone is not known.
    """

    def __init__(self, zone: str | None = None) -> None:
        if zone is not None:
            check_zone(zone)
        self._zone = zone
        self._rules: dict[tuple[str, str], _Rule] = {}

    def place(self, bars: pd.DataFrame, clock: pd.Series) -> tuple[pd.Series, list[Finding]]:
        """Times of the bars, those of daily and weekly ones moved to their dates, and what was moved.

        Parameters
        ----------
        bars
            With `instrument`, `timeframe` and `ts` (UTC); rows without one of them stay as they are.
        clock
            The same times as the file writes them, without zone, on the same index.
        """
        placed, found = one_column(bars, "ts").copy(), []
        usable = bars["timeframe"].isin(DATED) & bars["ts"].notna() & bars["instrument"].notna()
        for key, rows in bars.loc[usable].groupby(["instrument", "timeframe"], sort=True):
            series = cast(tuple[str, str], key)
            utc = rows["ts"].dt.tz_localize(None).to_numpy(dtype="datetime64[us]")
            written = clock.loc[rows.index].to_numpy(dtype="datetime64[us]")
            if series not in self._rules:
                self._rules[series] = self._settle(written, utc, series[1])
            rule = self._rules[series]
            dates = _dates(rule, self._on_zone(utc) if rule.zoned else written)
            midnights = dates.astype("datetime64[us]")
            placed.loc[rows.index] = pd.DatetimeIndex(midnights).tz_localize("UTC")
            moved = midnights != utc
            if moved.any():
                first = int(moved.argmax())
                stamp = str(utc[first].astype("datetime64[s]")).replace("T", " ")
                example = f"{stamp} UTC is now {dates[first]}."
                found.append(make_finding(series, "date", "repaired", midnights[moved], example))
        return placed, found

    def _settle(self, written: np.ndarray, utc: np.ndarray, timeframe: str) -> _Rule:
        zoned = self._zone is not None and not _names_days(written)
        clock = self._on_zone(utc) if zoned else written
        shift = _shift(clock, timeframe, local=zoned or bool((written != utc).any()))
        if timeframe == "1d":
            return _Rule(zoned, shift)
        weekdays = np.bincount(_weekday(clock.astype("datetime64[D]") + shift * _DAY), minlength=7)
        commonest = int(weekdays.argmax())
        if commonest == _SUNDAY and _mostly(_time_of_day(clock) >= _LAST_MINUTE):
            commonest = _SATURDAY
        anchored = commonest in (_MONDAY, _FRIDAY, _SATURDAY, _SUNDAY)
        return _Rule(zoned, shift, commonest if anchored else None)

    def _on_zone(self, utc: np.ndarray) -> np.ndarray:
        index = pd.DatetimeIndex(utc).tz_localize("UTC").tz_convert(self._zone)
        return index.tz_localize(None).to_numpy().astype("datetime64[us]")


def written_clock(values: pd.Series, utc: pd.Series) -> pd.Series:
    """Wall-clock times of cells that carry their zone, without it.

    Parameters
    ----------
    values
        Cells as the file holds them: typed times, or text that may end in an offset such as +09:00.
    utc
        What they were read as, same index.

    Returns
    -------
    Series of datetime64[us]
        On the clock of UTC where a cell names no offset.
    """
    if isinstance(values.dtype, pd.DatetimeTZDtype):
        return values.dt.tz_localize(None).dt.as_unit("us")
    times = utc.dt.tz_localize(None)
    if pd.api.types.is_numeric_dtype(values.dtype):
        return times
    parts = values.astype("str").str.strip().str.extract(_OFFSET)
    minutes = parts[1].astype("float") * 60 + parts[2].fillna("0").astype("float")
    minutes = minutes.where(parts[0] != "-", -minutes).fillna(0.0)
    return times + pd.to_timedelta(minutes, unit="m").dt.as_unit("us")


def _names_days(clock: np.ndarray) -> bool:
    of_day = _time_of_day(clock)
    return _mostly((of_day == np.timedelta64(0, "us")) | (of_day >= _LAST_MINUTE))


def _shift(clock: np.ndarray, timeframe: str, local: bool) -> int:
    """Days from a stamp's own date to its trading date: 0, or 1 where it stands on the evening before."""
    of_day = _time_of_day(clock)
    if _names_days(clock) or not _mostly(of_day >= _AFTERNOON):
        return 0
    if timeframe == "1w":
        return 1
    traded = np.bincount(_weekday(np.unique(clock.astype("datetime64[D]"))), minlength=7) > 0
    if traded[_SUNDAY] and not traded[_FRIDAY]:
        return 1
    if traded[_SATURDAY] and not traded[_FRIDAY] and not traded[_THURSDAY]:
        return 1
    if (traded[_FRIDAY] or traded[_MONDAY]) and not traded[_SUNDAY] and not traded[_SATURDAY]:
        return 0
    return 0 if local else 1


def _dates(rule: _Rule, clock: np.ndarray) -> np.ndarray:
    dates = clock.astype("datetime64[D]") + rule.shift * _DAY
    if rule.weekday is None:
        return dates
    if rule.weekday == _SUNDAY:
        dates = dates + _DAY
    return dates - _weekday(dates) * _DAY


def _weekday(dates: np.ndarray) -> np.ndarray:
    return (dates.astype("datetime64[D]").astype(np.int64) + _THURSDAY) % 7  # 1970-01-01 was a Thursday


def _time_of_day(clock: np.ndarray) -> np.ndarray:
    return clock - clock.astype("datetime64[D]")


def _mostly(mask: np.ndarray) -> bool:
    return bool(mask.mean() >= _MOSTLY)
