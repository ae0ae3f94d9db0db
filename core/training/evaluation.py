"""Score a bundle on stored bars, beside the baselines it carries, with intervals."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any, cast

import numpy as np
import pandas as pd

from core.bundle import Bundle
from core.data.dataset import LabelledSeries, PreparedData
from core.data.segments import IN_SAMPLE, NO_SEGMENT, TEST
from core.data.windows import LastBarWindows
from core.errors import WindowError
from core.predictor import Predictor, naive_utc
from core.progress import Progress
from core.training.comparison import TaskEvaluation, score_windows
from core.training.scoring import score_last_bars


@dataclass(frozen=True)
class Evaluation:
    """What one model scored on one stretch of bars.

    Attributes
    ----------
    segments
        How many labelled bars were what to the model (`core.data.segments.SeenData.use_of`), by segment.
    skipped
        Series that could not be scored, with the reason.
    unlabelled
        Series -> bars in the range that have no class of volatility and regime because the borders they would
        be cut at are not known; series without such a bar are absent.
    undecided
        Series -> bars in the range left out of some task because the bars that decide its outcome are not
        stored; series without such a bar are absent.
    scaled_alike
        Whether the baselines' temperature could be fitted on the model's calibrate segment, as the model's
        is; False where its bars are not stored.
    """

    model_name: str
    model_version: str
    start: pd.Timestamp
    end: pd.Timestamp | None
    segments: dict[str, int]
    instruments: list[str]
    tasks: dict[str, TaskEvaluation]
    skipped: dict[str, str]
    unlabelled: dict[str, int] = field(default_factory=dict)
    undecided: dict[str, int] = field(default_factory=dict)
    scaled_alike: bool = True

    @property
    def out_of_sample(self) -> bool:
        """Whether no outcome of a scored bar helped to make the model."""
        return not any(self.segments.get(segment) for segment in IN_SAMPLE)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "model_name": self.model_name,
            "model_version": self.model_version,
            "from": self.start.isoformat(),
            "to": None if self.end is None else self.end.isoformat(),
            "out_of_sample": self.out_of_sample,
            "segments": self.segments,
            "instruments": self.instruments,
            "tasks": {name: task.to_dict() for name, task in self.tasks.items()},
            "skipped": self.skipped,
            "unlabelled": self.unlabelled,
            "undecided": self.undecided,
            "scaled_alike": self.scaled_alike,
        }


def evaluate(
    predictor: Predictor,
    start: pd.Timestamp | None = None,
    end: pd.Timestamp | None = None,
    instrument: str | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Score every labelled bar that opens in [start, end], its label read from the bars after `end` too.

    Parameters
    ----------
    start
        The start of the bundle's test segment, past its embargo, when None.
    instrument
        Only this one; otherwise all the model was trained with.
    progress
        Called with (series done, series in all).

    Raises
    ------
    BarsError
        If `instrument` is not stored.
    WindowError
        If no bar can be scored.
    """
    bundle = predictor.bundle
    first = bundle.borders.calibrate_end if start is None else start
    names = list(bundle.instruments) if instrument is None else [instrument]
    keys = [(name, timeframe) for timeframe in bundle.timeframes for name in names]
    series, skipped, unlabelled, undecided = [], {}, {}, {}
    labels = bundle.config.labels
    ahead = max(labels.horizon, labels.regime_lead)
    for done, (name, timeframe) in enumerate(keys):
        if name in predictor.store.instruments(timeframe):
            try:
                labelled = predictor.label_range(name, timeframe, first, end, ahead)
            except WindowError as error:
                skipped[f"{name} {timeframe}"] = str(error)
            else:
                uncut = _bars_without_borders(labelled, first, end)
                unlabelled |= {labelled.key: uncut} if uncut else {}
                embargo = bundle.config.split.embargo_bars if start is None else 0
                chosen, waiting = _choose_rows(labelled, first, end, embargo, ahead)
                series.append(chosen)
                undecided |= {labelled.key: waiting} if waiting else {}
        else:
            skipped[f"{name} {timeframe}"] = "not stored"
        if progress:
            progress(done, len(keys))
    if not series:
        reason = next(iter(skipped.values()), "nothing stored")
        raise WindowError(
            "at least one series to score", f"none ({reason})", "ingest bars or widen the range"
        )
    calibrate = _calibrate_windows(predictor)
    windows = LastBarWindows(gather_series(bundle, series), TEST, bundle.config)
    tasks = score_windows(bundle, windows, score_last_bars(bundle.model, windows), calibrate)
    if progress:
        progress(len(keys), len(keys))
    return Evaluation(
        model_name=bundle.name,
        model_version=bundle.version,
        start=first,
        end=end,
        segments=_count_segments(bundle, series),
        instruments=sorted({one.instrument for one in series}),
        tasks=tasks,
        skipped=skipped,
        unlabelled=unlabelled,
        undecided=undecided,
        scaled_alike=calibrate is not None,
    )


