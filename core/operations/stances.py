"""What the strategy does about live predictions, and the thresholds it takes for them.

Thresholds are those of the newest fold of the model's walk-forward. Choosing them trades that fold's
calibrate segment many times over, so they are kept in the home folder, by everything they depend on.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from core import __version__
from core.data.store import BarStore
from core.disk import digest_json, plain, write_json
from core.errors import InputError
from core.experiments.walk_forward.results import SUMMARY, load_walk_forward
from core.prediction import Prediction
from core.predictor import Predictor
from core.progress import Meter
from core.trading.calls import Calls, from_predictions
from core.trading.rules import Rules
from core.trading.stance import Thresholds, judge_calls
from core.trading.thresholds import latest

FOLDER = "thresholds"
_TEXTS = ("forecaster", "timeframe", "instruments")
_KINDS: dict[str, Any] = {
    **dict.fromkeys(("instrument", "fold", "regime"), np.int64),
    **dict.fromkeys(("out_of_distribution", "both_directions", "has_volume"), np.bool_),
    "times": "datetime64[us]",
}


@dataclass(frozen=True)
class Stance:
    """What is done about one call at the next bar's open.

    Attributes
    ----------
    side, size
        1 long, -1 short, 0 stay out; and the position's share of the equity.
    lean
        The side there would be without any veto.
    vetoes
        Every reason to stay out, as `core.trading.stance.VETOES` names them, in its order.
    strength, confidence
        max(P(Bullish), P(Bearish)), and what is stated that the call comes true.
    thresholds
        What these two were held against.
    """

    side: int
    size: float
    lean: int
    vetoes: tuple[str, ...]
    strength: float
    confidence: float
    thresholds: Thresholds


def call_of(predictor: Predictor, prediction: Prediction) -> Calls:
    """A prediction as the strategy sees it, with what its bars say of size and volume.

    Raises
    ------
    InputError
        If the model has no direction task, or the bar is no longer stored.
    """
    key = prediction.instrument, prediction.timeframe
    bars = predictor.store.read_window(*key, prediction.ts, predictor.reach)
    return from_predictions([prediction], {key: bars}, predictor.bundle.config)


def judge_each(calls: Calls, rules: Rules, thresholds: Thresholds) -> list[Stance]:
    """The stance of every call, in their order."""
    found = judge_calls(calls, rules, thresholds)
    return [
        Stance(
            side=int(found.side[row]),
            size=float(found.size[row]),
            lean=int(found.lean[row]),
            vetoes=tuple(name for name, mask in found.vetoes.items() if mask[row]),
            strength=float(calls.strength[row]),
            confidence=float(calls.confidence[row]),
            thresholds=thresholds,
        )
        for row in range(len(calls))
    ]


def pack_call(calls: Calls) -> dict[str, Any]:
    """Plain values of a single call, for JSON."""
    packed: dict[str, Any] = {}
    for field in fields(calls):
        held = getattr(calls, field.name)
        if isinstance(held, dict):
            packed[field.name] = {name: plain(values[0]) for name, values in held.items()}
        elif field.name in _TEXTS:
            packed[field.name] = list(held) if isinstance(held, tuple) else held
        else:
            packed[field.name] = str(held[0]) if field.name == "times" else plain(held[0])
    return packed


def stack_calls(packed: Sequence[Mapping[str, Any]]) -> Calls:
    """Calls of one timeframe from what `pack_call` made of each, in their order; at least one.

    Raises
    ------
    KeyError
        If one was packed by another version of the program.
    """
    names = sorted({one["instruments"][0] for one in packed})
    stacked: dict[str, Any] = {name: packed[0][name] for name in ("forecaster", "timeframe")}
    stacked["instruments"] = tuple(names)
    for field in fields(Calls):
        if field.name in _TEXTS:
            continue
        if field.name == "instrument":
            values: Any = [names.index(one["instruments"][0]) for one in packed]
        else:
            values = [one[field.name] for one in packed]
        if isinstance(values[0], Mapping):
            stacked[field.name] = {
                name: np.array([one[name] for one in values], np.float64) for name in values[0]
            }
        else:
            stacked[field.name] = np.array(values, _KINDS.get(field.name, np.float64))
    return Calls(**stacked)


def thresholds_path(home: Path, walk_forward: Path, rules: Rules, timeframe: str) -> Path:
    """Where the thresholds of a walk-forward, rules and timeframe are kept."""
    finished = (walk_forward / SUMMARY).stat().st_mtime_ns
    made_of = [__version__, str(walk_forward), finished, rules.model_dump(), timeframe]
    return Path(home) / FOLDER / f"{digest_json(made_of)[:24]}.json"


def read_thresholds(path: Path) -> Thresholds | None:
    """What is kept; None where nothing is, or nothing that can be read, which is then made again."""
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        limits = {
            name: math.inf if raw[name] is None else float(raw[name])
            for name in ("probability", "confidence", "confidence_full")
        }
        utility = math.nan if raw["utility"] is None else float(raw["utility"])
        counts = {name: int(raw[name]) for name in ("fold", "trades", "candidates")}
        return Thresholds(**limits, **counts, utility=utility)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def choose_all(
    store: BarStore, walk_forward: Path, rules: Rules, timeframes: Sequence[str], meter: Meter
) -> dict[str, Thresholds | InputError]:
    """`choose_newest` of several timeframes, each with its thresholds or what refuses them.

    Raises
    ------
    Stopped
        If the meter says so; what was chosen until then is kept.
    """
    found: dict[str, Thresholds | InputError] = {}
    for timeframe in timeframes:
        meter.check()
        try:
            found[timeframe] = choose_newest(store, walk_forward, rules, timeframe)
        except InputError as error:
            found[timeframe] = error
        meter.add(1)
    return found


def choose_newest(store: BarStore, walk_forward: Path, rules: Rules, timeframe: str) -> Thresholds:
    """Thresholds of the newest fold at a timeframe: those kept, else chosen now and kept.

    Raises
    ------
    InputError
        If the walk-forward holds no calibrate rows or none of the timeframe, or its bars are not stored.
    """
    path = thresholds_path(store.home, walk_forward, rules, timeframe)
    kept = read_thresholds(path)
    if kept is not None:
        return kept
    result = load_walk_forward(walk_forward)
    held = result.rows.loc[(result.rows["timeframe"] == timeframe).to_numpy(), "instrument"]
    stored = set(store.instruments(timeframe))
    names = sorted(set(held.astype(str)))
    if not names:
        raise InputError(
            f"a walk-forward with {timeframe} bars",
            f"none of them in {walk_forward.name}",
            "run one that has",
        )
    bars = {(name, timeframe): store.read_range(name, timeframe) for name in names if name in stored}
    found = latest(result, bars, rules, timeframe)
    write_json(path, found.to_dict())
    return found
