"""Fit every form of the final confidence on the calibrate segment and choose by held-out log-loss.

A form judged on the rows it was fitted on favours the most flexible one: isotonic regression always wins. So
the rows are cut into consecutive stretches of time, each scored by forms fitted on the other stretches, `gap`
time stamps beside it left out because their labels overlap. The forms kept are then fitted on all rows. The
probability alone is stated unless a form with the sources is shown to beat it: by a hair, more weights win on
one segment and lose on the next. Nor may a form undo what the probability knew before any calibration: how to
tell right calls from wrong ones, and by how much it was off.
Shape legend: n rows, C classes, S sources.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import numpy as np

from core.confidence.calibrators import Isotonic, LearnedMix, Platt, Temperature, read_number, read_numbers
from core.confidence.ranks import RankedMix, SourceRanks
from core.confidence.sources import raw_weights
from core.disk import plain
from core.errors import BundleError, InputError
from core.scores.calibration_error import (
    check_confidence,
    expected_calibration_error,
    perfect_model_ece,
)
from core.scores.intervals import TOO_ALIKE, Interval, hold_claims, paired_difference
from core.scores.selective import selective_areas
from core.scores.stretches import Stretches

Method = Literal["temperature", "platt", "isotonic", "mix", "ranked", "joint"]
METHODS: tuple[Method, ...] = get_args(Method)
ALONE: Method = "temperature"
"""The form made of the probability alone, which the sources must beat."""


@dataclass(frozen=True)
class TaskCalibration:
    """Every form of one task's final confidence, and which of them is stated.

    Attributes
    ----------
    temperature
        Its largest scaled probability: the probability alone.
    platt, isotonic
        Of the sources' weighted sum.
    mix
        Logistic on the sources.
    ranks
        Of the sources among calibrate bars; None, like `ranked` and `joint`, in what was fitted before ranks
        were kept.
    ranked
        Platt scaling of the weighted sum of ranks.
    joint
        Logistic on the largest scaled probability and the ranks.
    chosen
        The form of least cross-fitted log-loss among those shown to beat the probability alone, the number of
        forms tried counted, whose AURC is no worse than before calibration, and its ECE neither worse than
        before nor than chance explains; the probability alone where there is none.
    log_losses
        Cross-fitted, of P(correct), in nats: every form, `uncalibrated` (the largest plain softmax), `raw`
        (the weighted sum as it is) and `base_rate` (the same confidence for every row), which a useful
        confidence must beat.
    beside
        By form, its log-loss less that of the probability alone, paired on the cross-fitted rows, with a 95%
        interval; below zero the sources help.
    """

    temperature: Temperature
    platt: Platt
    isotonic: Isotonic
    mix: LearnedMix
    ranks: SourceRanks | None
    ranked: Platt | None
    joint: RankedMix | None
    chosen: Method
    log_losses: dict[str, float]
    beside: dict[str, Interval]

    @classmethod
    def fit_forms(
        cls, logits: np.ndarray, labels: np.ndarray, sources: np.ndarray, raw: np.ndarray
    ) -> TaskCalibration:
        """Every form fitted on rows of logits (n, C), labels (n,), sources (n, S) and raw sum (n,).

        Nothing is compared: the probability alone is chosen. `fit_task_calibration` chooses.
        """
        correct = (logits.argmax(axis=1) == labels).astype(float)
        temperature, ranks = Temperature.fit(logits, labels), SourceRanks.fit(sources)
        return cls(
            temperature,
            Platt.fit(raw, correct),
            Isotonic.fit(raw, correct),
            LearnedMix.fit(sources, correct),
            ranks,
            Platt.fit(ranks.weighted(sources, raw_weights()), correct),
            RankedMix.fit(temperature.apply(logits).max(axis=1), ranks.rank(sources), correct),
            ALONE,
            {},
            {},
        )

    @property
    def methods(self) -> tuple[Method, ...]:
        """Forms that are there."""
        return METHODS if self.joint is not None else METHODS[:4]

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """Temperature-scaled class probabilities (..., C)."""
        return self.temperature.apply(logits)

    def confidence(
        self, logits: np.ndarray, sources: np.ndarray, raw: np.ndarray, method: Method | None = None
    ) -> np.ndarray:
        """P(correct) (...) in the chosen form, or in the form `method`.

        Of logits (..., C), sources (..., S) and their weighted sum `raw` (...).

        Raises
        ------
        InputError
            If that form was not fitted.
        """
        method = method or self.chosen
        if method == "temperature":
            return self.temperature.apply(logits).max(axis=-1)
        if method == "platt":
            return self.platt.apply(raw)
        if method == "isotonic":
            return self.isotonic.apply(raw)
        if method == "mix":
            return self.mix.apply(sources)
        if self.ranks is None or self.ranked is None or self.joint is None:
            raise InputError("a confidence fitted with ranks", "one without", "train the model again")
        if method == "ranked":
            return self.ranked.apply(self.ranks.weighted(sources, raw_weights()))
        return self.joint.apply(self.temperature.apply(logits).max(axis=-1), self.ranks.rank(sources))

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers and names for the bundle."""
        stored: dict[str, Any] = {
            "temperature": self.temperature.to_dict(),
            "platt": self.platt.to_dict(),
            "isotonic": self.isotonic.to_dict(),
            "mix": self.mix.to_dict(),
            "chosen": self.chosen,
            "log_losses": dict(self.log_losses),
            "beside": plain(
                {name: [found.value, found.low, found.high] for name, found in self.beside.items()}
            ),
        }
        if self.ranks is not None and self.ranked is not None and self.joint is not None:
            stored |= {
                "ranks": self.ranks.to_dict(),
                "ranked": self.ranked.to_dict(),
                "joint": self.joint.to_dict(),
            }
        return stored

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> TaskCalibration:
        """The inverse of `to_dict`; BundleError when a part is missing or the method is unknown.

        What was stored before ranks were kept has none.
        """
        has_ranks = isinstance(stored, Mapping) and "ranks" in stored
        known = METHODS if has_ranks else METHODS[:4]
        chosen = stored.get("chosen") if isinstance(stored, Mapping) else None
        if chosen not in known:
            raise BundleError(f"one of {', '.join(known)}", repr(chosen), "save the bundle again")
        losses, beside = stored.get("log_losses", {}), stored.get("beside", {})
        return cls(
            Temperature.from_dict(stored.get("temperature", {})),
            Platt.from_dict(stored.get("platt", {})),
            Isotonic.from_dict(stored.get("isotonic", {})),
            LearnedMix.from_dict(stored.get("mix", {})),
            SourceRanks.from_dict(stored["ranks"]) if has_ranks else None,
            Platt.from_dict(stored.get("ranked", {})) if has_ranks else None,
            RankedMix.from_dict(stored.get("joint", {})) if has_ranks else None,
            chosen,
            {name: read_number(losses, name) for name in losses},
            {name: _read_interval(beside, name) for name in beside},
        )


