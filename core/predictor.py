"""Bundle + bars -> prediction: the one path of pages, command line and history scoring."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import pandas as pd
import torch

from core.bundle import Bundle
from core.config import TaskConfig
from core.data.dataset import LabelledSeries, prepare_frozen, prepare_window, series_key
from core.data.features import CAUSAL_WARMUP
from core.data.store import BarStore
from core.data.targets import SeriesThresholds
from core.data.timeframe import known_at
from core.errors import WindowError
from core.models.confidence import SOURCES, ConfidenceSources, estimate_sources, trace
from core.models.heads import HeadOutput

BATCH = 32


@dataclass(frozen=True)
class StatedClass:
    """The calibrated side of one task's prediction.

    Attributes
    ----------
    confidence
        P(the call is right), by the calibrator chosen on the calibrate segment.
    mix
        The same by the learned mix of the four sources.
    probabilities
        Temperature-scaled class probabilities, shape (C,).
    members
        Classes in the conformal set.
    """

    confidence: float
    mix: float
    probabilities: np.ndarray
    members: tuple[str, ...]


@dataclass(frozen=True)
class TaskPrediction:
    """What one head says of one bar.

    Attributes
    ----------
    logits, probabilities
        Shape (C,), in the order of `classes`.
    head_confidence
        The head's own learned confidence output, in [0, 1]; not calibrated.
    sources
        The four confidence sources by name, each in [0, 1].
    raw_confidence
        Their weighted sum (specification section 5); no probability.
    stated
        What the calibrators make of it; None where the calibrate segment was too short to fit any.
    intensity
        Expected log realised volatility, in training standard deviations; None without that output.
    """

    task: str
    classes: tuple[str, ...]
    logits: np.ndarray
    probabilities: np.ndarray
    head_confidence: float
    sources: dict[str, float]
    raw_confidence: float
    stated: StatedClass | None = None
    intensity: float | None = None

    @property
    def call(self) -> str:
        """The most probable class."""
        return self.classes[int(self.probabilities.argmax())]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; `intensity` only where the head has one."""
        plain: dict[str, Any] = {
            "classes": list(self.classes),
            "call": self.call,
            "logits": [float(value) for value in self.logits],
            "probabilities": [float(value) for value in self.probabilities],
            "head_confidence": self.head_confidence,
            "sources": dict(self.sources),
            "raw_confidence": self.raw_confidence,
            "confidence": None,
        }
        if self.stated is not None:
            plain |= {
                "confidence": self.stated.confidence,
                "mix_confidence": self.stated.mix,
                "calibrated_probabilities": [float(value) for value in self.stated.probabilities],
                "prediction_set": list(self.stated.members),
            }
        return plain if self.intensity is None else plain | {"intensity": self.intensity}


@dataclass(frozen=True)
class Prediction:
    """Everything the model says at the close of one bar.

    Attributes
    ----------
    ts, known_at
        The bar's open, and the moment its close made this prediction possible; UTC.
    distance
        Mahalanobis distance of the representation over the flag limit; above 1 is out of distribution.
    known_instrument
        False when the model was trained without this instrument.
    data_fingerprint
        SHA-256 of the model input (window of scaled features).
    """

    instrument: str
    timeframe: str
    ts: pd.Timestamp
    known_at: pd.Timestamp
    model_name: str
    model_version: str
    latency_ms: float
    out_of_distribution: bool
    distance: float
    known_instrument: bool
    data_fingerprint: str
    tasks: dict[str, TaskPrediction]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; times in ISO 8601, UTC."""
        plain = {name: getattr(self, name) for name in _PLAIN}
        times = {"ts": self.ts.isoformat(), "known_at": self.known_at.isoformat()}
        return plain | times | {"tasks": {name: task.to_dict() for name, task in self.tasks.items()}}


_PLAIN = (
    "instrument",
    "timeframe",
    "model_name",
    "model_version",
    "latency_ms",
    "out_of_distribution",
    "distance",
    "known_instrument",
    "data_fingerprint",
)


@dataclass(frozen=True)
class AttentionWindow:
    """Attention of every layer and head over one window.

    Attributes
    ----------
    ts
        Bar opens, datetime64 UTC, shape (T,).
    weights
        Shape (L, H, T, T), float32; row i is what bar i attends, rows sum to 1, zero outside the window.
    bias_scale
        Learned scale of the temporal bias, shape (L, H).
    windows
        Bars a query may see per layer; None is all of them.
    """

    instrument: str
    timeframe: str
    ts: np.ndarray
    weights: np.ndarray
    bias_scale: np.ndarray
    windows: tuple[int | None, ...]


@dataclass(frozen=True)
class ModelWindow:
    """The model's input at one bar: scaled features and their bar opens."""

    instrument: str
    timeframe: str
    ts: np.ndarray
    features: np.ndarray


