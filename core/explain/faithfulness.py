"""Is this explanation true of the model? Cells are removed and the model is asked again.

Shapes: T bars, N features, S + 1 points on a curve.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from core.errors import InputError
from core.explain.margin import (
    EVALUATION_BATCH,
    Margin,
    MeteredMargin,
    check_window,
    evaluate,
    probability,
)
from core.explain.references import Reference
from core.progress import Cancelled, Progress

Unit = Literal["cell", "bar"]
STEPS = 20

ORDERS = 20
"""Random orders an explanation is compared with."""

BEATEN = 0.95
"""Share of them that has to be beaten to call it better than random."""

LEAST_EFFECT = 0.02
"""By how much an order has to move the probability further than random ones do, on average, to tell anything:
what a model that has learned nothing says hardly moves, and yet its maps beat random orders."""

PAIRED = 4
"""Windows of a reference that removed cells are replaced by."""


@dataclass(frozen=True)
class Curve:
    """The margin while cells are removed from (or put back into) the window, most important first.

    Attributes
    ----------
    shares
        Share of cells or bars replaced (deletion) or revealed (insertion), 0 to 1, (S + 1,).
    margins
        Log-odds at each share, mean over the reference's windows, (S + 1,).
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
class Spread:
    """Curves of R random orders.

    Attributes
    ----------
    shares
        As in `Curve`, (S + 1,).
    margins
        Log-odds, (R, S + 1), each as it would be if its order had been tried against the same windows of the
        reference as the explanation's curve: that curve less how much the explanation differs from the
        random order against one window both replaced by.
    """

    shares: np.ndarray
    margins: np.ndarray

    @property
    def mean(self) -> Curve:
        """Mean over the orders."""
        return Curve(self.shares, self.margins.mean(0))

    @property
    def areas(self) -> np.ndarray:
        """`Curve.area` of every order, (R,)."""
        return np.trapezoid(self.margins, self.shares, axis=1)

    @property
    def band(self) -> tuple[np.ndarray, np.ndarray]:
        """Lowest and highest probability of the class at each share, two of (S + 1,)."""
        return probability(self.margins.min(0)), probability(self.margins.max(0))


@dataclass(frozen=True)
class Faithfulness:
    """Deletion and insertion by attribution, beside orders that know less.

    Attributes
    ----------
    deletion, insertion
        Curves in the order of the attribution, most supportive of the class first.
    random_deletions, random_insertions
        Of random orders.
    attention_deletion, attention_insertion
        In the order of attention; None when none was given.
    unit
        Whether cells or whole bars are replaced.
    """

    deletion: Curve
    insertion: Curve
    random_deletions: Spread
    random_insertions: Spread
    attention_deletion: Curve | None
    attention_insertion: Curve | None
    unit: Unit

    @property
    def random_orders(self) -> int:
        return len(self.random_deletions.margins)

    @property
    def deletion_gain(self) -> float:
        """Area by which deletion falls faster than at random on average, in log-odds."""
        return self.random_deletions.mean.area - self.deletion.area

    @property
    def insertion_gain(self) -> float:
        """Area by which insertion rises faster than at random on average, in log-odds."""
        return self.insertion.area - self.random_insertions.mean.area

    @property
    def deletion_rank(self) -> int:
        """Random orders whose deletion falls slower."""
        return int((self.random_deletions.areas > self.deletion.area).sum())

    @property
    def insertion_rank(self) -> int:
        """Random orders whose insertion rises slower."""
        return int((self.random_insertions.areas < self.insertion.area).sum())

    @property
    def needed_rank(self) -> int:
        """Random orders that have to be beaten to call it better than random: 95% of them."""
        return math.ceil(BEATEN * self.random_orders)

    @property
    def better_than_random(self) -> bool:
        """Whether both ranks reach `needed_rank`."""
        return min(self.deletion_rank, self.insertion_rank) >= self.needed_rank

    @property
    def effect(self) -> float:
        """Probability by which this order is better than random ones on average, the smaller of both ways."""
        deleted = self.random_deletions.mean.probability_area - self.deletion.probability_area
        inserted = self.insertion.probability_area - self.random_insertions.mean.probability_area
        return min(deleted, inserted)

    @property
    def holds(self) -> bool:
        """Whether it is better than random, and by `LEAST_EFFECT` at least."""
        return self.better_than_random and self.effect >= LEAST_EFFECT

    @property
    def beats_attention(self) -> bool | None:
        """Whether deletion falls and insertion rises faster than by attention; None where none was given."""
        if self.attention_deletion is None or self.attention_insertion is None:
            return None
        return (
            self.deletion.area < self.attention_deletion.area
            and self.insertion.area > self.attention_insertion.area
        )


