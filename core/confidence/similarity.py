"""How far a window, and what the model makes of it, lies from what the model was trained on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.covariance import LedoitWolf

FLAG_QUANTILE = 0.99


@dataclass(frozen=True)
class DistanceReference:
    """A training distribution of D numbers, as Mahalanobis distances see it.

    Attributes
    ----------
    mean
        Shape (D,).
    precision
        Inverse Ledoit-Wolf covariance, shape (D, D).
    scale
        Twice the median training distance: where similarity has fallen to 1/e.
    limit
        Distance beyond which a window is flagged: the calibrate segment's 99th percentile.

    Notes
    -----
    DESIGN correction 9; Ledoit & Wolf 2004 for the shrunk covariance.
    """

    mean: np.ndarray
    precision: np.ndarray
    scale: float
    limit: float

    @classmethod
    def fit(cls, training: np.ndarray, calibration: np.ndarray) -> DistanceReference:
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

    def distance(self, rows: np.ndarray) -> np.ndarray:
        """Mahalanobis distance of each row, shape (n, D) -> (n,)."""
        centred = np.asarray(rows, dtype=np.float64) - self.mean
        squared = np.einsum("nd,de,ne->n", centred, self.precision, centred, optimize=True)
        return np.sqrt(np.maximum(squared, 0.0))

    def similarity(self, distance: np.ndarray) -> np.ndarray:
        """Similarity confidence exp(-distance / scale), in (0, 1]."""
        return np.exp(-np.asarray(distance) / self.scale)


@dataclass(frozen=True)
class TrainingReference:
    """What training windows look like, to the model and by themselves.

    Attributes
    ----------
    representation
        Of the final representation; the similarity confidence comes from it (DESIGN correction 9).
    inputs
        Of `window_statistics`. Layer norms hide how large or how jumbled an input was, so the flag needs a
        second look that does not go through the model.
    """

    representation: DistanceReference
    inputs: DistanceReference

    @classmethod
    def fit(
        cls, training: tuple[np.ndarray, np.ndarray], calibration: tuple[np.ndarray, np.ndarray]
    ) -> TrainingReference:
        """Fit on (representation (n, D), statistics (n, S)) of training and of calibrate windows."""
        pairs = zip(training, calibration, strict=True)
        return cls(*(DistanceReference.fit(*pair) for pair in pairs))

    def strangeness(self, distance: np.ndarray, statistics: np.ndarray) -> np.ndarray:
        """The larger of both distances over its limit, (n,); above 1 is out of distribution.

        Parameters
        ----------
        distance
            Of the representations, (n,).
        statistics
            (n, S), see `window_statistics`.
        """
        inputs = self.inputs.distance(statistics) / self.inputs.limit
        return np.maximum(distance / self.representation.limit, inputs)


def window_statistics(features: np.ndarray) -> np.ndarray:
    """Mean, spread and mean step from bar to bar of every feature: (n, T, N) -> (n, 3 N) float64."""
    features = np.asarray(features, dtype=np.float64)
    steps = np.abs(np.diff(features, axis=1)).mean(axis=1)
    return np.concatenate([features.mean(axis=1), features.std(axis=1), steps], axis=1)
