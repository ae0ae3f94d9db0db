"""Overfit and sample size: training beside test, and scores beside the rows that were trained on."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.stats

from core.review.performance import score_rows
from core.review.rows import RowFilter
from core.validation.defects.folds import MOST_GAP, measure_gaps
from core.validation.findings import Finding, Section, judge
from core.validation.material import Material

TITLE = "Overfit and sample size"
FEWEST_FOLDS = 4
"""With fewer folds no order of scores says anything about the sample size: three agree by chance "
"one in six."""


def measure_fit(material: Material) -> Section:
    """What is lost from training to test, in the bundle and in each fold, and whether more rows helped."""
    findings: list[Finding] = []
    tables: dict[str, Any] = {"segments": _list_segments(material)}
    for task in material.bundle.config.tasks:
        findings.append(_judge_segments(task.name, tables["segments"], material))
    if material.result is None:
        why = "This model has no walk-forward."
        findings.append(judge("More training rows would not change the verdict", None, why, material.walk))
    else:
        tables["gaps"] = measure_gaps(material.result)
        tables["sample_size"] = _list_sizes(material)
        findings += [
            _judge_sizes(task.name, tables["sample_size"], material) for task in material.result.config.tasks
        ]
    return Section("fit", TITLE, tuple(findings), tables)


def _list_segments(material: Material) -> list[dict[str, Any]]:
    lines = []
    for segment, tasks in material.bundle.metrics.get("segments", {}).items():
        for task, scores in tasks.items():
            if not scores or "model" not in scores:
                continue
            prior = scores.get("baselines", {}).get("prior", {})
            own, usual = scores["model"].get("log_loss"), prior.get("log_loss")
            lines.append(
                {
                    "segment": segment,
                    "task": task,
                    "rows": scores.get("rows"),
                    "log_loss": own,
                    "prior": usual,
                    "saved": None if own is None or usual is None else usual - own,
                }
            )
    return lines


def _judge_segments(task: str, lines: list[dict[str, Any]], material: Material) -> Finding:
    saved = {
        line["segment"]: line["saved"] for line in lines if line["task"] == task and line["saved"] is not None
    }
    what = f"{task.capitalize()}: what training gained is kept in test (gap at most {MOST_GAP} nats)"
    if not {"train", "test"} <= set(saved):
        why = "The bundle holds no scores of both its training and its test segment."
        return judge(what, None, why, f"python -m core evaluate --model {material.bundle.name}")
    gap = saved["train"] - saved["test"]
    said = (
        f"Saved beside the usual shares: {saved['train']:.4f} nats in training, {saved['test']:.4f} in test; "
        f"the gap is {gap:+.4f}."
    )
    return judge(what, gap <= MOST_GAP, said, f"python -m core evaluate --model {material.bundle.name}")


def _list_sizes(material: Material) -> list[dict[str, Any]]:
    assert material.result is not None
    lines = []
    for task in material.result.config.tasks:
        entry = score_rows(material.result, RowFilter(task.name))
        for fold, block in zip(material.result.folds, entry["folds"], strict=False):
            spans = fold.audit.get(f"model weights {task.name}")
            if block is None or not spans:
                continue
            skill = block["model"]["log_loss_skill"]
            lines.append(
                {
                    "task": task.name,
                    "fold": fold.index,
                    "trained_rows": sum(int(span["rows"]) for span in spans.values()),
                    "test_rows": block["rows"],
                    "skill": skill["value"],
                    "low": skill["low"],
                    "high": skill["high"],
                }
            )
    return lines


def _judge_sizes(task: str, lines: list[dict[str, Any]], material: Material) -> Finding:
    mine = [line for line in lines if line["task"] == task]
    what = f"{task.capitalize()}: the score does not hang on the number of training rows"
    said = "; ".join(f"{line['trained_rows']:,} rows: {100 * line['skill']:+.1f}%" for line in mine)
    said = (
        f"Skill over the usual shares by training rows: {said}."
        if mine
        else "No fold says what it was trained on."
    )
    if len(mine) < FEWEST_FOLDS:
        said += f" Fewer than {FEWEST_FOLDS} folds show no trend."
        return judge(what, None, said, f"{material.walk} --folds 6")
    found = scipy.stats.spearmanr([line["trained_rows"] for line in mine], [line["skill"] for line in mine])
    order, p = (float(np.asarray(part)) for part in found)
    said += f" Rank correlation {order:+.2f}, p = {p:.2f}."
    return judge(what, p > 0.05, said, f"{material.walk} --folds 6")
