"""Train, calibrate and test: where the borders lie and which labels stand on which side of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Literal, Self

import numpy as np
import pandas as pd

from core.config import SplitConfig
from core.errors import ConfigError
from core.timeframe import duration

TRAIN, CALIBRATE, TEST, STOP, NO_SEGMENT = 0, 1, 2, 3, -1
"""In time: train, stop (early stopping and every other choice of a model), calibrate (calibrators, conformal
sets, ranks, the out-of-distribution limit), test."""

Use = Literal["train", "calibrate", "test", "unknown"]
"""What a bar's outcome was to a model, see `SeenData.use_of`."""
IN_SAMPLE: tuple[Use, ...] = ("train", "calibrate")


@dataclass(frozen=True)
class SegmentBorders:
    """Instants, the same for every series, so that no instrument's test is another's training.

    Train is [train_start, train_end), stop [train_end, stop_end), calibrate [stop_end, calibrate_end), test
    [calibrate_end, test_end), by bar open, UTC (naive times are taken as UTC); None leaves a side open.
    Without `stop_end` there is no stop segment: calibrate begins at train_end and serves for both.

    Raises
    ------
    ConfigError
        If the instants do not follow each other.
    """

    train_end: pd.Timestamp
    calibrate_end: pd.Timestamp
    test_end: pd.Timestamp | None = None
    train_start: pd.Timestamp | None = None
    stop_end: pd.Timestamp | None = None

    def __post_init__(self) -> None:
        for name in _EDGES:
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, _utc(value))
        given = [t for name in _EDGES if (t := getattr(self, name)) is not None]
        if any(later <= earlier for earlier, later in pairwise(given)):
            raise ConfigError(
                "split borders that follow each other in time",
                ", ".join(str(t) for t in given),
                "give more bars or move the borders",
            )

    def to_dict(self) -> dict[str, str | None]:
        return {
            name: None if (value := getattr(self, name)) is None else value.isoformat() for name in _EDGES
        }

    @classmethod
    def from_dict(cls, raw: dict[str, str | None]) -> SegmentBorders:
        instants: dict[str, Any] = {
            name: None if value is None else _date(value, name) for name, value in raw.items()
        }
        return cls(**instants)

    @property
    def stop_segment(self) -> int:
        """The segment early stopping sees: `STOP`, or `CALIBRATE` where that serves for both."""
        return CALIBRATE if self.stop_end is None else STOP

    def bounds(self, segment: int) -> tuple[np.datetime64 | None, np.datetime64 | None]:
        """Start and end of a segment as naive UTC microseconds.

        Raises
        ------
        ConfigError
            If `segment` is `STOP` and there is none.
        """
        if segment == STOP and self.stop_end is None:
            raise ConfigError("a stop segment", "none", "set split.stop_share above 0")
        edges = {
            TRAIN: (self.train_start, self.train_end),
            STOP: (self.train_end, self.stop_end),
            CALIBRATE: (self.train_end if self.stop_end is None else self.stop_end, self.calibrate_end),
            TEST: (self.calibrate_end, self.test_end),
        }
        start, end = edges[segment]
        return _instant(start), _instant(end)


_LABELLED = ("model weights", "model early stopping", "calibrators", "conformal sets", "source ranks")
"""Parts of the record of what was seen that labels made, what was trained first."""
_EDGES = ("train_start", "train_end", "stop_end", "calibrate_end", "test_end")


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
    pooled = np.sort(np.concatenate(list(times)))
    if split.train_until is not None and split.calibrate_until is not None:
        dated = SegmentBorders(
            _date(split.train_until, "split.train_until"),
            _date(split.calibrate_until, "split.calibrate_until"),
        )
        return part_calibrate(dated, pooled, split.stop_share)
    if len(pooled) < 3:
        raise ConfigError("at least three bars to split", f"{len(pooled)}", "give more bars")
    train = min(int(split.train_share * len(pooled)), len(pooled) - 1)
    calibrate = min(int((split.train_share + split.calibrate_share) * len(pooled)), len(pooled) - 1)
    shared = SegmentBorders(*pd.DatetimeIndex(pooled[[train, calibrate]], tz="UTC"))
    return part_calibrate(shared, pooled, split.stop_share)


