"""Arms and baselines of an ablation beside each other, on the same test rows.

Shapes: n windows, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import log_softmax, logsumexp

from core.confidence.calibrators import Temperature
from core.config import Config
from core.data.segments import CALIBRATE, TEST
from core.data.windows import LastBarWindows
from core.experiments.ablation.arms import SEED, WHOLE
from core.scores.intervals import Interval, hold_claims, paired_difference
from core.scores.metrics import log_losses, score_intervals
from core.scores.stretches import Stretches, label_span

Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class ArmScore:
    """One arm, or one baseline, on one task.

    Attributes
    ----------
    rows
        Test bars scored.
    calibrate_log_loss
        Mean over the calibrate segment's bars, nats: what a choice between arms may look at. NaN for a
        baseline.
    log_loss
        Mean over the test bars. Temperature-scaled on the calibrate segment, arms and baselines alike.
    difference
        Mean log-loss minus the whole model's on the same rows; above zero an idea left out helps. Zero for
        the whole model.
    low, high
        95% paired interval of the difference.
    accuracy, mcc
        Of the likeliest class, with intervals.
    beside
        By baseline: mean log-loss minus the baseline's, with its interval; below zero the arm is better.
        Empty for a baseline.
    baseline
        Whether this is one.
    held
        Whether the difference holds with all arms of the task's table counted (Holm 1979).
    """

    arm: str
    task: str
    rows: int
    calibrate_log_loss: float
    log_loss: float
    difference: float
    low: float
    high: float
    accuracy: Interval
    mcc: Interval
    beside: dict[str, Interval]
    baseline: bool = False
    held: bool = False

    @property
    def verdict(self) -> str:
        """What the interval allows to say of an arm, in words.

        The interval is over bars, not over trainings: a difference smaller than another seed's says little.
        """
        if self.arm == WHOLE or self.baseline:
            return ""
        if self.arm == SEED:
            return "as far as seeds lie apart"
        if not self.held:
            return "no difference shown"
        return "worse than the whole model" if self.difference > 0 else "better than the whole model"


def mean_forecast(members: Sequence[Arrays]) -> dict[str, np.ndarray]:
    """Log of the mean of the members' probabilities, by the same names."""
    means = {}
    for name in members[0]:
        logs = [log_softmax(member[name].astype(np.float64), axis=1) for member in members]
        means[name] = logsumexp(logs, axis=0) - np.log(len(members))
    return means


def compare_forecasts(
    arms: Mapping[str, Arrays], baselines: Arrays, judged: Mapping[int, LastBarWindows], config: Config
) -> list[ArmScore]:
    """Score every arm and baseline, task by task.

    Parameters
    ----------
    arms
        By name, the whole model among them: logits (n, C) by ``task/segment``, of all windows of `judged`.
    baselines
        Probabilities (n, C) by ``task/baseline``, of the labelled test windows.
    judged
        Windows by segment.
    """
    scores = []
    for task in config.tasks:
        labels = judged[TEST].last_labels(task.name)
        if not (labels >= 0).any():
            continue
        beside = {
            name.removeprefix(f"{task.name}/"): probabilities
            for name, probabilities in baselines.items()
            if name.startswith(f"{task.name}/")
        }
        scores += _compare(task.name, arms, beside, judged)
    order = {name: place for place, name in enumerate([*arms, *dict.fromkeys(s.arm for s in scores)])}
    return sorted(scores, key=lambda score: order[score.arm])


def _compare(
    task: str, arms: Mapping[str, Arrays], baselines: Arrays, judged: Mapping[int, LastBarWindows]
) -> list[ArmScore]:
    labels = {segment: windows.last_labels(task) for segment, windows in judged.items()}
    known = labels[TEST] >= 0
    truth = labels[TEST][known]
    calibrate_losses, probabilities = {}, dict(baselines)
    for arm, logits in arms.items():
        calibrate_losses[arm], probabilities[arm] = _calibrated(task, logits, labels)
    losses = {name: log_losses(values, truth) for name, values in probabilities.items()}
    times, ends = _times(judged[TEST], task, known)
    stretches = Stretches.over(times, label_span(times, ends))
    differences = {name: paired_difference(losses[name], losses[WHOLE], stretches) for name in losses}
    claims = [name for name in arms if name not in (WHOLE, SEED)]
    held = dict(zip(claims, hold_claims([differences[name].p for name in claims]).tolist(), strict=True))
    scores = []
    for name, values in probabilities.items():
        found = score_intervals(values, truth, baselines["prior"], stretches=stretches, ranked=False)
        difference = differences[name]
        beside = {
            other: paired_difference(losses[name], losses[other], stretches)
            for other in ([] if name in baselines else baselines)
        }
        scores.append(
            ArmScore(
                arm=name,
                task=task,
                rows=len(truth),
                calibrate_log_loss=calibrate_losses.get(name, np.nan),
                log_loss=float(losses[name].mean()),
                difference=difference.value,
                low=difference.low,
                high=difference.high,
                accuracy=found["accuracy"],
                mcc=found["mcc"],
                beside=beside,
                baseline=name in baselines,
                held=held.get(name, False),
            )
        )
    return scores


def _calibrated(task: str, logits: Arrays, labels: Mapping[int, np.ndarray]) -> tuple[float, np.ndarray]:
    """Mean calibrate log-loss, and the test rows' probabilities."""
    known = labels[CALIBRATE] >= 0
    temperature, loss = Temperature(), np.nan
    if known.any():
        seen, truth = logits[f"{task}/{CALIBRATE}"][known], labels[CALIBRATE][known]
        temperature = Temperature.fit(seen, truth)
        loss = float(log_losses(temperature.apply(seen), truth).mean())
    return loss, temperature.apply(logits[f"{task}/{TEST}"][labels[TEST] >= 0])


def _times(windows: LastBarWindows, task: str, known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Bar opens of the labelled windows, and of the last bars their labels look at."""
    series, rows = windows.data.series, windows.rows[known]
    times = np.array([series[which].ts[bar] for which, bar in rows], "datetime64[us]")
    ends = [series[which].ts[series[which].label_end[task][bar]] for which, bar in rows]
    return times, np.array(ends, "datetime64[us]")
