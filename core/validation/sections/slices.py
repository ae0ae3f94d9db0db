"""The weakest slices: searched on the earlier half of time, confirmed on the later one.

Shape legend: n rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from core.data.bars import one_column
from core.experiments.walk_forward.records import WalkForwardResult
from core.experiments.walk_forward.results import read_distribution
from core.review.performance import BASELINES
from core.review.rows import REGIMES
from core.scores.intervals import Interval, mean_interval
from core.scores.metrics import log_losses
from core.scores.stretches import Stretches, label_span
from core.validation.discoveries import LEVEL, control_discoveries
from core.validation.findings import Finding, Section, judge
from core.validation.material import Material

TITLE = "Weakest slices"
LEAST_ROWS = 60
"""A slice needs so many predictions in each half."""
MOST_SHARE = 0.8
"""A slice that holds more of either half is no part but the whole."""
SEARCHED = 6
"""Slices of each task and measure that go from the search into the confirmation."""
MEASURES = {
    "surprise": "more surprised than it said it would be",
    "challenger": "worse than the strongest challenger",
}
"""In what a slice may be weak; both are zero on average where nothing is wrong, however hard the slice is."""

Name = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Excess:
    """How much worse the model did than it should have, row by row, and what is known of each row beforehand.

    Attributes
    ----------
    measures
        By name of `MEASURES`, (n,) nats: the log-loss less the entropy of the stated probabilities, and less
        the log-loss of the challenger that is best in the earlier half.
    times, ends
        (n,) datetime64, in time order.
    traits
        Name to (n,) text; all known when the call was made.
    challenger
        Which one.
    """

    measures: dict[str, np.ndarray]
    times: np.ndarray
    ends: np.ndarray
    traits: dict[str, np.ndarray]
    challenger: str

    def take(self, chosen: np.ndarray) -> Excess:
        """The rows of a mask or index."""
        parts = (
            {name: values[chosen] for name, values in part.items()} for part in (self.measures, self.traits)
        )
        measures, traits = parts
        return Excess(measures, self.times[chosen], self.ends[chosen], traits, self.challenger)

    def halves(self) -> tuple[Excess, Excess]:
        """Rows known before the middle of time, and those from there on."""
        middle = self.times[len(self.times) // 2]
        return self.take(self.ends < middle), self.take(self.times >= middle)


def measure_slices(material: Material) -> Section:
    """Slices in which the model is worse than it says, or than a challenger, in both halves of time."""
    if material.result is None:
        lacking = judge("No slice is weak", None, "This model has no walk-forward.", material.walk)
        return Section("slices", TITLE, (lacking,))
    tasks = [task.name for task in material.result.config.tasks]
    excesses = {task: measure_excess(material.result, task) for task in tasks}
    lines: list[dict[str, Any]] = []
    for task, excess in excesses.items():
        lines += [] if excess is None else [{"task": task, **line} for line in search_slices(excess)]
    control_discoveries(lines)
    findings = [
        _judge_task(task, measure, lines, excess, material.walk)
        for task, excess in excesses.items()
        if excess is not None
        for measure in MEASURES
    ]
    return Section("slices", TITLE, tuple(findings), {"slices": lines})


def measure_excess(result: WalkForwardResult, task: str) -> Excess | None:
    """Rows of one task; None where there are none."""
    classes = next(one.classes for one in result.config.tasks if one.name == task)
    rows = result.rows.loc[np.asarray(result.rows["task"] == task)]
    others = result.baselines.loc[np.asarray(result.baselines["task"] == task)]
    if not len(rows):
        return None
    labels = rows["label"].to_numpy(np.int64)
    stated = read_distribution(rows, "p", len(classes))
    losses = log_losses(stated, labels)
    entropy = -(stated * np.log(np.clip(stated, 1e-12, 1))).sum(axis=1)
    times = one_column(rows, "ts").dt.tz_localize(None).to_numpy("datetime64[us]")
    names = one_column(others, "baseline").to_numpy(object)
    challengers = {
        str(name): log_losses(read_distribution(others.loc[names == name], "p", len(classes)), labels)
        for name in dict.fromkeys(names)
    }
    early = times < np.sort(times)[len(times) // 2]
    best = min(challengers, key=lambda name: challengers[name][early].mean() if early.any() else 0)
    order = np.argsort(times, kind="stable")
    call, sure = stated.argmax(axis=1), stated.max(axis=1)
    return Excess(
        {"surprise": losses - entropy, "challenger": losses - challengers[best]},
        times,
        one_column(rows, "label_end").dt.tz_localize(None).to_numpy("datetime64[us]"),
        {
            "instrument": one_column(rows, "instrument").to_numpy(str),
            "timeframe": one_column(rows, "timeframe").to_numpy(str),
            "market was": np.array([*REGIMES, "unknown"])[rows["regime_now"].to_numpy(int)],
            "called": np.array(classes)[call],
            # Cut by what is stated, not by its rank, so that a row's slice needs no other row.
            "stated": np.where(sure < 0.4, "below 40%", np.where(sure < 0.6, "40 to 60%", "60% or more")),
            "unlike training": np.where(rows["out_of_distribution"].to_numpy(bool), "yes", "no"),
        },
        best,
    ).take(order)


def search_slices(excess: Excess) -> list[dict[str, Any]]:
    """The slices that looked weakest in the earlier half, and what became of each in the later half.

    A slice is one trait's value or those of two traits. Rows whose outcome was not known when the later half
    began are in neither.

    Returns
    -------
    list of dict
        ``measure`` out of `MEASURES`, ``slice``, ``rows`` of the later half, ``searched`` (mean excess in the
        earlier half), ``confirmed`` with ``low`` and ``high`` (in the later half) and its one-sided ``p``;
        None where too few separate stretches of time are left.
    """
    early, late = excess.halves()
    if not len(early.times) or not len(late.times):
        return []
    slices = {name: (mask, _match(late, name)) for name, mask in _list_slices(early).items()}
    slices = {name: masks for name, masks in slices.items() if all(map(_is_part, masks))}
    lines = []
    for measure in MEASURES:
        found = {name: _mean(early, measure, mask) for name, (mask, _) in slices.items()}
        ranked = sorted((one.p, name) for name, one in found.items() if one.value > 0 and one.p == one.p)
        for _, name in ranked[:SEARCHED]:
            chosen = slices[name][1]
            again = _mean(late, measure, chosen)
            told = again.p == again.p
            lines.append(
                {
                    "measure": measure,
                    "slice": " and ".join(f"{trait} {value}" for trait, value in name),
                    "rows": int(chosen.sum()),
                    "searched": found[name].value,
                    **{"confirmed": again.value, "low": again.low, "high": again.high},
                    "p": (again.p / 2 if again.value > 0 else 1 - again.p / 2) if told else None,
                }
            )
    return lines


def _list_slices(excess: Excess) -> dict[Name, np.ndarray]:
    singles = [
        ((trait, str(value)), values == value)
        for trait, values in excess.traits.items()
        for value in np.unique(values)
    ]
    pairs = {
        (one, other): mask & beside
        for (one, mask), (other, beside) in combinations(singles, 2)
        if one[0] != other[0]
    }
    alone: dict[Name, np.ndarray] = {(name,): mask for name, mask in singles}
    return alone | pairs


def _match(excess: Excess, name: Name) -> np.ndarray:
    return np.all([excess.traits[trait] == value for trait, value in name], axis=0)


def _is_part(mask: np.ndarray) -> bool:
    return bool(mask.sum() >= LEAST_ROWS and mask.mean() <= MOST_SHARE)


def _mean(excess: Excess, measure: str, chosen: np.ndarray) -> Interval:
    times, ends = excess.times[chosen], excess.ends[chosen]
    return mean_interval(excess.measures[measure][chosen], Stretches.over(times, label_span(times, ends)))


def _judge_task(
    task: str, measure: str, lines: list[dict[str, Any]], excess: Excess, command: str
) -> Finding:
    mine = [line for line in lines if (line["task"], line["measure"]) == (task, measure)]
    told = [line for line in mine if line["p"] is not None]
    weak = [line for line in told if line["off"]]
    named = "; ".join(f"{one['slice']} ({one['confirmed']:+.4f}, n = {one['rows']:,})" for one in weak[:4])
    if told:
        said = (
            f"Of {len(told)} slices that looked weakest in the earlier half, {len(weak)} are weak in "
            "the later "
            f"half too, false discoveries held at {100 * LEVEL:.0f}%{f': {named}' if named else ''}."
        )
    else:
        said = f"No slice of {LEAST_ROWS} predictions or more looked weak in the earlier half."
    holds = not weak if told or len(excess.times) >= 4 * LEAST_ROWS else None
    what = MEASURES[measure]
    if measure == "challenger":
        what += f", {BASELINES.get(excess.challenger, excess.challenger)}"
    return judge(f"{task.capitalize()}: in no slice is the model {what}", holds, said, command)
