"""Earlier windows of a series, as the model judges them: what references are chosen from.

Shapes: n windows, T bars, N features, C classes.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import pandas as pd

from core.confidence.similarity import window_statistics
from core.data.segments import TRAIN
from core.errors import WindowError
from core.explain.cache import ExplanationCache
from core.explain.references import COUNT, ORDINARY, Reference, rank_ordinary, rank_typical, real_windows
from core.prediction import ModelWindow
from core.predictor import Predictor, naive_utc, whole_windows
from core.timeframe import duration

POOL = 48
"""Candidates judged per series: enough that a third of them is near the base rate."""

LONGEST = 12_000
"""Bars of a series that candidates are drawn from, the newest ones."""

RENEWED = 64
"""Bars after which later windows become candidates, as long as the explained one lies not past training."""

_EPOCH = np.datetime64("1970-01-01", "us")


@dataclass(frozen=True)
class PastWindows:
    """Candidates of one series, oldest first; none where it has no earlier window.

    Attributes
    ----------
    ts
        Opens of their last bars, (n,) datetime64[us].
    windows
        Shape (n, T, N) float32.
    distances
        As `core.prediction.Prediction.distance`, (n,).
    probabilities
        By task, (n, C), before calibration: the scale on which the log-odds are explained.
    """

    ts: np.ndarray
    windows: np.ndarray
    distances: np.ndarray
    probabilities: dict[str, np.ndarray]

    def choose(self, name: str, task: str, index: int) -> Reference:
        """The reference `name`, one of `core.explain.references.REAL`, for class `index` of a task.

        Windows that the model flags as unlike its training are passed over while there are others.

        Raises
        ------
        WindowError
            If there is no candidate.
        """
        if not len(self.ts):
            raise WindowError(
                "an earlier window of the series", "none", "choose a later bar, or the window's own mean"
            )
        usual = np.flatnonzero(self.distances <= 1)
        usual = usual if len(usual) else np.arange(len(self.ts))
        if name == ORDINARY:
            order, count = rank_ordinary(self.probabilities[task][usual, index]), COUNT
        else:
            order, count = rank_typical(window_statistics(self.windows[usual])), 1
        chosen = usual[order[:count]]
        return real_windows(name, self.windows[chosen], float(self.distances[chosen].max()))


@dataclass(frozen=True)
class Reach:
    """Where candidates for one window may come from.

    Attributes
    ----------
    start, end
        First and last bar that may belong to a candidate; no `start` where there is none.
    fingerprint
        Of the bars between.
    """

    start: pd.Timestamp | None
    end: pd.Timestamp
    fingerprint: str

    def key(self, predictor: Predictor, window: ModelWindow, seed: int) -> dict[str, Any]:
        """Everything the candidates depend on."""
        return {
            "kind": "past windows",
            "model": predictor.bundle.version,
            "instrument": window.instrument,
            "timeframe": window.timeframe,
            "end": str(self.end),
            "data": self.fingerprint,
            "pool": [POOL, LONGEST],
            "seed": seed,
        }


def find_reach(predictor: Predictor, window: ModelWindow) -> Reach:
    """How far back and up to which bar the candidates for `window` go.

    They end before the window's first bar and change every `RENEWED` bars, so that neighbouring bars are
    compared with the same; those of a series the model was trained on end with its training at the latest.
    Where that leaves too few they may reach into the window, but never up to its last bar.
    """
    first, last = window.ts[0], window.ts[-1]
    step = RENEWED * duration(window.timeframe).to_timedelta64()
    renewed = _EPOCH + (first - _EPOCH) // step * step
    if _is_known(predictor, window):
        renewed = min(renewed, naive_utc(predictor.bundle.borders.train_end))
    for end, spare in ((renewed, POOL), (first, POOL), (last, 0)):
        before = cast(pd.Timestamp, pd.Timestamp(end, tz="UTC") - pd.Timedelta(microseconds=1))
        bars = predictor.store.read_window(window.instrument, window.timeframe, before, LONGEST)
        if len(bars) >= predictor.length + spare:
            return Reach(bars["ts"].iloc[0], before, _digest(bars))
    return Reach(None, cast(pd.Timestamp, pd.Timestamp(last, tz="UTC")), "")


def judge_past(
    predictor: Predictor,
    window: ModelWindow,
    reach: Reach,
    seed: int = 0,
    cache: ExplanationCache | None = None,
) -> PastWindows:
    """Up to `POOL` windows, one drawn by `seed` from each of as many equal stretches, judged by the model.

    The judgements are read from `cache` where they stand there; they serve every task and class.
    """
    key = reach.key(predictor, window, seed)
    stored = None if cache is None else cache.read(key)
    if stored is not None:
        fields, arrays = stored
        said = {task: arrays[f"said_{place}"] for place, task in enumerate(fields["tasks"])}
        return PastWindows(
            arrays["ts"].astype("datetime64[us]"), arrays["windows"], arrays["distances"], said
        )
    ts, windows = _draw(predictor, window, reach, seed)
    judged = predictor.predict_windows(
        [ModelWindow(window.instrument, window.timeframe, ts[i : i + 1], windows[i]) for i in range(len(ts))]
    )
    tasks = {task.name: len(task.classes) for task in predictor.bundle.config.tasks}
    past = PastWindows(
        ts,
        windows,
        np.array([said.distance for said in judged], dtype=float),
        {
            task: np.array([said.tasks[task].probabilities for said in judged], dtype=float).reshape(
                -1, width
            )
            for task, width in tasks.items()
        },
    )
    if cache is not None:
        arrays = {"ts": ts.astype(np.int64), "windows": windows, "distances": past.distances}
        arrays |= {f"said_{place}": past.probabilities[task] for place, task in enumerate(tasks)}
        cache.write(key, {"tasks": list(tasks)}, arrays)
    return past


def _draw(
    predictor: Predictor, window: ModelWindow, reach: Reach, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Opens of last bars (n,), and windows (n, T, N), n possibly 0."""
    length = predictor.length
    nothing = np.empty(0, "datetime64[us]"), np.empty((0, *window.features.shape), np.float32)
    if reach.start is None:
        return nothing
    try:
        series = predictor.label_range(window.instrument, window.timeframe, reach.start, reach.end)
    except WindowError:
        return nothing
    ends = whole_windows(series.missing, length, predictor.bundle.config.data.max_missing_share)
    if _is_known(predictor, window):
        trained = np.any([segment == TRAIN for segment in series.segments.values()], axis=0)
        ends = ends[trained[ends]] if trained[ends].any() else ends
    borders = np.linspace(0, len(ends), min(POOL, len(ends)) + 1).astype(int)
    places = np.random.default_rng(seed).integers(borders[:-1], np.maximum(borders[1:], borders[:-1] + 1))
    ends = ends[places] if len(ends) else ends
    windows = np.array([series.features[end + 1 - length : end + 1] for end in ends], dtype=np.float32)
    return (series.ts[ends], windows) if len(ends) else nothing


def _is_known(predictor: Predictor, window: ModelWindow) -> bool:
    bundle = predictor.bundle
    return window.instrument in bundle.instruments and window.timeframe in bundle.timeframes


def _digest(bars: pd.DataFrame) -> str:
    digest = hashlib.sha256(bars["ts"].to_numpy(dtype="datetime64[us]").astype("<i8").tobytes())
    for name in sorted(bars.columns.difference(["instrument", "timeframe", "ts"])):
        digest.update(name.encode())
        digest.update(bars[name].to_numpy(dtype="<f8").tobytes())
    return digest.hexdigest()
