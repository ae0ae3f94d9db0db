"""A sound synthetic walk-forward, and the same with one defect planted in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd

from core.experiments.walk_forward.records import WalkForwardResult
from tests.core.review.synthetic_review import fold_records, synthetic_rows

WIDE = ("p", "u")


def sound(bars: int = 500, seed: int = 0) -> WalkForwardResult:
    """Two series, three tasks, two folds; `p` holds the true probabilities."""
    rows, baselines, config = synthetic_rows(bars, 2, seed)
    return WalkForwardResult(rows, baselines, fold_records(rows, config), config, {}, {})


def restate(
    result: WalkForwardResult, change: Callable[[np.ndarray, np.ndarray], np.ndarray]
) -> WalkForwardResult:
    """Calibrated probabilities changed by a function of them and of the labels; confidences follow."""
    rows = result.rows.copy()
    stated = change(_read(rows, "p"), rows["label"].to_numpy(int))
    for c in range(3):
        rows[f"p_{c}"] = stated[:, c]
    rows["confidence"] = stated.max(axis=1)
    return replace(result, rows=rows)


def leaked(result: WalkForwardResult) -> WalkForwardResult:
    """Every forecast has half seen what was to come."""
    return restate(result, lambda p, labels: (p + np.eye(3)[labels]) / 2)


def suspicious(result: WalkForwardResult) -> WalkForwardResult:
    """A feature went with the coming move in training."""
    return replace(result, folds=[replace(fold, suspicious={"spread": 0.7}) for fold in result.folds])


def shuffled(result: WalkForwardResult) -> WalkForwardResult:
    """Labels in any order."""
    rows = result.rows.copy()
    rows["label"] = np.random.default_rng(1).permutation(rows["label"].to_numpy())
    return replace(result, rows=rows)


def miscalibrated(result: WalkForwardResult) -> WalkForwardResult:
    """Confidences ten points too high."""
    rows = result.rows.assign(confidence=(result.rows["confidence"] + 0.1).clip(0, 1))
    return replace(result, rows=rows)


def broken(result: WalkForwardResult) -> WalkForwardResult:
    """A temperature that was multiplied by instead of divided, on logits that were right."""
    rows = result.rows.copy()
    truth = _read(rows, "p")
    for c in range(3):
        rows[f"u_{c}"] = truth[:, c]
    return restate(replace(result, rows=rows), lambda p, _: p**2.5 / (p**2.5).sum(axis=1, keepdims=True))


def swapped(result: WalkForwardResult) -> WalkForwardResult:
    """The first two classes exchanged, before calibration and after it."""
    rows = result.rows.copy()
    for prefix in WIDE:
        rows[f"{prefix}_0"], rows[f"{prefix}_1"] = result.rows[f"{prefix}_1"], result.rows[f"{prefix}_0"]
    return replace(result, rows=rows)


def overfitted(result: WalkForwardResult) -> WalkForwardResult:
    """One fold learned by heart: its loss in training falls to nothing."""
    first, *rest = result.folds
    history = first.history.copy()
    for name in [name for name in history if name.startswith("train_")]:
        history[name] = 0.3
    return replace(result, folds=[replace(first, history=history), *rest])


def useless(result: WalkForwardResult) -> WalkForwardResult:
    """One fold's forecasts are sure of anything."""
    rows = result.rows.copy()
    mine = (rows["fold"] == 0).to_numpy()
    anything = np.random.default_rng(2).dirichlet([0.2] * 3, mine.sum()) * 0.98 + 0.02 / 3
    for c in range(3):
        rows.loc[mine, f"p_{c}"] = anything[:, c].astype(np.float32)
    return replace(result, rows=rows)


def in_sample(result: WalkForwardResult) -> WalkForwardResult:
    """Some test rows come from before the test segment."""
    rows = result.rows.copy()
    rows.loc[rows.index[:5], "ts"] -= pd.Timedelta(days=100)
    return replace(result, rows=rows)


def seen(result: WalkForwardResult) -> WalkForwardResult:
    """A calibrator looked at labels that reach into the test segment."""
    last = str(result.rows["ts"].iloc[3].tz_localize(None)) + "Z"
    spans = {"AAA|1d": {"first": last, "last": last, "rows": 1, "label_end": last}}
    first, *rest = result.folds
    return replace(result, folds=[replace(first, audit={"calibrators direction": spans}), *rest])


def duplicated(result: WalkForwardResult) -> WalkForwardResult:
    """The first series again under the second one's name, but for a bar here and there."""
    rows = result.rows.copy()
    names = rows["instrument"].to_numpy(str)
    rows.loc[names == "BBB", "label"] = rows.loc[names == "AAA", "label"].to_numpy()
    other = np.flatnonzero(names == "BBB")[::101]
    rows.loc[rows.index[other], "label"] = (rows.loc[rows.index[other], "label"] + 1) % 3
    return replace(result, rows=rows)


def _read(rows: pd.DataFrame, prefix: str) -> np.ndarray:
    return rows[[f"{prefix}_{c}" for c in range(3)]].to_numpy(np.float64)