def measure_faithfulness(
    margin: Margin,
    window: np.ndarray,
    values: np.ndarray,
    reference: Reference,
    *,
    attention: np.ndarray | None = None,
    unit: Unit = "cell",
    steps: int = STEPS,
    random_orders: int = ORDERS,
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
    reference
        Its first `PAIRED` windows take the place of what is removed, averaged over; every random order is
        tried against one of them and compared with the explanation against the same one.
    attention
        Attention per bar, (T,), to compare with; its cells follow bar by bar, newest of equals last.
    steps
        S; about ``S * random_orders + 4 * S * PAIRED`` windows are scored. A random order's insertion is read
        from the same windows as its deletion: what the one leaves, the other has shown, last first.

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
    stands_in = reference.windows[:PAIRED]
    count = values.size if unit == "cell" else len(window)
    taken = np.unique(np.round(np.linspace(0, count, min(steps, count) + 1)).astype(int))
    told = [values if unit == "cell" else values.sum(1)]
    if attention is not None:
        told.append(attention if unit == "bar" else np.repeat(attention[:, None], window.shape[1], 1))
    ranks = [_ranks(scores) for scores in told]
    generator = np.random.default_rng(seed)
    by_chance = [generator.permutation(count) for _ in range(random_orders)]

    # What is replaced by which window, one row for every window scored.
    everywhere = [(k, taken) for k in range(len(stands_in))]
    masks, rows = [], []
    for order in ranks:
        for k, counts in everywhere:
            masks += [order < c for c in counts[1:-1]] + [order >= count - c for c in counts[1:-1][::-1]]
            rows += [k] * (2 * (len(counts) - 2))
    for place, order in enumerate(by_chance):
        masks += [order < c for c in taken[1:-1]]
        rows += [place % len(stands_in)] * (len(taken) - 2)
    metered = MeteredMargin(margin, progress, cancelled)
    metered.meter.plan(1 + len(stands_in) + len(rows))
    whole = float(evaluate(metered, window[None])[0])
    bare = evaluate(metered, stands_in)
    inner = _score_replaced(metered, window, stands_in, masks, rows, unit)

    size = len(taken) - 2
    told_inner = inner[: len(ranks) * len(stands_in) * 2 * size].reshape(len(ranks), len(stands_in), 2, size)
    chance_inner = inner[told_inner.size :].reshape(random_orders, size)
    paired = np.arange(random_orders) % len(stands_in)
    deletions = _with_ends(told_inner[:, :, 0], whole, bare)
    insertions = _with_ends(told_inner[:, :, 1], bare, whole)
    falls = _with_ends(chance_inner, whole, bare[paired])
    shares, shown = taken / count, (count - taken[::-1]) / count
    curves = [
        (Curve(shares, d.mean(0)), Curve(shown, i.mean(0)))
        for d, i in zip(deletions, insertions, strict=True)
    ]
    spreads = (
        Spread(shares, curves[0][0].margins - (deletions[0, paired] - falls)),
        Spread(shown, curves[0][1].margins - (insertions[0, paired] - falls[:, ::-1])),
    )
    return Faithfulness(*curves[0], *spreads, *(curves[1] if len(curves) > 1 else (None, None)), unit)


def _ranks(scores: np.ndarray) -> np.ndarray:
    """Place of every cell or bar, the largest score's 0, equals in their order; flat."""
    order = np.argsort(-scores, axis=None, kind="stable")
    ranks = np.empty(len(order), dtype=int)
    ranks[order] = np.arange(len(order))
    return ranks


def _score_replaced(
    margin: Margin,
    window: np.ndarray,
    stands_in: np.ndarray,
    masks: list[np.ndarray],
    rows: list[int],
    unit: Unit,
) -> np.ndarray:
    """Margins of the window with the cells or bars of each mask replaced by the window of its row, (n,)."""
    shape = window.shape if unit == "cell" else (len(window), 1)
    parts = [
        evaluate(
            margin,
            np.stack(
                [
                    np.where(mask.reshape(shape), stands_in[k], window)
                    for mask, k in zip(
                        masks[i : i + EVALUATION_BATCH], rows[i : i + EVALUATION_BATCH], strict=True
                    )
                ]
            ),
        )
        for i in range(0, len(rows), EVALUATION_BATCH)
    ]
    return np.concatenate(parts) if parts else np.empty(0)


def _with_ends(inner: np.ndarray, first: np.ndarray | float, last: np.ndarray | float) -> np.ndarray:
    """Curves (..., K, S - 1) with what is known at both ends, (..., K, S + 1)."""
    ends = [np.broadcast_to(np.asarray(end), inner.shape[:-1])[..., None] for end in (first, last)]
    return np.concatenate([ends[0], inner, ends[1]], axis=-1)


@dataclass(frozen=True)
class Removal:
    """What is left of a probability without the cells or bars that mattered most.

    Attributes
    ----------
    unit, removed
        What was removed: bar indices, or (bar, feature) pairs, most important first.
    before, after
        Probability of the class with and without them, each of the reference's windows in their place; mean.
    random_after
        The same for as many random ones, mean over draws, each replaced by one of the windows.
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
    reference: Reference,
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
    draws = [generator.choice(scores.size, count, replace=False) for _ in range(random_draws)]
    masks = []
    for draw in (top, *draws):
        masks.append(np.zeros(scores.size, dtype=bool))
        masks[-1][draw] = True
    windows = len(reference.windows)
    rows = [*range(windows), *(place % windows for place in range(random_draws))]
    after = probability(
        _score_replaced(margin, window, reference.windows, masks[:1] * windows + masks[1:], rows, unit)
    )
    removed = tuple(int(i) for i in top)
    if unit == "cell":
        removed = tuple((index // window.shape[1], index % window.shape[1]) for index in removed)
    before = float(probability(evaluate(margin, window[None]))[0])
    return Removal(
        unit, removed, margin.target, before, float(after[:windows].mean()), float(after[windows:].mean())
    )
