"""Temperature scaling: logits divided by one number (Guo et al. 2017)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp, softmax

from core.calibration.stored import read_number
from core.errors import BundleError, InputError

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
            return float(np.mean(logsumexp(margin * math.exp(-log_temperature), axis=1)))

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
