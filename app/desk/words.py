"""The Desk's table and sentences, from stored predictions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

import numpy as np
import pandas as pd

from app.figures.theme import class_sign
from app.strip import age_text
from app.words.predictions import bar_text, title_of
from app.words.stances import stance_text
from core.data.store import SeriesSummary
from core.operations.latest import Key, Latest
from core.operations.stances import Stance
from core.prediction import Prediction, TaskPrediction

NOT_ASKED = "not predicted yet"
SHOWN = {
    "all": "all",
    "calls": "with a call",
    "changed": "call changed",
    "traded": "in a trade",
    "doubtful": "unlike training",
    "silent": "without a prediction",
}
"""What can be shown alone, by the name in a link."""
NO_STANCE = ""


COLUMN_HELP = {
    "Stance": "What the strategy does at the next open, and the first reason it stays out",
    "P": "Calibrated probability of the most probable class, no call included",
    "Sure": "Stated probability that the call comes true",
    "Surer than": "Share of the measured test bars on which the model was less sure",
    "Points": "How much the class that is most probable now has gained since the bar before",
    "Before": "The call at the bar before, where it was another",
    "Unlike training": "Distance from the training data over its limit, where that is passed",
}


@dataclass(frozen=True)
class Line:
    """One series of the table.

    Attributes
    ----------
    summary
        The series as it is stored now.
    latest
        What is stored of it; None where the model was never asked.
    stance
        What the strategy does about it, or why that is not known; None without a prediction.
    """

    summary: SeriesSummary
    latest: Latest | None
    stance: Stance | str | None = None

    @property
    def key(self) -> Key:
        return self.summary.instrument, self.summary.timeframe

    @property
    def now(self) -> Prediction | None:
        return None if self.latest is None else self.latest.now

    @property
    def stale(self) -> bool:
        """Whether its bars are others than those that were predicted on."""
        found = self.latest
        return found is None or (found.last, found.bars) != (self.summary.last, self.summary.bars)

    @property
    def traded(self) -> bool:
        """Whether the strategy takes a position."""
        return isinstance(self.stance, Stance) and self.stance.side != 0

    def said(self, task: str, *, before: bool = False) -> TaskPrediction | None:
        """What the model says of a task at the newest bar, or said at the one before."""
        found = self.latest and (self.latest.before if before else self.latest.now)
        return found.tasks.get(task) if found else None

    def changed(self, task: str) -> bool:
        """Whether what is called is another than at the bar before; no call is a call of its own."""
        now, before = self.said(task), self.said(task, before=True)
        return now is not None and before is not None and _called(now) != _called(before)


def desk_table(
    lines: Sequence[Line],
    tasks: Sequence[str],
    task: str,
    moment: pd.Timestamp,
    *,
    zone: str = "UTC",
    rank: Callable[[float], float] | None = None,
    model: str | None = None,
) -> pd.DataFrame:
    """One row a series, in the order of `lines`.

    Parameters
    ----------
    tasks, task
        Of the model, and the one whose numbers are shown.
    moment
        Now, UTC: by it a feed is late.
    rank
        Share of past bars on which the model was less sure than a confidence; None where nobody measured it.
    model
        Name the links carry; None for the default one.

    Returns
    -------
    DataFrame
        Text, and numbers in percent or points; None or NaN where there is nothing to say.
    """
    rows = []
    for line in lines:
        said, before = line.said(task), line.said(task, before=True)
        row: dict[str, object] = {
            "Series": f"{line.summary.instrument} {line.summary.timeframe}",
            "Stance": stance_of(line),
            "Open": link_to(line.summary, model),
        }
        row |= {title_of(name): call_text(line.said(name)) for name in tasks}
        sure = np.nan if said is None or said.stated is None else said.stated.confidence
        row |= {
            "P": np.nan if said is None else 100 * _share(said, said.call),
            "Sure": 100 * sure,
            "Surer than": np.nan if rank is None or not np.isfinite(sure) else 100 * rank(sure),
            "Points": np.nan if said is None or before is None else _moved(said, before),
            "Before": call_text(before) if line.changed(task) else "",
            "Unlike training": _strangeness(line.now),
            "Feed": feed_text(line, moment),
            "Bar": bar_text(line.summary.last, line.summary.timeframe, zone),
            "Next due": _due(line.latest, zone),
            "Note": note_of(line),
        }
        rows.append(row)
    return pd.DataFrame(rows)


def stance_of(line: Line) -> str:
    """The stance in short; where there is no prediction, why."""
    if line.now is None:
        return f"no prediction: {note_of(line)}"
    return stance_text(line.stance) if isinstance(line.stance, Stance) else line.stance or ""


def call_text(said: TaskPrediction | None) -> str:
    """A call with its sign; 'no call' where it is none; empty where nothing is said."""
    if said is None:
        return ""
    return "no call" if said.no_call is not None else f"{class_sign(said.call)} {said.call}"


def feed_text(line: Line, moment: pd.Timestamp) -> str:
    """How new the newest bar is: 'fresh', 'late 3 h', 'ends 2013'."""
    found = None if line.latest is None else line.latest.feed(moment)
    if found is None:
        return ""
    if line.stale:
        return "new bars"
    if found.state == "history":
        return f"ends {line.summary.last:%Y}"
    return "fresh" if found.state == "fresh" else f"late {age_text(found.overdue)}"


def note_of(line: Line) -> str:
    """What keeps a row from being read as it stands; empty where nothing does."""
    if line.latest is None:
        return NOT_ASKED
    parts = [line.latest.refused] if line.latest.refused else []
    if line.stale:
        parts.append("its bars are new since")
    if line.now is not None:
        if line.now.in_sample:
            parts.append("in sample")
        if not (line.now.known_instrument and line.now.known_timeframe):
            parts.append("trained without it")
        parts += line.now.caveats
    return "; ".join(parts)


def keep(lines: Sequence[Line], shown: str, task: str, find: str = "") -> list[Line]:
    """The lines of one choice of `SHOWN` whose series names hold `find`, whatever its case."""
    tests: Mapping[str, Callable[[Line], bool]] = {
        "calls": lambda line: (said := line.said(task)) is not None and said.no_call is None,
        "changed": lambda line: line.changed(task),
        "traded": lambda line: line.traded,
        "doubtful": lambda line: line.now is not None and line.now.out_of_distribution,
        "silent": lambda line: line.now is None,
    }
    wanted = find.strip().casefold()
    return [
        line
        for line in lines
        if (shown not in tests or tests[shown](line)) and wanted in " ".join(line.key).casefold()
    ]


def desk_sentence(lines: Sequence[Line], task: str, moment: pd.Timestamp) -> str:
    """What the morning brings, in one line of Markdown."""
    calls = len(keep(lines, "calls", task))
    feeds = [found for line in lines if line.latest and (found := line.latest.feed(moment))]
    parts = [
        f"**{len(lines)} series**",
        f"**{calls}** with a call of {title_of(task).lower()}",
        f"**{len(keep(lines, 'changed', task))}** changed since the bar before",
        f"**{len(keep(lines, 'doubtful', task))}** unlike training",
        f"**{sum(feed.state == 'late' for feed in feeds)}** late",
    ]
    if any(isinstance(line.stance, Stance) for line in lines):
        parts.insert(1, f"**{len(keep(lines, 'traded', task))}** in a trade")
    return " · ".join(parts)


def stale_sentence(stale: int, lines: int) -> str:
    """How many series wait to be predicted; empty where none does."""
    if not stale:
        return ""
    return f"{stale} of {lines} series have bars the model has not been asked about."


def link_to(series: SeriesSummary, model: str | None) -> str:
    """Address of a series' newest bar on Live, from another page of the workbench."""
    asked = {"instrument": series.instrument, "timeframe": series.timeframe}
    return f"./?{urlencode(asked | ({'model': model} if model else {}))}"


def _called(said: TaskPrediction) -> str | None:
    return None if said.no_call is not None else said.call


def _share(said: TaskPrediction, name: str) -> float:
    return float(said.shares[said.classes.index(name)])


def _moved(now: TaskPrediction, before: TaskPrediction) -> float:
    """Points that the class called now has gained since the bar before."""
    # A negative zero would be shown with its sign.
    return round(100 * (_share(now, now.call) - _share(before, now.call))) + 0.0


def _strangeness(now: Prediction | None) -> str:
    return f"{now.distance:.1f} × the limit" if now is not None and now.out_of_distribution else ""


def _due(latest: Latest | None, zone: str) -> str:
    if latest is None or latest.due is None:
        return ""
    holiday = ", if no holiday" if latest.holiday else ""
    return f"{bar_text(latest.due, latest.timeframe, zone)}{holiday}"
