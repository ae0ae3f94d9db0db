"""Learned weights for the four confidence sources, beside the specification's fixed sum."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import expit

from core.calibration.logistic import fit_logistic
from core.calibration.stored import read_number, read_numbers
from core.errors import InputError

SOURCES = ("attention", "ensemble", "similarity", "mc_dropout")


@dataclass(frozen=True)
class LearnedMix:
    """P(correct) = 1 / (1 + exp(-(weights . sources + intercept))), sources in the order of `SOURCES`."""

    weights: tuple[float, ...]
    intercept: float

    @classmethod
    def fit(cls, sources: np.ndarray, correct: np.ndarray, without: str | None = None) -> LearnedMix:
        """Fit on the four sources (n, 4) in [0, 1] and correctness (n,) of the calibrate segment.

        A source that never varies gets weight 0, and so does the one called `without`, which is left out of
        the fit. See `fit_logistic` for the errors.
        """
        sources = _four(sources)
        if without is not None:
            sources = np.where(np.arange(len(SOURCES)) == SOURCES.index(without), 0.0, sources)
        slopes, intercept = fit_logistic(sources, correct)
        return cls(tuple(slopes.tolist()), intercept)

    def apply(self, sources: np.ndarray) -> np.ndarray:
        """P(correct) (...) for sources (..., 4)."""
        return expit(_four(sources) @ np.array(self.weights) + self.intercept)

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers for the bundle."""
        return {"weights": list(self.weights), "intercept": self.intercept}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> LearnedMix:
        """The inverse of `to_dict`; BundleError when a number is missing."""
        return cls(read_numbers(stored, "weights", len(SOURCES)), read_number(stored, "intercept"))


def _four(sources: np.ndarray) -> np.ndarray:
    sources = np.asarray(sources, float)
    if not sources.ndim or sources.shape[-1] != len(SOURCES):
        raise InputError(
            f"the four sources {', '.join(SOURCES)}", f"shape {sources.shape}", "stack them on the last axis"
        )
    return sources
