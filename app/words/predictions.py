"""Sentences that pages share, in words a person would use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from app.words.confidence import STATED
from app.words.features import group_title
from app.words.numbers import correlation, listed, percent, signed
from core.confidence.stated import SET_LEVEL
from core.explain.attention import share_within
from core.prediction import Prediction, TaskPrediction, class_log_odds

TITLES = {"direction": "Direction", "volatility": "Volatility", "regime": "Regime"}
WHY_HELP = (
    "Share of the last bar's attention that stays within the last 20 bars, mean over heads and "
    "layers; attention shows routing, not cause. Unlike training: the larger Mahalanobis distance, of "
    "the model's representation (Lee et al. 2018, covariance shrunk after Ledoit and Wolf 2004) or of "
    "the window itself, over the 99th percentile of the calibrate segment."
)
UNASKED = "Which features? Nobody has asked about this bar yet: Attribution says"
NO_OUTCOMES = "Nothing to show: too few bars before this one, or the model knows no outcomes of this series."
IN_SAMPLE_WORDS = {
    "train": "In sample: the model was trained on bars of this time and has seen what came of this one. What "
    "it says here is no forecast and counts in no record.",
    "calibrate": "In sample: what came of this bar helped to choose the model's epoch, temperature, sets or "
    "limits. What it says here counts in no record.",
}
"""By the bar's segment (`core.data.segments.SeenData.use_of`)."""
NO_PART = 1e-6
"""Log-odds; less from the transformer is none."""


def title_of(task: str) -> str:
    """A task as a heading."""
    return TITLES.get(task, task.replace("_", " ").capitalize())


def made_of_sentence(prediction: Prediction) -> str:
    """What the sureness of every task is made of, tasks of one composition named together; may be empty."""
    tasks: dict[str, list[str]] = {}
    for name, task in prediction.tasks.items():
        if task.stated is not None:
            tasks.setdefault(task.stated.made_of, []).append(title_of(name).lower())
    parts = [f"of {listed(names)}, {made_of}" for made_of, names in tasks.items()]
    return f"How sure it is, is made of: {'; '.join(parts)}." if parts else ""


def set_sentence(members: Sequence[str], classes: Sequence[str]) -> str:
    """A conformal prediction set: '90% set: Bullish or Sideways'."""
    level = percent(SET_LEVEL)
    if len(members) == len(classes):
        return f"{level} set: any of the {len(classes)}, nothing ruled out"
    return f"{level} set: {' or '.join(members)}" if members else f"{level} set: empty, no class fits"


def shares_sentence(prediction: TaskPrediction, target: str | None = None) -> str:
    """How much of the case for a class the bar itself makes, and how much the bars before it; the two add up.

    Empty where the task has no direct path.

    Parameters
    ----------
    target
        The class spoken for; None is the one called.
    """
    if prediction.direct is None:
        return ""
    name = target or prediction.call
    index = prediction.classes.index(name)
    whole, itself = (class_log_odds(logits, index) for logits in (prediction.logits, prediction.direct))
    return (
        f"of {signed(whole)} log-odds for {name} before calibration, the bar itself says {signed(itself)}, "
        f"the bars before it {signed(whole - itself)}"
    )


def silent_sentence(prediction: Prediction) -> str:
    """Which calls the transformer has no part in, whatever it attends; may be empty."""
    silent = [
        title_of(name).lower()
        for name, task in prediction.tasks.items()
        if task.transformer is not None and not np.abs(task.transformer).max() > NO_PART
    ]
    if not silent:
        return ""
    return (
        f"The call for {listed(silent)} comes from the last bar's own inputs alone: the transformer showed "
        "no use for it on held-back bars, and what it attends has no part in it."
    )


def facts(
    prediction: Prediction,
    next_due: pd.Timestamp,
    timeframe: str,
    zone: str = "UTC",
    *,
    holiday: bool = False,
) -> str:
    """When the bar was, when it closed, when the next is due, how long the answer took; in Markdown.

    Daily and weekly bars keep the date they are named by in every zone; moments follow `zone`. `holiday` is
    whether the next may be kept away by one, which nobody here knows.
    """
    return (
        f"Bar of **{bar_text(prediction.ts, timeframe, zone)}**, closed "
        f"{moment_text(prediction.known_at, zone)}, next {bar_text(next_due, timeframe, zone)}"
        f"{' if that is no holiday' if holiday else ''} · answered in {prediction.latency_ms:.0f} ms"
    )


