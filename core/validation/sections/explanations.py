"""Explanation evidence: how far what the program says about causes was found to be true."""

from __future__ import annotations

from typing import Any

from core.explain.evidence.store import Part, read_evidence
from core.explain.methods.registry import planted_scores, recommend
from core.validation.findings import Finding, Section, judge
from core.validation.material import Material

TITLE = "Explanations"
LEAST_AUPRC = 0.5
"""A recommended method must find planted causes at least this well; 1 is perfect, chance is near 0."""


def measure_explanations(material: Material) -> Section:
    """What was measured of methods on planted causes, of attention against removing bars, of importance."""
    found: dict[Part, dict[str, Any] | None] = {
        part: read_evidence(material.store.home, material.bundle, part)
        for part in ("planted", "routing", "importance")
    }
    tables: dict[str, Any] = {}
    planted, routing, importance = found["planted"], found["routing"], found["importance"]
    if planted is not None:
        tables["planted"] = [
            {"method": method, "reference": reference, "auprc": score}
            for (method, reference), score in sorted(
                planted_scores(planted).items(), key=lambda item: -item[1]
            )
        ]
    if routing is not None:
        tables["routing"] = [
            {"task": task, "view": view, **numbers}
            for task, entry in routing["tasks"].items()
            for view, numbers in entry["views"].items()
        ]
    findings = [
        _judge_planted(planted, material.measure),
        *_judge_routing(routing, material.measure),
        _judge_importance(importance, material.measure),
    ]
    return Section("explanations", TITLE, tuple(findings), tables)


def _judge_planted(planted: dict[str, Any] | None, command: str) -> Finding:
    what = f"The method offered first finds planted causes (AUPRC of at least {LEAST_AUPRC})"
    command = f"{command} --parts planted"
    if planted is None:
        return judge(what, None, "Not measured for a model of this architecture.", command)
    chosen = recommend(planted)
    if chosen.auprc is None:
        return judge(what, None, "No method that is offered was measured in every planted market.", command)
    said = (
        f"{chosen.method.replace('_', ' ')} against {chosen.reference.replace('_', ' ')}: AUPRC "
        f"{chosen.auprc:.2f} "
        f"on average over {len(planted['generators'])} markets of known causes, {planted['windows']} "
        "windows each."
    )
    return judge(what, chosen.auprc >= LEAST_AUPRC, said, command)


def _judge_routing(routing: dict[str, Any] | None, command: str) -> list[Finding]:
    command = f"{command} --parts routing"
    if routing is None:
        return [judge("Attention points at bars that matter", None, "Not measured on this model.", command)]
    findings = []
    for task, entry in routing["tasks"].items():
        views = entry["views"]
        mean, chance = views["attention_mean"], views["random"]
        trivial = max(views[name]["mean"] for name in ("recency", "unusual") if name in views)
        said = (
            f"Rank correlation {mean['mean']:.2f} [{mean['low']:.2f}, {mean['high']:.2f}] with what "
            "removing each bar "
            f"does; a random order {chance['mean']:.2f}, the best trivial order {trivial:.2f}. "
            f"{routing['windows']} windows."
        )
        holds = mean["low"] > chance["mean"] and mean["mean"] > trivial
        what = f"{task.capitalize()}: attention points at bars that matter, more than a trivial order does"
        findings.append(judge(what, bool(holds), said, command))
    return findings


def _judge_importance(importance: dict[str, Any] | None, command: str) -> Finding:
    what = "Which features the model needs overall was measured"
    if importance is None:
        return judge(what, None, "Not measured on this model.", f"{command} --parts importance")
    removable = len(importance["removable"])
    said = f"On {importance['windows']} test windows; {removable} features may go by it."
    return judge(what, True, said, f"{command} --parts importance")
