"""Zones: what words of a file name which, and local times brought to UTC."""

from __future__ import annotations

from functools import cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

import numpy as np
import pandas as pd

from core.errors import BarsError

# Words of one meaning among traders; IST, AST and the like name several zones and are asked about.
_HOURS = {
    "utc": 0, "gmt": 0, "z": 0, "zulu": 0, "ut": 0, "wet": 0, "cet": 1, "west": 1, "bst": 1, "cest": 2,
    "eet": 2, "eest": 3, "msk": 3, "hkt": 8, "sgt": 8, "jst": 9, "kst": 9, "aest": 10, "aedt": 11,
    "nzst": 12, "nzdt": 13, "est": -5, "edt": -4, "cst": -6, "cdt": -5, "mst": -7, "mdt": -6, "pst": -8,
    "pdt": -7,
}  # fmt: skip
_PLACES = {
    "et": "America/New_York",
    "ct": "America/Chicago",
    "mt": "America/Denver",
    "pt": "America/Los_Angeles",
}


def word_offset(word: str) -> int | None:
    """Hours that clocks of a zone word (lower case, such as "est") are ahead of UTC, None if it has none."""
    return _HOURS.get(word)


def word_zone(word: str) -> str | None:
    """The IANA zone that a word in any case names, such as "us/eastern" or "et"; None if it names none."""
    return _PLACES.get(word) or _zones().get(word)


@cache
def _zones() -> dict[str, str]:
    return {name.lower(): name for name in available_timezones()}


def check_zone(zone: str) -> None:
    """Refuse a zone that is not known.

    Raises
    ------
    BarsError
        If the name is no IANA zone.
    """
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise BarsError(
            "an IANA time zone such as UTC, Europe/London or America/New_York",
            repr(zone),
            "correct the time zone",
        ) from None


def in_repeated_hour(times: pd.Series, zone: str) -> np.ndarray:
    """Which local times (without zone, shape (n,)) a clock change of the zone makes come twice."""
    known = times.notna().to_numpy()
    index = pd.DatetimeIndex(times)
    unclear = index.tz_localize(zone, ambiguous="NaT", nonexistent="shift_forward")
    return np.asarray(unclear.isna()) & known


def localize(times: pd.Series, zone: str, groups: pd.Series) -> tuple[pd.Series, pd.Series, pd.Series]:
    """Local times of a zone in UTC.

    Where a clock change repeats an hour, the rows of one instrument tell its passes apart by their order:
    the second begins where the clock goes back. A pass that stands there alone cannot be placed, nor can a
    time that the clock skipped.

    Parameters
    ----------
    times
        Without zone, shape (n,).
    groups
        Instrument of each row.

    Returns
    -------
    utc, unplaced, ordered
        Times (NaT where unplaced), and masks of the rows left out and of those told apart by order.

    Raises
    ------
    BarsError
        If the zone is not known.
    """
    check_zone(zone)
    index = pd.DatetimeIndex(times)
    utc = index.tz_localize(zone, ambiguous="NaT", nonexistent="NaT")
    lost = np.asarray(utc.isna() & index.notna())
    ordered = np.zeros(len(times), dtype=bool)
    repeated = in_repeated_hour(times, zone) if lost.any() else ordered
    if repeated.any():
        summer, ordered = _passes(index.to_numpy(), repeated, groups.to_numpy())
        placed = index[ordered].tz_localize(zone, ambiguous=summer[ordered], nonexistent="NaT")
        values = utc.tz_convert("UTC").to_series(index=range(len(utc)))
        values[ordered] = placed.tz_convert("UTC")
        utc = pd.DatetimeIndex(values)
        lost &= np.asarray(utc.isna())
        ordered &= ~lost
    result = pd.Series(utc.tz_convert("UTC").as_unit("us"), index=times.index)
    return result, pd.Series(lost, index=times.index), pd.Series(ordered, index=times.index)


def _passes(times: np.ndarray, repeated: np.ndarray, groups: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of the rows in a repeated hour: whether they belong to its first pass, and whether that is known."""
    summer = np.zeros(len(times), dtype=bool)
    known = np.zeros(len(times), dtype=bool)
    for group in pd.unique(groups[repeated]):
        rows = np.flatnonzero((groups == group) & ~np.isnat(times))
        falling = bool(times[rows[0]] > times[rows[-1]])
        for day in np.unique(times[rows[repeated[rows]]].astype("datetime64[D]")):
            hour = rows[repeated[rows] & (times[rows].astype("datetime64[D]") == day)]
            forward = hour[::-1] if falling else hour
            steps = np.diff(times[forward]).astype(np.int64)
            # Equal neighbours among many rows are a repetition; two rows alone are the two passes.
            back = np.flatnonzero(steps < 0 if len(steps) > 1 else steps <= 0)
            if len(back) == 1:
                summer[forward[: back[0] + 1]] = True
                known[hour] = True
            elif len(back) > 1:  # rows of both passes side by side: the first of each pair is the earlier
                keys = pd.Series(times[forward])
                twice = keys.duplicated(keep=False).to_numpy()
                known[forward[twice]] = True
                summer[forward[twice & ~keys.duplicated(keep="first").to_numpy()]] = True
    return summer, known
