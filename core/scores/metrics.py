"""Scores of one task's predictions, with intervals that count how rows hang together.

Shape legend: n rows, C classes, G stretches of time, D draws.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from core.errors import InputError
from core.scores.calibration_error import (
    BINS,
    Binning,
    assign_bins,
    bin_edges,
    binned_error,
    check_confidence,
    draw_residuals,
    draw_smooth,
    largest_binned_error,
    smooth_calibration_error,
)
from core.scores.formulas import scores_from_sums
from core.scores.intervals import Interval, interval, mirrored_interval, share_interval
from core.scores.selective import find_area_swings, selective_areas
from core.scores.stretches import Stretches, find_swings

_RANKS = 1000
_DRAWS = 1000

_SHARES = ("accuracy", "macro_f1", "precision", "recall", "aurc", "excess_aurc", "mean_confidence")
_SIGNED = ("mcc", "log_loss_skill", "brier_within_bin")
_MIRRORED = ("ece", "ece_mass", "mce", "brier_reliability")


@dataclass(frozen=True)
class TaskScores:
    """Scores of one task on n rows; each row's call is its most probable class.

    Macro averages are over the classes that occur as label or call. The Brier score is the sum over classes
    of the squared error, 0 to 2, and equals reliability - resolution + uncertainty + within_bin, where the
    parts come from 15 equally wide bins of each class's probability and `within_bin` is the variance of
    forecasts inside their bins less twice their covariance with the outcomes (Stephenson et al. 2008). ECE,
    MCE (15 bins, equal width; `ece_mass` equal mass), smooth ECE and AURC are of the confidence that the
    call is right. `confusion[i][j]` counts rows of class i called j.
    """

    n: int
    accuracy: float
    macro_f1: float
    precision: float
    recall: float
    mcc: float
    log_loss: float
    prior_log_loss: float
    log_loss_skill: float
    brier: float
    brier_reliability: float
    brier_resolution: float
    brier_uncertainty: float
    brier_within_bin: float
    ece: float
    ece_mass: float
    mce: float
    smooth_ece: float
    aurc: float
    excess_aurc: float
    mean_confidence: float
    confusion: tuple[tuple[int, ...], ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers by name, for JSON."""
        return asdict(self) | {"confusion": [list(row) for row in self.confusion]}


class _Scored(NamedTuple):
    probabilities: np.ndarray
    labels: np.ndarray
    prior: np.ndarray
    confidence: np.ndarray
    correct: np.ndarray
    call: np.ndarray


def score_task(
    probabilities: np.ndarray, labels: np.ndarray, prior: np.ndarray, confidence: np.ndarray | None = None
) -> TaskScores:
    """Score predictions against labels.

    Parameters
    ----------
    probabilities
        (n, C), rows summing to 1.
    labels
        (n,) classes 0..C-1; rows without a label must be left out before.
    prior
        (C,) class shares of the training segment, or (n, C) one row each; the forecast to beat.
    confidence
        (n,) stated probability that the call is right; the call's own probability when None.

    Raises
    ------
    InputError
        On empty or mismatched input, labels outside the classes, or rows that are no distribution.
    """
    scored = _check(probabilities, labels, prior, confidence)
    classes = scored.probabilities.shape[1]
    cells = _cells(scored)
    sums = {
        name: np.bincount(cell, weights=values, minlength=size)
        for name, (cell, size, values) in cells.items()
    }
    area, excess = selective_areas(scored.confidence, scored.correct)
    return TaskScores(
        n=len(scored.labels),
        **{name: float(value) for name, value in scores_from_sums(sums, classes).items()},
        smooth_ece=smooth_calibration_error(scored.confidence, scored.correct),
        aurc=area,
        excess_aurc=excess,
        confusion=tuple(tuple(int(c) for c in row) for row in sums["confusion"].reshape(classes, classes)),
    )