class Predictor:
    """Scores stored bars with one bundle.

    Parameters
    ----------
    bundle
        A loaded model.
    store
        Where bars come from; read anew at every call, so that new bars count at once.
    """

    def __init__(self, bundle: Bundle, store: BarStore) -> None:
        self.bundle = bundle
        self.store = store

    @property
    def length(self) -> int:
        """Bars in one window."""
        return self.bundle.config.model.sequence_length

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

    def predict_range(
        self, instrument: str, timeframe: str, start: pd.Timestamp, end: pd.Timestamp
    ) -> list[Prediction]:
        """Predict at every stored bar that opens in [start, end] and can be scored, oldest first."""
        series = self.label_range(instrument, timeframe, start, end)
        first = int(np.searchsorted(series.ts, naive_utc(start)))
        ends = whole_windows(series.missing, self.length, self.bundle.config.data.max_missing_share)
        ends = ends[ends >= first]
        predictions = []
        for chunk in (ends[i : i + BATCH] for i in range(0, len(ends), BATCH)):
            began = time.perf_counter()
            windows = [
                ModelWindow(instrument, timeframe, series.ts[part], series.features[part])
                for part in (slice(end + 1 - self.length, end + 1) for end in chunk)
            ]
            predictions += self._score(windows, began)
        return predictions

    def label_range(
        self,
        instrument: str,
        timeframe: str,
        start: pd.Timestamp | None = None,
        end: pd.Timestamp | None = None,
    ) -> LabelledSeries:
        """Features, and labels by the bundle's frozen thresholds, of the bars in [start, end].

        The bars a window and its features need before `start` come first in the result; a label is -1
        where it is not yet known, or where the bundle has no thresholds for the series.

        Raises
        ------
        WindowError
            If no bar lies in the range, or too few before its end.
        """
        bars = self.store.read_range(instrument, timeframe, start, end)
        if start is not None:
            before = cast(pd.Timestamp, start - pd.Timedelta(microseconds=1))
            past = self.store.read_window(instrument, timeframe, before, self.length + CAUSAL_WARMUP)
            bars = pd.concat([past, bars], ignore_index=True) if len(bars) else bars
        if len(bars) < self.length:
            raise WindowError(
                f"bars of {instrument} {timeframe} in that range with {self.length - 1} before them",
                f"{len(bars)} in all" if len(bars) else "no bar in the range",
                "choose a later or longer range",
            )
        others = self._others(instrument, timeframe, bars["ts"].iloc[0], bars["ts"].iloc[-1])
        thresholds = self.bundle.thresholds.get(series_key(instrument, timeframe), SeriesThresholds.unknown())
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
            weights=np.stack([layer[0].float().numpy() for layer in output.attention]),
            bias_scale=model.bias_scales().numpy(),
            windows=tuple(self.bundle.config.model.windows),
        )

    def window(self, instrument: str, timeframe: str, at: pd.Timestamp | None = None) -> ModelWindow:
        """The model's input for the last bar at or before `at`."""
        bars = self.store.read_window(instrument, timeframe, end=at, length=self.length + CAUSAL_WARMUP)
        if len(bars) < self.length:
            when = "" if at is None else f" up to {at:%Y-%m-%d %H:%M} UTC"
            raise WindowError(
                f"{self.length} bars of {instrument} {timeframe}{when}",
                str(len(bars)),
                "choose a later bar or ingest more history",
            )
        others = self._others(instrument, timeframe, bars["ts"].iloc[0], bars["ts"].iloc[-1])
        features, ts = prepare_window(
            bars, others, self.bundle.feature_names, self.bundle.scaler, self.bundle.config, self.length
        )
        return ModelWindow(instrument, timeframe, ts, features)

    def _others(
        self, instrument: str, timeframe: str, start: pd.Timestamp, end: pd.Timestamp
    ) -> dict[str, pd.DataFrame]:
        stored = self.store.instruments(timeframe)
        return {
            other: self.store.read_range(other, timeframe, start, end)
            for other in self.bundle.instruments
            if other != instrument and other in stored
        }

    def _inputs(self, windows: list[ModelWindow]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        bundle = self.bundle
        return (
            torch.from_numpy(np.stack([window.features for window in windows])),
            torch.tensor([bundle.instrument_index(window.instrument) for window in windows]),
            torch.tensor([bundle.timeframe_index(window.timeframe) for window in windows]),
        )

    def _score(self, windows: list[ModelWindow], began: float) -> list[Prediction]:
        bundle = self.bundle
        with torch.inference_mode():
            traced = trace(bundle.model, *self._inputs(windows))
            sources, distances = estimate_sources(bundle.model, traced, bundle.reference)
        tasks = [
            self._state(task, traced.layers[-1][task.name], sources[task.name])
            for task in bundle.config.tasks
        ]
        latency = 1e3 * (time.perf_counter() - began) / len(windows)
        predictions = []
        for row, window in enumerate(windows):
            ts = cast(pd.Timestamp, pd.Timestamp(window.ts[-1], tz="UTC"))
            distance = float(distances[row])
            predictions.append(
                Prediction(
                    instrument=window.instrument,
                    timeframe=window.timeframe,
                    ts=ts,
                    known_at=known_at(ts, window.timeframe),
                    model_name=bundle.name,
                    model_version=bundle.version,
                    latency_ms=latency,
                    out_of_distribution=distance > bundle.reference.limit,
                    distance=distance / bundle.reference.limit,
                    known_instrument=bundle.instrument_index(window.instrument) > 0,
                    data_fingerprint=_fingerprint(window.features),
                    tasks={predicted[row].task: predicted[row] for predicted in tasks},
                )
            )
        return predictions

    def _state(self, task: TaskConfig, head: HeadOutput, sources: ConfidenceSources) -> list[TaskPrediction]:
        logits, stacked, raw = head.logits[:, 0].numpy(), sources.stacked().numpy(), sources.raw().numpy()
        fitted = self.bundle.confidence.get(task.name)
        stated = None if fitted is None else fitted.state(logits, stacked, raw)
        probabilities = head.probabilities[:, 0].numpy()
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
                if stated is None
                else StatedClass(
                    confidence=float(stated.confidence[row]),
                    mix=float(stated.mix[row]),
                    probabilities=stated.probabilities[row],
                    members=tuple(
                        name for name, inside in zip(task.classes, stated.members[row], strict=True) if inside
                    ),
                ),
                intensity=None if head.intensity is None else float(head.intensity[row, 0]),
            )
            for row in range(len(logits))
        ]


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


def _fingerprint(features: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(features).tobytes()).hexdigest()


def naive_utc(ts: pd.Timestamp) -> np.datetime64:
    """The instant as numpy keeps bar opens."""
    return ts.tz_convert("UTC").tz_localize(None).to_datetime64()
