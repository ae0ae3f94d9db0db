"""Defects that show in what was stated beside what happened: leak, shuffled labels, miscalibration, a broken
calibrator, a swapped class.

Shape legend: n rows, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from core.data.bars import one_column
from core.experiments.walk_forward.records import WalkForwardResult
from core.experiments.walk_forward.results import read_distribution
from core.scores.calibration_error import expected_calibration_error, perfect_model_ece
from core.scores.intervals import hold_claims
from core.scores.metrics import log_losses
from core.scores.stretches import Stretches, label_span
from core.validation.defects.check import Check, exceed_together, summarise_flags

LEAK_SHARE = 0.2
"""Share of the strongest challenger's log-loss that no honest model saves beside it."""
CLAIMED = 0.5
"""Of the information a model claims, at least so much must come true."""
MOVED = 0.001
"""Share of calls that a temperature may change: none, but for ties."""
DRAWS = 1000


@dataclass(frozen=True)
class TaskRows:
    """One task's rows of a walk-forward as arrays.

    Attributes
    ----------
    stated, plain
        (n, C) calibrated probabilities and those before.
    confidence
        (n,) P(the call is right); the largest probability where none was fitted.
    rivals
        Challengers' log-losses by name, (n,).
    """

    task: str
    classes: tuple[str, ...]
    labels: np.ndarray
    stated: np.ndarray
    plain: np.ndarray
    confidence: np.ndarray
    rivals: dict[str, np.ndarray]
    stretches: Stretches

    @property
    def losses(self) -> np.ndarray:
        """(n,) log-losses of the calibrated probabilities."""
        return log_losses(self.stated, self.labels)


def read_tasks(result: WalkForwardResult) -> list[TaskRows]:
    """The rows of every task that has some."""
    found = []
    for task in result.config.tasks:
        rows = result.rows.loc[np.asarray(result.rows["task"] == task.name)]
        if not len(rows):
            continue
        others = result.baselines.loc[np.asarray(result.baselines["task"] == task.name)]
        names, classes = one_column(others, "baseline").to_numpy(object), len(task.classes)
        labels = rows["label"].to_numpy(np.int64)
        times, ends = (
            one_column(rows, name).dt.tz_localize(None).to_numpy("datetime64[us]")
            for name in ("ts", "label_end")
        )
        stated = read_distribution(rows, "p", classes)
        confidence = rows["confidence"].to_numpy(np.float64)
        found.append(
            TaskRows(
                task.name,
                tuple(task.classes),
                labels,
                stated,
                read_distribution(rows, "u", classes),
                np.where(np.isfinite(confidence), confidence, stated.max(axis=1)).clip(0, 1),
                {
                    str(name): log_losses(read_distribution(others.loc[names == name], "p", classes), labels)
                    for name in dict.fromkeys(names)
                },
                Stretches.over(times, label_span(times, np.maximum(ends, times))),
            )
        )
    return found


def check_leak(result: WalkForwardResult, tasks: Sequence[TaskRows]) -> Check:
    """A leak makes a feature go with the coming move, or the model better than anything honest can be."""
    suspicious = {name: value for fold in result.folds for name, value in fold.suspicious.items()}
    saved = {}
    for rows in tasks:
        if rows.rivals:
            best = min(loss.mean() for loss in rows.rivals.values())
            saved[rows.task] = float(1 - rows.losses.mean() / best)
    most = max(saved, key=lambda task: saved[task], default=None)
    said = f"{len(suspicious)} features go with the coming move"
    if suspicious:
        said += " (" + ", ".join(f"{name} {value:+.2f}" for name, value in sorted(suspicious.items())) + ")"
    if most is not None:
        said += f"; beside its strongest challenger the model saves {100 * saved[most]:.1f}% of the log-loss"
        said += f" of {most}, at most"
    flagged = bool(suspicious) or any(value > LEAK_SHARE for value in saved.values())
    statistic = (
        "rank correlation of a feature with the coming move above 0.3 in training, or log-loss saved beside "
        f"the strongest challenger above {100 * LEAK_SHARE:.0f}%"
    )
    return Check("leak", statistic, flagged if saved or result.folds else None, f"{said}.")


