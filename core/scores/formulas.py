"""Scores as formulas over sums of per-row numbers.

One formula serves the value (sums over all rows) and its derivatives by the weight of every stretch of time
at once. scikit-learn's functions, which the tests hold these formulas to, take one set of rows at a time.

Shape legend: C classes, G stretches of time; `...` is () for the value and (G,) for the stretches.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from core.scores.calibration_error import binned_error, largest_binned_error


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
