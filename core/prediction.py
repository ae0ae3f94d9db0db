"""What the model says of one bar, and the views of it that pages and machines read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import pandas as pd
from scipy.special import logsumexp

from core.data.segments import IN_SAMPLE, Use

TIE = 0.01
"""Probability; a smaller lead is none. Whole percents on the screen then always differ where there is one."""


def class_log_odds(logits: np.ndarray, index: int) -> float:
    """Log-odds of class `index` by `logits`, shape (C,): its logit less the log-sum-exp of the others."""
    return float(logits[index] - logsumexp(np.delete(logits, index)))


@dataclass(frozen=True)
class StatedClass:
    """The calibrated side of one task's prediction.

    Attributes
    ----------
    confidence
        P(the call is right), in the form chosen on the calibrate segment.
    mix
        The same by the learned mix of the sources.
    probabilities
        Temperature-scaled class probabilities, shape (C,).
    members
        Classes in the conformal set.
    method
        The form of `confidence`, of `core.confidence.choice.METHODS`.
    made_of
        What that is, and what the sources add to the probability, in words, without a full stop.
    ranks
        By source, the share of the calibrate segment's bars on which it was lower; empty where the model
        keeps none.
    unmoved
        Sources that were the same on all of those bars: their rank says nothing and is left out.
    """

    confidence: float
    mix: float
    probabilities: np.ndarray
    members: tuple[str, ...]
    method: str
    made_of: str
    ranks: dict[str, float]
    unmoved: tuple[str, ...] = ()


@dataclass(frozen=True)
class TaskPrediction:
    """What one head says of one bar.

    Attributes
    ----------
    logits, probabilities
        Shape (C,), in the order of `classes`; the probabilities before calibration.
    head_confidence
        The head's own learned confidence output, in [0, 1]; not calibrated.
    sources
        The four confidence sources by name, each in [0, 1].
    raw_confidence
        Their weighted sum (specification section 5); no probability.
    stated
        What the calibrators make of it; None where the calibrate segment was too short to fit any.
    intensity
        Expected log realised volatility, in standard deviations from the mean of the series' borders; None
        without that output.
    direct
        The part of `logits` that the bar's own inputs say by themselves, shape (C,), the rest being the
        transformer's; None where the task has no direct path.
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
    direct: np.ndarray | None = None

    @property
    def transformer(self) -> np.ndarray | None:
        """The transformer's part of `logits`, shape (C,); None where there is no other part."""
        return None if self.direct is None else self.logits - self.direct

    def probability(self, name: str) -> float:
        """Of one class, before calibration; all members of an ensemble together."""
        return float(self.probabilities[self.classes.index(name)])

    @property
    def shares(self) -> np.ndarray:
        """What is said of the classes, shape (C,): calibrated, plain softmax where nothing was calibrated."""
        return self.probabilities if self.stated is None else self.stated.probabilities

    @property
    def call(self) -> str:
        """The most probable class."""
        return self.classes[int(self.probabilities.argmax())]

    @property
    def no_call(self) -> str | None:
        """Why the most probable class is not to be taken for a call; None where it is one."""
        if self.stated is not None and len(self.stated.members) == len(self.classes):
            return "nothing is ruled out"
        second, first = np.sort(self.shares)[-2:]
        return "the first two classes tie" if first - second < TIE - 1e-9 else None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; `intensity` and the parts of the logits only where the head has them.

        ``probabilities`` are `shares`, ``softmax`` is what they were before calibration; ``call`` is the most
        probable class also where ``no_call`` says why it is none.
        """
        plain: dict[str, Any] = {
            "classes": list(self.classes),
            "call": self.call,
            "no_call": self.no_call,
            "logits": [float(value) for value in self.logits],
            "probabilities": [float(value) for value in self.shares],
            "softmax": [float(value) for value in self.probabilities],
            "head_confidence": self.head_confidence,
            "sources": dict(self.sources),
            "raw_confidence": self.raw_confidence,
            "confidence": None,
        }
        if self.direct is not None:
            plain["direct_logits"] = [float(value) for value in self.direct]
        if self.stated is not None:
            plain |= {
                "confidence": self.stated.confidence,
                "confidence_form": self.stated.method,
                "confidence_made_of": self.stated.made_of,
                "source_ranks": dict(self.stated.ranks),
                "unmoved_sources": list(self.stated.unmoved),
                "mix_confidence": self.stated.mix,
                "prediction_set": list(self.stated.members),
            }
        return plain if self.intensity is None else plain | {"intensity": self.intensity}

    @classmethod
    def from_dict(cls, task: str, raw: Mapping[str, Any]) -> TaskPrediction:
        """The inverse of `to_dict`."""
        stated = None
        if raw["confidence"] is not None:
            stated = StatedClass(
                confidence=raw["confidence"],
                mix=raw["mix_confidence"],
                probabilities=np.array(raw["probabilities"]),
                members=tuple(raw["prediction_set"]),
                method=raw["confidence_form"],
                made_of=raw["confidence_made_of"],
                ranks=dict(raw["source_ranks"]),
                unmoved=tuple(raw["unmoved_sources"]),
            )
        direct = raw.get("direct_logits")
        return cls(
            task=task,
            classes=tuple(raw["classes"]),
            logits=np.array(raw["logits"]),
            probabilities=np.array(raw["softmax"]),
            head_confidence=raw["head_confidence"],
            sources=dict(raw["sources"]),
            raw_confidence=raw["raw_confidence"],
            stated=stated,
            intensity=raw.get("intensity"),
            direct=None if direct is None else np.array(direct),
        )


@dataclass(frozen=True)
class Prediction:
    """Everything the model says at the close of one bar.

    Attributes
    ----------
    ts, known_at
        The bar's open, and the moment its close made this prediction possible; UTC.
    distance
        How unlike training: the larger Mahalanobis distance, of the representation or of the window itself,
        over its limit; above 1 is out of distribution.
    representation_distance
        The first of the two by itself, which the source "similarity" speaks of; NaN where nobody measured it.
    known_instrument
        False when the model was trained without this instrument.
    known_timeframe
        False when the model was trained without bars of this timeframe.
    segment
        What the bar's outcome was to the model (`core.data.segments.SeenData.use_of`).
    data_fingerprint
        SHA-256 of the model input (window of scaled features).
    caveats
        What to know of the bars behind it, in sentences: a hole in the window, bars of one price, no volume.
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
    known_timeframe: bool = True
    segment: Use = "unknown"
    representation_distance: float = float("nan")
    caveats: tuple[str, ...] = ()

    @property
    def in_sample(self) -> bool:
        """Whether the bar's outcome helped to make the model."""
        return self.segment in IN_SAMPLE

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; times in ISO 8601, UTC."""
        plain = {name: getattr(self, name) for name in _PLAIN} | {"caveats": list(self.caveats)}
        times = {"ts": self.ts.isoformat(), "known_at": self.known_at.isoformat()}
        return plain | times | {"tasks": {name: task.to_dict() for name, task in self.tasks.items()}}

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Prediction:
        """The inverse of `to_dict`, which does not carry `representation_distance`: that is NaN."""
        return cls(
            **{name: raw[name] for name in _PLAIN},
            ts=cast(pd.Timestamp, pd.Timestamp(raw["ts"])),
            known_at=cast(pd.Timestamp, pd.Timestamp(raw["known_at"])),
            tasks={name: TaskPrediction.from_dict(name, task) for name, task in raw["tasks"].items()},
            caveats=tuple(raw["caveats"]),
        )


_PLAIN = (
    "instrument",
    "timeframe",
    "model_name",
    "model_version",
    "latency_ms",
    "out_of_distribution",
    "distance",
    "known_instrument",
    "known_timeframe",
    "segment",
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
    members
        Transformers whose heads stand side by side in H, in equal numbers, the first one's first.
    """

    instrument: str
    timeframe: str
    ts: np.ndarray
    weights: np.ndarray
    bias_scale: np.ndarray
    windows: tuple[int | None, ...]
    members: int = 1

    def of_member(self, member: int | None) -> AttentionWindow:
        """One member's heads alone, a view; `member` counts from 1, None is all of them.

        Raises
        ------
        ValueError
            If there is no such member.
        """
        if member is None:
            return self
        if not 1 <= member <= self.members:
            raise ValueError(f"expected a member from 1 to {self.members}, got {member}")
        heads = self.weights.shape[1] // self.members
        own = slice((member - 1) * heads, member * heads)
        return replace(self, weights=self.weights[:, own], bias_scale=self.bias_scale[:, own], members=1)


@dataclass(frozen=True)
class ModelWindow:
    """The model's input at one bar: scaled features, their bar opens, and what to know of the bars."""

    instrument: str
    timeframe: str
    ts: np.ndarray
    features: np.ndarray
    caveats: tuple[str, ...] = ()
