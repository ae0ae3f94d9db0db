"""What similar moments say, in sentences that name chance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
import pandas as pd

from app.figures.theme import class_sign
from app.shell.selection import open_name
from app.words.numbers import listed, percent
from app.words.predictions import title_of
from core.bundle import Bundle
from core.data.segments import IN_SAMPLE
from core.explain.similar.glimpse import state_probabilities
from core.explain.similar.reach import SeriesReach
from core.explain.similar.search import MISSING, Analogue, Analogues, MomentIndex
from core.scores.intervals import Share

COMMAND = "python -m core evidence --parts moments"

NO_INDEX = (
    "The index of moments this model has looked at has not been built yet. Building it scores every second "
    "window of the stored history once."
)

NOTHING = (
    "No moment of these series has an outcome that was known when this bar closed. Choose a later bar, or "
    "search in every series."
)

HOW = (
    "Alike is what the model itself sees as alike: the cosine between the last bar's final representation of "
    "this window and that of every earlier one. Moments whose window shares a bar with this one, or with a "
    "nearer one of the same series, are left out, and so are those of another series in the same week and "
    "every outcome that was not known yet when this bar closed."
)

INTERVAL = (
    "In brackets the 95% interval (Wilson 1927). Moments whose futures share days count as one in it. Within "
    "chance: moments picked without looking could well have given the same."
)


def went_sentence(found: Analogues, outcome: int, classes: Sequence[str]) -> str:
    """'Of the 10 nearest moments, 6 went Bullish [31%, 83%]; over all 5,204 candidates 38% did'; Markdown.

    `found` holds at least one moment.
    """
    share, name = found.went(outcome), classes[outcome]
    return (
        f"Of the **{share.total}** nearest moments, **{share.count}** went {class_sign(name)} **{name}** "
        f"{brackets(share)}; over all {found.candidates:,} candidates {percent(share.base)} did: "
        f"{verdict(share)}."
    )


def right_sentence(found: Analogues) -> str:
    """'The model was right on 5 of the 10; on all candidates 43%'; Markdown."""
    share = found.right()
    return (
        f"The model was right on **{share.count}** of these {share.total} {brackets(share)}, on all "
        f"candidates {percent(share.base)} of the time: {verdict(share)}."
    )


def verdict(share: Share) -> str:
    """What the difference from all candidates is worth."""
    if share.within_chance:
        return "the difference is **within chance**"
    return "**more** than chance would give" if share.base < share.low else "**fewer** than chance would give"


def brackets(share: Share) -> str:
    """The interval: '[31%, 83%]'."""
    return f"[{percent(share.low)}, {percent(share.high)}]"


def doubts(found: Analogues, trained_at_query: bool) -> list[str]:
    """What makes these moments worth less than they look, one sentence each."""
    said = []
    total = len(found.moments)
    trained = sum(moment.trained for moment in found.moments)
    if trained:
        said.append(
            f"The model was trained on the outcomes of {trained} of these {total}: there it had seen the "
            "answer, which flatters its record."
        )
    if trained_at_query:
        said.append(
            "The chosen bar lies in the training years: when the model learned what is alike, it already "
            "knew what came after."
        )
    if found.independent < total:
        said.append(
            f"Some of their futures share days: {total} moments, {found.independent} independent pieces of "
            "evidence."
        )
    return said


def outcome_line(
    index: MomentIndex, row: int, task: str, classes: Sequence[str], known_at: np.datetime64, said: np.ndarray
) -> str:
    """What came of one task at one moment and what the model had said; Markdown.

    Parameters
    ----------
    said
        Stated probabilities of the classes, (C,).
    """
    call = classes[int(said.argmax())]
    words = f"said {class_sign(call)} {call} {percent(float(said.max()))}"
    if not index.known(task, known_at)[row]:
        undecided = index.outcome[task][row] != MISSING
        return f"{'not decided by then' if undecided else 'no outcome in the index'}, {words}"
    came = classes[int(index.outcome[task][row])]
    return f"{class_sign(came)} **{came}**, {words} {'✓ right' if came == call else '✗ wrong'}"


def outcome_lines(bundle: Bundle, index: MomentIndex, row: int, known_at: np.datetime64) -> list[str]:
    """`outcome_line` of every task by its title; Markdown."""
    lines = []
    for task in bundle.config.tasks:
        said = state_probabilities(bundle, task.name, index.probabilities[task.name][row])
        line = outcome_line(index, row, task.name, task.classes, known_at, said)
        lines.append(f"{title_of(task.name)}: {line}")
    opened = cast(pd.Timestamp, pd.Timestamp(index.ts[row], tz="UTC"))
    if bundle.seen.use_of(str(index.series[row]), opened) in IN_SAMPLE:
        lines.append("In sample: this outcome helped to make the model")
    return lines


def moment_title(moment: Analogue) -> str:
    """'AAPL 1d 2011-06-24'."""
    return f"{_name(moment.series)} {open_name(moment.ts).replace('T', ' ')}"


def reach_sentences(reach: Sequence[SeriesReach]) -> list[str]:
    """What the index does not know of the stored bars, one sentence for each way; Markdown."""
    said = []
    for last in sorted({one.reaches for one in reach if one.state == "longer"}):
        names = [_name(one.name) for one in reach if one.state == "longer" and one.reaches == last]
        stamp = cast(pd.Timestamp, pd.Timestamp(last))
        until = f"{stamp:%Y-%m-%d}" if stamp == stamp.normalize() else f"{stamp:%Y-%m-%d %H:%M} UTC"
        said.append(f"The index reaches to {until} for {listed(names)}; newer bars are not in it.")
    new = [_name(one.name) for one in reach if one.state == "new"]
    if new:
        said.append(f"Not in the index at all: {listed(new)}.")
    changed = [_name(one.name) for one in reach if one.state == "changed"]
    if changed:
        said.append(
            f"Stored bars of {listed(changed)} were changed since the index was built; its moments there "
            "are left out."
        )
    return said


def _name(series: str) -> str:
    return series.replace("|", " ")
