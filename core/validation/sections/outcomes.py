"""Outcomes analysis: what the model said on bars it never saw, beside every challenger."""

from __future__ import annotations

from typing import Any

import numpy as np

from core.review.performance import BASELINES, score_rows, tabulate_scores, tabulate_targets
from core.review.rows import RowFilter
from core.scores.intervals import hold_claims
from core.validation.findings import Finding, Section, as_rows, judge
from core.validation.material import Material

TITLE = "Outcomes against challengers"


def measure_outcomes(material: Material) -> Section:
    """Scores of the model and every challenger on the same test rows, all comparisons counted (Holm 1979)."""
    if material.result is None:
        why = "This model has no walk-forward."
        lacking = judge("The model is compared with challengers out of sample", None, why, material.walk)
        return Section("outcomes", TITLE, (lacking,))
    summary = {
        task.name: score_rows(material.result, RowFilter(task.name)) for task in material.result.config.tasks
    }
    scored = {task: entry["pooled"] for task, entry in summary.items() if entry["pooled"] is not None}
    pairs = [(task, name) for task, pooled in scored.items() for name in pooled["baselines"]]
    differences = {
        (task, name): scored[task]["baselines"][name]["model_minus_baseline"] for task, name in pairs
    }
    held = dict(
        zip(pairs, hold_claims([differences[pair].get("p") or np.nan for pair in pairs]), strict=True)
    )
    findings: list[Finding] = []
    for task, pooled in scored.items():
        findings += _judge_task(task, pooled, held, len(pairs), material.walk)
    targets = tabulate_targets(summary)
    for line in targets.to_dict("records"):
        said = f"{line['measured']} (asked: {line['target']}; beside it {line['beside']})."
        findings.append(
            judge(f"{line['what']} {line['target']}", line["verdict"] == "met", said, material.walk)
        )
    tables: dict[str, Any] = {
        f"scores_{task}": as_rows(tabulate_scores(pooled), "forecaster") for task, pooled in scored.items()
    }
    tables["comparisons"] = [
        {"task": task, "challenger": BASELINES.get(name, name), **differences[task, name]}
        | {"holds": bool(held[task, name])}
        for task, name in pairs
    ]
    return Section("outcomes", TITLE, tuple(findings), tables)


def _judge_task(
    task: str, pooled: dict[str, Any], held: dict[tuple[str, str], Any], count: int, command: str
) -> list[Finding]:
    """Whether the model beats knowing nothing, and the strongest of its challengers."""
    others = pooled["baselines"]
    best = min(others, key=lambda name: others[name]["log_loss"]["value"])
    findings = []
    for name, claim in (
        ("prior", "tells more than the usual shares of the classes"),
        (best, "is better than its strongest challenger"),
    ):
        if name not in others:
            continue
        found = others[name]["model_minus_baseline"]
        known = found.get("p") is not None
        better = bool(held[task, name]) and found["value"] < 0
        worse = bool(held[task, name]) and found["value"] > 0
        verdict = "better" if better else "worse" if worse else "no difference can be shown"
        spread = "" if found["low"] is None else f" [{found['low']:+.4f}, {found['high']:+.4f}]"
        said = (
            f"Log-loss {pooled['model']['log_loss']['value']:.4f} on {pooled['rows']:,} predictions, "
            f"{found['value']:+.4f}{spread} beside {BASELINES.get(name, name)}: {verdict}, "
            f"{count} comparisons counted."
        )
        claim = f"{task.capitalize()}: the model {claim}"
        findings.append(judge(claim, better if known else None, said, command))
    return findings
