"""What a simpler model says beside a call, and who was nearer where the two disagreed, in words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from app.figures.theme import class_sign
from app.words.numbers import MINUS, percent, signed, unsigned_zero
from core.experiments.challengers import Split
from core.review.disagreement import APART, FEWEST, Compared, Disagreement

NAMES = {"har": "HAR", "logistic": "logistic regression", "lightgbm": "LightGBM"}
NONE_FITTED = (
    "Whether a simpler model would have said the same is not known for this model: "
    "run python -m core challengers"
)
HELP = (
    "HAR (Corsi 2009) for volatility, logistic regression for the other tasks, and LightGBM, fitted on the "
    "bars the model was trained on and calibrated on the same bars. What the model adds is its calibrated "
    "probability less theirs, in points. The record counts the test bars of the walk-forward whose outcome "
    "was known when the quarter of this bar began; log-loss in nats, lower is better, with a 95% interval."
)


def split_sentence(splits: Sequence[Split], target: str) -> str:
    """How much of the case for a class simpler models make already; in Markdown.

    'HAR already says ○ Low **53%**; the model adds **+2** points · LightGBM says 56%: −1'. Points are those
    of the percents shown.
    """
    plain, *others = splits
    opening = f"{NAMES.get(plain.challenger, plain.challenger)} "
    if plain.calls_differ:
        opening += f"calls {class_sign(plain.their_call)} {plain.their_call} here, and "
    added = _points(plain, target)
    said = f"{opening}already says {class_sign(target)} {target} **{percent(_theirs(plain, target))}**; "
    said += f"the model adds **{added}** point{'' if added in ('+1', f'{MINUS}1') else 's'}"
    for other in others:
        name = NAMES.get(other.challenger, other.challenger)
        said += f" · {name} says {percent(_theirs(other, target))}: {_points(other, target)}"
    return said


def disagreement_sentence(found: Disagreement | None, split: Split) -> str:
    """Who was nearer on earlier test bars where the two stood as they stand at this one."""
    if found is None:
        return "No record of the two on test bars known by then: run python -m core walk-forward"
    whole = f"of {found.whole.rows:,} test bars"
    if split.calls_differ:
        return f"They called differently on {found.calls.rows:,} {whole}: {_nearer(found.calls)}."
    points = f"{100 * APART:.0f} points"
    if split.apart > APART:
        return f"They were more than {points} apart on {found.apart.rows:,} {whole}: {_nearer(found.apart)}."
    return (
        f"Here the two are within {points}. They called differently on {found.calls.rows:,} {whole}: "
        f"{_nearer(found.calls)}."
    )


def _nearer(compared: Compared) -> str:
    if compared.rows < FEWEST:
        return "too few to compare"
    found = compared.difference
    losses = f"log-loss {compared.model:.3f} against {compared.challenger:.3f}"
    if not np.isfinite(found.low):
        return f"{losses}, {found.blank or 'no interval'}, so neither is shown to be nearer"
    value, low, high = (unsigned_zero(signed(end, ".3f")) for end in (found.value, found.low, found.high))
    between = f"difference {value} [{low}, {high}]"
    if found.high < 0:
        return f"the model was nearer, {losses}, {between}"
    if found.low > 0:
        return f"the simpler one was nearer, {losses}, {between}"
    return f"neither is shown to be nearer, {losses}, {between}"


def _theirs(split: Split, target: str) -> float:
    return float(split.theirs[split.classes.index(target)])


def _points(split: Split, target: str) -> str:
    ours = float(split.ours[split.classes.index(target)])
    points = round(100 * ours) - round(100 * _theirs(split, target))
    return signed(points, "d") if points else "0"
