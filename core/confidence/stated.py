"""From the sources to a stated confidence: what a bundle keeps for one task."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.confidence.choice import TaskCalibration, fit_task_calibration
from core.confidence.conformal import ConformalSets
from core.errors import InputError

FOLDS = 5
SET_LEVELS = (0.8, 0.9, 0.95)
SET_LEVEL = 0.9
"""Level of the sets that predictions and rows carry unless another is asked for."""


@dataclass(frozen=True)
class StatedConfidence:
    """What is said of n predictions of one task.

    Attributes
    ----------
    raw
        The specification's weighted sum of the sources, (n,).
    confidence
        P(correct) in the chosen form, (n,).
    mix
        P(correct) by the learned mix of the sources, (n,).
    ranks
        Of the sources among the calibrate segment's bars, (n, S) in [0, 1]; None where none were kept.
    probabilities
        Temperature-scaled class probabilities, (n, C).
    members
        Conformal prediction set at the level asked for, (n, C) bool.
    """

    raw: np.ndarray
    confidence: np.ndarray
    mix: np.ndarray
    ranks: np.ndarray | None
    probabilities: np.ndarray
    members: np.ndarray


@dataclass(frozen=True)
class TaskConfidence:
    """Everything fitted on the calibrate segment for one task (DESIGN 8).

    `sets` are conformal, one for each of `SET_LEVELS`; a bundle written before there were several has the one
    at `SET_LEVEL`.
    """

    calibration: TaskCalibration
    sets: tuple[ConformalSets, ...]

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
            (n, S) in the order of `core.confidence.sources.SOURCES`.
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
        calibration = fit_task_calibration(logits, labels, sources, raw, times, FOLDS, gap)
        probabilities = calibration.probabilities(logits)
        return cls(
            calibration,
            tuple(ConformalSets.fit(probabilities, labels, level) for level in SET_LEVELS),
        )

    def sets_at(self, level: float) -> ConformalSets:
        """The sets that hold the truth at the rate `level`.

        Raises
        ------
        InputError
            If none were fitted at that level.
        """
        for sets in self.sets:
            if math.isclose(sets.level, level):
                return sets
        fitted = ", ".join(f"{100 * sets.level:g}%" for sets in self.sets)
        raise InputError(
            f"a level of prediction sets out of {fitted}", f"{100 * level:g}%", "choose one of these"
        )

    def state(
        self, logits: np.ndarray, sources: np.ndarray, raw: np.ndarray, level: float = SET_LEVEL
    ) -> StatedConfidence:
        """Confidence of predictions with logits (n, C), sources (n, S) and raw sum (n,).

        `level` is that of the prediction sets, see `sets_at`.
        """
        logits = np.asarray(logits, np.float64)
        calibration = self.calibration
        probabilities = calibration.probabilities(logits)
        return StatedConfidence(
            raw=raw,
            confidence=calibration.confidence(logits, sources, raw),
            mix=calibration.mix.apply(sources),
            ranks=None if calibration.ranks is None else calibration.ranks.rank(sources),
            probabilities=probabilities,
            members=self.sets_at(level).apply(probabilities),
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers for the bundle."""
        return {
            "calibration": self.calibration.to_dict(),
            "sets": [sets.to_dict() for sets in self.sets],
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> TaskConfidence:
        """The inverse of `to_dict`; BundleError when a part is missing."""
        calibration = dict(stored["calibration"])
        if "mix" in stored:
            # Where the mix stood before it was a form among others.
            calibration["mix"] = stored["mix"]
        sets = stored["sets"] if isinstance(stored["sets"], list) else [stored["sets"]]
        return cls(
            TaskCalibration.from_dict(calibration),
            tuple(ConformalSets.from_dict(one) for one in sets),
        )
