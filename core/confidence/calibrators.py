"""Calibrators: P(correct) by Platt, isotonic or a learned mix of the sources; temperature for the logits."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import expit, logit, logsumexp, softmax
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from core.confidence.sources import SOURCES
from core.errors import BundleError, InputError
from core.scores.calibration_error import check_confidence

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
        slopes, intercept = fit_logistic(logit_of(raw)[:, None], correct)
        return cls(float(slopes[0]), intercept)

    def apply(self, raw: np.ndarray) -> np.ndarray:
        """P(correct) for raw confidence of any shape."""
        return expit(self.slope * logit_of(raw) + self.intercept)

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers for the bundle."""
        return {"slope": self.slope, "intercept": self.intercept}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Platt:
        """The inverse of `to_dict`; BundleError when a number is missing."""
        return cls(read_number(stored, "slope"), read_number(stored, "intercept"))


def logit_of(raw: np.ndarray) -> np.ndarray:
    """Log-odds of confidences of any shape, those of 0 and 1 within a millionth of them."""
    return logit(np.clip(np.asarray(raw, float), _CLIP, 1 - _CLIP))


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


def fit_logistic(features: np.ndarray, outcomes: np.ndarray) -> tuple[np.ndarray, float]:
    """Slopes (k,) and intercept of P(outcome) by maximum likelihood, outcomes softened as Platt (1999) did.

    An outcome 1 counts as (N1 + 1) / (N1 + 2) and an outcome 0 as 1 / (N0 + 2), for N1 ones and N0 zeros;
    without that, all-right rows would have no finite fit. A constant feature gets slope 0.

    Parameters
    ----------
    features
        (n, k) finite numbers.
    outcomes
        (n,) 0 or 1.

    Raises
    ------
    InputError
        When there are no rows, lengths differ, or a feature is not finite.
    """
    features, outcomes = np.asarray(features, float), np.asarray(outcomes, float)
    if features.ndim != 2 or features.shape[0] != outcomes.size or not outcomes.size:
        raise InputError(
            "one row of features per outcome",
            f"shapes {features.shape} and {outcomes.shape}",
            "fit on the same rows, at least one",
        )
    if not np.isfinite(features).all():
        raise InputError("finite features", "NaN or infinity", "leave those rows out")
    ones = outcomes.sum()
    target = np.where(outcomes == 1, (ones + 1) / (ones + 2), 1 / (outcomes.size - ones + 2))
    centre, scale = features.mean(axis=0), features.std(axis=0)
    varies = scale > 1e-12
    slopes = np.zeros(features.shape[1])
    if not varies.any():
        return slopes, float(np.log(target.mean() / (1 - target.mean())))
    standard = (features[:, varies] - centre[varies]) / scale[varies]
    model = LogisticRegression(C=np.inf, tol=1e-8, max_iter=1000)
    model.fit(
        np.concatenate([standard, standard]),
        np.repeat([1, 0], outcomes.size),
        sample_weight=np.concatenate([target, 1 - target]),
    )
    slopes[varies] = model.coef_[0] / scale[varies]
    return slopes, float(np.ravel(model.intercept_)[0] - slopes @ centre)


FEWEST_SOURCES = 4
"""A stored mix has at least the specification's."""


