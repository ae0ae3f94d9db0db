"""Where a model and a simpler forecaster said different things of the same test bars, and who was nearer.

Shape legend: n rows (predictions with a known outcome), C classes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from core.data.bars import one_column
from core.experiments.walk_forward.records import WalkForwardResult
from core.experiments.walk_forward.results import read_distribution
from core.review.track_record import keep_known
from core.scores.intervals import Interval, paired_difference
from core.scores.metrics import log_losses
from core.scores.stretches import Stretches, label_span

APART = 0.05
"""Probability; from so much on two forecasters are said to differ where they call the same class."""
FEWEST = 30
"""Fewer rows state no difference."""


@dataclass(frozen=True)
class Compared:
    """A model and a challenger on the same rows.

    Attributes
    ----------
    rows
        How many; the other numbers are NaN where there are fewer than `FEWEST`.
    model, challenger
        Mean log-loss of each, in nats.
    difference
        Of the means, the model's less the challenger's, with its interval; below zero the model was nearer.
    model_right, challenger_right
        Share of the rows whose most probable class came.
    """

    rows: int
    model: float
    challenger: float
    difference: Interval
    model_right: float
    challenger_right: float


@dataclass(frozen=True)
class Disagreement:
    """The record of one model and one challenger in one task.

    Attributes
    ----------
    whole
        On all rows.
    calls
        On those where another class is most probable.
    apart
        On those where some class's probabilities differ by more than `APART`, calls alike or not.
    """

    task: str
    challenger: str
    whole: Compared
    calls: Compared
    apart: Compared


def measure_disagreement(
    result: WalkForwardResult, task: str, challenger: str, until: pd.Timestamp | None = None
) -> Disagreement | None:
    """Compare a walk-forward's test rows with those of one of its baselines.

    Parameters
    ----------
    challenger
        Name of the baseline.
    until
        Only outcomes known at this moment (UTC) count; None counts all.

    Returns
    -------
    Disagreement
        None where the walk-forward has no such task or baseline, or no outcome was known by then.
    """
    theirs = result.baselines
    chosen = (theirs["task"] == task).to_numpy() & (theirs["baseline"] == challenger).to_numpy()
    rows = result.rows.loc[(result.rows["task"] == task).to_numpy()]
    if not chosen.any():
        return None
    # Baselines stand in the order of the model's rows, fold by fold.
    others = theirs.loc[chosen].set_axis(rows.index)
    kept = rows.loc[(rows["label"] >= 0).to_numpy()]
    kept = kept if until is None else keep_known(kept, until)
    if not len(kept):
        return None
    classes = next(len(one.classes) for one in result.config.tasks if one.name == task)
    ours, other = (read_distribution(table.loc[kept.index], "p", classes) for table in (rows, others))
    times, ends = (
        one_column(kept, name).dt.tz_localize(None).to_numpy("datetime64[us]") for name in ("ts", "label_end")
    )
    labels = one_column(kept, "label").to_numpy(np.int64)
    parts = {
        "whole": np.ones(len(kept), bool),
        "calls": ours.argmax(axis=1) != other.argmax(axis=1),
        "apart": np.abs(ours - other).max(axis=1) > APART,
    }
    compared = {
        name: _compare(ours[part], other[part], labels[part], times[part], ends[part])
        for name, part in parts.items()
    }
    return Disagreement(task, challenger, **compared)


def _compare(
    ours: np.ndarray, theirs: np.ndarray, labels: np.ndarray, times: np.ndarray, ends: np.ndarray
) -> Compared:
    nan = float("nan")
    if len(labels) < FEWEST:
        return Compared(len(labels), nan, nan, Interval(nan, nan, nan), nan, nan)
    mine, other = log_losses(ours, labels), log_losses(theirs, labels)
    difference = paired_difference(mine, other, Stretches.over(times, label_span(times, ends)))
    right = [float((shares.argmax(axis=1) == labels).mean()) for shares in (ours, theirs)]
    return Compared(len(labels), float(mine.mean()), float(other.mean()), difference, right[0], right[1])
