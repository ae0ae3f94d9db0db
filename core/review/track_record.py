"""How often calls came true when a confidence was as high as it is now, from a walk-forward's rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

import numpy as np
import pandas as pd

from core.confidence.choice import Method
from core.confidence.sources import SOURCES
from core.experiments.walk_forward.results import rank_column
from core.review.rows import ReviewRows, stretches_of
from core.scores.calibration_error import bin_edges
from core.scores.reliability import Band, ReliabilityCurve, reliability_curve, sampling_band
from core.scores.stretches import Stretches
from core.timeframe import DURATIONS

BINS = 10
WIDEST = 0.1
"""Values further apart are not as sure as each other."""
FEWEST = 30
"""Below so many rows no share is stated."""
MANY = 300
"""From so many rows on the share is stated without its interval, which then spans about ten points."""


@dataclass(frozen=True)
class Standing:
    """Record of the rows stated about as high as a value: a tenth of all, less where that spans too much.

    Attributes
    ----------
    low, high
        Stated values of those rows, low included.
    count, right
        Rows in it, and how many of their calls came true.
    right_low, right_high
        95% interval of the share right; NaN where there is none.
    """

    low: float
    high: float
    count: int
    right: int
    right_low: float
    right_high: float

    @property
    def share(self) -> float:
        """Share right; NaN without rows."""
        return self.right / self.count if self.count else float("nan")


Origin = Literal["own", "alike", "other"]
"""Whose test bars a record counts: the model's own, those of models trained the same way, or otherwise."""


@dataclass(frozen=True)
class Measured:
    """Where the rows of a record come from: whose they are, and the years of the first and the last.

    `form` is how all of them state their confidence; None where that plays no part. `series` names those the
    rows are of, as "AAPL 1d"; empty where that was not asked.
    """

    origin: Origin
    first: int
    last: int
    form: Method | None = None
    series: tuple[str, ...] = ()


@dataclass(frozen=True)
class ConfidenceRecord:
    """Share right by tenths of the stated values, each tenth with equally many rows where values differ.

    Tenths wider than `WIDEST` are cut into equally wide parts of at most that.

    Attributes
    ----------
    curve, band
        Of B bins.
    lowest, highest
        Value ever stated.
    measured
        Where the rows come from.
    """

    curve: ReliabilityCurve
    band: Band
    lowest: float
    highest: float
    measured: Measured | None = None

    @classmethod
    def of(
        cls,
        stated: np.ndarray,
        correct: np.ndarray,
        stretches: Stretches,
        measured: Measured | None = None,
    ) -> ConfidenceRecord:
        """Count stated values (n,) in [0, 1] and whether the calls came true (n,); n >= 1."""
        stated = _as_stored(stated)
        curve = reliability_curve(stated, correct, edges=_cut_edges(stated))
        band = sampling_band(stated, correct, curve.edges, stretches)
        return cls(curve, band, float(stated.min()), float(stated.max()), measured)

    def standing(self, value: float) -> Standing:
        """Record of the tenth `value` lies in; outside all values ever stated it has no rows."""
        value = float(_as_stored(np.asarray(value)))
        edges = self.curve.edges
        if value < self.lowest or value > self.highest:
            nan = float("nan")
            outside = (0.0, self.lowest) if value < self.lowest else (self.highest, 1.0)
            return Standing(*outside, 0, 0, nan, nan)
        place = int(np.clip(np.searchsorted(edges, value, side="right") - 1, 0, len(edges) - 2))
        count = int(self.curve.count[place])
        return Standing(
            low=max(float(edges[place]), self.lowest),
            high=min(float(edges[place + 1]), self.highest),
            count=count,
            right=round(float(self.curve.accuracy[place]) * count) if count else 0,
            right_low=float(self.band.low[place]),
            right_high=float(self.band.high[place]),
        )


def keep_known(rows: pd.DataFrame, moment: pd.Timestamp) -> pd.DataFrame:
    """The rows of a walk-forward whose outcome was known at `moment` (UTC): its last bar had closed."""
    known = np.zeros(len(rows), dtype=bool)
    for timeframe, length in DURATIONS.items():
        known |= ((rows["timeframe"] == timeframe) & (rows["label_end"] + length <= moment)).to_numpy()
    return rows.loc[known]


def build_records(
    rows: ReviewRows,
    origin: Origin | None = None,
    form: Method | None = None,
    series: Sequence[str] = (),
) -> dict[str, ConfidenceRecord]:
    """Records of the final confidence, every source and its rank, by name; those never stated are left out.

    A rank's name is that of its column, `rank_column`. With a `form` the final confidence is counted on the
    folds alone that state theirs in it: another calibrator's 60% is not the same 60%. `series` goes into
    `Measured`.
    """
    measured = None
    if origin is not None and len(rows):
        first, last = (int(when.astype("datetime64[Y]").astype(int)) + 1970 for when in rows.times[[0, -1]])
        measured = Measured(origin, first, last, series=tuple(series))
    told = {name: rows.stated[name] for name in ("confidence", *SOURCES)}
    told |= {rank_column(name): ranks for name, ranks in rows.ranks.items()}
    records = {}
    for name, stated in told.items():
        known, where = np.isfinite(stated), measured
        if name == "confidence" and form is not None:
            known &= _stating_in(rows, form)
            where = None if measured is None else replace(measured, form=form)
        if known.any():
            found = rows.take(known)
            records[name] = ConfidenceRecord.of(stated[known], found.correct, stretches_of(found), where)
    return records


def _stating_in(rows: ReviewRows, form: Method) -> np.ndarray:
    """(n,) whether a row's fold states its final confidence in this form."""
    same = np.isclose(rows.stated["confidence"], rows.stated[form], rtol=0, atol=1e-6)
    folds, place = np.unique(rows.fold, return_inverse=True)
    return (np.bincount(place, ~same, folds.size) == 0)[place]


def _cut_edges(stated: np.ndarray) -> np.ndarray:
    edges = bin_edges(stated, BINS, "mass")
    # The outer tenths end where values do, not at 0 and 1.
    ends = np.clip(edges, stated.min(), stated.max())
    cut = [
        np.linspace(low, high, max(1, int(np.ceil((high - low) / WIDEST - 1e-9))), endpoint=False)
        for low, high in pairwise(ends)
    ]
    return np.unique(np.concatenate([[0.0], *(part[1:] for part in cut), edges[1:-1], [1.0]]))


def _as_stored(stated: np.ndarray) -> np.ndarray:
    # Walk-forward rows are float32: an isotonic step must compare equal to itself in double.
    return np.asarray(stated, np.float32).astype(np.float64)
