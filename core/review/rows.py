"""Which walk-forward predictions are under review, and what they stated.

Shape legend: n rows (predictions with a known outcome), C classes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd

from core.bundle import SHIPPED
from core.confidence.sources import SOURCES
from core.confidence.stated import SET_LEVELS
from core.data.bars import one_column
from core.experiments.walk_forward.find import FOLDER
from core.experiments.walk_forward.records import WalkForwardResult
from core.experiments.walk_forward.results import (
    PLAN,
    SUMMARY,
    rank_column,
    read_distribution,
    set_columns,
)
from core.scores.stretches import Stretches, label_span

REGIMES = ("Trending", "Ranging", "Volatile")

CALIBRATORS = ("uncalibrated", "temperature", "platt", "isotonic")
RANKED_FORMS = ("ranked", "joint")
"""Forms of the final confidence that results written before ranks were kept do not state."""


def list_stated() -> tuple[str, ...]:
    """Everything that states how sure the model is, as the rows' columns are called."""
    return ("confidence", *CALIBRATORS, "raw", "mix", *RANKED_FORMS, "head_confidence", *SOURCES)


@dataclass(frozen=True)
class RowFilter:
    """Which rows of one task to review; None takes all.

    Attributes
    ----------
    called
        Class the model called (its most probable one).
    regime
        One of `REGIMES`, by the rule on bars up to the prediction alone.
    start, end
        Days, ISO, both inside, UTC.
    """

    task: str
    called: str | None = None
    instrument: str | None = None
    timeframe: str | None = None
    regime: str | None = None
    start: str | None = None
    end: str | None = None
    fold: int | None = None


@dataclass(frozen=True)
class ReviewRows:
    """Predictions of one task beside what happened, in time order.

    Attributes
    ----------
    times, ends
        (n,) opens of each prediction's bar and of the last bar its label uses, datetime64[us].
    fold
        (n,) int.
    labels, call
        (n,) classes.
    probabilities, uncalibrated
        (n, C), temperature-scaled and plain softmax.
    stated
        By name of `list_stated`, (n,) in [0, 1]; NaN where a fold had too few rows to fit it, or was scored
        before a source was added or ranks were kept.
    set_size, covered
        (n,) of the conformal sets, by level; -1 and False where none was fitted.
    position
        (n,) place of each in the walk-forward's rows.
    ranks
        (n,) of each source among the fold's calibrate bars, by source, in [0, 1]; NaN where none were kept.
    """

    classes: tuple[str, ...]
    times: np.ndarray
    ends: np.ndarray
    fold: np.ndarray
    labels: np.ndarray
    call: np.ndarray
    probabilities: np.ndarray
    uncalibrated: np.ndarray
    stated: dict[str, np.ndarray]
    set_size: dict[float, np.ndarray]
    covered: dict[float, np.ndarray]
    position: np.ndarray
    ranks: dict[str, np.ndarray] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def correct(self) -> np.ndarray:
        """(n,) bool: whether the call came true."""
        return self.call == self.labels

    @property
    def sources(self) -> np.ndarray:
        """(n, S) in the order of `core.confidence.sources.SOURCES`."""
        return np.column_stack([self.stated[name] for name in SOURCES])

    def take(self, chosen: np.ndarray) -> ReviewRows:
        """The rows of a mask or index."""
        kept: dict[str, Any] = {}
        for name in self.__dataclass_fields__:
            held = getattr(self, name)
            if isinstance(held, dict):
                kept[name] = {key: values[chosen] for key, values in held.items()}
            elif name != "classes":
                kept[name] = held[chosen]
        return ReviewRows(classes=self.classes, **kept)

    def stating(self, name: str) -> ReviewRows:
        """The rows on which `name` states something."""
        known = np.isfinite(self.stated[name])
        return self if known.all() else self.take(known)


