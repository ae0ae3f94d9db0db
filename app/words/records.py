"""What a stated confidence was worth, and how past calls went, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from app.words.confidence import NEVER_MOVED, STATED, count_sources, rank_phrase, source_noun
from app.words.numbers import percent, span
from core.confidence.composition import FORMS
from core.experiments.walk_forward.results import rank_column
from core.prediction import TaskPrediction
from core.review.outcomes import Outcome, judge_calls
from core.review.track_record import FEWEST, MANY, ConfidenceRecord, Measured, Standing

NO_RECORD = "no record yet: run python -m core walk-forward or python -m core record"
RECORD_HELP = (
    "An outcome counts once it was decided by the chosen bar. What the model was made from, hatched here, "
    "and bars without a call, marked with a dot, count for nothing. In brackets the 95% interval (Wilson "
    "1927), in which outcomes that share bars count as one. Beside it what always saying the same, with "
    "hindsight the best, would have given, and how sure it was of these calls. Click one to open its bar."
)
TOO_EARLY = "no record by then: nothing it had stated was decided yet"
OTHER_FORM = "no record: what was measured makes its sureness in another way"
_ORIGINS = {
    "own": "on its own test bars",
    "alike": "on models trained the same way",
    "other": "on models of the same labels, trained in another way",
}


def sureness_record(confidence: float, records: Mapping[str, ConfidenceRecord] | None) -> str:
    """What a stated confidence was worth: 'right 57% of the 812 times it was this sure (52 to 58%)'.

    In brackets between which confidences it was counted. With fewer than `MANY` such times the 95% interval
    goes with it, with fewer than `FEWEST` no share.
    """
    if records is None:
        return NO_RECORD
    if "confidence" not in records:
        return OTHER_FORM if records else TOO_EARLY
    found = records["confidence"].standing(confidence)
    if found.count == 0:
        return "it was never this sure in what was measured"
    if found.count < FEWEST:
        return f"fewer than {FEWEST} such times"
    low, high = f"{100 * found.low:.0f}", percent(found.high)
    spread = high if f"{low}%" == high else f"{low} to {high}"
    times = f"the {found.count:,} times it was this sure ({spread})"
    return f"right {percent(found.share)}{_doubt(found)} of {times}"


def source_record(
    prediction: TaskPrediction, name: str, records: Mapping[str, ConfidenceRecord] | None
) -> str:
    """What one source was worth when it ranked as high; by its value where no ranks are kept."""
    task, (key, value) = prediction.task, _recorded(prediction, name, records)
    if not records or key not in records:
        said = NO_RECORD if records is None else TOO_EARLY
        return f"{said[0].upper()}{said[1:]}."
    found = records[key].standing(value)
    when = f"When {source_noun(name)} {'was' if key == name else 'ranked'} this high"
    if found.count == 0:
        side = "above" if value > records[key].highest else "below"
        return f"{percent(value)} is {side} every {source_noun(name)} in what was measured."
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


def measured_sentence(records: Mapping[str, ConfidenceRecord] | None, shown: str = "") -> str:
    """Whose calls the record counts: 'measured 2007 to 2018 on models trained the same way'; may be empty.

    Parameters
    ----------
    shown
        The series it stands beside, as "AAPL 1d"; it is said where none of the calls are of it.
    """
    measured = next((one.measured for one in (records or {}).values() if one.measured), None)
    return "" if measured is None else _measured(measured, shown)


def _measured(measured: Measured, shown: str) -> str:
    years = f"{measured.first} to {measured.last}" if measured.first != measured.last else f"{measured.first}"
    form = f", their sureness made of {FORMS[measured.form]} too" if measured.form else ""
    held = ""
    if measured.series:
        count = len(measured.series)
        held = f" on {count} series," if shown in measured.series or not shown else ""
        held = held or f" on {count} other series, none of {shown},"
    return f"measured {years}{held} {_ORIGINS[measured.origin]}{form}"


def record_sentence(past: Sequence[Outcome]) -> str:
    """How the calls that count went, beside never looking and beside what was stated; what does not count.

    '31 of 47 right (66% [45, 82]); always High 55%; it was 61% sure on average; 3 no call'.
    """
    found, parts = judge_calls(past), []
    if found.count:
        parts = [
            f"{found.right} of {found.count} right ({percent(found.right / found.count)} "
            f"{span(found.low, found.high)})",
            f"always {found.usual} {percent(found.usual_share)}",
        ]
        if np.isfinite(found.sure):
            parts.append(f"it was {percent(found.sure)} sure on average")
    left = {
        "in sample, which counts for nothing": [one for one in past if one.in_sample],
        "no call": [one for one in past if one.no_call and not one.in_sample],
        "not decided yet": [
            one for one in past if one.happened is None and not one.no_call and not one.in_sample
        ],
    }
    parts += [f"{len(some)} {why}" for why, some in left.items() if some]
    return "; ".join(parts if found.count else ["no call that counts", *parts])


def _doubt(found: Standing) -> str:
    if found.count >= MANY or not np.isfinite([found.right_low, found.right_high]).all():
        return ""
    return f" {span(found.right_low, found.right_high)}"


def _band(found: Standing) -> str:
    if found.count == 0:
        return f"Nothing was stated between {found.low:.3f} and {found.high:.3f}."
    text = f"Counted: calls of all instruments stated between {found.low:.3f} and {found.high:.3f}"
    if found.count >= FEWEST and np.isfinite([found.right_low, found.right_high]).all():
        text += (
            f"; right {percent(found.share, 1)} {span(found.right_low, found.right_high, 1)}, 95% interval"
        )
    return text + "."