def gather_series(bundle: Bundle, series: list[LabelledSeries]) -> PreparedData:
    """Series read by a bundle's scaling and borders, together with what the bundle fitted."""
    return PreparedData(
        series=series,
        feature_names=bundle.feature_names,
        scaler=bundle.scaler,
        thresholds=bundle.thresholds,
        instruments=list(bundle.instruments),
        peers=bundle.peers,
        timeframes=list(bundle.timeframes),
        borders=bundle.borders,
        fingerprint="",
        audit={},
    )


def _calibrate_windows(predictor: Predictor) -> LastBarWindows | None:
    """The stored bars of the model's calibrate segment, their labels known within it; None without any."""
    bundle = predictor.bundle
    borders = bundle.borders
    start = borders.train_end if borders.stop_end is None else borders.stop_end
    last = cast(pd.Timestamp, borders.calibrate_end - pd.Timedelta(microseconds=1))
    series = []
    for timeframe in bundle.timeframes:
        for name in set(bundle.instruments) & set(predictor.store.instruments(timeframe)):
            try:
                labelled = predictor.label_range(name, timeframe, start, last)
            except WindowError:
                continue
            embargo = bundle.config.split.embargo_bars
            series.append(_choose_rows(labelled, start, last, embargo, 0)[0])
    windows = LastBarWindows(gather_series(bundle, series), TEST, bundle.config) if series else None
    return windows if windows is not None and len(windows) else None


def _choose_rows(
    series: LabelledSeries, start: pd.Timestamp, end: pd.Timestamp | None, embargo: int, ahead: int
) -> tuple[LabelledSeries, int]:
    """The series with its rows to score, and how many of the range wait for an outcome."""
    ts = series.ts
    first = int(np.searchsorted(ts, naive_utc(start))) + embargo
    inside = np.arange(len(ts)) >= first
    if end is not None:
        inside &= ts <= naive_utc(end)
    segments = {
        task: np.where(inside & (values >= 0), TEST, NO_SEGMENT).astype(np.int8)
        for task, values in series.labels.items()
    }
    waiting = inside & np.any([values < 0 for values in series.labels.values()], axis=0)
    # Earlier bars without a label have none however long one waits, and those without borders neither.
    waiting &= (np.arange(len(ts)) >= len(ts) - ahead) & np.isfinite(series.borders.volatility_low)
    return replace(series, segments=segments), int(waiting.sum())


def _count_segments(bundle: Bundle, series: list[LabelledSeries]) -> dict[str, int]:
    counts = Counter(
        bundle.seen.use_of(one.key, cast(pd.Timestamp, pd.Timestamp(ts, tz="UTC")))
        for one in series
        for ts in one.ts[np.any([segment == TEST for segment in one.segments.values()], axis=0)]
    )
    return dict(sorted(counts.items()))


def _bars_without_borders(series: LabelledSeries, start: pd.Timestamp, end: pd.Timestamp | None) -> int:
    inside = series.ts >= naive_utc(start)
    if end is not None:
        inside &= series.ts <= naive_utc(end)
    return int((inside & np.isnan(series.borders.volatility_low)).sum())
