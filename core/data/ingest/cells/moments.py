"""Written times of rows as moments in UTC, and on the clock that the file writes."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from core.data.ingest.cells.times import TimeStyle, read_times
from core.data.ingest.cells.trading_dates import written_clock
from core.data.ingest.cells.zones import localize
from core.errors import BarsError


@dataclass(frozen=True)
class PlacedTimes:
    """Times of n rows.

    Attributes
    ----------
    utc
        NaT where a time could not be read or placed.
    clock
        The same as the file writes them, without zone.
    unread, unplaced, ordered
        Masks of rows whose time could not be read, fell into a clock change, or was told from the same time
        an hour before by its order.
    """

    utc: pd.Series
    clock: pd.Series
    unread: pd.Series
    unplaced: pd.Series
    ordered: pd.Series


def place_times(
    values: pd.Series, style: TimeStyle, timezone: str | None, names: pd.Series, dated: pd.Series
) -> PlacedTimes:
    """Read the times of rows.

    Parameters
    ----------
    values
        Cells, named after their column.
    timezone
        IANA zone of times that carry none.
    names
        Instrument of each row.
    dated
        Mask of the rows of daily and weekly bars. Those need no zone: no clock change moves a date.

    Raises
    ------
    BarsError
        If other times of day have no zone, or the zone is not known.
    """
    times = read_times(values, style)
    unread = times.isna()
    nothing = pd.Series(False, index=values.index)
    if style.aware:
        return PlacedTimes(times, written_clock(values, times), unread, nothing, nothing)
    utc, unplaced, ordered = times.dt.tz_localize("UTC"), nothing, nothing
    moments = ~dated & times.notna()
    if style.dates_only:
        moments &= times != times.dt.normalize()
    if moments.any():
        if timezone is None:
            row = int(moments.to_numpy().argmax())
            raise BarsError(
                "times with a time zone",
                f"times without one in column {str(values.name)!r} (such as {str(values.iloc[row])!r})",
                "say which zone they are in, for example --timezone UTC",
            )
        placed, unplaced, ordered = localize(times, timezone, names)
        utc, unplaced, ordered = utc.where(dated, placed), unplaced & ~dated, ordered & ~dated
    return PlacedTimes(utc, times, unread, unplaced, ordered)
