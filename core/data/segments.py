"""Train, calibrate and test: where the borders lie and which labels stand on which side of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from core.config import SplitConfig
from core.errors import ConfigError
from core.timeframe import duration

TRAIN, CALIBRATE, TEST, NO_SEGMENT = 0, 1, 2, -1


@dataclass(frozen=True)
class SegmentBorders:
    """Instants, the same for every series, so that no instrument's test is another's training.

    Train is [train_start, train_end), calibrate [train_end, calibrate_end), test [calibrate_end, test_end),
    by bar open, UTC (naive times are taken as UTC); None leaves a side open.

    Raises
    ------
    ConfigError
        If the instants do not follow each other.
    """

    train_end: pd.Timestamp
    calibrate_end: pd.Timestamp
    test_end: pd.Timestamp | None = None
    train_start: pd.Timestamp | None = None

    def __post_init__(self) -> None:
        for name in ("train_start", "train_end", "calibrate_end", "test_end"):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, _utc(value))
        given = [
            t for t in (self.train_start, self.train_end, self.calibrate_end, self.test_end) if t is not None
        ]
        if any(later <= earlier for earlier, later in pairwise(given)):
            raise ConfigError(
                "split borders that follow each other in time",
                ", ".join(str(t) for t in given),
                "give more bars or move the borders",
            )

    def to_dict(self) -> dict[str, str | None]:
        return {
            name: None if (value := getattr(self, name)) is None else value.isoformat()
            for name in ("train_start", "train_end", "calibrate_end", "test_end")
        }

    @classmethod
    def from_dict(cls, raw: dict[str, str | None]) -> SegmentBorders:
        instants: dict[str, Any] = {
            name: None if value is None else _date(value, name) for name, value in raw.items()
        }
        return cls(**instants)

    def bounds(self, segment: int) -> tuple[np.datetime64 | None, np.datetime64 | None]:
        """Start and end of segment 0 (train), 1 (calibrate) or 2 (test) as naive UTC microseconds."""
        edges = (self.train_start, self.train_end, self.calibrate_end, self.test_end)
        return _instant(edges[segment]), _instant(edges[segment + 1])


def choose_borders(times: Iterable[np.ndarray], split: SplitConfig) -> SegmentBorders:
    """Borders at the configured shares of all bars, pooled over the series, or at the configured dates.

    Parameters
    ----------
    times
        Bar opens of each series, datetime64 UTC, (T,) each.

    Raises
    ------
    ConfigError
        If a date cannot be read or the bars are too few to part.
    """
    if split.train_until is not None and split.calibrate_until is not None:
        return SegmentBorders(
            _date(split.train_until, "split.train_until"),
            _date(split.calibrate_until, "split.calibrate_until"),
        )
    pooled = np.sort(np.concatenate(list(times)))
    if len(pooled) < 3:
        raise ConfigError("at least three bars to split", f"{len(pooled)}", "give more bars")
    train = min(int(split.train_share * len(pooled)), len(pooled) - 1)
    calibrate = min(int((split.train_share + split.calibrate_share) * len(pooled)), len(pooled) - 1)
    return SegmentBorders(*pd.DatetimeIndex(pooled[[train, calibrate]], tz="UTC"))


def assign_segments(
    ts: np.ndarray, timeframe: str, end: np.ndarray, borders: SegmentBorders, embargo_bars: int
) -> np.ndarray:
    """Segment of every label: its bar opens inside, past the embargo, and t1 is known by the segment's end.

    Parameters
    ----------
    ts
        Bar opens, datetime64[us], shape (T,), sorted.
    end
        Index of t1 per label, -1 for no label, shape (T,).
    embargo_bars
        Bars of this series left out after the start of calibrate and of test.

    Returns
    -------
    ndarray
        Shape (T,) int8: 0 train, 1 calibrate, 2 test, -1 no label or purged.
    """
    segments = np.full(len(ts), NO_SEGMENT, dtype=np.int8)
    labelled = end >= 0
    known = ts[np.maximum(end, 0)] + duration(timeframe).to_timedelta64()
    for segment in (TRAIN, CALIBRATE, TEST):
        start, stop = borders.bounds(segment)
        first = 0 if start is None else int(np.searchsorted(ts, start))
        if segment != TRAIN:
            first += embargo_bars
        inside = labelled & (np.arange(len(ts)) >= first)
        if stop is not None:
            inside &= (ts < stop) & (known <= stop)
        segments[inside] = segment
    return segments


def bars_in_train(ts: np.ndarray, timeframe: str, borders: SegmentBorders) -> np.ndarray:
    """Bars that open in train and are complete by its end, shape (T,) bool."""
    start, stop = borders.bounds(TRAIN)
    inside = np.ones(len(ts), dtype=bool)
    if stop is not None:
        inside &= ts + duration(timeframe).to_timedelta64() <= stop
    if start is not None:
        inside &= ts >= start
    return inside


def _utc(value: pd.Timestamp) -> pd.Timestamp:
    return value.tz_localize("UTC") if value.tzinfo is None else value.tz_convert("UTC")


def _instant(value: pd.Timestamp | None) -> np.datetime64 | None:
    return None if value is None else value.tz_convert(None).to_datetime64().astype("datetime64[us]")


def _date(text: str, key: str) -> pd.Timestamp:
    try:
        stamp = pd.Timestamp(text)
    except ValueError:
        stamp = pd.NaT
    if not isinstance(stamp, pd.Timestamp):
        raise ConfigError(f"a date at {key}", repr(text), "write for example 2010-01-01")
    return _utc(stamp)