def check_shuffled(tasks: Sequence[TaskRows]) -> Check:
    """With shuffled labels the information that the probabilities claim does not come true."""
    lacking, limits, claims = [], [], []
    for rows in tasks:
        usual = rows.stated.mean(axis=0)
        claimed = _entropy(usual[None])[0] - _entropy(rows.stated)
        gained = -np.log(np.clip(usual[rows.labels], 1e-12, 1)) - rows.losses
        lacking.append(CLAIMED * claimed - gained)
        limits.append(0.0)
        claims.append((float(claimed.mean()), float(gained.mean())))
    found = exceed_together(lacking, [rows.stretches for rows in tasks], limits)
    said = "; ".join(
        f"{rows.task}: claims {claimed:.4f} nats, {gained:.4f} came true"
        for rows, (claimed, gained) in zip(tasks, claims, strict=True)
    )
    statistic = f"less than {100 * CLAIMED:.0f}% of the information claimed came true (one-sided 5%, Holm)"
    return Check("shuffled labels", statistic, summarise_flags([flag for _, flag in found]), f"{said}.")


def check_miscalibration(tasks: Sequence[TaskRows]) -> Check:
    """Stated confidences lie further from what came true than a perfect model's would."""
    chances, parts = [], []
    for rows in tasks:
        correct = rows.stated.argmax(axis=1) == rows.labels
        ece = expected_calibration_error(rows.confidence, correct)
        floor = perfect_model_ece(rows.confidence, correct, rows.stretches, n_draws=DRAWS)
        told = floor.draws.size > 0
        chances.append((1 + (floor.draws >= ece).sum()) / (1 + floor.draws.size) if told else np.nan)
        parts.append(f"{rows.task}: off by {100 * ece:.1f}%, a perfect model up to {100 * floor.p95:.1f}%")
    held = hold_claims(chances)
    flags = [None if np.isnan(p) else bool(holds) for p, holds in zip(chances, held, strict=True)]
    statistic = "ECE above that of perfect models on the same rows (5%, Holm)"
    return Check("miscalibration", statistic, summarise_flags(flags), f"{'; '.join(parts)}.")


def check_calibrator(tasks: Sequence[TaskRows]) -> Check:
    """A temperature changes no call and no sound calibrator makes the probabilities worse."""
    moved = [float((rows.stated.argmax(axis=1) != rows.plain.argmax(axis=1)).mean()) for rows in tasks]
    worse = [rows.losses - log_losses(rows.plain, rows.labels) for rows in tasks]
    found = exceed_together(worse, [rows.stretches for rows in tasks], [0.0] * len(tasks))
    said = "; ".join(
        f"{rows.task}: {100 * share:.2f}% of calls changed, log-loss {mean:+.4f}"
        for rows, share, (mean, _) in zip(tasks, moved, found, strict=True)
    )
    flags = [*(flag for _, flag in found), *(share > MOVED for share in moved)]
    statistic = (
        f"calls changed by calibration above {100 * MOVED:.1f}%, or log-loss higher after it than before "
        "(one-sided 5%, Holm)"
    )
    return Check("broken calibrator", statistic, summarise_flags(flags), f"{said}.")


def check_swapped(tasks: Sequence[TaskRows]) -> Check:
    """Exchanging two classes' probabilities must not make them truer."""
    gains, stretches, names = [], [], []
    for rows in tasks:
        for one, other in combinations(range(len(rows.classes)), 2):
            order = np.arange(len(rows.classes))
            order[[one, other]] = other, one
            gains.append(rows.losses - log_losses(rows.stated[:, order], rows.labels))
            stretches.append(rows.stretches)
            names.append(f"{rows.task}: {rows.classes[one]} and {rows.classes[other]}")
    found = exceed_together(gains, stretches, [0.0] * len(gains))
    swapped = [name for name, (_, flag) in zip(names, found, strict=True) if flag]
    nearest = max(range(len(found)), key=lambda at: found[at][0], default=None)
    said = "no two classes to exchange"
    if nearest is not None:
        said = f"exchanged, {names[nearest]} would gain {found[nearest][0]:+.4f} nats, the most of all pairs"
    said += f"; truer when exchanged: {', '.join(swapped) or 'none'}"
    flags = summarise_flags([flag for _, flag in found])
    return Check(
        "swapped class", "log-loss lower with two classes exchanged (one-sided 5%, Holm)", flags, f"{said}."
    )


def _entropy(shares: np.ndarray) -> np.ndarray:
    return -(shares * np.log(np.clip(shares, 1e-12, 1))).sum(axis=1)
