"""What one forecaster said at the close of each bar, as arrays, with what a size and a stop are measured in.

Shape legend: n calls.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal, cast

import numpy as np
import pandas as pd

from core.confidence.sources import SOURCES
from core.confidence.stated import SET_LEVEL
from core.config import Config, TaskConfig
from core.data.bars import one_column
from core.data.inputs import BarsBySeries
from core.data.labels.assign import LABEL_CLASSES
from core.errors import InputError
from core.experiments.walk_forward.records import WalkForwardResult
from core.experiments.walk_forward.results import rank_column, read_distribution, set_columns
from core.prediction import Prediction
from core.trading.market import place_calls

MODEL, SIDES = "model", LABEL_CLASSES["direction"]
"""The model's name among forecasters; Bullish, Bearish, Sideways: the order of `Calls.probabilities`."""


@dataclass(frozen=True)
class Calls:
    """Calls of one forecaster at one timeframe, ordered by time, then instrument.

    Attributes
    ----------
    forecaster
        `MODEL` or a baseline's name.
    instruments
        Names; `instrument` (n,) int counts in them.
    times
        (n,) opens of the bars at whose close the calls were made, naive UTC datetime64[us].
    fold
        (n,) int; -1 for live predictions.
    probabilities
        (n, 3) float64, calibrated, in the order of `SIDES`; 0 for a class the task does not have.
    confidence
        (n,) stated P(the most probable class is right) in [0, 1]; the largest probability where nothing else
        was stated.
    ranks
        By source, (n,) in [0, 1]; NaN where none were kept. Empty for baselines.
    out_of_distribution
        (n,) bool; False for baselines.
    both_directions
        (n,) bool: the 90% prediction set holds Bullish and Bearish; False where no set was fitted.
    volatility
        (n, 3) P(Low), P(Medium), P(High) of the bars ahead; NaN where nothing was said.
    regime
        (n,) most probable regime, in the order of `LABEL_CLASSES`; -1 where nothing was said.
    sigma
        (n,) EWMA volatility of one bar, in log return, known at the bar's close; NaN until it is.
    levels
        (n, 3) typical volatility of one bar in each class, from the series' own last bars; NaN until known.
    has_volume
        (n,) bool: the bar has volume, or its series had none so far.
    """

    forecaster: str
    timeframe: str
    instruments: tuple[str, ...]
    instrument: np.ndarray
    times: np.ndarray
    fold: np.ndarray
    probabilities: np.ndarray
    confidence: np.ndarray
    ranks: dict[str, np.ndarray]
    out_of_distribution: np.ndarray
    both_directions: np.ndarray
    volatility: np.ndarray
    regime: np.ndarray
    sigma: np.ndarray
    levels: np.ndarray
    has_volume: np.ndarray

    def __len__(self) -> int:
        return len(self.times)

    @property
    def lean(self) -> np.ndarray:
        """(n,) int8: 1 where Bullish is at least as probable as Bearish, else -1."""
        return np.where(self.probabilities[:, 0] >= self.probabilities[:, 1], 1, -1).astype(np.int8)

    @property
    def strength(self) -> np.ndarray:
        """(n,) max(P(Bullish), P(Bearish))."""
        return self.probabilities[:, :2].max(axis=1, initial=0.0)

    def take(self, chosen: np.ndarray) -> Calls:
        """The calls of a mask or index."""
        kept: dict[str, Any] = {}
        for field in fields(self):
            held = getattr(self, field.name)
            if isinstance(held, np.ndarray):
                held = held[chosen]
            elif isinstance(held, dict):
                held = {name: values[chosen] for name, values in held.items()}
            kept[field.name] = held
        return Calls(**kept)


def from_walk_forward(
    result: WalkForwardResult,
    bars: BarsBySeries,
    timeframe: str,
    forecaster: str = MODEL,
    segment: Literal["test", "calibrate"] = "test",
    sizes_by: str | None = None,
) -> Calls:
    """One forecaster's calls in the test or calibrate segments of a walk-forward.

    Parameters
    ----------
    bars
        As stored, of every series of that timeframe in the walk-forward; others are not looked at.
    sizes_by
        Baseline whose volatility classes take the place of the forecaster's own.

    Raises
    ------
    InputError
        If the walk-forward has no direction task, no rows of the timeframe or forecaster, no calibrate rows
        where those are asked for, or bars of a series are missing.
    """
    rows, others = (
        (result.rows, result.baselines)
        if segment == "test"
        else (result.calibrate, result.calibrate_baselines)
    )
    if rows is None or others is None:
        raise InputError(
            "a walk-forward with the rows of its calibrate segments, which thresholds are chosen on",
            "one written before these were kept",
            "make it again: python -m core walk-forward",
        )
    tasks = _tasks_by_label(result.config)
    if forecaster != MODEL:
        rows = _keep(others, baseline=forecaster)
    rows = _keep(rows, timeframe=timeframe)
    sizing = rows if sizes_by is None else _keep(others, baseline=sizes_by, timeframe=timeframe)
    direction = _keep(rows, task=tasks["direction"].name)
    if not len(direction):
        raise InputError(
            f"calls of {forecaster} at {timeframe}",
            f"none in the {segment} segments",
            "choose another forecaster or timeframe",
        )
    names = sorted(direction["instrument"].astype(str).unique())
    instrument = pd.Categorical(direction["instrument"].astype(str), categories=names).codes.astype(np.int64)
    times = one_column(direction, "ts").dt.tz_localize(None).to_numpy("datetime64[us]")
    order = np.lexsort((instrument, times))
    direction, instrument, times = direction.iloc[order], instrument[order], times[order]
    said = read_distribution(direction, "p", len(tasks["direction"].classes))
    classes = tasks["direction"].classes
    said = said[:, [classes.index(name) for name in SIDES if name in classes]]
    said = np.pad(said, ((0, 0), (0, 3 - said.shape[1])))
    stated = forecaster == MODEL
    sets = direction[set_columns(SET_LEVEL)[0]].to_numpy() if stated else np.full(len(said), -1)
    confidence = direction["confidence"].to_numpy(np.float64) if stated else said.max(axis=1)
    return Calls(
        forecaster=forecaster,
        timeframe=timeframe,
        instruments=tuple(names),
        instrument=instrument,
        times=times,
        fold=direction["fold"].to_numpy(np.int64),
        probabilities=said,
        confidence=np.where(np.isfinite(confidence), confidence, said.max(axis=1)),
        ranks={
            name: direction[rank_column(name)].to_numpy(np.float64)
            for name in SOURCES
            if stated and rank_column(name) in direction
        },
        out_of_distribution=(
            direction["out_of_distribution"].to_numpy(bool) if stated else np.zeros(len(said), bool)
        ),
        both_directions=_holds_both(said, sets),
        volatility=_beside(direction, sizing, tasks.get("volatility")),
        regime=_most_probable(_beside(direction, rows, tasks.get("regime"))),
        **place_calls(
            names,
            instrument,
            times,
            {name: bars.get((name, timeframe)) for name in names},
            result.config.labels,
        ),
    )


