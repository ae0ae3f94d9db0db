"""Scores of one task's predictions, with block-bootstrap intervals.

Every score is a formula over sums of per-row numbers, so one formula serves the value (sums over all rows)
and all resamples at once (sums over each resample's rows). scikit-learn's functions, which the tests hold
these formulas to, take one resample at a time.

Shape legend: n rows, C classes, R resamples; `...` is () for the value and (R,) for the resamples.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse

from core.errors import InputError
from core.scores.bootstrap import BlockBootstrap, Interval, interval
from core.scores.calibration_error import (
    BINS,
    assign_bins,
    bin_edges,
    binned_error,
    check_confidence,
    grid_positions,
    largest_binned_error,
    smooth_calibration_error,
    smooth_error,
)
from core.scores.selective import areas_from_ties, selective_areas

_RANKS = 1000

# Scores whose resamples lie above the value they estimate.
_BIASED = ("ece", "ece_mass", "mce", "smooth_ece", "brier_reliability")
_SHARES = ("ece", "ece_mass", "mce", "smooth_ece")


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
    bootstrap: BlockBootstrap,
    level: float = 0.95,
    ranked: bool = True,
) -> dict[str, Interval]:
    """Block-bootstrap interval of every number in `TaskScores` but `n` and the confusion matrix.

    Bin edges stay those of all rows. Calibration errors and the Brier reliability get basic intervals,
    since resampling biases them upwards; the others percentile ones (see `interval`).

    Parameters
    ----------
    probabilities, labels, prior, confidence
        As for `score_task`.
    bootstrap
        Over the times of the same rows.
    level
        Of the intervals.
    ranked
        False leaves out `smooth_ece`, `aurc` and `excess_aurc`, which take most of the time. The two areas
        are resampled in at most 1000 groups of neighbouring confidences, each group's order random.
    """
    scored = _check(probabilities, labels, prior, confidence)
    if scored.labels.shape != bootstrap.time_index.shape:
        raise InputError(
            f"{bootstrap.time_index.size} rows, as the bootstrap has",
            f"{scored.labels.size}",
            "build the bootstrap over the times of the scored rows",
        )
    classes = scored.probabilities.shape[1]
    cells = _cells(scored)
    blocks = [bootstrap.total_by_cell(cell, size, values) for cell, size, values in cells.values()]
    drawn = bootstrap.sums(np.concatenate(blocks, axis=1))
    borders = np.cumsum([size for _, size, _ in cells.values()])[:-1]
    draws = scores_from_sums(dict(zip(cells, np.split(drawn, borders, axis=1), strict=True)), classes)
    if ranked:
        draws |= _ranked_draws(scored, bootstrap)
    scores = asdict(score_task(probabilities, labels, prior, confidence))
    intervals = {
        name: interval(scores[name], drawn, level, "basic" if name in _BIASED else "percentile")
        for name, drawn in draws.items()
    }
    # Mirroring a draw far below the value can leave the scale these errors live on.
    return {
        name: replace(found, high=min(found.high, 1.0)) if name in _SHARES else found
        for name, found in intervals.items()
    }


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


def _ranked_draws(scored: _Scored, bootstrap: BlockBootstrap) -> dict[str, np.ndarray]:
    confidence, correct = scored.confidence, scored.correct
    n, ranks = confidence.size, min(_RANKS, confidence.size)
    # Groups of neighbouring ranks count as tied, rows of equal confidence always share one.
    _, tie = np.unique(-confidence, return_inverse=True)
    first = np.concatenate([[0], np.cumsum(np.bincount(tie))[:-1]])
    group = scipy.sparse.csr_array((np.ones(n), first[tie] * ranks // n, np.arange(n + 1)), shape=(n, ranks))
    per_row = scipy.sparse.hstack(
        [
            group,
            group.multiply((1 - correct)[:, None]),
            grid_positions(confidence).multiply((correct - confidence)[:, None]),
        ]
    )
    at_time = scipy.sparse.csr_array(
        (np.ones(n), (bootstrap.time_index, np.arange(n))), shape=(bootstrap.n_times, n)
    )
    per_time = scipy.sparse.csr_array((at_time @ per_row).T)
    drawn = np.concatenate([(per_time @ np.ascontiguousarray(w.T)).T for w in bootstrap.weights()])
    count, wrong, residuals = np.split(drawn, [ranks, 2 * ranks], axis=1)
    area, excess = areas_from_ties(count, wrong)
    smooth = smooth_error(residuals / count.sum(axis=1, keepdims=True))
    return {"smooth_ece": smooth, "aurc": area, "excess_aurc": excess}


def scores_from_sums(sums: Mapping[str, np.ndarray], classes: int) -> dict[str, np.ndarray]:
    """Scores (...) from sums (..., cells).

    `sums` holds `confusion` (label * classes + call), `confidence`, `log_loss`, `prior_log_loss`, `brier`,
    `width_count`, `width_residual` and `mass_residual` by confidence bin, and `class_K_count`,
    `class_K_true` and `class_K_residual` by bin of each class's probability; a residual is outcome less
    stated.
    """
    confusion = sums["confusion"].reshape(*sums["confusion"].shape[:-1], classes, classes).astype(float)
    n = confusion.sum((-2, -1))
    brier = sums["brier"][..., 0] / n
    parts = [
        _brier_parts({p: sums[f"class_{k}_{p}"] for p in ("count", "true", "residual")})
        for k in range(classes)
    ]
    reliability, resolution, uncertainty = (np.sum(part, axis=0) for part in zip(*parts, strict=True))
    loss, prior_loss = sums["log_loss"][..., 0] / n, sums["prior_log_loss"][..., 0] / n
    with np.errstate(divide="ignore", invalid="ignore"):
        skill = np.where(prior_loss > 0, 1 - loss / prior_loss, math.nan)
    return _confusion_scores(confusion, n) | {
        "log_loss": loss,
        "prior_log_loss": prior_loss,
        "log_loss_skill": skill,
        "brier": brier,
        "brier_reliability": reliability,
        "brier_resolution": resolution,
        "brier_uncertainty": uncertainty,
        "brier_within_bin": brier - (reliability - resolution + uncertainty),
        "ece": binned_error(sums["width_residual"], sums["width_count"]),
        "ece_mass": binned_error(sums["mass_residual"], sums["width_count"]),
        "mce": largest_binned_error(sums["width_residual"], sums["width_count"]),
        "mean_confidence": sums["confidence"][..., 0] / n,
    }


def _confusion_scores(confusion: np.ndarray, n: np.ndarray) -> dict[str, np.ndarray]:
    hit = np.diagonal(confusion, axis1=-2, axis2=-1)
    true, called = confusion.sum(-1), confusion.sum(-2)
    occurring = ((true + called) > 0).sum(-1)
    covariance = hit.sum(-1) * n - (true * called).sum(-1)
    spread = (n**2 - (true**2).sum(-1)) * (n**2 - (called**2).sum(-1))
    return {
        "accuracy": hit.sum(-1) / n,
        "macro_f1": (2 * hit / np.maximum(true + called, 1)).sum(-1) / occurring,
        "precision": (hit / np.maximum(called, 1)).sum(-1) / occurring,
        "recall": (hit / np.maximum(true, 1)).sum(-1) / occurring,
        "mcc": np.where(spread > 0, covariance / np.sqrt(np.maximum(spread, 1)), 0.0),
    }


def _brier_parts(sums: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Reliability, resolution and uncertainty of one class's probability (Murphy 1973)."""
    count = sums["count"]
    n = count.sum(-1)
    rate = sums["true"].sum(-1) / n
    held = np.maximum(count, 1)
    reliability = (sums["residual"] ** 2 / held).sum(-1) / n
    resolution = (count * (sums["true"] / held - rate[..., None]) ** 2).sum(-1) / n
    return reliability, resolution, rate * (1 - rate)
