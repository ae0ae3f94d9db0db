"""What is left when only the more confident predictions are acted on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.special

from core.errors import InputError
from core.scores.calibration_error import check_confidence
from core.scores.intervals import Interval, share_interval
from core.scores.stretches import Stretches, find_swings


@dataclass(frozen=True)
class RiskCoverage:
    """Error rate among the most confident rows, by their share.

    `coverage`, `risk` and `threshold` are (K,) for the K distinct confidences, highest first: acting on
    confidence >= threshold acts on `coverage` of the rows and is wrong on `risk` of those. `oracle` is
    the risk at the same coverage had all right rows come first.
    """

    coverage: np.ndarray
    risk: np.ndarray
    threshold: np.ndarray
    oracle: np.ndarray
    aurc: float
    excess_aurc: float
    random: float


def risk_coverage(confidence: np.ndarray, correct: np.ndarray) -> RiskCoverage:
    """Risk-coverage curve with its area, the oracle's curve, and the random line (the overall error rate)."""
    confidence, correct = check_confidence(confidence, correct)
    threshold, tie = np.unique(-confidence, return_inverse=True)
    wrong = np.cumsum(np.bincount(tie, weights=1 - correct))
    acted = np.cumsum(np.bincount(tie))
    n, right = confidence.size, correct.sum()
    area, excess = selective_areas(confidence, correct)
    return RiskCoverage(
        acted / n,
        wrong / acted,
        -threshold,
        np.maximum(acted - right, 0) / acted,
        area,
        excess,
        float(wrong[-1] / n),
    )


def selective_areas(confidence: np.ndarray, correct: np.ndarray) -> tuple[float, float]:
    """AURC and its excess over the oracle's (Geifman et al. 2019).

    AURC is the mean over i = 1..n of the error rate among the i most confident rows. Rows of equal
    confidence are taken in random order, in expectation.
    """
    confidence, correct = check_confidence(confidence, correct)
    _, tie = np.unique(-confidence, return_inverse=True)
    area, excess = areas_from_ties(np.bincount(tie).astype(float), np.bincount(tie, weights=1 - correct))
    return float(area), float(excess)


def areas_from_ties(count: np.ndarray, wrong: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """AURC (...) and its excess from rows and wrong rows (..., K) of equal confidence, most confident first.

    Within a tie of w rows of which a share r is wrong, after W rows of which E are, the expected error rate
    among the first W + j is (E + r j) / (W + j); its sum over j = 1..w is w r + (E - r W) (H(W + w) - H(W)),
    H the harmonic numbers.
    """
    after, errors = np.cumsum(count, axis=-1), np.cumsum(wrong, axis=-1)
    before, errors_before = after - count, errors - wrong
    rate = wrong / np.maximum(count, 1)
    harmonic = scipy.special.digamma(after + 1) - scipy.special.digamma(before + 1)
    n, m = after[..., -1], errors[..., -1]
    area = (wrong + (errors_before - rate * before) * harmonic).sum(-1) / n
    oracle = (m - (n - m) * (scipy.special.digamma(n + 1) - scipy.special.digamma(n - m + 1))) / n
    return area, area - oracle


def find_area_swings(
    confidence: np.ndarray, correct: np.ndarray, stretches: Stretches, ranks: int
) -> np.ndarray:
    """(G, 2) what each stretch adds to AURC and its excess (see `core.scores.stretches.find_swings`).

    Neighbouring confidences are one of at most `ranks` groups, whose order is random; equal ones always are.
    """
    n = confidence.size
    ranks = min(ranks, n)
    _, tie = np.unique(-confidence, return_inverse=True)
    first = np.concatenate([[0], np.cumsum(np.bincount(tie))[:-1]])
    group = first[tie] * ranks // n
    parts = [stretches.total_by_cell(group, ranks, values) for values in (None, 1.0 - correct)]

    def areas(sums: np.ndarray) -> np.ndarray:
        return np.stack(areas_from_ties(*np.split(sums, 2, axis=-1)), axis=-1)

    return find_swings(np.concatenate(parts, axis=1), areas)


@dataclass(frozen=True)
class HitRates:
    """Up and down calls made above each of K thresholds, all arrays (K,).

    A hit is a row whose label is the called class; `opposite` counts rows whose label was the other side,
    the remaining calls ended in between. `coverage` is calls / rows; `hit_rate` is NaN where nothing was
    called.
    """

    threshold: np.ndarray
    calls: np.ndarray
    hits: np.ndarray
    opposite: np.ndarray
    up_calls: np.ndarray
    up_hits: np.ndarray
    down_calls: np.ndarray
    down_hits: np.ndarray
    coverage: np.ndarray
    hit_rate: np.ndarray


def hit_rates(
    probabilities: np.ndarray, labels: np.ndarray, up: int, down: int, thresholds: np.ndarray
) -> HitRates:
    """Hit rate of direction calls with max(P(up), P(down)) >= threshold, the larger side called.

    Filtering on that maximum, not on the largest probability of all classes, keeps confident sideways
    predictions from passing as confident calls.

    Parameters
    ----------
    probabilities, labels
        (n, C) and (n,).
    up, down
        Columns of the two classes.
    thresholds
        (K,) probabilities.
    """
    side, call = _calls(probabilities, labels, up, down)
    thresholds = np.atleast_1d(np.asarray(thresholds, float))
    order = np.argsort(side)
    first = np.searchsorted(side[order], thresholds, side="left")

    def above(mask: np.ndarray) -> np.ndarray:
        left_out = np.concatenate([[0], np.cumsum(mask[order])])
        return left_out[-1] - left_out[first]

    is_up = call == up
    hit, against = labels == call, labels == np.where(is_up, down, up)
    calls, hits = above(np.ones(side.size, bool)), above(hit)
    with np.errstate(invalid="ignore"):
        rate = hits / np.where(calls, calls, np.nan)
    return HitRates(
        thresholds,
        calls,
        hits,
        above(against),
        above(is_up),
        above(is_up & hit),
        above(~is_up),
        above(~is_up & hit),
        calls / side.size,
        rate,
    )


def hit_rate_interval(
    probabilities: np.ndarray,
    labels: np.ndarray,
    up: int,
    down: int,
    threshold: float,
    stretches: Stretches,
    level: float = 0.95,
) -> dict[str, Interval]:
    """`hit_rate` (NaN when nothing is called) and `coverage` at one threshold, with intervals."""
    side, call = _calls(probabilities, labels, up, down)
    called = side >= threshold
    return {
        "hit_rate": share_interval(labels == call, called, stretches, level),
        "coverage": share_interval(called, np.ones_like(called), stretches, level),
    }


def _calls(
    probabilities: np.ndarray, labels: np.ndarray, up: int, down: int
) -> tuple[np.ndarray, np.ndarray]:
    classes = np.shape(probabilities)[1]
    if len(probabilities) != len(labels) or not len(labels):
        raise InputError(
            "one label per prediction", f"{len(probabilities)} and {len(labels)}", "score the same rows"
        )
    if not (0 <= up < classes and 0 <= down < classes and up != down):
        raise InputError(f"two columns of 0..{classes - 1}", f"{up} and {down}", "name the up and down class")
    pair = np.asarray(probabilities, float)[:, [up, down]]
    return pair.max(axis=1), np.where(pair[:, 0] >= pair[:, 1], up, down)
