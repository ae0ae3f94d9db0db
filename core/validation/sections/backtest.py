"""What acting on the calls would have earned after costs, as the backtest measured it."""

from __future__ import annotations

from core.validation.findings import Section, judge
from core.validation.material import Material

TITLE = "Backtest"


def measure_backtest(material: Material) -> Section:
    """The backtest's own verdicts."""
    what = "Acting on the calls earns more than its rivals after costs"
    command = f"python -m core backtest --model {material.bundle.name}"
    return Section("backtest", TITLE, (judge(what, None, "There is no backtest of this model.", command),))
