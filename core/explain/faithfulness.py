"""Is this explanation true of the model? Cells are removed and the model is asked again.

Shapes: T bars, N features, S + 1 points on a curve.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from core.errors import InputError
from core.explain.margin import Margin, MeteredMargin, check_window, evaluate, probability
from core.explain.references import Baseline
from core.progress import Cancelled, Progress

Unit = Literal["cell", "bar"]
STEPS = 20


@dataclass(frozen=True)
class Curve:
    """The margin while cells are removed from (or put back into) the window, most important first.

    Attributes
    ----------
    shares
        Share of cells or bars replaced (deletion) or revealed (insertion), 0 to 1, (S + 1,).
    margins
        Log-odds at each share, mean over the baseline's references, (S + 1,).
    """

    shares: np.ndarray
    margins: np.ndarray

    @property
    def probabilities(self) -> np.ndarray:
        """Probability of the class at each share, (S + 1,)."""
        return probability(self.margins)

    @property
    def area(self) -> float:
        """Area under the margins: small is good for deletion, large for insertion; in log-odds."""
        return float(np.trapezoid(self.margins, self.shares))

    @property
    def probability_area(self) -> float:
        """Area under the probabilities, in [0, 1]."""
        return float(np.trapezoid(self.probabilities, self.shares))


@dataclass(frozen=True)
class Faithfulness:
    """Deletion and insertion by attribution, beside orders that know less.

    Attributes
    ----------
    deletion, insertion
        Curves in the order of the attribution, most supportive of the class first.
    random_deletion, random_insertion
        Mean over random orders.
    attention_deletion, attention_insertion
        In the order of attention; None when none was given.
    unit
        Whether cells or whole bars are replaced.
    """

    deletion: Curve
    insertion: Curve
    random_deletion: Curve
    random_insertion: Curve
    attention_deletion: Curve | None
    attention_insertion: Curve | None
    unit: Unit

    @property
    def deletion_gain(self) -> float:
        """Area by which deletion falls faster than at random, in log-odds; positive is faithful."""
        return self.random_deletion.area - self.deletion.area

    @property
    def insertion_gain(self) -> float:
        """Area by which insertion rises faster than at random, in log-odds; positive is faithful."""
        return self.insertion.area - self.random_insertion.area

    @property
    def better_than_random(self) -> bool:
        """Whether both gains are positive."""
        return self.deletion_gain > 0 and self.insertion_gain > 0


def measure_faithfulness(
    margin: Margin,
    window: np.ndarray,
    values: np.ndarray,
    baseline: Baseline,
    *,
    attention: np.ndarray | None = None,
    unit: Unit = "cell",
    steps: int = STEPS,
    random_orders: int = 3,
    seed: int = 0,
    progress: Progress | None = None,
    cancelled: Cancelled | None = None,
) -> Faithfulness:
    """Deletion and insertion curves of one attribution.

    Parameters
    ----------
    window, values
        Shape (T, N); larger values are taken as more supportive of the class. With ``unit="bar"`` they are
        summed over features.
    attention
        Attention per bar, (T,), to compare with; its cells follow bar by bar, newest of equals last.
    steps
        S; about ``2 * S * (2 + random_orders)`` windows are scored per reference.

    Raises
    ------
    InputError
        If shapes do not fit.
    """
    window = check_window(window)
    if values.shape != window.shape or (attention is not None and attention.shape != window.shape[:1]):
        raise InputError(
            f"attribution of shape {window.shape}", str(values.shape), "explain this very window"
        )
    if steps < 1 or random_orders < 1:
        raise InputError("steps and random_orders of at least 1", f"{steps}, {random_orders}", "raise them")
    metered = MeteredMargin(margin, progress, cancelled)
    metered.meter.plan(
        2 * (steps + 1) * (1 + random_orders + (attention is not None)) * len(baseline.references)
    )
    generator = np.random.default_rng(seed)

    def curves(scores: np.ndarray) -> tuple[Curve, Curve]:
        order = np.argsort(-scores, axis=None, kind="stable")
        return tuple(
            _curve(metered, window, baseline, order, unit, steps, insertion=insertion)
            for insertion in (False, True)
        )  # pyright: ignore[reportReturnType]

    scores = values if unit == "cell" else values.sum(1)
    deletion, insertion = curves(scores)
    random_pairs = [
        curves(generator.permuted(np.arange(scores.size).reshape(scores.shape))) for _ in range(random_orders)
    ]
    random_deletion, random_insertion = (
        Curve(pair[0].shares, np.mean([curve.margins for curve in pair], 0))
        for pair in zip(*random_pairs, strict=True)
    )
    by_attention: tuple[Curve | None, Curve | None] = (None, None)
    if attention is not None:
        by_attention = curves(
            attention if unit == "bar" else np.repeat(attention[:, None], window.shape[1], 1)
        )
    return Faithfulness(deletion, insertion, random_deletion, random_insertion, *by_attention, unit)


def _curve(
    margin: Margin,
    window: np.ndarray,
    baseline: Baseline,
    order: np.ndarray,
    unit: Unit,
    steps: int,
    *,
    insertion: bool,
) -> Curve:
    counts = np.unique(np.round(np.linspace(0, len(order), min(steps, len(order)) + 1)).astype(int))
    rank = np.empty(len(order), dtype=int)
    rank[order] = np.arange(len(order))
    rank = rank.reshape(window.shape) if unit == "cell" else np.repeat(rank[:, None], window.shape[1], 1)
    chosen = rank[None] < counts[:, None, None]
    total = np.zeros(len(counts))
    for reference in baseline.references:
        total += evaluate(margin, np.where(chosen ^ insertion, reference, window))
    return Curve(counts / len(order), total / len(baseline.references))


@dataclass(frozen=True)
class Removal:
    """What is left of a probability without the cells or bars that mattered most.

    Attributes
    ----------
    unit, removed
        What was removed: bar indices, or (bar, feature) pairs, most important first.
    before, after
        Probability of the class with and without them (baseline in their place).
    random_after
        The same for as many random ones, mean over draws.
    """

    unit: Unit
    removed: tuple[int, ...] | tuple[tuple[int, int], ...]
    target: str
    before: float
    after: float
    random_after: float

    @property
    def sentence(self) -> str:
        """The finding in words."""
        things = f"{self.unit}{'s' if len(self.removed) != 1 else ''}"
        this = "these" if len(self.removed) != 1 else "this"
        before, after = f"{self.before:.2f}", f"{self.after:.2f}"
        if before == after:
            moves = f"stays at {before}"
        else:
            moves = f"{'falls' if self.after < self.before else 'rises'} from {before} to {after}"
        return (
            f"Without {this} {len(self.removed)} {things} P({self.target}) {moves}; without as many random "
            f"ones it is {self.random_after:.2f}."
        )


def remove_top(
    margin: Margin,
    window: np.ndarray,
    values: np.ndarray,
    baseline: Baseline,
    count: int = 7,
    *,
    unit: Unit = "bar",
    random_draws: int = 16,
    seed: int = 0,
) -> Removal:
    """Remove the `count` cells or bars most supportive of the class and ask the model again."""
    window = check_window(window)
    scores = (values if unit == "cell" else values.sum(1)).ravel()
    if values.shape != window.shape or not 1 <= count <= scores.size:
        raise InputError(
            f"1 to {scores.size} {unit}s of shape {window.shape}", f"{count}, {values.shape}", "correct it"
        )
    top = np.argsort(-scores, kind="stable")[:count]
    generator = np.random.default_rng(seed)
    draws = [top, *(generator.choice(scores.size, count, replace=False) for _ in range(random_draws))]
    masks = np.zeros((len(draws), scores.size), dtype=bool)
    for row, draw in enumerate(draws):
        masks[row, draw] = True
    shape = window.shape if unit == "cell" else (len(window), 1)
    masks = masks.reshape(-1, *shape)
    after = np.mean(
        [
            probability(evaluate(margin, np.where(masks, reference, window)))
            for reference in baseline.references
        ],
        0,
    )
    removed = tuple(int(i) for i in top)
    if unit == "cell":
        removed = tuple((index // window.shape[1], index % window.shape[1]) for index in removed)
    before = float(probability(evaluate(margin, window[None]))[0])
    return Removal(unit, removed, margin.target, before, float(after[0]), float(after[1:].mean()))
