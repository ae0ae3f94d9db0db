"""How far a window, and what the model makes of it, lies from what the model was trained on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.covariance import LedoitWolf

FLAG_QUANTILE = 0.99
_LEAST_VARIANCE = 1e-3


@dataclass(frozen=True)
class DistanceReference:
    """A training distribution of D numbers, as Mahalanobis distances see it.

    Attributes
    ----------
    mean
        Shape (D,).
    precision
        Inverse covariance, shape (D, D).
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
    def fit(
        cls, training: np.ndarray, calibration: np.ndarray, *, correlated: bool = True
    ) -> DistanceReference:
        """Fit mean and covariance on `training` (n, D), the flag limit on `calibration` (m, D).

        Parameters
        ----------
        correlated
            Shrink the whole covariance after Ledoit and Wolf; otherwise only the D variances are estimated,
            none taken as less than a thousandth of their mean.
        """
        training = training.astype(np.float64)
        if correlated:
            precision = np.asarray(LedoitWolf().fit(training).get_precision())
        else:
            variance = training.var(axis=0)
            precision = np.diag(1 / np.maximum(variance, _LEAST_VARIANCE * variance.mean()))
        reference = cls(mean=training.mean(axis=0), precision=precision, scale=1.0, limit=np.inf)
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
        second look that does not go through the model. Windows overlap and their statistics are nearly
        collinear: of 300 bars and ten instruments there are fewer windows apart than statistics, and a whole
        covariance fitted to them calls every other instrument strange. So only the variances are taken.
    """

    representation: DistanceReference
    inputs: DistanceReference

    @classmethod
    def fit(
        cls, training: tuple[np.ndarray, np.ndarray], calibration: tuple[np.ndarray, np.ndarray]
    ) -> TrainingReference:
        """Fit on (representation (n, D), statistics (n, S)) of training and of calibrate windows."""
        (seen, statistics), (later, later_statistics) = training, calibration
        return cls(
            DistanceReference.fit(seen, later),
            DistanceReference.fit(statistics, later_statistics, correlated=False),
        )

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