def part_calibrate(borders: SegmentBorders, pooled: np.ndarray, share: float) -> SegmentBorders:
    """The same borders, the earlier `share` of the bars before calibrate's end given to early stopping.

    Parameters
    ----------
    pooled
        Bar opens of all series, ascending, datetime64 UTC, (T,).
    share
        Of the bars in [train_end, calibrate_end); 0 lets calibrate serve for both.

    Raises
    ------
    ConfigError
        If those bars are too few to part.
    """
    if share == 0:
        return borders
    ends = (borders.train_end, borders.calibrate_end)
    first, last = np.searchsorted(pooled, np.array([_instant(end) for end in ends], "datetime64[us]"))
    place = min(int(first + round(share * (last - first))), len(pooled) - 1)
    stop_end = pd.Timestamp(pooled[place], tz="UTC")
    if not borders.train_end < stop_end < borders.calibrate_end:
        raise ConfigError(
            "bars before calibrate's end that can be parted at split.stop_share",
            f"{last - first}",
            "give more bars, or set split.stop_share to 0",
        )
    return replace(borders, stop_end=stop_end)


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
        Bars of this series left out after the start of every segment but train.

    Returns
    -------
    ndarray
        Shape (T,) int8: `TRAIN`, `STOP`, `CALIBRATE`, `TEST`, or `NO_SEGMENT` without a label or purged.
    """
    segments = np.full(len(ts), NO_SEGMENT, dtype=np.int8)
    labelled = end >= 0
    known = ts[np.maximum(end, 0)] + duration(timeframe).to_timedelta64()
    for segment in dict.fromkeys((TRAIN, borders.stop_segment, CALIBRATE, TEST)):
        start, stop = borders.bounds(segment)
        first = 0 if start is None else int(np.searchsorted(ts, start))
        if segment != TRAIN:
            first += embargo_bars
        inside = labelled & (np.arange(len(ts)) >= first)
        if stop is not None:
            inside &= (ts < stop) & (known <= stop)
        segments[inside] = segment
    return segments


@dataclass(frozen=True)
class SeenData:
    """What a model was made of, and so what a bar's outcome was to it.

    Attributes
    ----------
    trained
        Series ("AAPL|1d") a label of which was trained on.
    given
        These, and series a label of which chose the epoch, the temperature, the sets or the limits.
    """

    borders: SegmentBorders
    trained: frozenset[str]
    given: frozenset[str]

    @classmethod
    def of(
        cls, borders: SegmentBorders, audit: Mapping[str, Mapping[str, Any]], known: Iterable[str]
    ) -> Self:
        """From the record of what every fitted object saw (`core.training.audit`).

        Parameters
        ----------
        known
            Taken to be trained on where there is no record.
        """
        weights, labelled = (
            [spans for name, spans in audit.items() if name.startswith(parts)]
            for parts in (_LABELLED[0], _LABELLED)
        )
        if not weights:
            return cls(borders, frozenset(known), frozenset(known))
        trained, given = (
            frozenset(key for spans in parts for key, span in spans.items() if span["rows"])
            for parts in (weights, labelled)
        )
        return cls(borders, trained, given)

    def knows(self, *, instrument: str | None = None, timeframe: str | None = None) -> bool:
        """Whether any series of this instrument, of this timeframe, was trained on."""
        pairs = (key.rsplit("|", 1) for key in self.trained)
        return any(instrument in (None, name) and timeframe in (None, bars) for name, bars in pairs)

    def use_of(self, series: str, opened: pd.Timestamp) -> Use:
        """What the outcome of a bar was to the model.

        Decided by the bar's open alone: a label that reaches over a border was purged, and its bar counts as
        of the segment it opens in, the earlier one. So does a bar whose outcome is not known yet.

        Parameters
        ----------
        series
            "AAPL|1d".
        opened
            Of the bar, UTC.

        Returns
        -------
        str
            ``train``: it was learned from. ``calibrate``: it chose the epoch, the temperature, the sets or
            the limits (the stop segment too). ``test``: it opens after both. ``unknown``: the model was not
            given the series, so that no bar of it was learned from (though other series of the same days
            may have been), or the bar opens before training began.
        """
        borders = self.borders
        early = borders.train_start is not None and opened < borders.train_start
        if series not in self.given or early:
            return "unknown"
        if opened < borders.train_end:
            return "train"
        return "calibrate" if opened < borders.calibrate_end else "test"


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