def from_predictions(predictions: Sequence[Prediction], bars: BarsBySeries, config: Config) -> Calls:
    """Calls of live predictions of one timeframe, the model's.

    Parameters
    ----------
    bars
        As stored, of each prediction's series up to its bar at least. Fewer than
        ``labels.reference_bars`` + 300 before it may give another size than a backtest would.
    config
        The model's.

    Raises
    ------
    InputError
        If there are none, they are of several timeframes, the model has no direction task, or a prediction's
        bar is not among `bars`.
    """
    tasks = _tasks_by_label(config)
    frames = sorted({one.timeframe for one in predictions})
    if len(frames) != 1:
        raise InputError("predictions of one timeframe", ", ".join(frames) or "none", "take one at a time")
    names = sorted({one.instrument for one in predictions})
    ordered = sorted(predictions, key=lambda one: (one.ts, one.instrument))
    instrument = np.array([names.index(one.instrument) for one in ordered])
    times = pd.DatetimeIndex([one.ts for one in ordered]).tz_convert("UTC").tz_localize(None)
    heads = [one.tasks[tasks["direction"].name] for one in ordered]
    shares = [dict(zip(head.classes, head.shares, strict=True)) for head in heads]
    said = np.array([[float(share.get(name, 0.0)) for name in SIDES] for share in shares])
    stated = [head.stated for head in heads]
    return Calls(
        forecaster=MODEL,
        timeframe=frames[0],
        instruments=tuple(names),
        instrument=instrument,
        times=times.to_numpy("datetime64[us]"),
        fold=np.full(len(ordered), -1),
        probabilities=said,
        confidence=np.array(
            [p.max() if one is None else one.confidence for p, one in zip(said, stated, strict=True)]
        ),
        ranks={
            name: np.array([np.nan if one is None else one.ranks.get(name, np.nan) for one in stated])
            for name in SOURCES
        },
        out_of_distribution=np.array([one.out_of_distribution for one in ordered]),
        both_directions=np.array([one is not None and set(SIDES[:2]) <= set(one.members) for one in stated]),
        volatility=_stated_shares(ordered, tasks.get("volatility")),
        regime=_most_probable(_stated_shares(ordered, tasks.get("regime"))),
        **place_calls(
            names,
            instrument,
            times.to_numpy("datetime64[us]"),
            {name: bars.get((name, frames[0])) for name in names},
            config.labels,
        ),
    )


def _tasks_by_label(config: Config) -> dict[str, TaskConfig]:
    tasks = {task.label: task for task in reversed(config.tasks)}
    if "direction" not in tasks or not set(SIDES[:2]) <= set(tasks["direction"].classes):
        there = ", ".join(task.name for task in config.tasks)
        raise InputError(
            "a model with a direction task", f"one with {there}", "train one, or choose another model"
        )
    return tasks


def _keep(rows: pd.DataFrame, **wanted: str) -> pd.DataFrame:
    masks = [(rows[column] == value).to_numpy() for column, value in wanted.items()]
    return cast(pd.DataFrame, rows[np.logical_and.reduce(masks)])


def _beside(direction: pd.DataFrame, rows: pd.DataFrame, task: TaskConfig | None) -> np.ndarray:
    """(n, 3) what the same forecaster says of another task at the same bars; NaN where nothing."""
    unknown = np.full((len(direction), 3), np.nan)
    if task is None or len(task.classes) != 3:
        return unknown
    found = _keep(rows, task=task.name)
    left, right = (
        pd.MultiIndex.from_arrays([part["fold"], part["instrument"].astype("str"), part["ts"]])
        for part in (direction, found)
    )
    place = right.get_indexer(left)
    unknown[place >= 0] = read_distribution(found, "p", 3)[place[place >= 0]]
    return unknown


def _stated_shares(predictions: Sequence[Prediction], task: TaskConfig | None) -> np.ndarray:
    if task is None or len(task.classes) != 3:
        return np.full((len(predictions), 3), np.nan)
    return np.array([one.tasks[task.name].shares for one in predictions], dtype=np.float64)


def _most_probable(shares: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(shares).all(axis=1), np.nan_to_num(shares).argmax(axis=1), -1)


def _holds_both(said: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    # A set holds the most probable classes, as many as its size.
    rank = (-said).argsort(axis=1, kind="stable").argsort(axis=1, kind="stable")
    return rank[:, :2].max(axis=1) < sizes
