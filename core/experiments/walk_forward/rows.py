"""Scored windows as the tables a walk-forward writes; `WalkForwardResult` says what is in them."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd

from core.baselines.measures import SeriesMeasures
from core.confidence.calibrators import LearnedMix
from core.confidence.choice import METHODS
from core.confidence.sources import SOURCES
from core.confidence.stated import SET_LEVELS, TaskConfidence
from core.config import Config
from core.data.dataset import PreparedData
from core.data.labels.measure import MISSING
from core.experiments.walk_forward.results import (
    CATEGORIES,
    KEY_COLUMNS,
    rank_column,
    set_columns,
)
from core.scores.selective import selective_areas
from core.training.scoring import ConfidentOutputs, ConfidentScores


def build_rows(
    fold: int,
    data: PreparedData,
    config: Config,
    scores: ConfidentScores,
    confidence: dict[str, TaskConfidence],
    measures: list[SeriesMeasures],
    segment: str = "test",
) -> pd.DataFrame:
    """The model's rows of one segment: one per labelled window and task, tasks after each other."""
    widest = max(len(task.classes) for task in config.tasks)
    which = scores.rows[:, 0]
    names = {
        "instrument": np.array([series.instrument for series in data.series], dtype=object)[which],
        "timeframe": np.array([series.timeframe for series in data.series], dtype=object)[which],
    }
    regime_now = np.array([measures[s].regime_now[b] for s, b in scores.rows], dtype=np.int8)
    tables = []
    for task in config.tasks:
        outputs = scores.tasks[task.name]
        known = outputs.labels >= 0
        ahead = np.full(len(which), MISSING, dtype=np.int8)
        if task.name in measures[0].labels_ahead:
            ahead[:] = [measures[s].labels_ahead[task.name][b] for s, b in scores.rows]
        columns: dict[str, Any] = {
            "fold": np.full(len(which), fold, dtype=np.int16),
            "segment": np.full(len(which), segment, dtype=object),
            **names,
            "ts": pd.DatetimeIndex(scores.times, tz="UTC"),
            "task": np.full(len(which), task.name, dtype=object),
            "label": outputs.labels.astype(np.int8),
            "label_end": pd.DatetimeIndex(outputs.label_ends, tz="UTC"),
            **_state(task.name, outputs, confidence.get(task.name), widest),
            "distance": scores.distance.astype(np.float32),
            "out_of_distribution": scores.strangeness > 1,
            "regime_now": regime_now,
            "label_ahead": ahead,
        }
        tables.append(pd.DataFrame(columns)[known])
    return _categorised(pd.concat(tables, ignore_index=True))


def measure_mixes(
    tested: ConfidentScores,
    confidence: dict[str, TaskConfidence],
    left_out: dict[str, dict[str, LearnedMix]],
) -> dict[str, dict[str, dict[str, Any]]]:
    """Every task's learned mixes, of all sources and without each, with their AURC on test rows."""
    measured: dict[str, dict[str, dict[str, Any]]] = {}
    for task, without in left_out.items():
        outputs = tested.tasks[task]
        known = outputs.labels >= 0
        measured[task] = {
            name: mix.to_dict()
            | {"aurc": selective_areas(mix.apply(outputs.sources[known]), outputs.correct[known])[0]}
            for name, mix in {"all": confidence[task].calibration.mix, **without}.items()
            if known.any()
        }
    return measured


def build_baseline_rows(
    rows: pd.DataFrame, forecasts: dict[str, dict[str, np.ndarray]], config: Config
) -> pd.DataFrame:
    """The baselines' rows, each baseline in the order of `rows`, from task -> baseline -> (n, C)."""
    widest = max(len(task.classes) for task in config.tasks)
    tables = []
    for task in config.tasks:
        mine = rows.loc[(rows["task"] == task.name).to_numpy(), list(KEY_COLUMNS)]
        for name, probabilities in forecasts[task.name].items():
            tables.append(mine.assign(baseline=name, **_wide("p", probabilities, widest)))
    return _categorised(pd.concat(tables, ignore_index=True))


def _state(
    task: str, outputs: ConfidentOutputs, fitted: TaskConfidence | None, widest: int
) -> dict[str, np.ndarray]:
    n = len(outputs.labels)
    logits = outputs.logits.astype(np.float64)
    columns = _wide("logit", outputs.logits, widest)
    if fitted is None:
        warnings.warn(f"{task}: too few calibrate rows to state a confidence", stacklevel=3)
        probabilities = outputs.probabilities
        unknown = np.full(n, np.nan, dtype=np.float32)
        stated = dict.fromkeys((*METHODS, *map(rank_column, SOURCES), "confidence"), unknown)
        stated["temperature"] = probabilities.max(axis=1)
        members = None
    else:
        found = fitted.state(outputs.logits, outputs.sources, outputs.raw)
        probabilities = found.probabilities
        stated = {
            **{
                method: fitted.calibration.confidence(logits, outputs.sources, outputs.raw, method)
                for method in METHODS
            },
            **_rank(fitted, outputs.sources),
            "confidence": found.confidence,
        }
        members = {level: fitted.sets_at(level).apply(probabilities) for level in SET_LEVELS}
    columns |= _wide("p", probabilities, widest) | _wide("u", outputs.probabilities, widest)
    columns["head_confidence"] = outputs.head_confidence
    columns |= {name: outputs.sources[:, i] for i, name in enumerate(SOURCES)}
    columns |= {"raw": outputs.raw} | stated
    columns = {name: np.asarray(values, dtype=np.float32) for name, values in columns.items()}
    sets: dict[str, np.ndarray] = {}
    for level in SET_LEVELS:
        size, covered = set_columns(level)
        sets[size], sets[covered] = np.full(n, MISSING, dtype=np.int8), np.zeros(n, dtype=bool)
        if members is not None:
            sets[size] = members[level].sum(axis=1).astype(np.int8)
            sets[covered] = members[level][np.arange(n), np.maximum(outputs.labels, 0)]
    return columns | sets


def _rank(fitted: TaskConfidence, sources: np.ndarray) -> dict[str, np.ndarray]:
    ranks = fitted.calibration.ranks
    if ranks is None:
        return dict.fromkeys(map(rank_column, SOURCES), np.full(len(sources), np.nan))
    return dict(zip(map(rank_column, SOURCES), ranks.rank(sources).T, strict=False))


def _wide(prefix: str, values: np.ndarray, widest: int) -> dict[str, np.ndarray]:
    padded = np.full((len(values), widest), np.nan, dtype=np.float32)
    padded[:, : values.shape[1]] = values
    return {f"{prefix}_{c}": padded[:, c] for c in range(widest)}


def _categorised(table: pd.DataFrame) -> pd.DataFrame:
    return table.astype({name: "category" for name in CATEGORIES if name in table})
