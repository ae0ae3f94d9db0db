"""Similar moments: past windows the model sees as most like this one, and what came of them.

Shapes: n moments, D width of the representation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import numpy as np

from core.errors import InputError, WindowError

MISSING = -1


@dataclass(frozen=True)
class MomentIndex:
    """Every moment the model has looked at, ready to be searched.

    Attributes
    ----------
    representations
        Shape (n, D), the last bar's final representations.
    series
        Name of each moment's series ("AAPL|1d"), (n,).
    bar
        Index of the last bar within its series, (n,) int64.
    ts
        Opening time of the last bar, (n,) datetime64.
    outcome
        By task: class that came true, (n,) int64, -1 where there is none.
    outcome_known_at
        By task: when that was known, (n,) datetime64, NaT where never.
    probabilities
        By task: what the model said then, (n, C).
    length
        Bars in a window.
    """

    representations: np.ndarray
    series: np.ndarray
    bar: np.ndarray
    ts: np.ndarray
    outcome: Mapping[str, np.ndarray]
    outcome_known_at: Mapping[str, np.ndarray]
    probabilities: Mapping[str, np.ndarray]
    length: int

    def __post_init__(self) -> None:
        count = len(self.representations)
        columns = [self.series, self.bar, self.ts]
        for by_task in (self.outcome, self.outcome_known_at, self.probabilities):
            columns += list(by_task.values())
        wrong = [len(column) for column in columns if len(column) != count]
        if self.representations.ndim != 2 or wrong:
            raise InputError(
                f"one row per moment ({count})", f"{wrong}", "build the index from one scoring run"
            )
        if not (set(self.outcome) == set(self.outcome_known_at) == set(self.probabilities)):
            raise InputError(
                "the same tasks throughout", f"{sorted(self.outcome)}", "give every task's record"
            )


@dataclass(frozen=True)
class Analogue:
    """One similar moment: where it was, how similar (cosine), what the model said and what came."""

    row: int
    series: str
    bar: int
    ts: np.datetime64
    similarity: float
    outcome: int
    probabilities: np.ndarray

    @property
    def correct(self) -> bool:
        """Whether the model's most probable class came true."""
        return int(self.probabilities.argmax()) == self.outcome


@dataclass(frozen=True)
class Analogues:
    """Similar moments, most similar first, and their sum.

    Attributes
    ----------
    outcome_shares
        Share of each class among their outcomes, (C,); NaN when there is no moment.
    accuracy
        Share of them the model called correctly; NaN when there is none.
    base_shares, base_accuracy
        The same over all moments that could have been chosen.
    candidates
        Number of those.
    """

    task: str
    moments: tuple[Analogue, ...]
    outcome_shares: np.ndarray
    accuracy: float
    base_shares: np.ndarray
    base_accuracy: float
    candidates: int


def find_analogues(
    index: MomentIndex,
    representation: np.ndarray,
    *,
    task: str,
    series: str,
    bar: int,
    known_at: np.datetime64,
    count: int = 10,
) -> Analogues:
    """Nearest earlier moments by cosine, each outcome already known at `known_at`, none overlapping.

    A candidate of the same series whose window shares a bar with the query's is left out, and so is one that
    shares a bar with a nearer moment already chosen: ten views of one afternoon are one moment. Moments of
    other series may lie at the same time.

    Parameters
    ----------
    representation
        The query's, (D,).
    series, bar
        The query's own place; `bar` counts as `MomentIndex.bar` does.
    known_at
        When the query's bar had closed.

    Raises
    ------
    InputError
        If the task is unknown or `count` below 1.
    WindowError
        If the representation has another width or no length.
    """
    if task not in index.outcome or count < 1:
        raise InputError(
            f"a task out of {', '.join(index.outcome)} and count >= 1", f"{task!r}, {count}", "correct it"
        )
    query = np.asarray(representation, dtype=float)
    norm = np.linalg.norm(query)
    if query.shape != index.representations.shape[1:] or not norm > 0:
        raise WindowError(
            f"a representation of {index.representations.shape[1:]} values, not all zero",
            f"{query.shape}",
            "use the model the index was built with",
        )
    outcome, known = index.outcome[task], index.outcome_known_at[task]
    allowed = (outcome != MISSING) & (known <= known_at)
    allowed &= (index.series != series) | (np.abs(index.bar - bar) >= index.length)
    rows = np.flatnonzero(allowed)
    points = index.representations[rows].astype(float)
    similarity = points @ query / np.maximum(np.linalg.norm(points, axis=1) * norm, np.finfo(float).tiny)
    chosen: list[int] = []
    for place in np.argsort(-similarity, kind="stable"):
        row = rows[place]
        overlapping = any(
            index.series[row] == index.series[rows[other]]
            and abs(index.bar[row] - index.bar[rows[other]]) < index.length
            for other in chosen
        )
        if not overlapping:
            chosen.append(int(place))
            if len(chosen) == count:
                break
    probabilities = index.probabilities[task]
    moments = tuple(
        Analogue(
            row=int(rows[place]),
            series=str(index.series[rows[place]]),
            bar=int(index.bar[rows[place]]),
            ts=cast(np.datetime64, index.ts[rows[place]]),
            similarity=float(similarity[place]),
            outcome=int(outcome[rows[place]]),
            probabilities=probabilities[rows[place]],
        )
        for place in chosen
    )
    found = rows[chosen]
    shares, accuracy = _record(outcome, probabilities, found)
    base_shares, base_accuracy = _record(outcome, probabilities, rows)
    return Analogues(task, moments, shares, accuracy, base_shares, base_accuracy, len(rows))


def _record(outcome: np.ndarray, probabilities: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, float]:
    classes = probabilities.shape[1]
    if not len(rows):
        return np.full(classes, np.nan), float("nan")
    shares = np.bincount(outcome[rows], minlength=classes) / len(rows)
    return shares, float((probabilities[rows].argmax(1) == outcome[rows]).mean())
