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
from core.data.dataset import LabelledSeries, prepare_frozen, prepare_window, series_key
from core.data.features import CAUSAL_WARMUP
from core.data.store import BarStore
from core.data.targets import SeriesThresholds
from core.data.timeframe import known_at
from core.errors import WindowError
from core.models.transformer import ModelOutput

BATCH = 32


@dataclass(frozen=True)
class TaskPrediction:
    """What one head says of one bar.

    Attributes
    ----------
    logits, probabilities
        Shape (C,), in the order of `classes`.
    head_confidence
        The head's own learned confidence output, in [0, 1]; not calibrated.
    intensity
        Expected log realised volatility, in training standard deviations; None without that output.
    """

    task: str
    classes: tuple[str, ...]
    logits: np.ndarray
    probabilities: np.ndarray
    head_confidence: float
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
        output = self._forward(window.features[None], instrument, timeframe)
        return self._prediction(window, output, 0, start)

    def predict_range(
        self, instrument: str, timeframe: str, start: pd.Timestamp, end: pd.Timestamp
    ) -> list[Prediction]:
        """Predict at every stored bar that opens in [start, end] and can be scored, oldest first."""
        series = self.label_range(instrument, timeframe, start, end)
        first = int(np.searchsorted(series.ts, _naive(start)))
        ends = whole_windows(series.missing, self.length, self.bundle.config.data.max_missing_share)
        ends = ends[ends >= first]
        predictions = []
        for chunk in (ends[i : i + BATCH] for i in range(0, len(ends), BATCH)):
            began = time.perf_counter()
            windows = [
                ModelWindow(instrument, timeframe, series.ts[part], series.features[part])
                for part in (slice(end + 1 - self.length, end + 1) for end in chunk)
            ]
            output = self._forward(np.stack([w.features for w in windows]), instrument, timeframe)
            predictions += [self._prediction(w, output, i, began) for i, w in enumerate(windows)]
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
        output = self._forward(window.features[None], instrument, timeframe, full_attention=True)
        model = self.bundle.model
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

    def _forward(
        self, features: np.ndarray, instrument: str, timeframe: str, *, full_attention: bool = False
    ) -> ModelOutput:
        count = len(features)
        with torch.inference_mode():
            return self.bundle.model(
                torch.from_numpy(np.ascontiguousarray(features)),
                torch.full((count,), self.bundle.instrument_index(instrument)),
                torch.full((count,), self.bundle.timeframe_index(timeframe)),
                last_only=not full_attention,
                need_attention="full" if full_attention else None,
            )

    def _prediction(self, window: ModelWindow, output: ModelOutput, row: int, began: float) -> Prediction:
        bundle = self.bundle
        distance = float(bundle.reference.distance(output.representation[row, -1:].numpy())[0])
        ts = cast(pd.Timestamp, pd.Timestamp(window.ts[-1], tz="UTC"))
        tasks = {}
        for task in bundle.config.tasks:
            head = output.tasks[task.name]
            logits = head.logits[row, -1]
            tasks[task.name] = TaskPrediction(
                task=task.name,
                classes=tuple(task.classes),
                logits=logits.numpy(),
                probabilities=logits.softmax(-1).numpy(),
                head_confidence=float(head.confidence_logit[row, -1].sigmoid()),
                intensity=None if head.intensity is None else float(head.intensity[row, -1]),
            )
        return Prediction(
            instrument=window.instrument,
            timeframe=window.timeframe,
            ts=ts,
            known_at=known_at(ts, window.timeframe),
            model_name=bundle.name,
            model_version=bundle.version,
            latency_ms=1e3 * (time.perf_counter() - began),
            out_of_distribution=distance > bundle.reference.limit,
            distance=distance / bundle.reference.limit,
            known_instrument=bundle.instrument_index(window.instrument) > 0,
            data_fingerprint=_fingerprint(window.features),
            tasks=tasks,
        )


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


def _naive(ts: pd.Timestamp) -> np.datetime64:
    return ts.tz_convert("UTC").tz_localize(None).to_datetime64()
