"""From four sources to a stated confidence: what a bundle keeps for one task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.calibration.choice import TaskCalibration, fit_task_calibration
from core.calibration.conformal import ConformalSets
from core.calibration.mix import LearnedMix

FOLDS = 5
SET_LEVEL = 0.9


@dataclass(frozen=True)
class StatedConfidence:
    """What is said of n predictions of one task.

    Attributes
    ----------
    raw
        The specification's weighted sum of the sources, (n,).
    confidence
        P(correct) by the chosen calibrator, (n,).
    mix
        P(correct) by the learned mix of the sources, (n,).
    probabilities
        Temperature-scaled class probabilities, (n, C).
    members
        Conformal prediction set, (n, C) bool.
    """

    raw: np.ndarray
    confidence: np.ndarray
    mix: np.ndarray
    probabilities: np.ndarray
    members: np.ndarray


@dataclass(frozen=True)
class TaskConfidence:
    """Everything fitted on the calibrate segment for one task (DESIGN 8)."""

    calibration: TaskCalibration
    mix: LearnedMix
    sets: ConformalSets

    @classmethod
    def fit(
        cls,
        logits: np.ndarray,
        labels: np.ndarray,
        sources: np.ndarray,
        raw: np.ndarray,
        times: np.ndarray,
        gap: int,
    ) -> TaskConfidence:
        """Fit on labelled calibrate rows alone.

        Parameters
        ----------
        logits
            (n, C).
        labels
            (n,) classes.
        sources
            (n, 4) in the order of `core.models.confidence.SOURCES`.
        raw
            (n,) weighted sum of the sources.
        times
            (n,) bar opens.
        gap
            Unique time stamps a label reaches over.

        Raises
        ------
        InputError
            When the segment is too short.
        """
        calibration = fit_task_calibration(logits, labels, raw, times, FOLDS, gap)
        correct = (logits.argmax(axis=1) == labels).astype(float)
        return cls(
            calibration,
            LearnedMix.fit(sources, correct),
            ConformalSets.fit(calibration.probabilities(logits), labels, SET_LEVEL),
        )

    def state(self, logits: np.ndarray, sources: np.ndarray, raw: np.ndarray) -> StatedConfidence:
        """Confidence of predictions with logits (n, C), sources (n, 4) and raw sum (n,)."""
        probabilities = self.calibration.probabilities(np.asarray(logits, np.float64))
        return StatedConfidence(
            raw=raw,
            confidence=self.calibration.confidence(raw, np.asarray(logits, np.float64)),
            mix=self.mix.apply(sources),
            probabilities=probabilities,
            members=self.sets.apply(probabilities),
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers for the bundle."""
        return {
            "calibration": self.calibration.to_dict(),
            "mix": self.mix.to_dict(),
            "sets": self.sets.to_dict(),
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> TaskConfidence:
        """The inverse of `to_dict`; BundleError when a part is missing."""
        return cls(
            TaskCalibration.from_dict(stored["calibration"]),
            LearnedMix.from_dict(stored["mix"]),
            ConformalSets.from_dict(stored["sets"]),
        )
