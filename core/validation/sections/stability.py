"""Stability: whether what holds in all holds in each fold, and for members of other seeds."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from core.models.ensemble import list_members
from core.review.performance import score_rows
from core.review.rows import RowFilter
from core.scores.intervals import hold_claims
from core.scores.metrics import log_losses
from core.validation.findings import Finding, Section, judge, percent
from core.validation.material import Material
from core.validation.sections.sensitivity import predict_calls

TITLE = "Stability across folds and seeds"


def measure_stability(material: Material) -> Section:
    """Log-loss beside the usual shares by fold, and how far the members of an ensemble agree."""
    findings: list[Finding] = []
    tables: dict[str, Any] = {}
    if material.result is None:
        why = "This model has no walk-forward."
        findings.append(judge("What holds in all folds holds in each", None, why, material.walk))
    else:
        tables["folds"] = _list_folds(material)
        findings += _judge_folds(tables["folds"], material.walk)
    members = list_members(material.bundle.model)
    what = "Members trained from different seeds make the same calls"
    if len(members) < 2:
        why = "The model has one member: nothing says what another seed would have given."
        findings.append(judge(what, None, why, "python -m core train --set model.members=4"))
    elif material.sample is None:
        why = "No stored bar of the model's series lies in its test segment."
        findings.append(judge(what, None, why, material.again))
    else:
        tables["members"] = _compare_members(material)
        findings += [_judge_members(line, len(members), material.again) for line in tables["members"]]
    return Section("stability", TITLE, tuple(findings), tables)


def _list_folds(material: Material) -> list[dict[str, Any]]:
    assert material.result is not None
    lines = []
    for task in material.result.config.tasks:
        entry = score_rows(material.result, RowFilter(task.name))
        for record, block in zip(material.result.folds, entry["folds"], strict=False):
            if block is None or "prior" not in block["baselines"]:
                continue
            found = block["baselines"]["prior"]["model_minus_baseline"]
            lines.append(
                {
                    "task": task.name,
                    "fold": record.index,
                    "rows": block["rows"],
                    "log_loss": block["model"]["log_loss"]["value"],
                    "beside_prior": found["value"],
                    "low": found["low"],
                    "high": found["high"],
                    "p": found.get("p"),
                }
            )
    held = hold_claims([np.nan if line["p"] is None else line["p"] for line in lines])
    return [line | {"holds": bool(holds)} for line, holds in zip(lines, held, strict=True)]


def _judge_folds(lines: list[dict[str, Any]], command: str) -> list[Finding]:
    findings = []
    for task in dict.fromkeys(line["task"] for line in lines):
        mine = [line for line in lines if line["task"] == task]
        better = [line for line in mine if line["holds"] and line["beside_prior"] < 0]
        worse = [line for line in mine if line["holds"] and line["beside_prior"] > 0]
        values = ", ".join(f"{line['beside_prior']:+.4f}" for line in mine)
        said = (
            f"Log-loss beside the usual shares by fold: {values}. Better in {len(better)} of "
            f"{len(mine)} folds "
            f"and worse in {len(worse)}, {len(lines)} comparisons counted."
        )
        told = len(mine) > 1 and all(line["p"] is not None for line in mine)
        holds = len(better) == len(mine) if told else None
        findings.append(
            judge(f"{task.capitalize()}: better than the usual shares in every fold", holds, said, command)
        )
    return findings


def _compare_members(material: Material) -> list[dict[str, Any]]:
    assert material.sample is not None
    sample, together = material.sample, predict_calls(material.bundle.model, material.sample, material)
    members = list_members(material.bundle.model)
    calls = [predict_calls(member, sample, material) for member in members]
    losses = [_score_member(member, material) for member in members]
    lines = []
    for task, call in together.items():
        alike = np.mean([own[task] == call for own in calls])
        spread = [loss[task] for loss in losses if task in loss]
        lines.append(
            {
                "task": task,
                "windows": len(sample),
                "agree": float(alike),
                "unanimous": float(np.all([own[task] == call for own in calls], axis=0).mean()),
                "best_log_loss": min(spread) if spread else None,
                "worst_log_loss": max(spread) if spread else None,
            }
        )
    return lines


def _score_member(member: Any, material: Material) -> dict[str, float]:
    """Log-loss of one member's own softmax on the sample's labels, by task."""
    sample, found = material.sample, {}
    assert sample is not None
    device = next(member.parameters()).device
    with torch.inference_mode():
        inputs = sample.inputs(material.bundle)
        output = member(*(part.to(device) for part in inputs), last_only=True)
    for task, labels in sample.labels.items():
        known = labels >= 0
        if known.any():
            shares = torch.softmax(output.tasks[task].logits[:, -1].double(), dim=-1).cpu().numpy()
            found[task] = float(log_losses(shares[known], labels[known]).mean())
    return found


def _judge_members(line: dict[str, Any], members: int, command: str) -> Finding:
    said = (
        f"On {line['windows']} test windows one of the {members} members calls as all together in "
        f"{percent(line['agree'])} of cases; all are of one mind in {percent(line['unanimous'])}."
    )
    if line["best_log_loss"] is not None:
        said += f" Alone they score {line['best_log_loss']:.4f} to {line['worst_log_loss']:.4f} nats."
    # A member that differs more often than not says that the call is the seed's.
    what = (
        f"{line['task'].capitalize()}: most calls do not depend on the seed (all members agree on "
        "half or more)"
    )
    return judge(what, line["unanimous"] >= 0.5, said, command)
