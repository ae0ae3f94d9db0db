"""Assumptions and known limits: every sentence carries a number that the other sections measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from core.validation.findings import Finding, Section, judge, percent
from core.validation.material import Material

TITLE = "Assumptions and known limits"

Sections = Mapping[str, Section]


def state_limits(material: Material, sections: Sections) -> Section:
    """What the evidence assumes and where the model must not be relied upon.

    An assumption that was measured is met or not met; one that was not says ``not tested``. What other
    sections found not met stands here again as a limit.
    """
    findings = [state(material, sections) for state in _ASSUMPTIONS]
    limits = [
        {"section": section.title, "limit": finding.what, "measured": finding.said}
        for section in sections.values()
        for finding in section.findings
        if finding.status == "not met"
    ]
    untested = [
        {"section": section.title, "limit": finding.what, "why": finding.said, "command": finding.command}
        for section in sections.values()
        for finding in section.findings
        if finding.status == "not tested"
    ]
    facts = {"known limits": str(len(limits)), "not tested": str(len(untested))}
    return Section("limits", TITLE, tuple(findings), {"known_limits": limits, "not_tested": untested}, facts)


def _state_familiar(material: Material, sections: Sections) -> Finding:
    what = "Assumed: coming bars are like those of training (at most 5% unlike it)"
    if material.result is None:
        return judge(what, None, "Not tested: there is no walk-forward.", material.walk)
    strange = material.result.rows["out_of_distribution"].to_numpy(bool)
    said = f"{percent(float(strange.mean()))} of {len(strange):,} test rows were unlike what was trained on."
    return judge(what, bool(strange.mean() <= 0.05), said, material.walk)


def _state_time(material: Material, sections: Sections) -> Finding:
    what = "Assumed: calibration of the past holds for what comes (no year off)"
    lines = _lines(sections, "calibration", "calibration")
    years = [line for line in lines if line["part"] == "year" and line["p"] is not None]
    if not years:
        return judge(what, None, "Not tested: no year has enough predictions.", material.walk)
    off = [f"{line['task']} {line['name']}" for line in years if line["off"]]
    said = f"{len(off)} of {len(years)} years and tasks were off by more than chance explains"
    return judge(what, not off, f"{said}{': ' + ', '.join(off) if off else ''}.", material.walk)


def _state_unknown(material: Material, sections: Sections) -> Finding:
    what = "Assumed: a series the model was not trained on is judged as well as one it was"
    stored = _lines(sections, "data", "series")
    unknown = [line["series"] for line in stored if not line["trained_on"]]
    said = f"Not tested: {len(unknown)} of {len(stored)} stored series were not trained on."
    return judge(what, None, said, "python -m core leave-out")


def _state_costs(material: Material, sections: Sections) -> Finding:
    what = "Assumed: a call can be acted on at the next open, at the costs of the rules"
    backtest = sections.get("backtest")
    tested = [] if backtest is None else [one for one in backtest.findings if one.status != "not tested"]
    if not tested:
        return judge(what, None, "Not tested: there is no backtest of this model.", _backtest(material))
    met = sum(one.status == "met" for one in tested)
    said = f"{met} of {len(tested)} findings of the backtest are met."
    return judge(what, met == len(tested), said, _backtest(material))


def _backtest(material: Material) -> str:
    return f"python -m core backtest --model {material.bundle.name}"


def _lines(sections: Sections, key: str, table: str) -> list[Mapping[str, Any]]:
    section = sections.get(key)
    return [] if section is None else list(section.tables.get(table, []))


_ASSUMPTIONS: tuple[Callable[[Material, Sections], Finding], ...] = (
    _state_familiar,
    _state_time,
    _state_unknown,
    _state_costs,
)
