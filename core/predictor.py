"""Bundle + bars -> prediction: the one path of pages, command line and history scoring."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Any, cast

import numpy as np
import pandas as pd
import torch

from core.bundle import Bundle
from core.confidence.composition import describe_choice
from core.confidence.ranks import SourceRanks
from core.confidence.similarity import window_statistics
from core.confidence.sources import SOURCES, ConfidenceSources, estimate_sources
from core.config import TaskConfig
from core.data.caveats import describe_windows, find_missing
from core.data.dataset import LabelledSeries, prepare_frozen
from core.data.features.table import warm_up
from core.data.inputs import prepare_window, series_key
from core.data.store import BarStore
from core.device import device_of, serving_device
from core.disk import digest_parts
from core.errors import ShortSeriesError, WindowError
from core.models.ensemble import list_members
from core.models.heads import HeadOutput
from core.models.trace import trace
from core.prediction import AttentionWindow, ModelWindow, Prediction, StatedClass, TaskPrediction
from core.timeframe import known_at

BATCH = 32


class Predictor:
    """Scores stored bars with one bundle.

    Parameters
    ----------
    bundle
        A loaded model; its weights are moved to the device that `serving_device` gives.
    store
        Where bars come from; read anew at every call, so that new bars count at once.

    Raises
    ------
    ConfigError
        If CUDA is asked for where there is none.
    """

    def __init__(self, bundle: Bundle, store: BarStore) -> None:
        bundle.model.to(serving_device(bundle.config.serve.device))
        self.bundle = bundle
        self.store = store

    @property
    def length(self) -> int:
        """Bars in one window."""
        return self.bundle.config.model.sequence_length

    @property
    def reach(self) -> int:
        """Bars read for one window: its own, and those its features and label borders need before it."""
        return self.length + warm_up(self.bundle.config.labels)

    def predict(self, instrument: str, timeframe: str, at: pd.Timestamp | None = None) -> Prediction:
        """Predict at the last stored bar that opened at or before `at` (UTC).

        Raises
        ------
        BarsError
            If the series is not in the store.
        WindowError
            If there are too few bars before `at`, or too many features are missing in the window.
        """
        start = time.perf_counter()
        window = self.window(instrument, timeframe, at)
        return self._score([window], start)[0]

    def predict_window(self, window: ModelWindow) -> Prediction:
        """Predict from a model input that is already there, an edited one for example."""
        return self._score([window], time.perf_counter())[0]

    def predict_windows(self, windows: Sequence[ModelWindow]) -> list[Prediction]:
        """The same for several, in batches."""
        predictions = []
        for start in range(0, len(windows), BATCH):
            predictions += self._score(list(windows[start : start + BATCH]), time.perf_counter())
        return predictions

    def predict_range(
        self, instrument: str, timeframe: str, start: pd.Timestamp, end: pd.Timestamp
    ) -> list[Prediction]:
        """Predict at every stored bar that opens in [start, end] and can be scored, oldest first."""
        bars = self._read_range(instrument, timeframe, start, end)
        series = self._label(bars)
        first = int(np.searchsorted(series.ts, naive_utc(start)))
        ends = whole_windows(series.missing, self.length, self.bundle.config.data.max_missing_share)
        ends = ends[ends >= first]
        caveats = dict(zip(ends, self._caveats(bars, map(int, ends)), strict=True))
        predictions = []
        for chunk in (ends[i : i + BATCH] for i in range(0, len(ends), BATCH)):
            began = time.perf_counter()
            parts = {end: slice(end + 1 - self.length, end + 1) for end in chunk}
            windows = [
                ModelWindow(instrument, timeframe, series.ts[part], series.features[part], caveats[end])
                for end, part in parts.items()
            ]
            predictions += self._score(windows, began)
        return predictions

    def label_range(
        self,
        instrument: str,
        timeframe: str,
        start: pd.Timestamp | None = None,
        end: pd.Timestamp | None = None,
        ahead: int = 0,
    ) -> LabelledSeries:
        """Features, and labels at the bundle's kind of borders, of the bars in [start, end].

        The bars a window and its features need before `start` come first in the result, and up to `ahead`
        bars after `end` last, so that the labels of the last bars in the range are known; a label is -1
        where it is not yet known, or where the borders its classes are cut at are not.

        Raises
        ------
        WindowError
            If no bar lies in the range, or too few before its end.
        """
        return self._label(self._read_range(instrument, timeframe, start, end, ahead))

    def _read_range(
        self,
        instrument: str,
        timeframe: str,
        start: pd.Timestamp | None,
        end: pd.Timestamp | None,
        ahead: int = 0,
    ) -> pd.DataFrame:
        bars = self.store.read_range(instrument, timeframe, start, end)
        if start is not None:
            before = cast(pd.Timestamp, start - pd.Timedelta(microseconds=1))
            past = self.store.read_window(instrument, timeframe, before, self.reach)
            bars = pd.concat([past, bars], ignore_index=True) if len(bars) else bars
        if end is not None and ahead and len(bars):
            after = cast(pd.Timestamp, end + pd.Timedelta(microseconds=1))
            coming = self.store.read_range(instrument, timeframe, after, None)
            bars = pd.concat([bars, coming.iloc[:ahead]], ignore_index=True)
        if len(bars) < self.length:
            raise WindowError(
                f"bars of {instrument} {timeframe} in that range with {self.length - 1} before them",
                f"{len(bars)} in all" if len(bars) else "no bar in the range",
                "choose a later or longer range",
            )
        return bars

    def _label(self, bars: pd.DataFrame) -> LabelledSeries:
        instrument, timeframe = str(bars["instrument"].iloc[0]), str(bars["timeframe"].iloc[0])
        others = self._others(instrument, timeframe, bars["ts"].iloc[0], bars["ts"].iloc[-1])
        thresholds = self.bundle.thresholds.get(series_key(instrument, timeframe))
        return prepare_frozen(
            bars, others, self.bundle.scaler, thresholds, self.bundle.borders, self.bundle.config
        )

    def attention(self, instrument: str, timeframe: str, at: pd.Timestamp | None = None) -> AttentionWindow:
        """Attention weights of every layer and head for the window ending at `at`."""
        window = self.window(instrument, timeframe, at)
        model = self.bundle.model
        with torch.inference_mode():
            output = model(*self._inputs([window]), need_attention="full")
        return AttentionWindow(
            instrument=instrument,
            timeframe=timeframe,
            ts=window.ts,
            weights=np.stack([layer[0].float().cpu().numpy() for layer in output.attention]),
            bias_scale=model.bias_scales().cpu().numpy(),
            windows=tuple(self.bundle.config.model.windows),
            members=len(list_members(model)),
        )

    def window(self, instrument: str, timeframe: str, at: pd.Timestamp | None = None) -> ModelWindow:
        """The model's input for the last bar at or before `at`."""
        bars, others = self.read_bars(instrument, timeframe, at)
        (caveats,) = self._caveats(bars, [len(bars) - 1])
        try:
            features, ts = prepare_window(
                bars, others, self.bundle.feature_names, self.bundle.scaler, self.bundle.config, self.length
            )
        except WindowError as error:
            # A hole may be the very reason.
            fix = ". ".join([error.fix, *(said.rstrip(".") for said in caveats)])
            raise WindowError(error.expected, error.received, fix) from None
        return ModelWindow(instrument, timeframe, ts, features, caveats)

    def read_bars(
        self, instrument: str, timeframe: str, at: pd.Timestamp | None = None
    ) -> tuple[pd.DataFrame, dict[str, pd.DataFrame]]:
        """Stored bars behind `window`, with what its features need before it, and those of the others.

        Raises
        ------
        ShortSeriesError
            If there are fewer than a window up to `at`.
        """
        bars = self.store.read_window(instrument, timeframe, end=at, length=self.reach)
        if len(bars) < self.length:
            when = "" if at is None else f" up to {at:%Y-%m-%d %H:%M} UTC"
            raise ShortSeriesError(f"{instrument} {timeframe}{when}", self.length, len(bars))
        return bars, self._others(instrument, timeframe, bars["ts"].iloc[0], bars["ts"].iloc[-1])

    def _caveats(self, bars: pd.DataFrame, ends: Iterable[int]) -> list[tuple[str, ...]]:
        return describe_windows(bars, find_missing(self.store, bars), ends, self.length)

    def _others(
        self, instrument: str, timeframe: str, start: pd.Timestamp, end: pd.Timestamp
    ) -> dict[str, pd.DataFrame]:
        stored = self.store.instruments(timeframe)
        return {
            other: self.store.read_range(other, timeframe, start, end)
            for other in self.bundle.peers
            if other != instrument and other in stored
        }

    def _inputs(self, windows: list[ModelWindow]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        bundle, device = self.bundle, device_of(self.bundle.model)
        return (
            torch.from_numpy(np.stack([window.features for window in windows])).to(device),
            torch.tensor([bundle.instrument_index(window.instrument) for window in windows], device=device),
            torch.tensor([bundle.timeframe_index(window.timeframe) for window in windows], device=device),
        )

    def _score(self, windows: list[ModelWindow], began: float) -> list[Prediction]:
        bundle = self.bundle
        with torch.inference_mode():
            traced = trace(bundle.model, *self._inputs(windows))
            sources, distances = estimate_sources(bundle.model, traced, bundle.reference.representation)
        statistics = window_statistics(np.stack([window.features for window in windows]))
        strangeness = bundle.reference.strangeness(distances.numpy(), statistics)
        tasks = [
            self._state(task, traced.layers[-1][task.name], sources[task.name])
            for task in bundle.config.tasks
        ]
        sessions = {
            key: self.store.session(*key) for key in {(one.instrument, one.timeframe) for one in windows}
        }
        latency = 1e3 * (time.perf_counter() - began) / len(windows)
        predictions = []
        for row, window in enumerate(windows):
            ts = cast(pd.Timestamp, pd.Timestamp(window.ts[-1], tz="UTC"))
            predictions.append(
                Prediction(
                    instrument=window.instrument,
                    timeframe=window.timeframe,
                    ts=ts,
                    known_at=known_at(ts, window.timeframe, sessions[window.instrument, window.timeframe]),
                    model_name=bundle.name,
                    model_version=bundle.version,
                    latency_ms=latency,
                    out_of_distribution=bool(strangeness[row] > 1),
                    distance=float(strangeness[row]),
                    representation_distance=float(distances[row]) / bundle.reference.representation.limit,
                    known_instrument=bundle.seen.knows(instrument=window.instrument),
                    data_fingerprint=window_fingerprint(window.features),
                    tasks={predicted[row].task: predicted[row] for predicted in tasks},
                    known_timeframe=bundle.seen.knows(timeframe=window.timeframe),
                    segment=bundle.seen.use_of(series_key(window.instrument, window.timeframe), ts),
                    caveats=window.caveats,
                )
            )
        return predictions

    def _state(self, task: TaskConfig, head: HeadOutput, sources: ConfidenceSources) -> list[TaskPrediction]:
        logits, stacked, raw, probabilities = (
            part.cpu().numpy()
            for part in (head.logits[:, 0], sources.stacked(), sources.raw(), head.probabilities[:, 0])
        )
        fitted = self.bundle.confidence.get(task.name)
        stated = None if fitted is None else fitted.state(logits, stacked, raw)
        return [
            TaskPrediction(
                task=task.name,
                classes=tuple(task.classes),
                logits=logits[row],
                probabilities=probabilities[row],
                head_confidence=float(head.confidence[row, 0]),
                sources=dict(zip(SOURCES, map(float, stacked[row]), strict=True)),
                raw_confidence=float(raw[row]),
                stated=None
                if fitted is None or stated is None
                else StatedClass(
                    confidence=float(stated.confidence[row]),
                    mix=float(stated.mix[row]),
                    probabilities=stated.probabilities[row],
                    members=tuple(
                        name for name, inside in zip(task.classes, stated.members[row], strict=True) if inside
                    ),
                    method=fitted.calibration.chosen,
                    made_of=describe_choice(fitted.calibration),
                    **_name_ranks(fitted.calibration.ranks, stated.ranks, row),
                ),
                intensity=None if head.intensity is None else float(head.intensity[row, 0]),
                direct=None if head.direct is None else head.direct[row, 0].cpu().numpy(),
            )
            for row in range(len(logits))
        ]


def _name_ranks(fitted: SourceRanks | None, ranks: np.ndarray | None, row: int) -> dict[str, Any]:
    """`ranks` and `unmoved` of a `StatedClass`."""
    if fitted is None or ranks is None:
        return {"ranks": {}}
    told = list(zip(SOURCES, ranks[row], fitted.telling, strict=False))
    return {
        "ranks": {name: float(rank) for name, rank, telling in told if telling},
        "unmoved": tuple(name for name, _, telling in told if not telling),
    }


def whole_windows(missing: np.ndarray, length: int, max_missing_share: float) -> np.ndarray:
    """Last bars of the windows that are there in full and do not miss too much.

    Parameters
    ----------
    missing
        Share of missing features per bar, shape (T,).

    Returns
    -------
    ndarray
        Indices into the series, ascending.
    """
    total = np.concatenate([[0.0], np.cumsum(missing, dtype=np.float64)])
    share = (total[length:] - total[:-length]) / length
    return np.flatnonzero(share <= max_missing_share + 1e-9) + length - 1


def window_fingerprint(features: np.ndarray) -> str:
    """SHA-256 of a model input."""
    return digest_parts([features])


def naive_utc(ts: pd.Timestamp) -> np.datetime64:
    """The instant as numpy keeps bar opens."""
    return ts.tz_convert("UTC").tz_localize(None).to_datetime64()
