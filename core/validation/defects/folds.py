"""Defects that show in how folds were made: rows that were learned from, a fold that learned by heart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from core.data.bars import one_column
from core.data.inputs import series_key
from core.experiments.walk_forward.records import FoldRecord, WalkForwardResult
from core.experiments.walk_forward.results import read_distribution
from core.scores.metrics import log_losses
from core.scores.stretches import Stretches, label_span
from core.validation.defects.check import Check, exceed_together, summarise_flags

MOST_GAP = 0.3
"""Nats by which the loss on bars held back may exceed that in training, at the epoch kept."""


def check_in_sample(result: WalkForwardResult) -> Check:
    """No test row may lie before its fold's test segment, or have its bar seen by anything labels made."""
    inside = seen = 0
    for fold in result.folds:
        rows = result.rows.loc[np.asarray(result.rows["fold"] == fold.index)]
        times = one_column(rows, "ts")
        first = fold.borders.calibrate_end
        early = (times < first).to_numpy()
        last = _last_seen(fold)
        names = [
            series_key(str(instrument), str(timeframe))
            for instrument, timeframe in zip(rows["instrument"], rows["timeframe"], strict=True)
        ]
        known = pd.Series(pd.to_datetime([last.get(name) for name in names], utc=True), index=rows.index)
        inside += int(early.sum())
        seen += int(((times <= known).to_numpy() & ~early).sum())
    said = (
        f"Of {len(result.rows):,} test rows {inside:,} lie before their fold's test segment and {seen:,} at "
        "or before the last bar that labels of training or calibration looked at."
    )
    return Check("in-sample rows", "rows at bars the fold was made of: none allowed", inside + seen > 0, said)


def check_overfit(result: WalkForwardResult) -> Check:
    """A fold that learned by heart is far better in training than held back, or worse than the prior."""
    gaps = measure_gaps(result)
    largest = max(gaps, key=lambda line: line["gap"], default=None)
    excess, stretches, names = [], [], []
    for task in result.config.tasks:
        rows = result.rows.loc[np.asarray(result.rows["task"] == task.name)]
        prior = result.baselines.loc[
            np.asarray(result.baselines["task"] == task.name)
            & np.asarray(result.baselines["baseline"] == "prior")
        ]
        labels, folds = rows["label"].to_numpy(np.int64), rows["fold"].to_numpy(int)
        if len(prior) != len(rows) or not len(rows):
            continue
        stated, usual = (
            log_losses(read_distribution(table, "p", len(task.classes)), labels) for table in (rows, prior)
        )
        for fold in np.unique(folds):
            mine = rows.loc[folds == fold]
            excess.append((stated - usual)[folds == fold])
            stretches.append(_stretches(mine))
            names.append(f"{task.name} in fold {fold}")
    found = exceed_together(excess, stretches, [0.0] * len(excess))
    worse = [f"{name} ({mean:+.4f})" for name, (mean, flag) in zip(names, found, strict=True) if flag]
    said = f"worse than the usual shares: {', '.join(worse) or 'none'} of {len(names)} folds and tasks"
    if largest is not None:
        said = (
            f"the largest gap is {largest['gap']:.3f} nats, {largest['task']} in fold "
            f"{largest['fold']}; {said}"
        )
    flags: Sequence[bool | None] = [
        *(flag for _, flag in found),
        *(line["gap"] > MOST_GAP for line in gaps),
    ]
    statistic = (
        f"loss held back less loss in training above {MOST_GAP} nats at the epoch kept, or test "
        "log-loss above "
        "the prior's (one-sided 5%, Holm)"
    )
    return Check("overfit fold", statistic, summarise_flags(flags), f"{said[:1].upper()}{said[1:]}.")


def measure_gaps(result: WalkForwardResult) -> list[dict[str, Any]]:
    """Loss in training and on bars held back, by fold and task, at the first epoch kept; NaN left out."""
    lines = []
    for fold in result.folds:
        for task in result.config.tasks:
            found = read_losses(fold, task.name)
            if found is not None:
                lines.append(
                    {"fold": fold.index, "task": task.name, "train": found[0], "held_back": found[1]}
                )
    return [line | {"gap": line["held_back"] - line["train"]} for line in lines]


def read_losses(fold: FoldRecord, task: str) -> tuple[float, float] | None:
    """Cross-entropy in training and on the stop segment at the first epoch kept; None where not recorded."""
    history, names = fold.history, (f"train_{task}_cross_entropy", f"calibrate_{task}_log_loss")
    if not set(names) <= set(history) or not fold.best_epochs:
        return None
    kept = history.loc[np.asarray(history["epoch"] == fold.best_epochs[0])]
    if not len(kept):
        return None
    train, held = (float(one_column(kept, name).iloc[0]) for name in names)
    return (train, held) if np.isfinite([train, held]).all() else None


def _last_seen(fold: FoldRecord) -> dict[str, str]:
    """By series, the last bar that a label of anything fitted looked at."""
    last: dict[str, str] = {}
    for spans in fold.audit.values():
        for series, span in spans.items():
            end = span.get("label_end")
            if end is not None:
                last[series] = max(last.get(series, end), end)
    return last


def _stretches(rows: pd.DataFrame) -> Stretches:
    times, ends = (
        one_column(rows, name).dt.tz_localize(None).to_numpy("datetime64[us]") for name in ("ts", "label_end")
    )
    return Stretches.over(times, label_span(times, np.maximum(ends, times)))