@dataclass(frozen=True)
class LearnedMix:
    """P(correct) = 1 / (1 + exp(-(weights . sources + intercept))), sources in the order of `SOURCES`.

    One that was fitted before the last sources were added weighs the first ones alone.
    """

    weights: tuple[float, ...]
    intercept: float

    @classmethod
    def fit(cls, sources: np.ndarray, correct: np.ndarray, without: str | None = None) -> LearnedMix:
        """Fit on all sources (n, S) in [0, 1] and correctness (n,) of the calibrate segment.

        A source that never varies gets weight 0, and so does the one called `without`, which is left out of
        the fit. See `fit_logistic` for the errors.
        """
        sources = _whole(sources)
        if without is not None:
            sources = np.where(np.array(list(SOURCES)) == without, 0.0, sources)
        slopes, intercept = fit_logistic(sources, correct)
        return cls(tuple(slopes.tolist()), intercept)

    def apply(self, sources: np.ndarray) -> np.ndarray:
        """P(correct) (...) for sources (..., S)."""
        known = _whole(sources)[..., : len(self.weights)]
        return expit(known @ np.array(self.weights) + self.intercept)

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers for the bundle."""
        return {"weights": list(self.weights), "intercept": self.intercept}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> LearnedMix:
        """The inverse of `to_dict`; BundleError when a number is missing or there are more than sources."""
        weights = read_numbers(stored, "weights")
        if not FEWEST_SOURCES <= len(weights) <= len(SOURCES):
            raise BundleError(
                f"{FEWEST_SOURCES} to {len(SOURCES)} weights of a learned mix",
                str(len(weights)),
                "save the bundle again",
            )
        return cls(weights, read_number(stored, "intercept"))


def _whole(sources: np.ndarray) -> np.ndarray:
    sources = np.asarray(sources, float)
    if not sources.ndim or sources.shape[-1] != len(SOURCES):
        raise InputError(
            f"the sources {', '.join(SOURCES)}", f"shape {sources.shape}", "stack them on the last axis"
        )
    return sources


def read_number(stored: Mapping[str, Any], key: str) -> float:
    """A finite number by name.

    Raises
    ------
    BundleError
        When it is missing or no finite number.
    """
    value = stored.get(key) if isinstance(stored, Mapping) else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise BundleError(
            f"a finite number for calibrator field {key!r}", repr(value), "save the bundle again"
        )
    return float(value)


def read_numbers(stored: Mapping[str, Any], key: str, length: int | None = None) -> tuple[float, ...]:
    """Finite numbers by name, `length` of them or else at least one; errors as `read_number`."""
    values = stored.get(key) if isinstance(stored, Mapping) else None
    if not isinstance(values, list | tuple) or len(values) != (length or len(values)) or not values:
        raise BundleError(
            f"{length or 'some'} numbers for calibrator field {key!r}",
            repr(values)[:60],
            "save the bundle again",
        )
    return tuple(read_number({key: value}, key) for value in values)


# Beyond these the probabilities are one-hot, or uniform, to more digits than any sample can tell.
_LOWEST, _HIGHEST = 0.02, 100.0


@dataclass(frozen=True)
class Temperature:
    """Probabilities softmax(logits / temperature); the winning class never changes."""

    temperature: float = 1.0

    @classmethod
    def fit(cls, logits: np.ndarray, labels: np.ndarray) -> Temperature:
        """The temperature of least log-loss, between 0.02 and 100.

        Parameters
        ----------
        logits
            (n, C) finite.
        labels
            (n,) classes 0..C-1.

        Raises
        ------
        InputError
            When there are no rows, lengths differ, or a logit is not finite.
        """
        logits, labels = np.asarray(logits, float), np.asarray(labels)
        if logits.ndim != 2 or labels.shape != logits.shape[:1] or not labels.size:
            raise InputError(
                "(n, classes) logits and n labels",
                f"shapes {logits.shape} and {labels.shape}",
                "fit on the same rows, at least one",
            )
        if not np.isfinite(logits).all():
            raise InputError("finite logits", "NaN or infinity", "leave those rows out")
        margin = logits - logits[np.arange(len(labels)), labels][:, None]

        def loss(log_temperature: float) -> float:
            return float(np.asarray(logsumexp(margin * math.exp(-log_temperature), axis=1)).mean())

        best = minimize_scalar(
            loss, bounds=(math.log(_LOWEST), math.log(_HIGHEST)), method="bounded", options={"xatol": 1e-6}
        )
        return cls(math.exp(best.x))

    def apply(self, logits: np.ndarray) -> np.ndarray:
        """Probabilities (..., C) of logits (..., C)."""
        return softmax(np.asarray(logits, float) / self.temperature, axis=-1)

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers for the bundle."""
        return {"temperature": self.temperature}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Temperature:
        """The inverse of `to_dict`; BundleError when a number is missing or out of range."""
        temperature = read_number(stored, "temperature")
        if temperature <= 0:
            raise BundleError("a temperature above 0", str(temperature), "save the bundle again")
        return cls(temperature)
