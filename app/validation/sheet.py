"""A validation pack as one HTML file that loads nothing from anywhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from app.figures.performance import scores_figure
from app.figures.validation import calibration_figure, flips_figure
from app.report.html import chart, fill, wrap_page
from core.validation.findings import STATUSES

MOST_ROWS = 40
"""Rows of a table on the page; the rest is in its CSV."""
SIGNS = {"met": "✓", "not met": "✗", "not tested": "–"}


def draw_pack(pack: Mapping[str, Any]) -> str:
    """The whole page of `core.validation.pack.make_pack`."""
    model, made = pack["model"], pack["made"]
    name = f"Validation of {model['name']} {model['version']}"
    body = [
        fill(
            "pack_head",
            name=name,
            made=made,
            counts=[(SIGNS[one], one, pack["counts"][one]) for one in STATUSES],
        ),
        fill("pack_requirements", rows=list(_list_requirements(pack))),
        *(_draw_section(section) for section in pack["sections"]),
        fill("pack_inputs", inputs=pack["inputs"]),
    ]
    return wrap_page(name, "".join(body))


def show_number(value: Any) -> str:
    """A cell of a table."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4f}" if abs(value) < 1000 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) and abs(value) >= 10_000 else str(value)


def _list_requirements(pack: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    sections = {section["key"]: section for section in pack["sections"]}
    for asked in pack["requirements"].values():
        statuses = [finding["status"] for key in asked["sections"] for finding in sections[key]["findings"]]
        yield {
            "source": asked["source"],
            "about": asked["about"],
            "sections": ", ".join(sections[key]["title"] for key in asked["sections"]),
            "counts": ", ".join(f"{statuses.count(one)} {one}" for one in STATUSES),
        }


def _draw_section(section: Mapping[str, Any]) -> str:
    findings = [finding | {"sign": SIGNS[finding["status"]]} for finding in section["findings"]]
    return fill(
        "pack_section",
        title=section["title"],
        facts=section["facts"],
        findings=findings,
        figures=list(_draw_figures(section)),
        tables=[_lay_out(section["key"], name, rows) for name, rows in section["tables"].items() if rows],
    )


def _lay_out(key: str, name: str, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    columns = list(rows[0])
    return {
        "title": f"{name.replace('_', ' ')}, {len(rows):,} rows",
        "columns": [column.replace("_", " ") for column in columns],
        "rows": [[show_number(row.get(column)) for column in columns] for row in rows[:MOST_ROWS]],
        "more": f"tables/{key}_{name}.csv holds all of them." if len(rows) > MOST_ROWS else "",
    }


def _draw_figures(section: Mapping[str, Any]) -> Iterator[str]:
    for name, rows in section["tables"].items():
        if not rows:
            continue
        table = pd.DataFrame(rows)
        if name.startswith("scores_"):
            task = name.removeprefix("scores_")
            title = f"{task.capitalize()}: log-loss of everyone on the same rows, 95% whiskers"
            numbers = table.set_index("forecaster").astype(float)
            yield chart(scores_figure(numbers, "log_loss", title=title, dark=False), name, title)
        elif name == "calibration":
            about = "Calibration error of each part beside what a perfect model would show"
            yield chart(calibration_figure(table), name, about)
        elif name == "sensitivity":
            yield chart(flips_figure(table), name, "Share of calls that flip by disturbance and task")
