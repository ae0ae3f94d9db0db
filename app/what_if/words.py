"""What an edit changed, in sentences and tables."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from app.figures.theme import class_sign
from app.figures.what_if import ClassShift
from app.words.confidence import NEVER_MOVED, STATED
from app.words.features import feature_words
from app.words.numbers import percent, signed
from app.words.predictions import title_of
from core.data.scaling import FeatureScaler
from core.explain.counterfactual import Flip
from core.explain.edits import EditExplanation
from core.prediction import Prediction, TaskPrediction

IMPOSSIBLE = (
    ":material/warning: A change made to features may correspond to no possible bars: returns, ranges and "
    "RSI come from the same prices, and here they move apart. Edit bars to stay with what could have traded."
)

UNEDITED = ":material/edit_off: **Nothing is changed yet**: this is what the model says of the bar as it was."

REFUSED = (
    ":material/edit_off: **The change cannot be used**: this is what the model says of the bar as it was."
)

NO_FLIP = (
    "No change of these features in these bars was found that flips the call. That is no proof that there is "
    "none: the search takes linear steps towards the border and stops after 40."
)

LOCAL = (
    "The smallest change the search found: repeated linear steps towards the border between two calls "
    "(DeepFool, Moosavi-Dezfooli et al. 2016), then halved back. A smaller one may exist."
)

TABLE_ROWS = 25


def class_shifts(before: Prediction, after: Prediction) -> list[ClassShift]:
    """Every class of every task, as it was and edited."""
    return [
        ClassShift(name, label, old, new)
        for name, task in before.tasks.items()
        for label, old, new in zip(
            task.classes, task.shares.tolist(), after.tasks[name].shares.tolist(), strict=True
        )
    ]


def call_sentence(before: TaskPrediction, after: TaskPrediction) -> str:
    """'Direction: ▲ Bullish 41% → ▼ Bearish 39%: the call flips'; Markdown.

    A most probable class that is no call is said to be none.
    """
    was, now = (f"{class_sign(task.call)} {task.call}" for task in (before, after))
    old, new = (
        percent(task.shares.max()) + ("" if task.no_call is None else " (no call)")
        for task in (before, after)
    )
    if before is after:
        return f"{title_of(before.task)}: {was} {old}"
    if was == now:
        return f"{title_of(before.task)}: stays {now}, {old} → {new}"
    what = "the call flips" if before.no_call is None and after.no_call is None else "the most probable flips"
    return f"{title_of(before.task)}: {was} {old} → **{now} {new}: {what}**"


def confidence_table(before: Prediction, after: Prediction) -> pd.DataFrame:
    """Confidence and its sources as it was → edited, a column a task; what moved is bold (Markdown)."""
    rows: dict[str, list[str]] = {}
    for name, old in before.tasks.items():
        new = after.tasks[name]
        stated = [task.stated.confidence if task.stated else None for task in (old, new)]
        rows.setdefault("sure (P the call is right)", []).append(_arrow(*stated))
        ranks = [task.stated.ranks if task.stated else {} for task in (old, new)]
        unmoved = old.stated.unmoved if old.stated else ()
        for source, value in old.sources.items():
            title = f"{STATED[source].compared} that share of past bars"
            if all(source in by_source for by_source in ranks):
                shown = _arrow(*(by_source[source] for by_source in ranks))
            elif source in unmoved:
                shown = NEVER_MOVED
            else:
                shown, title = _arrow(value, new.sources[source]), STATED[source].question
            rows.setdefault(title, []).append(shown)
    titles = [title_of(name) for name in before.tasks]
    return pd.DataFrame.from_dict(rows, orient="index", columns=titles)


def unlike_sentence(before: Prediction, after: Prediction) -> str:
    """How far both windows lie from what the model was trained on; Markdown."""
    old, new = (f"{percent(p.distance)} of the limit" for p in (before, after))
    verdict = "**yes**" if after.out_of_distribution else "no"
    return f"Unlike training? {verdict}: edited at {new}, as it was at {old}."


def edit_sentence(found: EditExplanation, target: str) -> str:
    """How much the edit moved the class, and whether the parts add up; Markdown."""
    total = float(found.edit.values.sum())
    return (
        f"The edit moved the log-odds of {class_sign(target)} {target} by **{signed(found.moved)}**; what "
        f"its cells moved adds up to {signed(total)}."
    )


def change_sentence(name: str, bars: int, scaled: float, scaler: FeatureScaler) -> str:
    """'RSI, 14 bars = 71 of 100 in the last 5 bars'."""
    words = feature_words(name)
    where = "the last bar" if bars == 1 else f"the last {bars} bars"
    value = words.state(unscale(name, scaled, scaler))
    return f"{words.title} = {value} in {where} ({scaled:.0f} on the model's scale of 100)"


def unscale(name: str, scaled: float, scaler: FeatureScaler) -> float:
    """A value on the 0..100 scale in the feature's own unit."""
    place = scaler.columns.index(name)
    return float(scaler.low[place] + scaled / 100 * (scaler.high[place] - scaler.low[place]))


def flip_table(flip: Flip, times: Sequence[str], scaler: FeatureScaler) -> pd.DataFrame:
    """The largest changes in market units."""
    rows = []
    for bar, name, before, after in flip.changes[:TABLE_ROWS]:
        words = feature_words(name)
        rows.append(
            {
                "bar": times[bar],
                "feature": words.title,
                "before": words.state(unscale(name, before, scaler)),
                "after": words.state(unscale(name, after, scaler)),
                "points of 100": signed(after - before, ".1f"),
            }
        )
    return pd.DataFrame(rows)


def flip_sentence(flip: Flip) -> str:
    """How many cells and features the flip took; Markdown."""
    cells, names = len(flip.changes), len({name for _, name, _, _ in flip.changes})
    bars = len({bar for bar, *_ in flip.changes})
    shown = f" The {TABLE_ROWS} largest:" if cells > TABLE_ROWS else ""
    return (
        f"**The call flips** with {cells:,} {'cell' if cells == 1 else 'cells'} changed ({names} "
        f"{'feature' if names == 1 else 'features'} in {bars} {'bar' if bars == 1 else 'bars'}).{shown}"
    )


def _arrow(before: float | None, after: float | None) -> str:
    if before is None or after is None:
        return "not known"
    text = f"{percent(before)} → {percent(after)}"
    points = round(100 * after) - round(100 * before)
    return f"**{text} ({signed(points, 'd')})**" if points else text
