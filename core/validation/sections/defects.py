"""The pack's search for known kinds of defects in what the evidence rests on."""

from __future__ import annotations

import numpy as np

from core.data.dataset import LabelledSeries
from core.validation.defects import folds, forecasts, series
from core.validation.defects.check import Check
from core.validation.findings import Section, judge
from core.validation.material import Material
from core.validation.sections.backtest import check_backtest

TITLE = "Search for known defects"
EXPECTED = (
    "leak",
    "shuffled labels",
    "miscalibration",
    "broken calibrator",
    "swapped class",
    "in-sample rows",
    "overfit fold",
    "duplicated series",
    "stale feature",
    "wrong costs",
)
"""The kinds looked for, in the order they are reported."""


def search_defects(material: Material) -> Section:
    """Every check that what is stored allows."""
    checks: dict[str, Check] = {}
    if material.result is not None:
        tasks = forecasts.read_tasks(material.result)
        found = [
            forecasts.check_leak(material.result, tasks),
            forecasts.check_shuffled(tasks),
            forecasts.check_miscalibration(tasks),
            forecasts.check_calibrator(tasks),
            forecasts.check_swapped(tasks),
            folds.check_in_sample(material.result),
            folds.check_overfit(material.result),
            series.check_duplicated(material.result),
        ]
        checks = {check.defect: check for check in found}
    if material.series:
        checks["stale feature"] = find_stale(material.series, material)
    if not isinstance(material.backtest, str):
        checks["wrong costs"] = check_backtest(material.backtest)
    findings = []
    for name in EXPECTED:
        check = checks.get(name)
        if check is None:
            missing = {
                "stale feature": "No stored series of the model's instruments is as long as a window.",
                "wrong costs": str(material.backtest),
            }
            said, holds = missing.get(name, "This model has no walk-forward."), None
        else:
            said, holds = f"{check.said} Looked at: {check.statistic}.", _not(check.flagged)
        findings.append(judge(f"No sign of this defect: {name}", holds, said, material.again))
    return Section("defects", TITLE, tuple(findings))


def find_stale(known: list[LabelledSeries], material: Material) -> Check:
    """Features of the stored series that stopped moving once training was over."""
    cut = np.datetime64(material.bundle.borders.train_end.tz_localize(None))
    return series.check_stale(
        {one.key: one.features for one in known},
        {one.key: one.ts >= cut for one in known},
        material.bundle.feature_names,
    )


def _not(flag: bool | None) -> bool | None:
    return None if flag is None else not flag
