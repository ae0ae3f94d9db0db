"""What was edited, as it was and as it is: a table to read beside the one to edit."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
import pandas as pd

from app.figures.theme import price_decimals
from app.shell.selection import bar_name
from app.what_if.cached import Cells, Changes
from app.what_if.words import unscale
from app.words.features import feature_words
from core.data.scaling import FeatureScaler
from core.explain.edits import PRICES

STYLE = """<style>
.lb-edits { border-collapse: collapse; font-size: .92rem; font-variant-numeric: tabular-nums; }
.lb-edits caption { text-align: left; font-weight: 600; padding-bottom: .2rem; }
.lb-edits th, .lb-edits td { text-align: left; padding: .12rem 1.1rem .12rem 0; font-weight: 400;
  border-bottom: 1px solid color-mix(in srgb, currentColor 22%, transparent); }
.lb-edits thead th { opacity: .8; }
.lb-edits td.lb-is { font-weight: 650; border-left: .25rem solid #E69F00; padding-left: .5rem; }
</style>"""
NOTHING = "empty"


@dataclass(frozen=True)
class Mark:
    """One edited cell: where, what, the value it had and the one it has, in words; and which way it went."""

    where: str
    what: str
    was: str
    now: str
    way: str


def mark_cells(bars: pd.DataFrame, cells: Cells) -> list[Mark]:
    """Edited cells of bars, newest bar first.

    Parameters
    ----------
    bars
        All bars that can be edited, as they were, at the prices shown.
    """
    places, rows = price_decimals(bars), {bar_name(ts): row for row, ts in enumerate(bars["ts"])}
    marks = []
    for name, column, value in sorted(cells, key=lambda cell: -rows.get(cell[0], -1)):
        if name not in rows:
            continue
        form = f",.{places}f" if column in PRICES else ",.12g"
        before = float(bars[column].iloc[rows[name]])
        marks.append(Mark(name.replace("T", " "), column, *_written(before, value, form)))
    return marks


def mark_changes(
    features: np.ndarray, names: Sequence[str], changes: Changes, scaler: FeatureScaler
) -> list[Mark]:
    """Changed features, oldest change first; what was is the span of the bars it holds for.

    Parameters
    ----------
    features
        The window as it was, on the 0..100 scale, (T, N).
    names
        Of the N features.
    """
    marks = []
    for name, bars, value in changes:
        words, column = feature_words(name), features[-bars:, list(names).index(name)]
        ends = [words.state(unscale(name, float(end), scaler)) for end in (column.min(), column.max())]
        marks.append(
            Mark(
                "last bar" if bars == 1 else f"last {bars} bars",
                words.title,
                ends[0] if ends[0] == ends[1] else f"{ends[0]} to {ends[1]}",
                words.state(unscale(name, value, scaler)),
                _way(float(column.mean()), value),
            )
        )
    return marks


def draw_marks(marks: Iterable[Mark]) -> str:
    """The marks as an HTML table; empty without any."""
    rows = "".join(
        f'<tr><th scope="row">{escape(one.where)}</th><td>{escape(one.what)}</td><td>{escape(one.was)}</td>'
        f'<td class="lb-is">{escape(one.way)} {escape(one.now)}</td></tr>'
        for one in marks
    )
    if not rows:
        return ""
    heads = "".join(f'<th scope="col">{name}</th>' for name in ("where", "what", "was", "is"))
    return (
        f'{STYLE}<table class="lb-edits"><caption>What is edited</caption><thead><tr>{heads}</tr></thead>'
        f"<tbody>{rows}</tbody></table>"
    )


def _written(before: float, after: float, form: str) -> tuple[str, str, str]:
    was, now = ("" if math.isnan(value) else format(value, form) for value in (before, after))
    return was or NOTHING, now or NOTHING, _way(before, after)


def _way(before: float, after: float) -> str:
    if math.isnan(before) or math.isnan(after) or before == after:
        return "✎"
    return "▲" if after > before else "▼"