def list_reviews(home: Path, shipped: Path = SHIPPED.parent) -> dict[str, Path]:
    """Finished walk-forwards by name, the shipped model's own first, the others newest first."""
    found = {}
    if _finished(shipped / FOLDER):
        found["shipped with the model"] = shipped / FOLDER
    folder = Path(home) / FOLDER
    own = [entry for entry in folder.iterdir() if _finished(entry)] if folder.is_dir() else []
    for entry in sorted(own, key=lambda entry: (entry / SUMMARY).stat().st_mtime, reverse=True):
        found[entry.name] = entry
    return found


def take_rows(result: WalkForwardResult, chosen: RowFilter) -> ReviewRows:
    """Rows of a walk-forward that pass a filter, in time order; may be none."""
    classes = next(tuple(task.classes) for task in result.config.tasks if task.name == chosen.task)
    kept = mask_rows(result.rows, chosen)
    rows = cast(pd.DataFrame, result.rows[kept])
    probabilities, uncalibrated = (read_distribution(rows, prefix, len(classes)) for prefix in ("p", "u"))
    call = probabilities.argmax(axis=1) if len(rows) else np.zeros(0, int)
    stated = {name: _read_stated(rows, name) for name in list_stated() if name != "uncalibrated"}
    sets = {level: set_columns(level) for level in SET_LEVELS if set_columns(level)[0] in rows}
    stated["uncalibrated"] = uncalibrated.max(axis=1, initial=0).clip(0, 1)
    found = ReviewRows(
        classes=classes,
        times=one_column(rows, "ts").dt.tz_localize(None).to_numpy("datetime64[us]"),
        ends=one_column(rows, "label_end").dt.tz_localize(None).to_numpy("datetime64[us]"),
        fold=one_column(rows, "fold").to_numpy(np.int64),
        labels=one_column(rows, "label").to_numpy(np.int64),
        call=call,
        probabilities=probabilities,
        uncalibrated=uncalibrated,
        stated=stated,
        set_size={level: one_column(rows, size).to_numpy(np.int64) for level, (size, _) in sets.items()},
        covered={level: one_column(rows, covered).to_numpy(bool) for level, (_, covered) in sets.items()},
        position=np.flatnonzero(kept),
        ranks={name: _read_stated(rows, rank_column(name)) for name in SOURCES},
    )
    if chosen.called is not None:
        found = found.take(call == classes.index(chosen.called))
    return found.take(np.argsort(found.times, kind="stable"))


def mask_rows(rows: pd.DataFrame, chosen: RowFilter) -> np.ndarray:
    """(rows,) bool of what passes every filter but the called class; labelled rows alone."""
    kept = (rows["label"].to_numpy() >= 0) & (rows["task"] == chosen.task).to_numpy()
    for column in ("instrument", "timeframe", "fold"):
        wanted = getattr(chosen, column)
        if wanted is not None:
            kept &= (rows[column] == wanted).to_numpy()
    if chosen.regime is not None:
        kept &= rows["regime_now"].to_numpy() == REGIMES.index(chosen.regime)
    times = rows["ts"]
    if chosen.start is not None:
        kept &= (times >= pd.Timestamp(chosen.start, tz="UTC")).to_numpy()
    if chosen.end is not None:
        kept &= (times < pd.Timestamp(chosen.end, tz="UTC") + pd.Timedelta(days=1)).to_numpy()
    return kept


def stretches_of(rows: ReviewRows) -> Stretches:
    """Stretches of the rows' times, for everything that states an interval of them."""
    return Stretches.over(rows.times, label_span(rows.times, rows.ends))


def _read_stated(rows: pd.DataFrame, name: str) -> np.ndarray:
    if name not in rows and name in (*SOURCES, *RANKED_FORMS, *map(rank_column, SOURCES)):
        return np.full(len(rows), np.nan)
    return one_column(rows, name).to_numpy(np.float64).clip(0, 1)


def _finished(folder: Path) -> bool:
    return (folder / PLAN).is_file() and (folder / SUMMARY).is_file()
