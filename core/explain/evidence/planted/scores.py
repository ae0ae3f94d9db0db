"""How well an explanation finds cells known to be the cause.

Shapes: T bars, N features.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.metrics import auc, average_precision_score, precision_recall_curve, roc_auc_score

from core.errors import InputError


@dataclass(frozen=True)
class CauseScore:
    """Agreement of one explanation with the known causes.

    Attributes
    ----------
    auprc
        Average precision over cells; an explanation that knows nothing scores `prior`.
    auprc_bars
        The same over bars: a bar's score is the sum of its cells', and it is a cause if one of its cells is.
    aup, aur
        Areas under precision and under recall as the threshold on the scores, scaled to [0, 1], runs through
        its range.
    rank
        Rank-biserial correlation of scores and causes, in [-1, 1] (2 * area under the ROC curve - 1).
    prior
        Share of cells that are causes.
    """

    auprc: float
    auprc_bars: float
    aup: float
    aur: float
    rank: float
    prior: float


def score_causes(values: np.ndarray, mask: np.ndarray) -> CauseScore:
    """Score an attribution's magnitudes against the true causes.

    Parameters
    ----------
    values
        Shape (T, N); the sign is dropped.
    mask
        Shape (T, N) bool, True where a cell is a cause.

    Raises
    ------
    InputError
        If shapes differ, values are not finite, or all cells or none are causes.

    Notes
    -----
    AUP and AUR after Crabbe & van der Schaar 2021, Explaining Time Series Predictions with Dynamic Masks;
    AUPRC as in Ismail et al. 2020. An explanation whose scores are all equal has AUP and AUR 0.
    """
    if values.shape != mask.shape or not np.isfinite(values).all() or mask.all() or not mask.any():
        raise InputError(
            "finite values and a mask of one shape, with causes and others", f"{values.shape}", "mend it"
        )
    magnitude = np.abs(values).astype(float)
    spread = np.ptp(magnitude)
    scores = (magnitude - magnitude.min()) / (spread or 1.0)
    truth, flat = mask.ravel(), scores.ravel()
    aup = aur = 0.0
    if spread > 0:
        precision, recall, thresholds = precision_recall_curve(truth, flat)
        aup, aur = auc(thresholds, precision[:-1]), auc(thresholds, recall[:-1])
    bars = mask.any(1)
    by_bar = float("nan") if bars.all() else float(average_precision_score(bars, magnitude.sum(1)))
    return CauseScore(
        auprc=float(average_precision_score(truth, flat)),
        auprc_bars=by_bar,
        aup=float(aup),
        aur=float(aur),
        rank=float(2 * roc_auc_score(truth, flat) - 1),
        prior=float(mask.mean()),
    )


def mean_score(scores: list[CauseScore]) -> dict[str, float]:
    """Mean of every field over windows, and the standard error of AUPRC's (0 for a single window)."""
    fields = {
        name: float(np.nanmean([getattr(score, name) for score in scores]))
        for name in ("auprc", "auprc_bars", "aup", "aur", "rank", "prior")
    }
    auprc = np.array([score.auprc for score in scores])
    error = auprc.std(ddof=1) / np.sqrt(len(auprc)) if len(auprc) > 1 else 0.0
    return fields | {"auprc_error": float(error)}
