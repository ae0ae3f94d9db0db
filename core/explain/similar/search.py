"""Similar moments: past windows the model sees as most like this one, and what came of them.

Shapes: n moments, D width of the representation, C classes.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import cast

import numpy as np
from statsmodels.stats.proportion import proportion_confint

from core.errors import InputError, WindowError
from core.scores.intervals import Share, count_apart

MISSING = -1
SAME_TIME = np.timedelta64(7, "D")
"""Between moments of two series that count as one and the same."""


@dataclass(frozen=True)
class IndexedSeries:
    """One series as it stood when the index was built.

    Attributes
    ----------
    name
        "AAPL|1d".
    bars, last
        How many there were, and the open of the last one.
    fingerprint
        `BarStore.fingerprint` of these bars.
    """

    name: str
    bars: int
    last: np.datetime64
    fingerprint: str


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
        By task: what the model said then, before calibration, (n, C).
    length
        Bars in a window.
    trained
        By task: whether the model was trained on that outcome, (n,) bool; empty where nobody kept it.
    model
        `core.explain.evidence.store.model_fingerprint` of the model that made the representations.
    step
        Every step-th whole window of a series is in the index.
    sources
        The series it was built from, those too short for a window too.
    """

    representations: np.ndarray
    series: np.ndarray
    bar: np.ndarray
    ts: np.ndarray
    outcome: Mapping[str, np.ndarray]
    outcome_known_at: Mapping[str, np.ndarray]
    probabilities: Mapping[str, np.ndarray]
    length: int
    trained: Mapping[str, np.ndarray] = field(default_factory=dict)
    model: str = ""
    step: int = 1
    sources: tuple[IndexedSeries, ...] = ()

    def __post_init__(self) -> None:
        count = len(self.representations)
        columns = [self.series, self.bar, self.ts]
        for by_task in (self.outcome, self.outcome_known_at, self.probabilities, self.trained):
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

    def known(self, task: str, at: np.datetime64) -> np.ndarray:
        """Whether each moment's outcome was known at `at`, (n,) bool."""
        return (self.outcome[task] != MISSING) & (self.outcome_known_at[task] <= at)

    def called(self, task: str) -> np.ndarray:
        """Class the model held most probable, (n,) int64."""
        return self.probabilities[task].argmax(1)


@dataclass(frozen=True)
class Analogue:
    """One similar moment: where it was, how similar (cosine), what the model said and what came.

    `trained` is True when the model was trained on this outcome, and so had seen the answer.
    """

    row: int
    series: str
    bar: int
    ts: np.datetime64
    similarity: float
    outcome: int
    probabilities: np.ndarray
    trained: bool = False

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
    independent
        Number of groups among the moments whose futures share no time: the same days in two indices are one
        piece of evidence, not two.
    """

    task: str
    moments: tuple[Analogue, ...]
    outcome_shares: np.ndarray
    accuracy: float
    base_shares: np.ndarray
    base_accuracy: float
    candidates: int
    independent: int

    def went(self, outcome: int) -> Share:
        """How many of the moments ended in class `outcome`; there is at least one moment."""
        count = sum(moment.outcome == outcome for moment in self.moments)
        return self._share(count, float(self.base_shares[outcome]))

    def right(self) -> Share:
        """How many of the moments the model called correctly; there is at least one moment."""
        return self._share(sum(moment.correct for moment in self.moments), self.base_accuracy)

    def _share(self, count: int, base: float) -> Share:
        total = len(self.moments)
        # As many trials as there are futures of their own, with the same share.
        trials = self.independent
        low, high = np.asarray(proportion_confint(count * trials / total, trials, method="wilson"))
        return Share(count, total, float(low), float(high), base)


def find_analogues(
    index: MomentIndex,
    representation: np.ndarray,
    *,
    task: str,
    series: str,
    bar: int,
    known_at: np.datetime64,
    count: int = 10,
    among: Collection[str] | None = None,
) -> Analogues:
    """Nearest earlier moments by cosine, each outcome already known at `known_at`, none overlapping.

    A candidate of the same series whose window shares a bar with the query's is left out, and so is one that
    shares a bar with a nearer moment already chosen: ten views of one afternoon are one moment. So is a
    moment of another series within `SAME_TIME` of the query or of a nearer moment: markets move together,
    and the same week seen in two indices is one week.

    Parameters
    ----------
    representation
        The query's, (D,).
    series, bar
        The query's own place; `bar` counts as `MomentIndex.bar` does.
    known_at
        When the query's bar had closed.
    among
        Series to search; None is all of them.

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
    query = np.asarray(representation, dtype=np.float32)
    length = np.linalg.norm(query)
    if query.shape != index.representations.shape[1:] or not length > 0:
        raise WindowError(
            f"a representation of {index.representations.shape[1:]} values, not all zero",
            f"{query.shape}",
            "use the model the index was built with",
        )
    allowed = index.known(task, known_at)
    same = index.series == series
    allowed &= np.where(same, np.abs(index.bar - bar) >= index.length, known_at - index.ts >= SAME_TIME)
    if among is not None:
        allowed &= np.isin(index.series, list(among))
    rows = np.flatnonzero(allowed)
    points = index.representations[rows].astype(np.float32)
    norms = np.maximum(np.linalg.norm(points, axis=1), np.finfo(np.float32).tiny)
    similarity = points @ query / (norms * length)
    chosen = _nearest_apart(index, rows, similarity, count)
    outcome, probabilities = index.outcome[task], index.probabilities[task]
    trained = index.trained.get(task)
    moments = tuple(
        Analogue(
            row=int(row),
            series=str(index.series[row]),
            bar=int(index.bar[row]),
            ts=cast(np.datetime64, index.ts[row]),
            similarity=float(similarity[place]),
            outcome=int(outcome[row]),
            probabilities=probabilities[row],
            trained=trained is not None and bool(trained[row]),
        )
        for place, row in ((place, rows[place]) for place in chosen)
    )
    found = rows[chosen]
    shares, accuracy = _record(outcome, probabilities, found)
    base_shares, base_accuracy = _record(outcome, probabilities, rows)
    independent = count_apart(index.ts[found], index.outcome_known_at[task][found])
    return Analogues(task, moments, shares, accuracy, base_shares, base_accuracy, len(rows), independent)


def _nearest_apart(index: MomentIndex, rows: np.ndarray, similarity: np.ndarray, count: int) -> list[int]:
    """Places in `rows` of the most similar moments that do not overlap each other, best first."""
    left, chosen = similarity.copy(), []
    names, codes = np.unique(index.series[rows], return_inverse=True)
    bars, ts = index.bar[rows], index.ts[rows]
    while len(names) and len(chosen) < count:
        best = int(left.argmax())
        if not np.isfinite(left[best]):
            break
        chosen.append(best)
        near = np.abs(bars - bars[best]) < index.length
        left[np.where(codes == codes[best], near, np.abs(ts - ts[best]) < SAME_TIME)] = -np.inf
    return chosen


def _record(outcome: np.ndarray, probabilities: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, float]:
    classes = probabilities.shape[1]
    if not len(rows):
        return np.full(classes, np.nan), float("nan")
    shares = np.bincount(outcome[rows], minlength=classes) / len(rows)
    return shares, float((probabilities[rows].argmax(1) == outcome[rows]).mean())