def score_intervals(
    probabilities: np.ndarray,
    labels: np.ndarray,
    prior: np.ndarray,
    confidence: np.ndarray | None = None,
    *,
    stretches: Stretches,
    level: float = 0.95,
    ranked: bool = True,
) -> dict[str, Interval]:
    """Interval of every number in `TaskScores` but `n` and the confusion matrix.

    Bin edges stay those of all rows. Calibration errors and the Brier reliability, which noise only raises,
    get mirrored intervals (see `core.scores.intervals.mirrored_interval`).

    Parameters
    ----------
    probabilities, labels, prior, confidence
        As for `score_task`.
    stretches
        Of the times of the same rows.
    level
        Of the intervals.
    ranked
        False leaves out `smooth_ece`, `aurc` and `excess_aurc`, which take most of the time. The two areas
        are taken in at most 1000 groups of neighbouring confidences, each group's order random.
    """
    scored = _check(probabilities, labels, prior, confidence)
    if scored.labels.shape != stretches.place.shape:
        raise InputError(
            f"{stretches.place.size} rows, as the stretches have",
            f"{scored.labels.size}",
            "take the stretches of the times of the scored rows",
        )
    scores = asdict(score_task(probabilities, labels, prior, confidence))
    swings = _find_all_swings(scored, stretches, ranked)
    found = {
        name: interval(
            scores[name],
            swing,
            stretches,
            level,
            least=-math.inf if name in _SIGNED else 0.0,
            most=1.0 if name in _SHARES or name == "mcc" else math.inf,
        )
        for name, swing in swings.items()
    }
    found["mcc"] = replace(found["mcc"], low=max(found["mcc"].low, -1.0))
    found["accuracy"] = share_interval(
        scored.correct == 1, np.ones(len(scored.labels), bool), stretches, level
    )
    for name, drawn in _draw_errors(scored, stretches, ranked).items():
        most = math.inf if name == "brier_reliability" else 1.0
        found[name] = mirrored_interval(scores[name], drawn, level, most)
    return {name: found[name] for name in scores if name in found}


