"""Sentences that pages share, in words a person would use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from app.words.confidence import NEVER_MOVED, STATED, count_sources, rank_phrase, source_noun
from app.words.numbers import correlation, listed, percent, signed, span
from core.confidence.stated import SET_LEVEL
from core.experiments.walk_forward.results import rank_column
from core.explain.attention import share_within
from core.prediction import Prediction, TaskPrediction, class_log_odds
from core.review.outcomes import Outcome
from core.review.track_record import FEWEST, MANY, ConfidenceRecord, Standing

TITLES = {"direction": "Direction", "volatility": "Volatility", "regime": "Regime"}
WHY_HELP = (
    "Share of the last bar's attention that stays within the last 20 bars, mean over heads and "
    "layers; attention shows routing, not cause. Unlike training: the larger Mahalanobis distance, of "
    "the model's representation (Lee et al. 2018, covariance shrunk after Ledoit and Wolf 2004) or of "
    "the window itself, over the 99th percentile of the calibrate segment."
)
NO_OUTCOMES = "Nothing to show: too few bars before this one, or the model knows no outcomes of this series."
NO_PART = 1e-6
"""Log-odds; less from the transformer is none."""
NO_RECORD = "no record yet: run python -m core walk-forward"


def title_of(task: str) -> str:
    """A task as a heading."""
    return TITLES.get(task, task.replace("_", " ").capitalize())


def sureness_record(confidence: float, records: Mapping[str, ConfidenceRecord] | None) -> str:
    """What a stated confidence was worth: 'right 57% of the 812 times it was this sure'.

    With fewer than `MANY` such times the 95% interval goes with it, with fewer than `FEWEST` no share.
    """
    if not records or "confidence" not in records:
        return NO_RECORD
    found = records["confidence"].standing(confidence)
    if found.count == 0:
        return "it was never this sure in the walk-forward"
    if found.count < FEWEST:
        return f"fewer than {FEWEST} such times"
    return f"right {percent(found.share)}{_doubt(found)} of the {found.count:,} times it was this sure"


def source_record(
    prediction: TaskPrediction, name: str, records: Mapping[str, ConfidenceRecord] | None
) -> str:
    """What one source was worth when it ranked as high; by its value where no ranks are kept."""
    task, (key, value) = prediction.task, _recorded(prediction, name, records)
    if not records or key not in records:
        return NO_RECORD[0].upper() + NO_RECORD[1:]
    found = records[key].standing(value)
    when = f"When {source_noun(name)} {'was' if key == name else 'ranked'} this high"
    if found.count == 0:
        side = "above" if value > records[key].highest else "below"
        return f"{percent(value)} is {side} every {source_noun(name)} in the walk-forward."
    if found.count < FEWEST:
        return f"{when}: fewer than {FEWEST} such times."
    right = f"{percent(found.share)}{_doubt(found)}"
    return f"{when}, {task.replace('_', ' ')} was right {right} of the time, n = {found.count:,}."


def confidence_tip(prediction: TaskPrediction, records: Mapping[str, ConfidenceRecord] | None) -> list[str]:
    """Behind the stated confidence: its technical name, its bin, and the head's own estimate."""
    own = f"The head's own estimate of being right: {percent(prediction.head_confidence)}, not calibrated."
    stated = prediction.stated
    if stated is None:
        return [own]
    lines = [
        f"P(the call comes true) = {stated.confidence:.3f}, made of {stated.made_of}.",
        f"By a learned mix of the {count_sources()} sources {percent(stated.mix)}; their plain sum "
        f"{percent(prediction.raw_confidence)}.",
    ]
    if records and "confidence" in records:
        lines.append(_band(records["confidence"].standing(stated.confidence)))
    return [*lines, own]


def source_tip(
    prediction: TaskPrediction, name: str, records: Mapping[str, ConfidenceRecord] | None
) -> list[str]:
    """Behind one source: rank and value, its record, the bin that was counted, and what the number means."""
    value = f"{source_noun(name).capitalize()} {100 * prediction.sources[name]:.2f}%."
    ranks = {} if prediction.stated is None else prediction.stated.ranks
    if name in ranks:
        value = f"{rank_phrase(name, ranks[name]).capitalize()} of past bars: {value}"
    elif prediction.stated is not None and name in prediction.stated.unmoved:
        value = f"{NEVER_MOVED.capitalize()}, so it tells this call from no other: {value}"
    else:
        value += " The model keeps no ranks of past bars to compare it with."
    lines = [value, source_record(prediction, name, records)]
    key, height = _recorded(prediction, name, records)
    if records and key in records:
        lines.append(_band(records[key].standing(height)))
    return [*lines, STATED[name].meaning]


