"""Fit every calibrator on the calibrate segment and keep the best by log-loss.

A calibrator judged on the rows it was fitted on favours the most flexible one: isotonic regression always
wins. So the rows are cut into consecutive stretches of time, each scored by calibrators fitted on the other
stretches, `gap` time stamps beside it left out because their labels overlap. The calibrators kept are then
fitted on all rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from core.confidence.calibrators import Isotonic, Platt, Temperature, read_number
from core.errors import BundleError, InputError
from core.scores.calibration_error import check_confidence

Method = Literal["temperature", "platt", "isotonic"]
METHODS: tuple[Method, ...] = get_args(Method)


@dataclass(frozen=True)
class TaskCalibration:
    """The calibrators of one task and which of them gives the final confidence.

    `log_losses` are cross-fitted, of P(correct), in nats: the three methods, `raw` (the raw confidence as
    it is) and `base_rate` (the same confidence for every row), which a useful confidence must beat.
    """

    temperature: Temperature
    platt: Platt
    isotonic: Isotonic
    chosen: Method
    log_losses: dict[str, float]

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """Temperature-scaled class probabilities (..., C)."""
        return self.temperature.apply(logits)

    def confidence(self, raw: np.ndarray, logits: np.ndarray, method: Method | None = None) -> np.ndarray:
        """P(correct) (...) by the chosen method, or by `method`.

        Platt and isotonic map the raw confidence `raw` (...); temperature takes the largest scaled
        probability of `logits` (..., C).
        """
        method = method or self.chosen
        if method == "temperature":
            return self.temperature.apply(logits).max(axis=-1)
        return (self.platt if method == "platt" else self.isotonic).apply(raw)

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers and names for the bundle."""
        return {
            "temperature": self.temperature.to_dict(),
            "platt": self.platt.to_dict(),
            "isotonic": self.isotonic.to_dict(),
            "chosen": self.chosen,
            "log_losses": dict(self.log_losses),
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> TaskCalibration:
        """The inverse of `to_dict`; BundleError when a part is missing or the method is unknown."""
        chosen = stored.get("chosen") if isinstance(stored, Mapping) else None
        if chosen not in METHODS:
            raise BundleError(f"one of {', '.join(METHODS)}", repr(chosen), "save the bundle again")
        losses = stored.get("log_losses", {})
        return cls(
            Temperature.from_dict(stored.get("temperature", {})),
            Platt.from_dict(stored.get("platt", {})),
            Isotonic.from_dict(stored.get("isotonic", {})),
            chosen,
            {name: read_number(losses, name) for name in losses},
        )


def fit_task_calibration(
    logits: np.ndarray,
    labels: np.ndarray,
    raw: np.ndarray,
    times: np.ndarray,
    folds: int = 5,
    gap: int = 0,
) -> TaskCalibration:
    """Fit temperature, Platt and isotonic, and choose by cross-fitted log-loss of P(correct).

    Parameters
    ----------
    logits
        (n, C) of the calibrate segment.
    labels
        (n,) classes 0..C-1.
    raw
        (n,) raw confidence in [0, 1].
    times
        (n,) bar opens, in any order; rows of one time stay in one stretch.
    folds
        Stretches of time.
    gap
        Unique time stamps left out on each side of a scored stretch; the label's reach.

    Raises
    ------
    InputError
        When there are too few times for the folds and gaps, or the inputs do not fit together.
    """
    logits, labels = np.asarray(logits, float), np.asarray(labels)
    if logits.ndim != 2 or len(logits) != len(labels) or len(labels) != len(times):
        raise InputError(
            "logits, labels and times of the same rows",
            f"{len(logits)}, {len(labels)} and {len(times)}",
            "pass the calibrate segment's rows",
        )
    raw, correct = check_confidence(raw, logits.argmax(axis=1) == labels)
    fits: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
        "temperature": lambda fit, score: (
            Temperature.fit(logits[fit], labels[fit]).apply(logits[score]).max(1)
        ),
        "platt": lambda fit, score: Platt.fit(raw[fit], correct[fit]).apply(raw[score]),
        "isotonic": lambda fit, score: Isotonic.fit(raw[fit], correct[fit]).apply(raw[score]),
        "raw": lambda fit, score: raw[score],
        "base_rate": lambda fit, score: np.full(score.sum(), (correct[fit].sum() + 1) / (fit.sum() + 2)),
    }
    stated = {name: np.empty(raw.size) for name in fits}
    for fit, score in time_folds(times, folds, gap):
        for name, calibrated in fits.items():
            stated[name][score] = calibrated(fit, score)
    losses = {name: binary_log_loss(confidence, correct) for name, confidence in stated.items()}
    return TaskCalibration(
        Temperature.fit(logits, labels),
        Platt.fit(raw, correct),
        Isotonic.fit(raw, correct),
        min(METHODS, key=lambda method: losses[method]),
        losses,
    )


def time_folds(times: np.ndarray, folds: int, gap: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Masks (n,) of the rows to fit on and to score, for consecutive stretches of nearly equal time stamps.

    Raises
    ------
    InputError
        When a stretch would be left without rows to fit on.
    """
    unique, index = np.unique(times, return_inverse=True)
    if folds < 2 or unique.size < folds or unique.size <= -(-unique.size // folds) + 2 * gap:
        raise InputError(
            f"more time stamps than {folds} stretches (at least 2) and gaps of {gap} take",
            f"{unique.size}",
            "lengthen the calibrate segment or use fewer folds",
        )
    masks = []
    for stretch in np.array_split(np.arange(unique.size), folds):
        score = (index >= stretch[0]) & (index <= stretch[-1])
        masks.append(((index < stretch[0] - gap) | (index > stretch[-1] + gap), score))
    return masks


def binary_log_loss(confidence: np.ndarray, correct: np.ndarray) -> float:
    """Mean log-loss of P(correct) in nats, clipped at 2.2e-16 as scikit-learn does."""
    tiny = np.finfo(float).eps
    stated = np.clip(np.where(correct == 1, confidence, 1 - np.asarray(confidence, float)), tiny, 1.0)
    return float(-np.log(stated).mean())
