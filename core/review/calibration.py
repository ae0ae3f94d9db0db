"""Numbers behind the Calibration page: curves with bands, errors beside their floor, both through time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from core.review.rows import CALIBRATORS, ReviewRows, list_stated, stretches_of
from core.scores.calibration_error import expected_calibration_error, perfect_model_ece
from core.scores.intervals import Interval, interval
from core.scores.metrics import score_intervals
from core.scores.reliability import (
    Band,
    ReliabilityCurve,
    RollingCalibration,
    consistency_band,
    reliability_curve,
    rolling_calibration,
    sampling_band,
)
from core.scores.selective import find_area_swings, selective_areas
from core.scores.stretches import Stretches

POINTS = 300
AREA_RANKS = 200
DRAWS = 300

MEASURES = ("ece", "ece_mass", "mce", "smooth_ece")
BRIER = ("brier", "brier_reliability", "brier_resolution", "brier_uncertainty", "brier_within_bin")


@dataclass(frozen=True)
class Reliability:
    """One curve; `perfect` is where a perfect model would lie, `sampling` how uncertain each bin is."""

    curve: ReliabilityCurve
    perfect: Band
    sampling: Band


@dataclass(frozen=True)
class ThroughTime:
    """Trailing windows of `window` rows, oldest first.

    Attributes
    ----------
    floor
        (K,) ECE that one perfect model in twenty exceeds, its rows as dependent as those of each window's
        fold are within a window; NaN where too few separate stretches of time are left to tell.
    borders
        First time of each fold but the first.
    """

    window: int
    rolling: RollingCalibration
    floor: np.ndarray
    borders: list[np.datetime64]


@dataclass(frozen=True)
class OverLimit:
    """When the rolling error of `ThroughTime` was over its floor.

    Attributes
    ----------
    share
        Of the windows.
    spans
        Times of the first and last window of the longest runs of such windows, in order of time.
    """

    share: float
    spans: tuple[tuple[np.datetime64, np.datetime64], ...]


@dataclass(frozen=True)
class BesideBefore:
    """ECE of the final confidence and what being choosy by it gains in AURC over a random order, and the same
    `before` any calibration, on the same rows; `difference` of the two gains."""

    ece: float
    ece_before: float
    gain: float
    gain_before: float
    difference: Interval


def measure_reliability(rows: ReviewRows, name: str, stretches: Stretches) -> Reliability:
    """Curve and both bands of what `name` states."""
    stated, correct = rows.stated[name], rows.correct
    curve = reliability_curve(stated, correct)
    return Reliability(
        curve,
        consistency_band(stated, correct, curve.edges, stretches, n_draws=DRAWS),
        sampling_band(stated, correct, curve.edges, stretches),
    )


def compare_calibrators(rows: ReviewRows) -> dict[str, ReliabilityCurve]:
    """Curves before calibration, by each calibrator and of the final confidence."""
    curves = {}
    for name in (*CALIBRATORS, "confidence"):
        known = rows.stating(name)
        if len(known):
            curves[name] = reliability_curve(known.stated[name], known.correct)
    return curves


def choose_window(n: int) -> int:
    """Rows of a trailing window: a tenth of all, 100 to 2000, never more than there are."""
    return min(n, max(100, min(2000, n // 10)))


def follow_calibration(rows: ReviewRows, name: str) -> ThroughTime:
    """Rolling ECE and gap with their floor; rows are in time order."""
    n, window = len(rows), choose_window(len(rows))
    step = max(1, (n - window) // POINTS)
    stated = rows.stated[name]
    rolling = rolling_calibration(stated, rows.correct, rows.times, window, step)
    limits = {}
    for fold in np.unique(rows.fold):
        inside = rows.take(rows.fold == fold)
        limits[fold] = perfect_model_ece(
            inside.stated[name],
            inside.correct,
            stretches_of(inside),
            n_draws=DRAWS,
            share=window / len(inside),
            within=np.arange(len(inside)) // window,
        ).p95
    floor = np.array([limits[fold] for fold in rows.fold[rolling.last]])
    return ThroughTime(window, rolling, floor, fold_borders(rows))


def find_over_limit(found: ThroughTime, most: int = 2) -> OverLimit | None:
    """The `most` longest times over the limit; None where no more windows are than one in twenty."""
    over = found.rolling.ece > found.floor
    if over.sum() <= 0.05 * over.size:
        return None
    edges = np.flatnonzero(np.diff(np.concatenate([[False], over, [False]]).astype(int)))
    runs = sorted(zip(edges[::2], edges[1::2] - 1, strict=True), key=lambda run: run[0] - run[1])[:most]
    times = list(found.rolling.time)
    spans = tuple((times[first], times[last]) for first, last in sorted(runs))
    return OverLimit(float(over.mean()), spans)


def compare_with_before(rows: ReviewRows) -> BesideBefore | None:
    """The final confidence beside the probability before calibration; None where no row states both."""
    known = rows.stating("confidence").stating("uncalibrated")
    if not len(known):
        return None
    correct = known.correct
    now, before = (known.stated[name] for name in ("confidence", "uncalibrated"))
    at_random = float(1 - correct.mean())
    stretches = stretches_of(known)
    areas = [selective_areas(stated, correct)[0] for stated in (now, before)]
    swings = [
        find_area_swings(stated, correct.astype(float), stretches, AREA_RANKS)[:, 0]
        for stated in (now, before)
    ]
    return BesideBefore(
        expected_calibration_error(now, correct),
        expected_calibration_error(before, correct),
        at_random - areas[0],
        at_random - areas[1],
        interval(areas[1] - areas[0], swings[1] - swings[0], stretches),
    )


def fold_borders(rows: ReviewRows) -> list[np.datetime64]:
    """First time of each fold but the first, of rows in time order."""
    _, first = np.unique(rows.fold, return_index=True)
    return list(rows.times[np.sort(first)][1:])


def score_errors(rows: ReviewRows, name: str, stretches: Stretches) -> pd.DataFrame:
    """Calibration errors of `name` and the Brier score of the probabilities, with intervals and floors.

    Returns
    -------
    DataFrame
        Index: names of `MEASURES` and `BRIER`; ``value``, ``low``, ``high``, and ``median``, ``p95`` of a
        perfect model (NaN for the Brier parts). The Brier parts are of the probabilities before calibration
        where `name` is ``uncalibrated``, else after it.
    """
    probabilities = rows.uncalibrated if name == "uncalibrated" else rows.probabilities
    share = np.bincount(rows.labels, minlength=len(rows.classes)) / len(rows)
    stated = rows.stated[name]
    arguments = probabilities, rows.labels, share, stated
    found: dict[str, Interval] = score_intervals(*arguments, stretches=stretches)
    table = pd.DataFrame(
        [(key, found[key].value, found[key].low, found[key].high) for key in (*MEASURES, *BRIER)],
        columns=["measure", "value", "low", "high"],
    ).set_index("measure")
    for key in MEASURES:
        floor = perfect_model_ece(stated, rows.correct, stretches, n_draws=DRAWS, measure=key)  # type: ignore[arg-type]
        table.loc[key, ["median", "p95"]] = floor.median, floor.p95
    return table


def compare_stated(rows: ReviewRows) -> pd.DataFrame:
    """Everything that states a confidence, one row each.

    Returns
    -------
    DataFrame
        Index: names of `list_stated`; ``rows``, ``mean_stated``, ``right``, ``ece``, ``p95`` (of a
        perfect model), ``aurc``. What states nothing on these rows is left out.
    """
    lines = {}
    for name in list_stated():
        known = rows.stating(name)
        if not len(known):
            continue
        stated, correct = known.stated[name], known.correct
        curve = reliability_curve(stated, correct)
        gaps = np.abs(curve.confidence - curve.accuracy)[curve.count > 0]
        lines[name] = {
            "rows": len(known),
            "mean_stated": stated.mean(),
            "right": correct.mean(),
            "ece": float((gaps * curve.count[curve.count > 0]).sum() / len(known)),
            "p95": perfect_model_ece(stated, correct, stretches_of(known), n_draws=DRAWS).p95,
            "aurc": selective_areas(stated, correct)[0],
        }
    return pd.DataFrame.from_dict(lines, orient="index")
