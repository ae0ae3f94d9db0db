"""Unregularised logistic regression that stays finite on separable or one-sided outcomes."""

from __future__ import annotations

import numpy as np
from sklearn.linear_model import LogisticRegression

from core.errors import InputError


def fit_logistic(features: np.ndarray, outcomes: np.ndarray) -> tuple[np.ndarray, float]:
    """Slopes (k,) and intercept of P(outcome) by maximum likelihood, outcomes softened as Platt (1999) did.

    An outcome 1 counts as (N1 + 1) / (N1 + 2) and an outcome 0 as 1 / (N0 + 2), for N1 ones and N0 zeros;
    without that, all-right rows would have no finite fit. A constant feature gets slope 0.

    Parameters
    ----------
    features
        (n, k) finite numbers.
    outcomes
        (n,) 0 or 1.

    Raises
    ------
    InputError
        When there are no rows, lengths differ, or a feature is not finite.
    """
    features, outcomes = np.asarray(features, float), np.asarray(outcomes, float)
    if features.ndim != 2 or features.shape[0] != outcomes.size or not outcomes.size:
        raise InputError(
            "one row of features per outcome",
            f"shapes {features.shape} and {outcomes.shape}",
            "fit on the same rows, at least one",
        )
    if not np.isfinite(features).all():
        raise InputError("finite features", "NaN or infinity", "leave those rows out")
    ones = outcomes.sum()
    target = np.where(outcomes == 1, (ones + 1) / (ones + 2), 1 / (outcomes.size - ones + 2))
    centre, scale = features.mean(axis=0), features.std(axis=0)
    varies = scale > 1e-12
    slopes = np.zeros(features.shape[1])
    if not varies.any():
        return slopes, float(np.log(target.mean() / (1 - target.mean())))
    standard = (features[:, varies] - centre[varies]) / scale[varies]
    model = LogisticRegression(C=np.inf, tol=1e-8, max_iter=1000)
    model.fit(
        np.concatenate([standard, standard]),
        np.repeat([1, 0], outcomes.size),
        sample_weight=np.concatenate([target, 1 - target]),
    )
    slopes[varies] = model.coef_[0] / scale[varies]
    return slopes, float(np.ravel(model.intercept_)[0] - slopes @ centre)
