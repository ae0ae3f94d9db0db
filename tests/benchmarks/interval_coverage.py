"""How often a 95% interval holds the truth, and how often a calibrated model is called off.

    python -m tests.benchmarks.interval_coverage [--trials 300] [--seed 0]

First the mean of autoregressions of as many time stamps as a walk-forward has, alone and under noise, ten
times as many trials: the share of intervals that hold the true mean, how many were blank for want of separate
stretches of time, and how wide the others are beside what the true spread of the mean would make them. Then
forecasters of several series that share their days, whose outcomes overlap by the horizon or hang together
longer still: how often the ECE lies above what a perfect model shows, for calibrated ones (which should come
in one of twenty) and for those that are too sure.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np
from scipy.signal import lfilter
from scipy.stats import norm

from core.scores.calibration_error import expected_calibration_error, perfect_model_ece
from core.scores.intervals import mean_interval
from core.scores.stretches import Stretches

MEANS = [(0.0, 0.0), (0.5, 0.0), (0.9, 0.0), (0.95, 0.0), (0.98, 0.0), (0.95, 2.0)]
"""Autoregression's persistence, and noise added in its standard deviations."""
STEPS = (500, 1000, 2000, 4000)
FORECASTERS = [(1000, 8, 5, 0.0), (400, 8, 5, 0.0), (1000, 8, 20, 0.0), (1000, 1, 5, 0.0), (1000, 8, 1, 0.9),
               (1000, 8, 1, 0.95), (2000, 4, 1, 0.95)]  # fmt: skip
"""Time stamps, series, bars an outcome looks ahead, persistence of what decides it beyond that."""
SHARED = 0.6
"""Share of the variance that all series have in common."""
TOO_SURE = (1.0, 1.4, 2.0)
"""Factors of the log-odds; 1 is calibrated."""

Panel = Callable[[int], np.ndarray]


def autoregression(rng: np.random.Generator, steps: int, columns: int, persistence: float) -> np.ndarray:
    """(steps, columns) of variance 1, begun long before."""
    early = int(10 / (1 - persistence))
    noise = rng.normal(size=(steps + early, columns)) * np.sqrt(1 - persistence**2)
    return lfilter([1], [1, -persistence], noise, axis=0)[early:]  # type: ignore[index]


def share_days(make: Panel, series: int) -> np.ndarray:
    """(steps, series) of variance 1 with a common part."""
    return np.sqrt(SHARED) * make(1) + np.sqrt(1 - SHARED) * make(series)


def forecast(
    rng: np.random.Generator, steps: int, series: int, horizon: int, persistence: float, factor: float
) -> tuple[np.ndarray, np.ndarray]:
    """Confidences and whether they came true, (steps, series), of a two-class forecaster.

    An outcome is the sign of something known plus a sum of `horizon` coming shocks; the forecaster knows the
    true probability and states it with its log-odds multiplied by `factor`.
    """

    def coming(columns: int) -> np.ndarray:
        shocks = autoregression(rng, steps + horizon - 1, columns, persistence)
        sums = np.cumsum(np.concatenate([np.zeros((1, columns)), shocks]), axis=0)
        moves = sums[horizon:] - sums[:-horizon]
        return moves / np.sqrt(horizon) if persistence == 0 else moves / moves.std()

    known = 0.5 * share_days(lambda columns: autoregression(rng, steps, columns, 0.95), series)
    up = known + share_days(coming, series) > 0
    odds = (norm.logcdf(known) - norm.logcdf(-known)) * factor
    stated = 1 / (1 + np.exp(-np.abs(odds)))
    return stated, up == (odds >= 0)


def measure_coverage(rng: np.random.Generator, trials: int) -> None:
    """Print one line for each autoregression and length."""
    print("persistence  noise  time stamps  held  blank  width beside the true one's")
    for persistence, noise in MEANS:
        for steps in STEPS:
            values = autoregression(rng, steps, trials, persistence)
            values += noise * rng.normal(size=values.shape)
            stretches = Stretches.over(np.arange(steps))
            found = [mean_interval(column, stretches) for column in values.T]
            shown = [one for one in found if not one.blank]
            held = np.mean([one.low <= 0 <= one.high for one in shown]) if shown else np.nan
            width = np.median([one.high - one.low for one in shown]) if shown else np.nan
            beside = width / (2 * 1.96 * values.mean(axis=0).std())
            blank = 1 - len(shown) / trials
            print(
                f"{persistence:11.2f} {noise:6.1f} {steps:12,} {held:6.1%} {blank:5.0%} {beside:8.2f}",
                flush=True,
            )


def measure_alarms(rng: np.random.Generator, trials: int) -> None:
    """Print one line for each kind of forecaster and how much too sure it is."""
    print("time stamps  series  ahead  persistence  log-odds times  off by, points  limit  alarms")
    for steps, series, horizon, persistence in FORECASTERS:
        times = np.repeat(np.arange(steps), series)
        stretches = Stretches.over(times, horizon)
        for factor in TOO_SURE:
            off, limits = [], []
            for _ in range(trials):
                stated, right = (
                    part.ravel() for part in forecast(rng, steps, series, horizon, persistence, factor)
                )
                off.append(expected_calibration_error(stated, right))
                limits.append(perfect_model_ece(stated, right, stretches, n_draws=300).p95)
            alarms = np.mean(np.array(off) > np.array(limits))
            print(
                f"{steps:11,} {series:7} {horizon:6} {persistence:12.2f} {factor:15.1f} "
                f"{100 * np.median(off):15.1f} {100 * np.nanmedian(limits):6.1f} {alarms:7.1%}",
                flush=True,
            )  # fmt: skip


def main() -> None:
    """Read the command line, simulate, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trials", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    measure_coverage(rng, 10 * options.trials)
    measure_alarms(rng, options.trials)


if __name__ == "__main__":
    main()
