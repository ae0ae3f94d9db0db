"""Tables behind the Performance page: scores beside baselines, targets, labels, learning."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from core.data.bars import one_column
from core.experiments.walk_forward.records import FoldRecord, WalkForwardResult
from core.experiments.walk_forward.summary import summarise
from core.review.rows import RowFilter, mask_rows
from core.scores.intervals import hold_claims

MODEL = "the model"
BASELINES = {
    "prior": "always the usual shares",
    "persistence": "as it is now, so it stays",
    "line": "the bar's own inputs (line)",
    "logistic": "logistic regression",
    "lightgbm": "LightGBM",
    "har": "HAR",
    "plain_transformer": "plain transformer",
}

SCORES = ("log_loss", "accuracy", "macro_f1", "mcc", "brier", "ece", "precision", "recall")

TARGETS = {"direction": 0.65, "volatility": 0.70, "regime": 0.75}
"""Least accuracy by task, from the specification."""
ECE_TARGET = 0.05


def tabulate_scores(entry: Mapping[str, Any]) -> pd.DataFrame:
    """Scores of one fold or of all pooled.

    Parameters
    ----------
    entry
        A fold or ``pooled`` of `core.experiments.walk_forward.summary.summarise`.

    Returns
    -------
    DataFrame
        One row per forecaster, the model first; for each of `SCORES` ``NAME``, ``NAME_low``, ``NAME_high``,
        and ``difference``, ``difference_low``, ``difference_high``: the model's log-loss less the baseline's;
        ``holds``: whether that it differs holds with all comparisons of this table counted.
    """
    baselines = entry["baselines"]
    held = hold_claims([scores["model_minus_baseline"].get("p", np.nan) for scores in baselines.values()])
    lines: dict[str, dict[str, Any]] = {MODEL: _flatten(entry["model"]) | {"holds": False}}
    for (name, scores), holds in zip(baselines.items(), held, strict=True):
        difference = _bounds("difference", scores["model_minus_baseline"])
        lines[str(BASELINES.get(name, name))] = _flatten(scores) | difference | {"holds": bool(holds)}
    return pd.DataFrame.from_dict(lines, orient="index")


def score_rows(result: WalkForwardResult, chosen: RowFilter) -> dict[str, Any]:
    """Scores of the model and every baseline on the rows that pass a filter.

    Those of all rows are taken from the summary, where it was written with comparisons one can count.

    Returns
    -------
    dict
        One task's entry of `core.experiments.walk_forward.summary.summarise`.
    """
    written = result.summary[chosen.task]
    if chosen == RowFilter(chosen.task) and _is_counted(written["pooled"]):
        return written
    # Baselines stand in the order of the model's rows, fold by fold, so one mask serves them all.
    mine = np.asarray(result.rows["task"] == chosen.task)
    kept = mask_rows(result.rows, chosen)[mine]
    others = result.baselines.loc[np.asarray(result.baselines["task"] == chosen.task)]
    names = one_column(others, "baseline").to_numpy(object)
    parts = [others.loc[names == name].loc[kept] for name in dict.fromkeys(names)]
    task = next(task for task in result.config.tasks if task.name == chosen.task)
    config = result.config.model_copy(update={"tasks": [task]})
    rows = result.rows.loc[mine].loc[kept]
    return summarise(rows, pd.concat(parts), config, whole=False)[chosen.task]


def tabulate_targets(summary: Mapping[str, Any]) -> pd.DataFrame:
    """The specification's targets beside what is measured, and the best baseline, pooled over folds."""
    lines = []
    for task, entry in summary.items():
        pooled = entry["pooled"]
        if pooled is None:
            continue
        if task in TARGETS:
            best = max(pooled["baselines"].items(), key=lambda item: item[1]["accuracy"]["value"])
            lines.append(
                _target(f"{task.capitalize()}: share right", pooled["model"]["accuracy"], TARGETS[task], True)
                | {"beside": f"{BASELINES.get(best[0], best[0])}: {100 * best[1]['accuracy']['value']:.1f}%"}
            )
        lines.append(
            _target(
                f"{task.capitalize()}: gap between stated and true", pooled["model"]["ece"], ECE_TARGET, False
            )
            | {"beside": f"a perfect model shows up to {100 * pooled['perfect_ece']['p95']:.1f}%"}
        )
    return pd.DataFrame(lines)


def balance_labels(result: WalkForwardResult, chosen: RowFilter) -> pd.DataFrame:
    """Share of each class among the chosen test labels: folds in rows, classes in columns, and ``rows``."""
    task, mine = chosen.task, mask_rows(result.rows, chosen)
    kept, folds = np.asarray(result.rows["label"])[mine].astype(int), np.asarray(result.rows["fold"])[mine]
    classes = next(t.classes for t in result.config.tasks if t.name == task)
    lines = {}
    for fold in np.unique(folds):
        count = np.bincount(kept[folds == fold], minlength=len(classes))
        lines[f"fold {fold}"] = dict(zip(classes, count / count.sum(), strict=True)) | {"rows": count.sum()}
    return pd.DataFrame.from_dict(lines, orient="index")


def follow_learning(folds: list[FoldRecord], task: str) -> pd.DataFrame:
    """Train and calibrate loss of one task by fold and epoch (from 1); ``kept`` marks those kept."""
    tables = []
    for fold in folds:
        history = fold.history
        held = {
            "train": history.get(f"train_{task}_cross_entropy"),
            "calibrate": history.get(f"calibrate_{task}_log_loss"),
        }
        if all(values is None for values in held.values()):
            continue
        tables.append(
            pd.DataFrame(
                {
                    "fold": fold.index,
                    "epoch": history["epoch"] + 1,
                    **{k: np.nan if v is None else v for k, v in held.items()},
                    "kept": history["epoch"].isin(fold.best_epochs),
                }
            )
        )
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def _is_counted(pooled: Mapping[str, Any] | None) -> bool:
    return pooled is None or all("p" in one["model_minus_baseline"] for one in pooled["baselines"].values())


def _target(what: str, found: Mapping[str, float], target: float, above: bool) -> dict[str, Any]:
    value = found["value"]
    met = value > target if above else value < target
    spread = "" if found["low"] is None else f" [{100 * found['low']:.1f}, {100 * found['high']:.1f}]"
    return {
        "what": what,
        "target": f"{'above' if above else 'below'} {100 * target:.0f}%",
        "measured": f"{100 * value:.1f}%{spread}",
        "verdict": "met" if met else "not met",
    }


def _flatten(scores: Mapping[str, Any]) -> dict[str, float]:
    flat: dict[str, float] = {}
    for name in SCORES:
        flat |= _bounds(name, scores[name])
    return flat


def _bounds(name: str, found: Mapping[str, float | None]) -> dict[str, float]:
    return {
        f"{name}{suffix}": np.nan if found[part] is None else float(found[part])  # type: ignore[arg-type]
        for part, suffix in (("value", ""), ("low", "_low"), ("high", "_high"))
    }