def fit_task_calibration(
    logits: np.ndarray,
    labels: np.ndarray,
    sources: np.ndarray,
    raw: np.ndarray,
    times: np.ndarray,
    folds: int = 5,
    gap: int = 0,
) -> TaskCalibration:
    """Fit every form of the final confidence, and choose by cross-fitted log-loss of P(correct).

    See `TaskCalibration` for the rule.

    Parameters
    ----------
    logits
        (n, C) of the calibrate segment.
    labels
        (n,) classes 0..C-1.
    sources
        (n, S) in the order of `core.confidence.sources.SOURCES`.
    raw
        (n,) their weighted sum, in [0, 1].
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
    logits, labels, sources = np.asarray(logits, float), np.asarray(labels), np.asarray(sources, float)
    if logits.ndim != 2 or len({len(part) for part in (logits, labels, sources, times)}) != 1:
        raise InputError(
            "logits, labels, sources and times of the same rows",
            f"{len(logits)}, {len(labels)}, {len(sources)} and {len(times)}",
            "pass the calibrate segment's rows",
        )
    raw, correct = check_confidence(raw, logits.argmax(axis=1) == labels)
    stated = {name: np.empty(raw.size) for name in (*METHODS, "base_rate")}
    stated |= {"raw": raw, "uncalibrated": Temperature().apply(logits).max(axis=1).clip(0, 1)}
    for fit, score in time_folds(times, folds, gap):
        fitted = TaskCalibration.fit_forms(logits[fit], labels[fit], sources[fit], raw[fit])
        for name in METHODS:
            stated[name][score] = fitted.confidence(logits[score], sources[score], raw[score], name)
        stated["base_rate"][score] = (correct[fit].sum() + 1) / (fit.sum() + 2)
    losses = {name: binary_log_losses(confidence, correct) for name, confidence in stated.items()}
    stretches = Stretches.over(times, max(1, gap))
    beside: dict[Method, Interval] = {
        name: paired_difference(losses[name], losses[ALONE], stretches) for name in METHODS if name != ALONE
    }
    shown = hold_claims([found.p for found in beside.values()])
    better: list[Method] = [
        name
        for (name, found), holds in zip(beside.items(), shown, strict=True)
        if holds and found.value < 0
        if keeps_what_was_known(stated[name], stated["uncalibrated"], correct, stretches)
    ]
    return replace(
        TaskCalibration.fit_forms(logits, labels, sources, raw),
        chosen=min(better, key=lambda name: beside[name].value, default=ALONE),
        log_losses={name: float(loss.mean()) for name, loss in losses.items()},
        beside={str(name): found for name, found in beside.items()},
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


def keeps_what_was_known(
    stated: np.ndarray, before: np.ndarray, correct: np.ndarray, stretches: Stretches
) -> bool:
    """Whether confidences (n,) are no worse than those `before`: in AURC, and in ECE unless by chance.

    Parameters
    ----------
    correct
        (n,) whether each call came true.
    stretches
        Of the times of the same rows.
    """
    if selective_areas(stated, correct)[0] > selective_areas(before, correct)[0]:
        return False
    error = expected_calibration_error(stated, correct)
    limit = perfect_model_ece(stated, correct, stretches).p95
    # Without a limit nothing can be told of chance.
    return error <= np.fmax(limit, expected_calibration_error(before, correct))


def _read_interval(stored: Mapping[str, Any], name: str) -> Interval:
    ends = stored.get(name) if isinstance(stored, Mapping) else None
    if isinstance(ends, list) and len(ends) == 3 and ends[1:] == [None, None]:
        return Interval(read_number({name: ends[0]}, name), np.nan, np.nan, blank=TOO_ALIKE)
    value, low, high = read_numbers(stored, name, 3)
    return Interval(value, low, high)


def binary_log_losses(confidence: np.ndarray, correct: np.ndarray) -> np.ndarray:
    """Log-loss (n,) of P(correct) (n,) in nats, clipped at 2.2e-16 as scikit-learn does."""
    tiny = np.finfo(float).eps
    stated = np.clip(np.where(correct == 1, confidence, 1 - np.asarray(confidence, float)), tiny, 1.0)
    return -np.log(stated)
