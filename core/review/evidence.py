"""Whose evidence a walk-forward is: what it was made of, and how that differs from a model."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from core.config import Config
from core.data.bars import one_column
from core.experiments.walk_forward.records import WalkForwardResult


@dataclass(frozen=True)
class Evidence:
    """What a walk-forward speaks of.

    Attributes
    ----------
    name
        Of its configuration.
    scheme
        ``expanding`` or ``rolling``.
    folds
        How many.
    series
        Tested, such as ``AAPL 1d``.
    first, last
        Test bars, UTC.
    data
        Fingerprint of the bars it was made from.
    """

    name: str
    scheme: str
    folds: int
    series: tuple[str, ...]
    first: pd.Timestamp
    last: pd.Timestamp
    data: str


def describe_evidence(result: WalkForwardResult) -> Evidence:
    """What a finished walk-forward speaks of."""
    tested = result.rows[["instrument", "timeframe"]].drop_duplicates().astype(str).to_numpy()
    times = one_column(result.rows, "ts")
    return Evidence(
        name=result.config.name,
        scheme=str(result.plan["scheme"]),
        folds=len(result.folds),
        series=tuple(sorted(f"{instrument} {timeframe}" for instrument, timeframe in tested)),
        first=times.min(),
        last=times.max(),
        data=str(result.plan["fingerprint"])[:8],
    )


def find_differences(tested: Config, model: Config) -> tuple[str, ...]:
    """In what a walk-forward's models were made otherwise than a model; empty where its folds are like it.

    Segments, name and instruments may differ: each fold has its own, and a model serves other series too.
    """
    pairs = {
        "labels": (tested.labels, model.labels),
        "tasks": (tested.tasks, model.tasks),
        "features": (tested.data.feature_columns, model.data.feature_columns),
        "timeframes": (sorted(tested.data.timeframes), sorted(model.data.timeframes)),
        "architecture": (tested.model, model.model),
        "losses": (tested.loss, model.loss),
        "training": (tested.training, model.training),
    }
    return tuple(name for name, (one, other) in pairs.items() if one != other)
