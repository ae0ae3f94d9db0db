"""Past calls beside what then happened."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import pandas as pd
from statsmodels.stats.proportion import proportion_confint

from core.data.dataset import LabelledSeries
from core.data.segments import IN_SAMPLE, Use
from core.prediction import Prediction


@dataclass(frozen=True)
class Outcome:
    """What was said at one past bar, and what came.

    Attributes
    ----------
    call
        The most probable class.
    happened
        None where it is not decided yet.
    until
        Open of the bar that decided it, UTC; None where nothing is decided.
    sure
        What was stated of the call, in [0, 1]: P(it is right), without calibrators the softmax.
    no_call
        Why it is not to be taken for a call; None where it is one.
    segment
        What the bar's outcome was to the model.
    """

    ts: pd.Timestamp
    call: str
    happened: str | None
    until: pd.Timestamp | None = None
    sure: float = float("nan")
    no_call: str | None = None
    segment: Use = "unknown"

    @property
    def right(self) -> bool | None:
        return None if self.happened is None else self.call == self.happened

    @property
    def in_sample(self) -> bool:
        """Whether the outcome helped to make the model."""
        return self.segment in IN_SAMPLE

    @property
    def counts(self) -> bool:
        """Whether it stands in a record: a call, decided, on a bar that did not help to make the model."""
        return self.happened is not None and self.no_call is None and not self.in_sample


@dataclass(frozen=True)
class CallRecord:
    """How past calls of one task went.

    Attributes
    ----------
    right, count
        Calls that came true, of those that count (`Outcome.counts`).
    low, high
        95% interval of their share (Wilson 1927) with as many trials as outcomes fit side by side without
        sharing a bar: calls a bar apart are judged by almost the same bars. NaN without calls. Resampled
        blocks, of which fifty calls give five, would leave no doubt where all were right; this does.
    usual, usual_share
        The class that came most often at the same bars, and how often: what never looking would have given.
    sure
        Mean of what was stated of these calls; NaN without calls.
    """

    right: int
    count: int
    low: float
    high: float
    usual: str | None
    usual_share: float
    sure: float


def judge_calls(past: Sequence[Outcome]) -> CallRecord:
    """Sum up the calls that count; there may be none.

    Each of these has its `until`, or is taken to be decided by its own bar.
    """
    kept = [outcome for outcome in past if outcome.counts]
    nan = float("nan")
    if not kept:
        return CallRecord(0, 0, nan, nan, None, nan, nan)
    right, count = sum(bool(outcome.right) for outcome in kept), len(kept)
    starts = np.array([outcome.ts.value for outcome in kept])
    ends = np.array([(outcome.until or outcome.ts).value for outcome in kept])
    trials = _count_disjoint(starts, np.maximum(ends, starts + 1))
    low, high = np.asarray(proportion_confint(right * trials / count, trials, method="wilson"))
    usual, times = Counter(str(outcome.happened) for outcome in kept).most_common(1)[0]
    sure = float(np.mean([outcome.sure for outcome in kept]))
    return CallRecord(right, count, float(low), float(high), usual, times / count, sure)


def outcomes(series: LabelledSeries, predictions: Sequence[Prediction]) -> dict[str, list[Outcome]]:
    """What each task said at past bars, and what happened by the model's own label borders.

    Parameters
    ----------
    series
        Of the same instrument and timeframe; its last bar decides what is known.
    predictions
        Each at a bar of `series`.

    Returns
    -------
    dict
        Task name to outcomes, one per prediction; tasks of which none is decided are left out.
    """
    table: dict[str, list[Outcome]] = {}
    for task, labels in series.labels.items():
        past = []
        for prediction in predictions:
            said = prediction.tasks[task]
            place = int(np.searchsorted(series.ts, prediction.ts.tz_localize(None).to_datetime64()))
            label, end = int(labels[place]), int(series.label_end[task][place])
            past.append(
                Outcome(
                    prediction.ts,
                    said.call,
                    said.classes[label] if label >= 0 else None,
                    until=_utc(series.ts[end]) if label >= 0 and end >= 0 else None,
                    sure=float(said.shares.max()) if said.stated is None else said.stated.confidence,
                    no_call=said.no_call,
                    segment=prediction.segment,
                )
            )
        if any(outcome.happened is not None for outcome in past):
            table[task] = past
    return table


def _utc(opened: np.datetime64) -> pd.Timestamp:
    return cast(pd.Timestamp, pd.Timestamp(opened, tz="UTC"))


def _count_disjoint(starts: np.ndarray, ends: np.ndarray) -> int:
    """The most spans [start, end) of which no two overlap."""
    count, reached = 0, None
    for place in np.argsort(ends, kind="stable"):
        if reached is None or starts[place] >= reached:
            count, reached = count + 1, ends[place]
    return count