def log_losses(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """(n,) -ln of the probability of the label, clipped at 2.2e-16 as scikit-learn does."""
    stated = np.take_along_axis(np.asarray(probabilities, float), np.asarray(labels)[:, None], axis=1)[:, 0]
    return -np.log(np.clip(stated, np.finfo(float).eps, 1.0))


def brier_losses(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """(n,) sum over classes of the squared error of the probability, 0 to 2."""
    probabilities = np.asarray(probabilities, float)
    return ((probabilities - np.eye(probabilities.shape[1])[labels]) ** 2).sum(axis=1)


def _check(
    probabilities: np.ndarray, labels: np.ndarray, prior: np.ndarray, confidence: np.ndarray | None
) -> _Scored:
    probabilities, labels = np.asarray(probabilities, float), np.asarray(labels)
    if probabilities.ndim != 2 or labels.shape != probabilities.shape[:1] or not labels.size:
        raise InputError(
            "(n, classes) probabilities and n labels",
            f"shapes {probabilities.shape} and {labels.shape}",
            "score the same rows, at least one",
        )
    n, classes = probabilities.shape
    if labels.dtype.kind not in "iu" or labels.min() < 0 or labels.max() >= classes:
        raise InputError(
            f"whole-number labels 0..{classes - 1}",
            f"{labels.min()}..{labels.max()} ({labels.dtype})",
            "leave rows without a label out",
        )
    prior = np.asarray(prior, float)
    if prior.shape not in ((classes,), (n, classes)):
        raise InputError(f"a prior of {classes} classes", f"shape {prior.shape}", "give one share per class")
    for rows in (probabilities, prior):
        if not (np.isfinite(rows).all() and rows.min() >= 0 and np.allclose(rows.sum(-1), 1, atol=1e-4)):
            raise InputError("probabilities that sum to 1", "others", "apply softmax, leave NaN rows out")
    call = probabilities.argmax(axis=1)
    stated = probabilities.max(axis=1).clip(0, 1) if confidence is None else confidence
    confidence, correct = check_confidence(stated, call == labels)
    return _Scored(probabilities, labels, np.broadcast_to(prior, (n, classes)), confidence, correct, call)


def _cells(scored: _Scored) -> dict[str, tuple[np.ndarray, int, np.ndarray | None]]:
    """The sums the formulas need: by name the cell of each row, the number of cells, the summed value."""
    probabilities, labels, prior, confidence, correct, call = scored
    n, classes = probabilities.shape
    one = np.zeros(n, dtype=int)
    width, mass = bin_edges(confidence, BINS, "width"), bin_edges(confidence, BINS, "mass")
    in_width, in_mass = assign_bins(confidence, width), assign_bins(confidence, mass)
    cells = {
        "confusion": (labels * classes + call, classes * classes, None),
        "confidence": (one, 1, confidence),
        "log_loss": (one, 1, log_losses(probabilities, labels)),
        "prior_log_loss": (one, 1, log_losses(prior, labels)),
        "brier": (one, 1, brier_losses(probabilities, labels)),
        "width_count": (in_width, BINS, None),
        "width_residual": (in_width, BINS, correct - confidence),
        "mass_residual": (in_mass, len(mass) - 1, correct - confidence),
    }
    for k in range(classes):
        stated = probabilities[:, k]
        bins, true = assign_bins(stated, np.linspace(0, 1, BINS + 1)), (labels == k).astype(float)
        cells[f"class_{k}_count"] = (bins, BINS, None)
        cells[f"class_{k}_true"] = (bins, BINS, true)
        cells[f"class_{k}_residual"] = (bins, BINS, true - stated)
    return cells


def _find_all_swings(scored: _Scored, stretches: Stretches, ranked: bool) -> dict[str, np.ndarray]:
    """By score, what each stretch adds to it, (G,); those that noise only raises left out."""
    classes = scored.probabilities.shape[1]
    cells = _cells(scored)
    blocks = [stretches.total_by_cell(cell, size, values) for cell, size, values in cells.values()]
    borders = np.cumsum([size for _, size, _ in cells.values()])[:-1]
    names: list[str] = []

    def formulas(sums: np.ndarray) -> np.ndarray:
        parts = dict(zip(cells, np.split(sums, borders, axis=-1), strict=True))
        found = {k: v for k, v in scores_from_sums(parts, classes).items() if k not in _MIRRORED}
        names[:] = found
        return np.stack(list(found.values()), axis=-1)

    swings = find_swings(np.concatenate(blocks, axis=1), formulas)
    found = dict(zip(names, swings.T, strict=True))
    if ranked:
        areas = find_area_swings(scored.confidence, scored.correct, stretches, _RANKS)
        found |= dict(zip(("aurc", "excess_aurc"), areas.T, strict=True))
    return found


def _draw_errors(scored: _Scored, stretches: Stretches, smooth: bool) -> dict[str, np.ndarray]:
    """By calibration error, what other times like these would have given, (D,)."""
    probabilities, labels, _, confidence, correct, _ = scored
    n, drawn = len(labels), {}
    binnings: dict[str, Binning] = {"ece": "width", "ece_mass": "mass"}
    for name, binning in binnings.items():
        edges = bin_edges(confidence, BINS, binning)
        cell, size = assign_bins(confidence, edges), len(edges) - 1
        count = np.bincount(cell, minlength=size)
        sums = draw_residuals(confidence, correct, cell, size, stretches, _DRAWS)
        drawn[name] = binned_error(sums, count)
        if name == "ece":
            drawn["mce"] = largest_binned_error(sums, count)
    reliability = []
    for k in range(probabilities.shape[1]):
        stated, true = probabilities[:, k], (labels == k).astype(float)
        cell = assign_bins(stated, np.linspace(0, 1, BINS + 1))
        count = np.maximum(np.bincount(cell, minlength=BINS), 1)
        sums = draw_residuals(stated, true, cell, BINS, stretches, _DRAWS)
        reliability.append((sums**2 / count).sum(-1) / n)
    # Where the classes differ in how long they hang together, one of them alone may have no draws.
    drawn["brier_reliability"] = sum(reliability) if all(map(len, reliability)) else np.empty(0)
    if smooth:
        drawn["smooth_ece"] = draw_smooth(confidence, correct, stretches, _DRAWS)
    return drawn
