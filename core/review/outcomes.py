"""Past calls beside what then happened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from core.data.dataset import LabelledSeries
from core.prediction import Prediction


@dataclass(frozen=True)
class Outcome:
    """One past call; `happened` is None where it is not decided yet."""

    ts: pd.Timestamp
    call: str
    happened: str | None

    @property
    def right(self) -> bool | None:
        return None if self.happened is None else self.call == self.happened


def outcomes(series: LabelledSeries, predictions: Sequence[Prediction]) -> dict[str, list[Outcome]]:
    """What each task said at past bars, and what happened by the model's own frozen label borders.

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
            label = int(labels[place])
            past.append(Outcome(prediction.ts, said.call, said.classes[label] if label >= 0 else None))
        if any(outcome.happened is not None for outcome in past):
            table[task] = past
    return table
