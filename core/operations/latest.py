"""What a model says at every stored series' newest bar, and said at the one before: made once, then read.

One file a model version, written whole: any number of processes read it, one at a time writes.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import pandas as pd

from core.data.calendar import next_open, rests_until
from core.data.freshness import Feed, judge_feed
from core.data.store import SeriesSummary
from core.disk import hold_lock, write_json
from core.errors import InputError, ShortSeriesError, WindowError
from core.operations.stances import call_of, pack_call
from core.prediction import Prediction
from core.predictor import Predictor
from core.progress import Cancelled, Meter, Progress
from core.timeframe import Session

FOLDER = "latest"
COMMAND = "python -m core predict-all"
FORMAT_VERSION = 1
CHUNK = 8
"""Series predicted between two writes: what a cancelled or killed run loses at most."""
_LOCK_SECONDS = 30.0
_OF_THE_CALENDAR = 300
"""Bars from which the next one's time is learned."""

log = logging.getLogger("lookback")
Key = tuple[str, str]


class LatestError(InputError):
    """Stored predictions that are damaged, or that another process keeps from being written."""


@dataclass(frozen=True)
class Latest:
    """What a model says of one series.

    Attributes
    ----------
    last, bars
        Open of the newest bar, UTC, and how many bars there were, when it was asked.
    now, before
        At that bar and at the one before; None where the model cannot be asked.
    refused
        Why `now` is None; empty where it is not.
    call
        `now` as the strategy sees it (`core.operations.stances.pack_call`); None where it sees nothing.
    due
        When the next bar opens by the series' own calendar, UTC; None where the bars cannot be read.
    holiday
        Whether a holiday nobody here knows may keep that bar away.
    session
        When the instrument's trading day ends, where that is known.
    """

    instrument: str
    timeframe: str
    last: pd.Timestamp
    bars: int
    now: Prediction | None = None
    before: Prediction | None = None
    refused: str = ""
    call: dict[str, Any] | None = None
    due: pd.Timestamp | None = None
    holiday: bool = False
    session: Session | None = None

    @property
    def key(self) -> Key:
        return self.instrument, self.timeframe

    def feed(self, moment: pd.Timestamp) -> Feed | None:
        """How new the newest bar is at a moment (UTC); None where the next one's time is not known."""
        return None if self.due is None else judge_feed(self.due, self.timeframe, moment, self.session)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "instrument": self.instrument,
            "timeframe": self.timeframe,
            "last": self.last.isoformat(),
            "bars": self.bars,
            "now": None if self.now is None else self.now.to_dict(),
            "before": None if self.before is None else self.before.to_dict(),
            "refused": self.refused,
            "call": self.call,
            "due": None if self.due is None else self.due.isoformat(),
            "holiday": self.holiday,
            "session": None if self.session is None else asdict(self.session),
        }

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Latest:
        """The inverse of `to_dict`."""
        return cls(
            instrument=raw["instrument"],
            timeframe=raw["timeframe"],
            last=_moment(raw["last"]),
            bars=int(raw["bars"]),
            now=None if raw["now"] is None else Prediction.from_dict(raw["now"]),
            before=None if raw["before"] is None else Prediction.from_dict(raw["before"]),
            refused=raw["refused"],
            call=raw["call"],
            due=None if raw["due"] is None else _moment(raw["due"]),
            holiday=bool(raw["holiday"]),
            session=None if raw["session"] is None else Session(**raw["session"]),
        )


def latest_path(home: Path, version: str) -> Path:
    """The file of one model version."""
    return Path(home) / FOLDER / f"{version}.json"


def read_latest(home: Path, version: str) -> dict[Key, Latest]:
    """What is stored of a model version, by series; empty where nothing is.

    Raises
    ------
    LatestError
        If the file is damaged.
    """
    path = latest_path(home, version)
    if not path.is_file():
        return {}
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        if raw["format_version"] != FORMAT_VERSION:
            raise ValueError(f"format {raw['format_version']}")
        found = [Latest.from_dict(row) for row in raw["rows"]]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        why = str(error).splitlines()[0]
        raise LatestError("stored predictions", f"{path} ({why})", f"make them again: {COMMAND}") from None
    return {one.key: one for one in found}


