"""Features to the 0..100 scale, fitted on training rows alone."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.errors import InputError

_RELATIVE_SPAN = 1e-9


@dataclass(frozen=True)
class FeatureScaler:
    """Linear map of each feature from [low, high] to [0, 100], clipped; unknown values become the median.

    Attributes
    ----------
    columns
        Names of the N features kept, in the order of the model's input.
    low, high, median
        Shape (N,) float64, low < high.
    """

    columns: tuple[str, ...]
    low: np.ndarray
    high: np.ndarray
    median: np.ndarray

    @classmethod
    def fit(
        cls, columns: Sequence[str], values: np.ndarray, train: np.ndarray, quantiles: tuple[float, float]
    ) -> FeatureScaler:
        """Take the quantiles and median of each feature over the training rows.

        A feature whose quantiles coincide though it varies (a rare flag) gets its minimum and maximum. One
        that is constant or unknown in every training row is dropped with a warning.

        Parameters
        ----------
        values
            Shape (R, len(columns)), NaN where unknown.
        train
            Shape (R,) bool.
        quantiles
            Shares that map to 0 and 100.

        Raises
        ------
        InputError
            If there is no training row, or every feature is dropped.
        """
        if not train.any():
            raise InputError("at least one bar in the training segment", "none", "move the split borders")
        kept, cuts, dropped = [], [], []
        for index, name in enumerate(columns):
            known = values[train, index]
            known = known[np.isfinite(known)]
            if len(known) == 0:
                dropped.append(f"{name} (unknown)")
                continue
            low, high, median = np.quantile(known, [*quantiles, 0.5])
            if not _apart(low, high):
                low, high = known.min(), known.max()
            if not _apart(low, high):
                dropped.append(f"{name} (constant)")
                continue
            kept.append(name)
            cuts.append((low, high, median))
        if dropped:
            warnings.warn(
                f"dropped features without information in training: {', '.join(dropped)}", stacklevel=2
            )
        if not kept:
            raise InputError("a feature that varies in training", "none", "give more bars or other columns")
        low, high, median = np.array(cuts, dtype=np.float64).T
        return cls(tuple(kept), low, high, median)

    def with_column(self, name: str, low: float, high: float, median: float) -> FeatureScaler:
        """The same scaler with one more feature at the end, on bounds that are known rather than fitted."""
        return FeatureScaler(
            (*self.columns, name),
            np.append(self.low, low),
            np.append(self.high, high),
            np.append(self.median, median),
        )

    def transform(self, values: np.ndarray) -> np.ndarray:
        """Scale features given in the order of `columns`.

        Parameters
        ----------
        values
            Shape (R, N), NaN where unknown.

        Returns
        -------
        ndarray
            Shape (R, N) float32 in [0, 100], no NaN.
        """
        assert values.shape[-1] == len(self.columns)
        filled = np.where(np.isnan(values), self.median, values)
        scaled = (filled - self.low) / (self.high - self.low) * 100
        return np.clip(scaled, 0, 100).astype(np.float32)

    def inverse(self, scaled: np.ndarray) -> np.ndarray:
        """Feature values of points on the 0..100 scale, float64; what was clipped stays at its bound."""
        return self.low + np.asarray(scaled, dtype=np.float64) / 100 * (self.high - self.low)

    def to_dict(self) -> dict[str, Any]:
        return {
            "columns": list(self.columns),
            "low": self.low.tolist(),
            "high": self.high.tolist(),
            "median": self.median.tolist(),
        }

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> FeatureScaler:
        bounds = (np.array(raw[name], dtype=np.float64) for name in ("low", "high", "median"))
        return cls(tuple(raw["columns"]), *bounds)


def _apart(low: float, high: float) -> bool:
    return high - low > _RELATIVE_SPAN * max(abs(low), abs(high), _RELATIVE_SPAN)
