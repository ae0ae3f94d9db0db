"""Tables and sentences of the review pages, in words and percent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import pandas as pd

from app.figures.theme import class_sign
from app.words.confidence import count_sources, stated_title
from app.words.numbers import listed, percent, span
from core.confidence.choice import ALONE, Method
from core.confidence.composition import FORMS
from core.review.acting import Acting
from core.review.calibration import BesideBefore, OverLimit
from core.review.evidence import Evidence
from core.review.rows import ReviewRows, RowFilter
from core.review.sets import FOLLOWED, SetsHeld
from core.scores.intervals import TOO_ALIKE

LEAST_WORSE = 0.005
"""Half a point: what is worse by less, and not shown to be, is as good."""


@dataclass(frozen=True)
class ScoreWords:
    """One score: what a person calls it, technical word and paper, which side is better, one sentence."""

    label: str
    technical: str
    higher_is_better: bool
    percent: bool = False
    meaning: str = ""


SCORE_WORDS = {
    "log_loss": ScoreWords(
        "surprise at what happened",
        "log-loss in nats (Good 1952)",
        False,
        meaning="Minus the logarithm of the probability given to what then happened, averaged.",
    ),
    "accuracy": ScoreWords(
        "share right",
        "accuracy",
        True,
        True,
        "Share of predictions whose most probable class is the one that came.",
    ),
    "macro_f1": ScoreWords(
        "balance of finding and not crying wolf",
        "macro F1, mean over classes",
        True,
        meaning="The harmonic mean of precision and recall, class by class, averaged with every class alike.",
    ),
    "mcc": ScoreWords(
        "agreement beyond chance",
        "Matthews correlation, multiclass (Gorodkin 2004)",
        True,
        meaning="Correlation of what was called with what came: 1 is all right, 0 no better than chance.",
    ),
    "brier": ScoreWords(
        "squared error of the probabilities",
        "Brier score, 0 to 2 (Brier 1950)",
        False,
        meaning="Squared distance of the probabilities from what came, which has 1 and the other classes 0.",
    ),
    "ece": ScoreWords(
        "gap between stated and true",
        "ECE, 15 equal bins (Naeini et al. 2015)",
        False,
        True,
        "Mean distance, over bins of confidence, between what was stated and the share that was right.",
    ),
    "precision": ScoreWords(
        "right, of what it called",
        "macro precision",
        True,
        True,
        "Of what was called a class, the share that was it, averaged with every class alike.",
    ),
    "recall": ScoreWords(
        "found, of what happened",
        "macro recall",
        True,
        True,
        "Of what was a class, the share that was called so, averaged with every class alike.",
    ),
}
"""By name, as `core.review.performance.SCORES`."""


def evidence_sentence(evidence: Evidence, finished: str | None, model: str, other: Sequence[str]) -> str:
    """Which walk-forward is shown, and whether it is the chosen model's; Markdown.

    Parameters
    ----------
    finished
        Day it was finished; None where nobody knows.
    model
        Name and version of the chosen model; empty where there is none.
    other
        In what the walk-forward's models were made otherwise.
    """
    series = listed(evidence.series) if len(evidence.series) <= 4 else f"{len(evidence.series)} series"
    made = f"{evidence.folds} {evidence.scheme} folds of {series}"
    when = f", tested {evidence.first:%Y-%m-%d} to {evidence.last:%Y-%m-%d}"
    when += f", finished {finished}" if finished else ""
    shown = f"**Walk-forward {evidence.name}**: {made}{when}, bars {evidence.data}."
    if not model:
        return f":material/history_edu: {shown} No model is chosen beside it."
    if other:
        return (
            f":material/warning: {shown} **It is not of the chosen model, {model}**: its folds were made "
            f"with other {listed(list(other))}, so nothing here is a record of that model."
        )
    return f":material/history_edu: {shown} Its folds were trained as the chosen model, {model}, was."


def before_sentence(found: BesideBefore | None) -> str:
    """Where the final confidence is worse than the probability before calibration; empty where it is not."""
    if found is None:
        return ""
    worse = []
    if found.ece - found.ece_before > LEAST_WORSE:
        worse.append(
            f"it is off by {100 * found.ece:.1f} points, the probability before calibration by "
            f"{100 * found.ece_before:.1f}"
        )
    if found.difference.high < 0 or found.difference.value < -LEAST_WORSE:
        worse.append(
            f"being choosy by it gains {100 * found.gain:.1f} points over a random order, by the probability "
            f"before calibration {100 * found.gain_before:.1f}"
        )
    if not worse:
        return ""
    return f":material/warning: **The final confidence is worse here than none: {'; '.join(worse)}.**"


def scope_sentence(rows: ReviewRows, chosen: RowFilter, beside_strip: bool) -> str:
    """What is under review, and that the bar of the strip above (where there is one) is not."""
    instrument = chosen.instrument or "all instruments"
    first, last = (np.datetime_as_string(at, unit="D") for at in (rows.times[0], rows.times[-1]))
    return (
        f":material/fact_check: **{len(rows):,} {chosen.task} predictions of {instrument}**, {first} to "
        f"{last}, each at a bar its model had not been trained on."
        + (" The bar chosen at the top plays no part here." if beside_strip else "")
    )


def acting_sentence(acting: Acting, line: int) -> str:
    """How many calls from `line` percent on, how many right, of which kind; Markdown."""
    calls, right = acting.calls[:, line], acting.right[:, line]
    acted = int(calls.sum())
    above = "Acting on everything" if line == 0 else f"Above {line}%"
    if not acted:
        return f"**{above} it would never have acted**: none of {acting.total:,} predictions was that sure."
    found = acting.share_right(line)
    spread = f" {span(found.low, found.high)}" if np.isfinite(found.low) else f" (no interval: {found.blank})"
    kinds = "; ".join(
        f"{n:,} {class_sign(name)} {name} right {percent(r / n)}"
        for name, n, r in zip(acting.classes, calls, right, strict=True)
        if n
    )
    return (
        f"**{above} it would have acted {acted:,} times** ({percent(acted / acting.total)} of "
        f"{acting.total:,}) **and been right {percent(found.value)}{spread}**: {kinds}."
    )


def error_sentence(errors: pd.DataFrame, n: int, over: OverLimit | None = None) -> str:
    """The ECE beside what a perfect model would show on these rows, and when it was over its limit."""
    ece, limit = float(errors.loc["ece", "value"]), float(errors.loc["ece", "p95"])  # type: ignore[arg-type]
    if not np.isfinite(limit):
        return (
            f"Off by **{100 * ece:.1f} points** on average. Whether chance explains it cannot be told: "
            f"{TOO_ALIKE} at these {n:,} predictions."
        )
    verdict = "no more than chance explains" if ece <= limit else "more than chance explains"
    exception = ""
    if over is not None and ece <= limit:
        spans = [_years(first, last) for first, last in over.spans]
        exception = f", but over its limit {listed(spans)} ({percent(over.share)} of the windows below)"
    return (
        f"Off by **{100 * ece:.1f} points** on average: **{verdict}{exception}**. A perfect model whose "
        f"predictions hang together as these {n:,} do would show up to {100 * limit:.1f}."
    )


def _years(first: np.datetime64, last: np.datetime64) -> str:
    start, end = (np.datetime_as_string(at, unit="M") for at in (first, last))
    return start if start == end else f"{start} to {end}"


def sets_sentence(found: SetsHeld | None, level: float) -> str:
    """How often the sets held what happened beside what they promise, and how many classes they took."""
    promised = f"{100 * level:g}%"
    if found is None:
        return f"Some folds held back too few bars to fit sets at {promised}: choose the others by Fold."
    held = found.held
    spread = f" {span(held.low, held.high, 1)}" if np.isfinite(held.low) else ""
    if held.blank:
        verdict = f"whether by chance cannot be told: {held.blank}"
    elif held.high < level:
        verdict = "fewer than promised"
    else:
        verdict = "more than promised" if held.low > level else "as promised, within chance"
    return (
        f"**Promised {promised}, held {percent(held.value, 1)}**{spread}: "
        f"**{verdict}**, with {found.size:.2f} of {found.classes} classes in a set (all of them would always "
        f"hold it).{_ones(found, level)} With a threshold that follows the last {FOLLOWED} outcomes: "
        f"{percent(found.following, 1)} and {found.following_size:.2f} classes."
    )


def _ones(found: SetsHeld, level: float) -> str:
    if not found.ones:
        return " No set names one class alone."
    held = found.ones_held
    spread = f" {span(held.low, held.high, 1)}" if np.isfinite(held.low) else ""
    text = f"Sets of one class held it {percent(held.value, 1)}{spread}, n = {found.ones:,}"
    return f" **{text}: fewer than promised.**" if held.high < level else f" {text}."


def forms_sentence(forms: pd.DataFrame) -> str:
    """Whether anything with the sources beats the probability alone on these rows; Markdown."""
    others = forms.drop(index=[ALONE, "confidence"], errors="ignore")
    shown = others.index[others["loss_holds"].to_numpy(bool) & (others["loss_beside"].to_numpy() < 0)]
    better = [FORMS[cast(Method, name)] for name in shown]
    if better:
        return f"**Better than the probability alone when it comes to being right: {listed(better)}.**"
    return "**The sources add nothing to the probability that can be shown on these predictions.**"


def left_out_sentence(table: pd.DataFrame) -> str:
    """Which sources help the sum and the learned mix, by intervals that exclude zero."""
    parts = []
    for kind, name in (("raw", f"sum of {count_sources()}"), ("mix", "learned mix")):
        if not np.isfinite(table[f"{kind}_value"].to_numpy(float)).any():
            continue
        lines = table.to_dict("index").items()
        helping = [stated_title(str(n)) for n, line in lines if line[f"{kind}_low"] > 0]
        harming = [stated_title(str(n)) for n, line in lines if line[f"{kind}_high"] < 0]
        said = [f"{listed(helping)} help" + ("s" if len(helping) == 1 else "")] if helping else []
        said += [f"{listed(harming)} harm" + ("s" if len(harming) == 1 else "")] if harming else []
        parts.append(f"in the {name}: {', '.join(said) or 'no source is shown to help or to harm'}")
    sentence = "; ".join(parts)
    return f"**{sentence[:1].upper()}{sentence[1:]}.** Of what is not named neither is shown."


def rolling_share(acted: np.ndarray, correct: np.ndarray, last: np.ndarray, window: int) -> np.ndarray:
    """(K,) share right of what was acted on among the `window` rows up to each of `last`; NaN without any."""
    calls = np.concatenate([[0], np.cumsum(acted)])
    right = np.concatenate([[0], np.cumsum(acted & correct)])
    made = calls[last + 1] - calls[last + 1 - window]
    return np.where(made > 0, (right[last + 1] - right[last + 1 - window]) / np.maximum(made, 1), np.nan)
