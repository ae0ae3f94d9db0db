"""How far a window's representation lies from what the model was trained on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.covariance import LedoitWolf

FLAG_QUANTILE = 0.99


@dataclass(frozen=True)
class RepresentationReference:
    """Training distribution of the final representation, as Mahalanobis distances see it.

    Attributes
    ----------
    mean
        Shape (D,).
    precision
        Inverse Ledoit-Wolf covariance, shape (D, D).
    scale
        Twice the median training distance: where similarity has fallen to 1/e.
    limit
        Distance beyond which a window is flagged out of distribution.

    Notes
    -----
    DESIGN correction 9; Ledoit & Wolf 2004 for the shrunk covariance.
    """

    mean: np.ndarray
    precision: np.ndarray
    scale: float
    limit: float

    @classmethod
    def fit(cls, training: np.ndarray, calibration: np.ndarray) -> RepresentationReference:
        """Fit mean and covariance on `training` (n, D), the flag limit on `calibration` (m, D)."""
        covariance = LedoitWolf().fit(training.astype(np.float64))
        reference = cls(
            mean=covariance.location_,
            precision=np.asarray(covariance.get_precision()),
            scale=1.0,
            limit=np.inf,
        )
        return cls(
            mean=reference.mean,
            precision=reference.precision,
            scale=2.0 * float(np.median(reference.distance(training))),
            limit=float(np.quantile(reference.distance(calibration), FLAG_QUANTILE)),
        )

    def distance(self, representation: np.ndarray) -> np.ndarray:
        """Mahalanobis distance of each row, shape (n, D) -> (n,)."""
        centred = np.asarray(representation, dtype=np.float64) - self.mean
        squared = np.einsum("nd,de,ne->n", centred, self.precision, centred, optimize=True)
        return np.sqrt(np.maximum(squared, 0.0))

    def similarity(self, distance: np.ndarray) -> np.ndarray:
        """Similarity confidence exp(-distance / scale), in (0, 1]."""
        return np.exp(-np.asarray(distance) / self.scale)