def find_stale(stored: Mapping[Key, Latest], series: Sequence[SeriesSummary]) -> list[SeriesSummary]:
    """The series whose bars are not those that were predicted on."""
    return [
        one
        for one in series
        if (found := stored.get((one.instrument, one.timeframe))) is None
        or (found.last, found.bars) != (one.last, one.bars)
    ]


def update_latest(
    predictor: Predictor,
    series: Sequence[SeriesSummary],
    *,
    progress: Progress | None = None,
    cancelled: Cancelled | None = None,
) -> dict[Key, Latest]:
    """Predict at the newest two bars of `series` and store it, a few at a time; what is stored then.

    A series the model cannot be asked about, or whose bars cannot be read, is stored with the reason and
    keeps no other from being predicted. Series that are stored no longer are forgotten.

    Parameters
    ----------
    progress
        Told (series done, series in all).

    Raises
    ------
    Stopped
        If `cancelled` says so; what was done until then is kept.
    LatestError
        If another process is writing for too long.
    """
    home, version = predictor.store.home, predictor.bundle.version
    meter = Meter(progress, cancelled, len(series))
    stored: dict[Key, Latest] = {}
    for start in range(0, max(len(series), 1), CHUNK):
        found = []
        for one in series[start : start + CHUNK]:
            meter.check()
            found.append(predict_newest(predictor, one))
            meter.add(1)
        stored = _store(home, version, found, predictor)
    return stored


def predict_newest(predictor: Predictor, one: SeriesSummary) -> Latest:
    """What the model says at a series' newest bar and the one before, or why it says nothing."""
    head = (one.instrument, one.timeframe, one.last, one.bars)
    store = predictor.store
    calendar: dict[str, Any] = {}
    try:
        ts = store.read_window(one.instrument, one.timeframe, one.last, _OF_THE_CALENDAR)["ts"]
        opens = ts.dt.tz_localize(None).to_numpy()
        due = next_open(opens, one.timeframe)
        calendar = {
            "due": due,
            "holiday": rests_until(opens, due, one.timeframe),
            "session": store.session(one.instrument, one.timeframe),
        }
        first = cast(pd.Timestamp, ts.iloc[max(len(ts) - 2, 0)])
        try:
            said = predictor.predict_range(one.instrument, one.timeframe, first, one.last)
        except WindowError:
            said = []
        newest = [prediction for prediction in said if prediction.ts == one.last]
        # Asked by itself, the model says why it cannot be asked.
        now = newest[0] if newest else predictor.predict(one.instrument, one.timeframe, one.last)
        before = [prediction for prediction in said if prediction.ts < one.last]
        call = _see_call(predictor, now)
        return Latest(*head, now=now, before=before[0] if before else None, call=call, **calendar)
    except ShortSeriesError as error:
        short = (
            f"{error.short:,} bars short: the model reads {error.needed:,} at once, there are {error.found:,}"
        )
        return Latest(*head, refused=short, **calendar)
    except InputError as error:
        return Latest(*head, refused=str(error), **calendar)
    except (OSError, ValueError, RuntimeError) as error:
        log.error("%s %s cannot be predicted", one.instrument, one.timeframe, exc_info=error)
        return Latest(*head, refused=f"The bars cannot be used: {error}", **calendar)


def _see_call(predictor: Predictor, now: Prediction) -> dict[str, Any] | None:
    try:
        return pack_call(call_of(predictor, now))
    except InputError:
        # A model without a direction task is predicted with all the same.
        return None


def _store(home: Path, version: str, found: Sequence[Latest], predictor: Predictor) -> dict[Key, Latest]:
    path = latest_path(home, version)
    path.parent.mkdir(parents=True, exist_ok=True)
    busy = LatestError(
        f"to write {path}", f"another process at it for {_LOCK_SECONDS:.0f} s", "try again in a moment"
    )
    with hold_lock(path.with_suffix(".lock"), _LOCK_SECONDS, busy):
        try:
            stored = read_latest(home, version)
        except LatestError:
            stored = {}
        held = {(one.instrument, one.timeframe) for one in predictor.store.series()}
        kept = {key: one for key, one in (stored | {one.key: one for one in found}).items() if key in held}
        rows = [kept[key].to_dict() for key in sorted(kept)]
        write_json(path, {"format_version": FORMAT_VERSION, "version": version, "rows": rows})
    return kept


def _moment(text: str) -> pd.Timestamp:
    return cast(pd.Timestamp, pd.Timestamp(text))
