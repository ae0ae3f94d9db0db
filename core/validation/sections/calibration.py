"""Calibration: whether stated confidences came true, in all and in each part."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from core.data.bars import one_column
from core.experiments.walk_forward.records import WalkForwardResult
from core.review.rows import REGIMES, ReviewRows, RowFilter, stretches_of, take_rows
from core.scores.calibration_error import expected_calibration_error, perfect_model_ece
from core.validation.discoveries import LEVEL, control_discoveries
from core.validation.findings import Finding, Section, judge, percent
from core.validation.material import Material

TITLE = "Calibration"
LEAST_ROWS = 150
"""Parts with fewer predictions are left out: a calibration error of so few says next to nothing."""
DRAWS = 1000


def measure_calibration(material: Material) -> Section:
    """ECE of the final confidence beside what a perfect model would show, overall and part by part.

    Parts are judged together: of those named as off, one in twenty is by chance (Benjamini and Hochberg
    1995).
    """
    if material.result is None:
        why = "This model has no walk-forward."
        return Section(
            "calibration", TITLE, (judge("Stated confidences come true", None, why, material.walk),)
        )
    lines = [
        _measure_part(material.result, task.name, kind, name, rows)
        for task in material.result.config.tasks
        for kind, name, rows in _list_parts(material.result, task.name)
        if len(rows) >= LEAST_ROWS
    ]
    whole = [line for line in lines if line["part"] == "all"]
    parts = [line for line in lines if line["part"] != "all"]
    control_discoveries(parts)
    findings: list[Finding] = []
    for line in whole:
        findings.append(_judge_whole(line, material.walk))
        findings += _judge_parts([part for part in parts if part["task"] == line["task"]], line, material)
    return Section("calibration", TITLE, tuple(findings), {"calibration": [*whole, *parts]})


def _list_parts(result: WalkForwardResult, task: str) -> Iterator[tuple[str, str, ReviewRows]]:
    """All rows of a task that state a confidence, then those of each part."""
    every = take_rows(result, RowFilter(task)).stating("confidence")
    yield "all", "all", every
    for kind in ("instrument", "timeframe"):
        for name in sorted(map(str, one_column(result.rows, kind).unique())):
            yield kind, name, take_rows(result, _only(task, kind, name)).stating("confidence")
    for name in REGIMES:
        yield "market was", name, take_rows(result, RowFilter(task, regime=name)).stating("confidence")
    years = pd.DatetimeIndex(every.times).year.to_numpy()
    for year in np.unique(years):
        yield "year", str(year), every.take(years == year)


def _only(task: str, kind: str, name: str) -> RowFilter:
    if kind == "instrument":
        return RowFilter(task, instrument=name)
    return RowFilter(task, timeframe=name)


def _measure_part(
    result: WalkForwardResult, task: str, kind: str, name: str, rows: ReviewRows
) -> dict[str, Any]:
    stated, correct = rows.stated["confidence"], rows.correct
    ece = expected_calibration_error(stated, correct)
    floor = perfect_model_ece(stated, correct, stretches_of(rows), n_draws=DRAWS)
    told = floor.draws.size > 0
    return {
        "task": task,
        "part": kind,
        "name": name,
        "rows": len(rows),
        "stated": float(stated.mean()),
        "right": float(correct.mean()),
        "ece": ece,
        "limit": floor.p95 if told else None,
        "p": float((1 + (floor.draws >= ece).sum()) / (1 + floor.draws.size)) if told else None,
    }


def _judge_whole(line: dict[str, Any], command: str) -> Finding:
    limit = line["limit"]
    beside = "too few separate stretches of time to say what chance explains"
    if limit is not None:
        beside = f"a perfect model would show up to {percent(limit)}"
    said = (
        f"Stated {percent(line['stated'])} on average, right {percent(line['right'])}, off by "
        f"{percent(line['ece'])} (ECE) on {line['rows']:,} predictions; {beside}."
    )
    holds = None if limit is None else line["ece"] <= limit
    return judge(f"{line['task'].capitalize()}: stated confidences come true", holds, said, command)


def _judge_parts(parts: list[dict[str, Any]], whole: dict[str, Any], material: Material) -> list[Finding]:
    told = [part for part in parts if part["p"] is not None]
    off = sorted((part for part in told if part["off"]), key=lambda part: part["adjusted"])
    named = "; ".join(
        f"{part['part']} {part['name']}: stated {percent(part['stated'])}, right {percent(part['right'])}, "
        f"n = {part['rows']:,}"
        for part in off[:5]
    )
    said = (
        f"{len(off)} of {len(told)} parts are off by more than chance explains, false discoveries held at "
        f"{percent(LEVEL, 0)}{f': {named}' if named else ''}."
    )
    claim = f"{whole['task'].capitalize()}: so they do in every instrument, timeframe, regime and year"
    return [judge(claim, not off if told else None, said, material.walk)]