def bar_text(ts: pd.Timestamp, timeframe: str, zone: str) -> str:
    """A bar's open: the date alone for daily and weekly bars, else the moment in `zone`."""
    return f"{ts:%Y-%m-%d}" if timeframe in ("1d", "1w") else f"{ts.tz_convert(zone):%Y-%m-%d %H:%M}"


def moment_text(ts: pd.Timestamp, zone: str) -> str:
    """A moment in `zone`, which is named."""
    local = ts.tz_convert(zone)
    return f"{local:%Y-%m-%d %H:%M} {'UTC' if zone == 'UTC' else local.tzname()}"


def unlike_training(prediction: Prediction) -> str:
    """A warning about a prediction that is out of distribution, and which of two distances says so."""
    said = (
        f"Unlike training: this window lies {prediction.distance:.2f} times as far from the training data as "
        "the limit. Trust the numbers less."
    )
    seen = prediction.representation_distance
    if np.isfinite(seen) and seen <= 1:
        said += (
            f" What is unlike are the window's own values; what the model makes of them lies at "
            f"{percent(seen)} of its limit, and '{STATED['similarity'].question}' speaks of that alone."
        )
    return said


def in_sample_sentence(prediction: Prediction) -> str:
    """Whether the bar's outcome helped to make the model, and what that means; empty where it did not."""
    return IN_SAMPLE_WORDS.get(prediction.segment, "")


def reservations(prediction: Prediction) -> list[str]:
    """What should make one trust a prediction less: a strange window, and what to know of its bars."""
    strange = [unlike_training(prediction)] if prediction.out_of_distribution else []
    return [*strange, *([" ".join(prediction.caveats)] if prediction.caveats else [])]


def unseen_sentence(prediction: Prediction) -> str:
    """What of the series the model was trained without; empty where it knows both."""
    unseen = [] if prediction.known_instrument else [prediction.instrument]
    unseen += [] if prediction.known_timeframe else [f"{prediction.timeframe} bars"]
    if not unseen:
        return ""
    return (
        f"The model was trained without {listed(unseen)}: it reads this series as it would any other, and "
        "learned from no bar of it."
    )


def why_sentence(row: np.ndarray, distance: float) -> str:
    """Where the last bar looks, and whether the window is like training; in Markdown.

    Parameters
    ----------
    row
        Its attention over the window's bars, mean over heads and layers, shape (T,).
    distance
        Over the limit of what counts as like training.
    """
    share = percent(share_within(row, len(row) - 1, 20))
    like = "**yes**" if distance > 1 else "no"
    return (
        f"Where it looks: the last 20 bars carry {share} of its attention · unlike training? "
        f"{like}, at {percent(distance)} of the limit"
    )


def groups_sentence(target: str, groups: Mapping[str, float], count: int = 3) -> str:
    """The strongest groups of features by their attribution, in log-odds of the class `target`; Markdown."""
    strongest = sorted(groups.items(), key=lambda item: -abs(item[1]))[:count]
    said = [f"{group_title(name)} {signed(value)}" for name, value in strongest if value]
    return f"Which features, in log-odds for {target}: {', '.join(said) or 'none'}"


def routing_sentence(measured: Mapping[str, Any] | None, task: str) -> str:
    """How far attention may be believed on this model, in Markdown.

    Parameters
    ----------
    measured
        Evidence part "routing" (`core.explain.evidence.routing`); None where nobody measured it.
    """
    opening = ":material/info: **Attention shows routing, not cause.** "
    if measured is None or task not in measured["tasks"]:
        return opening + (
            "How well it agrees with removing bars has not been measured on this model: "
            "run `python -m core evidence`."
        )
    found = measured["tasks"][task]
    attention, recency, unusual = (
        correlation(found["views"][view]) for view in ("attention_mean", "recency", "unusual")
    )
    beyond = found["beyond_trivial"]["attention_mean"]
    left = (
        f"{correlation(beyond)} is left of it" if (beyond["low"] or 0) > 0 else "nothing sure is left of it"
    )
    return opening + (
        f"On this model it agrees with removing bars at rank correlation **{attention}** "
        f"({measured['windows']} windows, {title_of(task).lower()}). Without attention, ranking bars by how "
        f"recent they are reaches {recency}, by how unusual {unusual}; with both held fixed {left}."
    )