def _recorded(
    prediction: TaskPrediction, name: str, records: Mapping[str, ConfidenceRecord] | None
) -> tuple[str, float]:
    """Which record a source stands in, and at which height: its rank's where model and walk-forward rank."""
    ranks = {} if prediction.stated is None else prediction.stated.ranks
    if name in ranks and records and rank_column(name) in records:
        return rank_column(name), ranks[name]
    return name, prediction.sources[name]


def made_of_sentence(prediction: Prediction) -> str:
    """What the sureness of every task is made of, tasks of one composition named together; may be empty."""
    tasks: dict[str, list[str]] = {}
    for name, task in prediction.tasks.items():
        if task.stated is not None:
            tasks.setdefault(task.stated.made_of, []).append(title_of(name).lower())
    parts = [f"of {listed(names)}, {made_of}" for made_of, names in tasks.items()]
    return f"How sure it is, is made of: {'; '.join(parts)}." if parts else ""


def record_sentence(past: Sequence[Outcome]) -> str:
    """How many of the calls whose outcome is known were right."""
    known = [outcome for outcome in past if outcome.right is not None]
    if not known:
        return "none is decided yet"
    right = sum(bool(outcome.right) for outcome in known)
    waiting = len(past) - len(known)
    later = f", {waiting} not decided yet" if waiting else ""
    return f"{right} of {len(known)} right ({percent(right / len(known))}){later}"


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


def facts(prediction: Prediction, next_due: pd.Timestamp, timeframe: str, zone: str = "UTC") -> str:
    """When the bar was, when it closed, when the next is due, how long the answer took; in Markdown.

    Daily and weekly bars keep the date they are named by in every zone; moments follow `zone`.
    """
    return (
        f"Bar of **{bar_text(prediction.ts, timeframe, zone)}**, closed "
        f"{moment_text(prediction.known_at, zone)}, next {bar_text(next_due, timeframe, zone)}"
        f" · answered in {prediction.latency_ms:.0f} ms"
    )


def bar_text(ts: pd.Timestamp, timeframe: str, zone: str) -> str:
    """A bar's open: the date alone for daily and weekly bars, else the moment in `zone`."""
    return f"{ts:%Y-%m-%d}" if timeframe in ("1d", "1w") else f"{ts.tz_convert(zone):%Y-%m-%d %H:%M}"


def moment_text(ts: pd.Timestamp, zone: str) -> str:
    """A moment in `zone`, which is named."""
    local = ts.tz_convert(zone)
    return f"{local:%Y-%m-%d %H:%M} {'UTC' if zone == 'UTC' else local.tzname()}"


def unlike_training(distance: float) -> str:
    """A warning; `distance` is in units of the limit, above 1."""
    return (
        f"Unlike training: this window lies {distance:.2f} times as far from the training data as the limit. "
        "Trust the numbers less."
    )


def unseen_sentence(prediction: Prediction) -> str:
    """What of the series the model was trained without; empty where it knows both."""
    unseen = [] if prediction.known_instrument else [prediction.instrument]
    unseen += [] if prediction.known_timeframe else [f"{prediction.timeframe} bars"]
    if not unseen:
        return ""
    return f"The model was trained without {listed(unseen)}: it reads them as it would any other series."


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
    left = f"{correlation(beyond)} is left of it" if beyond["low"] > 0 else "nothing sure is left of it"
    return opening + (
        f"On this model it agrees with removing bars at rank correlation **{attention}** "
        f"({measured['windows']} windows, {title_of(task).lower()}). Without attention, ranking bars by how "
        f"recent they are reaches {recency}, by how unusual {unusual}; with both held fixed {left}."
    )


def _doubt(found: Standing) -> str:
    if found.count >= MANY or not np.isfinite([found.right_low, found.right_high]).all():
        return ""
    return f" {span(found.right_low, found.right_high)}"


def _band(found: Standing) -> str:
    if found.count == 0:
        return f"The walk-forward has nothing between {found.low:.3f} and {found.high:.3f}."
    text = (
        f"Counted: walk-forward calls of all instruments stated between {found.low:.3f} and {found.high:.3f}"
    )
    if found.count >= FEWEST and np.isfinite([found.right_low, found.right_high]).all():
        text += (
            f"; right {percent(found.share, 1)} {span(found.right_low, found.right_high, 1)}"
            ", 95% interval by block bootstrap"
        )
    return text + "."
