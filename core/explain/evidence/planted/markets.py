"""Markets with known causes: windows like the model's own input, labels, and which cells made each label.

Every column is noise that remembers a little (AR(1)) around its series' level on the 0..100 scale. A cause is
planted, and the label at a bar follows from the planted cells of its own past alone, then is flipped with
probability `FLIPPED`; a judge who knows the rule is therefore right with probability ``1 - FLIPPED``, and
none can do better.

Shapes: n windows, T bars, N features.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from core.errors import InputError

FLIPPED = 0.05
BAYES_ACCURACY = 1 - FLIPPED
FIRST_LABEL = 100
"""First bar with a label, so that every cause (at most 100 bars long) lies inside the window."""

_SPREAD = 10.0
_PULSE = 30.0
_CLASSES = 2


@dataclass(frozen=True)
class PlantedData:
    """Windows with known causes.

    Attributes
    ----------
    windows
        Shape (n, T, N) float32 in [0, 100].
    labels
        Shape (n, T) int64, 0 or 1; -1 before `FIRST_LABEL`.
    rule
        Labels before any was flipped, what the best judge answers, (n, T).
    mask
        Cells that made the label of the last bar, (n, T, N) bool.
    series
        Which of the market's series each window is of, (n,) int64.
    bayes_accuracy
        Best accuracy there is.
    """

    name: str
    windows: np.ndarray
    labels: np.ndarray
    rule: np.ndarray
    mask: np.ndarray
    series: np.ndarray
    bayes_accuracy: float = BAYES_ACCURACY


@dataclass(frozen=True)
class Generator:
    """One kind of planted market: what it plants, in a sentence, and how.

    Attributes
    ----------
    plant
        Windows around 50, changed in place -> rule (n, T) and mask (n, T, N).
    scales
        Level and spread of each of its series. Every column of a window stands at its series' own level once
        the cause is planted, so that a label speaks of where a series stands on its own scale.
    """

    name: str
    explanation: str
    plant: Callable[[np.ndarray, np.random.Generator], tuple[np.ndarray, np.ndarray]]
    scales: tuple[tuple[float, float], ...] = ((50.0, _SPREAD),)

    def draw(self, count: int, seed: int, bars: int = 300, features: int = 30) -> PlantedData:
        """Draw `count` windows; the same seed gives the same ones.

        Raises
        ------
        InputError
            If there are fewer than 120 bars or 8 features.
        """
        if bars < FIRST_LABEL + 20 or features < 8 or count < 1:
            raise InputError(
                f"at least one window of {FIRST_LABEL + 20} bars and 8 features",
                f"{count} of {bars} x {features}",
                "take larger windows",
            )
        generator = np.random.default_rng(seed)
        windows = 50 + _SPREAD * _noise(generator, count, bars, features)
        rule, mask = self.plant(windows, generator)
        several = len(self.scales) > 1
        series = generator.integers(len(self.scales), size=count) if several else np.zeros(count, np.int64)
        levels, spreads = np.array(self.scales).T[:, series, None, None]
        windows = np.clip(levels + spreads / _SPREAD * (windows - 50), 0, 100)
        flipped = generator.random(rule.shape) < FLIPPED
        labels = np.where(flipped, 1 - rule, rule)
        labels[:, :FIRST_LABEL] = -1
        return PlantedData(self.name, windows.astype(np.float32), labels, rule, mask, series)


def _noise(generator: np.random.Generator, count: int, bars: int, features: int) -> np.ndarray:
    memory = np.random.default_rng(features).uniform(0.2, 0.7, features)
    shocks = generator.standard_normal((count, bars, features))
    values = np.empty_like(shocks)
    values[:, 0] = shocks[:, 0]
    for bar in range(1, bars):
        values[:, bar] = memory * values[:, bar - 1] + np.sqrt(1 - memory**2) * shocks[:, bar]
    return values


def _event_bars(generator: np.random.Generator, count: int, bars: int) -> np.ndarray:
    # Gaps of 15 to 40 bars: rare, and never further back than the first label is long.
    events = np.zeros((count, bars), dtype=bool)
    for row in range(count):
        position = int(generator.integers(0, 30))
        while position < bars:
            events[row, position] = True
            position += int(generator.integers(15, 41))
    return events


def _latest(events: np.ndarray) -> np.ndarray:
    bars = np.where(events, np.arange(events.shape[1]), -1)
    return np.maximum.accumulate(bars, axis=1)


def _plant_rare_bars(windows: np.ndarray, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    count, bars, features = windows.shape
    touched = np.arange(features // 5)
    events = _event_bars(generator, count, bars)
    sign = generator.choice([-1.0, 1.0], (count, bars))
    windows[:, :, touched] += _PULSE * (events * sign)[..., None]
    latest = _latest(events)
    rule = (np.take_along_axis(sign, latest, 1) > 0).astype(np.int64)
    mask = np.zeros(windows.shape, dtype=bool)
    mask[np.arange(count)[:, None], latest[:, -1:], touched] = True
    return rule, mask


def _plant_interacting_pair(
    windows: np.ndarray, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    count, bars, _ = windows.shape
    pair = np.array([1, 4])
    events = _event_bars(generator, count, bars)
    signs = generator.choice([-1.0, 1.0], (count, bars, 2))
    # Ordinary bars of the pair stay close to 50, so that an event is plain to see in either of the two.
    windows[:, :, pair] = 50 + (windows[:, :, pair] - 50) / 2 + _PULSE * events[..., None] * signs
    latest = _latest(events)
    product = np.take_along_axis(signs.prod(-1), latest, 1)
    mask = np.zeros(windows.shape, dtype=bool)
    mask[np.arange(count)[:, None], latest[:, -1:], pair] = True
    return (product > 0).astype(np.int64), mask


def _window_mean(column: np.ndarray, newest: int, oldest: int) -> np.ndarray:
    """Mean over ages newest..oldest, (n, T) -> (n, T); before that many bars, over those there are."""
    total = np.concatenate([np.zeros((len(column), 1)), np.cumsum(column, 1)], 1)
    end = np.arange(column.shape[1]) + 1 - newest
    start = np.arange(column.shape[1]) - oldest
    end, start = np.maximum(end, 0), np.maximum(start, 0)
    return (total[:, end] - total[:, start]) / np.maximum(end - start, 1)


def _plant_mean(windows: np.ndarray, feature: int, newest: int, oldest: int) -> tuple[np.ndarray, np.ndarray]:
    rule = (_window_mean(windows[:, :, feature] - 50, newest, oldest) > 0).astype(np.int64)
    mask = np.zeros(windows.shape, dtype=bool)
    bars = windows.shape[1]
    mask[:, bars - 1 - oldest : bars - newest, feature] = True
    return rule, mask


def _plant_rare_feature(windows: np.ndarray, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    return _plant_mean(_widened(windows, 2), 2, 0, 49)


def _plant_lagged_cause(windows: np.ndarray, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    return _plant_mean(_widened(windows, 3), 3, 20, 49)


def _plant_decoy(windows: np.ndarray, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    _widened(windows, 5)
    likeness = 0.8
    other = windows[:, :, 6] - 50
    windows[:, :, 6] = 50 + likeness * (windows[:, :, 5] - 50) + 2 * np.sqrt(1 - likeness**2) * other
    return _plant_mean(windows, 5, 0, 19)


def _plant_own_scale(windows: np.ndarray, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    return _plant_mean(_widened(windows, 4), 4, 0, 19)


def _widened(windows: np.ndarray, feature: int) -> np.ndarray:
    # A mean of clipped values would not be the mean the model sees; 2 * 10 stays within 0..100 after this.
    windows[:, :, feature] = np.clip(50 + 2 * (windows[:, :, feature] - 50), 0, 100)
    return windows


GENERATORS: dict[str, Generator] = {
    generator.name: generator
    for generator in (
        Generator(
            "rare_bars",
            "A fifth of the features jump together at rare bars; the latest jump's direction is the label.",
            _plant_rare_bars,
        ),
        Generator(
            "rare_feature",
            "One feature out of all: whether its mean over the last 50 bars is high or low is the label.",
            _plant_rare_feature,
        ),
        Generator(
            "interacting_pair",
            "Two features jump at the same rare bars; whether they jumped the same way is the label, and "
            "either "
            "alone says nothing.",
            _plant_interacting_pair,
        ),
        Generator(
            "lagged_cause",
            "One feature's mean over the bars 20 to 49 back; what it did since says nothing.",
            _plant_lagged_cause,
        ),
        Generator(
            "correlated_decoy",
            "One feature's mean over the last 20 bars; another feature moves along with it and says "
            "nothing more.",
            _plant_decoy,
        ),
        Generator(
            "own_scale",
            "Four series, each at a level and with a spread of its own in all columns: whether one feature's "
            "mean over the last 20 bars is high or low for its own series.",
            _plant_own_scale,
            # A column widened to 50 around its level stays within 0..100 on each of these scales.
            ((30.0, 6.0), (50.0, 10.0), (70.0, 5.0), (42.0, 4.0)),
        ),
    )
}
"""Planted markets by name."""
