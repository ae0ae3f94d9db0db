"""Isotonic regression: a raw confidence turned into P(correct) by the best rising curve."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.isotonic import IsotonicRegression

from core.calibration.stored import read_numbers
from core.errors import BundleError
from core.training.calibration_error import check_confidence


@dataclass(frozen=True)
class Isotonic:
    """P(correct) by straight lines between the points (raw, probability), flat beyond the outer ones."""

    raw: tuple[float, ...] = (0.0, 1.0)
    probability: tuple[float, ...] = (0.0, 1.0)

    @classmethod
    def fit(cls, raw: np.ndarray, correct: np.ndarray) -> Isotonic:
        """Fit on raw confidence (n,) in [0, 1] and correctness (n,).

        Probabilities stay within [1 / (n + 2), 1 - 1 / (n + 2)], for n rows cannot support a certainty.
        """
        raw, correct = check_confidence(raw, correct)
        floor = 1 / (raw.size + 2)
        model = IsotonicRegression(y_min=floor, y_max=1 - floor, out_of_bounds="clip").fit(raw, correct)
        return cls(tuple(model.X_thresholds_.tolist()), tuple(model.y_thresholds_.tolist()))

    def apply(self, raw: np.ndarray) -> np.ndarray:
        """P(correct) for raw confidence of any shape."""
        return np.interp(np.asarray(raw, float), self.raw, self.probability)

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers for the bundle."""
        return {"raw": list(self.raw), "probability": list(self.probability)}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Isotonic:
        """The inverse of `to_dict`; BundleError when the points are missing, unequal in number or falling."""
        raw = read_numbers(stored, "raw")
        probability = read_numbers(stored, "probability", len(raw))
        within = min(probability) >= 0 and max(probability) <= 1
        if not (within and np.all(np.diff(raw) > 0) and np.all(np.diff(probability) >= 0)):
            raise BundleError("a rising curve of probabilities", "another", "save the bundle again")
        return cls(raw, probability)
