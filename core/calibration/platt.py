"""Platt scaling: a raw confidence turned into P(correct) by a logistic curve."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import expit, logit

from core.calibration.logistic import fit_logistic
from core.calibration.stored import read_number
from core.training.calibration_error import check_confidence

# A confidence of exactly 0 or 1 has no logit.
_CLIP = 1e-6


@dataclass(frozen=True)
class Platt:
    """P(correct) = 1 / (1 + exp(-(slope * logit(raw) + intercept))); slope 1, intercept 0 changes nothing."""

    slope: float = 1.0
    intercept: float = 0.0

    @classmethod
    def fit(cls, raw: np.ndarray, correct: np.ndarray) -> Platt:
        """Fit on raw confidence (n,) in [0, 1] and correctness (n,), unregularised (see `fit_logistic`)."""
        raw, correct = check_confidence(raw, correct)
        slopes, intercept = fit_logistic(_logit(raw)[:, None], correct)
        return cls(float(slopes[0]), intercept)

    def apply(self, raw: np.ndarray) -> np.ndarray:
        """P(correct) for raw confidence of any shape."""
        return expit(self.slope * _logit(raw) + self.intercept)

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers for the bundle."""
        return {"slope": self.slope, "intercept": self.intercept}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Platt:
        """The inverse of `to_dict`; BundleError when a number is missing."""
        return cls(read_number(stored, "slope"), read_number(stored, "intercept"))


def _logit(raw: np.ndarray) -> np.ndarray:
    return logit(np.clip(np.asarray(raw, float), _CLIP, 1 - _CLIP))
