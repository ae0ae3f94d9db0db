"""Prediction panels as HTML: pure text from a prediction, in the theme's own colours."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

import numpy as np

from app.figures.theme import class_color, class_sign, ink_on
from app.words.confidence import NEVER_MOVED, NO_RANKS, OF_PAST_BARS, STATED, rank_phrase
from app.words.numbers import percent
from app.words.predictions import set_sentence, shares_sentence, title_of
from app.words.records import confidence_tip, measured_sentence, source_tip, sureness_record
from core.prediction import TaskPrediction
from core.review.track_record import ConfidenceRecord

STYLE = """<style>
.lb-panel { line-height: 1.25; position: relative; }
.lb-head { display: flex; justify-content: space-between; align-items: center; margin-bottom: .35rem; }
.lb-title { font-weight: 600; font-size: 1.05rem; }
.lb-call { font-weight: 700; font-size: 1rem; padding: .08rem .55rem; border-radius: .3rem; }
.lb-none { border: 1px dashed currentColor; opacity: .75; font-weight: 600; }
.lb-panel:has(.lb-none) .lb-fill { opacity: .55; }
.lb-whose { font-size: .82rem; opacity: .8; }
.lb-row { display: grid; grid-template-columns: 5.6rem 1fr 2.6rem; gap: .5rem; align-items: center; }
.lb-row + .lb-row { margin-top: .18rem; }
.lb-track { height: .7rem; background: rgba(128,128,128,.18); border-radius: .2rem; overflow: hidden; }
.lb-fill { display: block; height: 100%; border-radius: .2rem; }
.lb-share { text-align: right; font-variant-numeric: tabular-nums; }
.lb-sure { margin-top: .4rem; font-size: .92rem; }
.lb-sources { display: grid; grid-template-columns: 1fr 1fr; gap: .2rem 1rem; margin-top: .3rem; }
.lb-source { display: grid; grid-template-columns: 1fr auto; font-size: .82rem; white-space: nowrap; }
.lb-source .lb-track { grid-column: 1 / 3; grid-row: 2; height: .32rem; }
.lb-note { font-size: .82rem; opacity: .8; margin-top: .3rem; }
.lb-told { cursor: help; border-radius: .2rem; }
.lb-told:focus-visible { outline: 2px solid currentColor; outline-offset: 2px; }
.lb-tip { visibility: hidden; position: absolute; left: 0; right: 0; bottom: 100%; z-index: 9;
  padding: .5rem .7rem; border-radius: .3rem; background: #1B2228; color: #F3F5F7; font-size: .85rem;
  line-height: 1.35; white-space: normal; box-shadow: 0 2px 10px rgba(0,0,0,.35);
  border: 1px solid rgba(255,255,255,.25); pointer-events: none; }
.lb-told:hover .lb-tip, .lb-told:focus-visible .lb-tip { visibility: visible; }
</style>"""


def task_panel(
    prediction: TaskPrediction, records: Mapping[str, ConfidenceRecord] | None = None, shown: str = ""
) -> str:
    """One task: its call, every class's probability, how sure it is and what that was worth.

    Parameters
    ----------
    records
        Of the final confidence and the sources, by name; None where no walk-forward was run.
    """
    shares = prediction.shares
    rows = "".join(
        _class_row(name, float(share), class_color(name, i))
        for i, (name, share) in enumerate(zip(prediction.classes, shares, strict=True))
    )
    return (
        f'<div class="lb-panel" data-task="{escape(prediction.task)}">'
        f'<div class="lb-head"><span class="lb-title">{escape(title_of(prediction.task))}</span>'
        f"{_call(prediction)}</div>{rows}"
        f"{_sureness(prediction, records, shown)}{_sources(prediction, records)}{_notes(prediction)}</div>"
    )


def _call(prediction: TaskPrediction) -> str:
    """The class called in its colour; what is no call without one."""
    call = prediction.call
    if prediction.no_call is not None:
        return (
            f'<span class="lb-call lb-none" title="{escape(prediction.no_call.capitalize())}; most probable: '
            f'{escape(call)}">NO CALL</span>'
        )
    color = class_color(call, prediction.classes.index(call))
    return (
        f'<span class="lb-call" style="background:{color};color:{ink_on(color)}">'
        f"{class_sign(call)} {escape(call.upper())}</span>"
    )


def _class_row(name: str, share: float, color: str) -> str:
    return (
        f'<div class="lb-row"><span>{class_sign(name)} {escape(name)}</span>'
        f'<span class="lb-track"><span class="lb-fill" style="width:{100 * share:.1f}%;'
        f'background:{color}"></span></span><span class="lb-share">{percent(share)}</span></div>'
    )


def _sureness(prediction: TaskPrediction, records: Mapping[str, ConfidenceRecord] | None, shown: str) -> str:
    tip = confidence_tip(prediction, records)
    if prediction.stated is None:
        said = "sure: <b>not known</b>, too few labelled bars to calibrate on"
    else:
        record = escape(sureness_record(prediction.stated.confidence, records))
        opening = "sure" if prediction.no_call is None else f"{escape(prediction.call)}, were it one"
        said = f"{opening}: <b>{percent(prediction.stated.confidence)}</b> · {record}"
        whose = measured_sentence(records, shown)
        said += f'<br><span class="lb-whose">{escape(whose)}</span>' if whose else ""
    return f'<div class="lb-sure lb-told" tabindex="0">{said}{_tip(tip)}</div>'


def _sources(prediction: TaskPrediction, records: Mapping[str, ConfidenceRecord] | None) -> str:
    """Each source's rank among past bars; its value, which is said, where the model keeps no ranks."""
    ranks = {} if prediction.stated is None else prediction.stated.ranks
    unmoved = () if prediction.stated is None else prediction.stated.unmoved
    cells = ""
    for name, value in prediction.sources.items():
        height = ranks.get(name, value)
        said = rank_phrase(name, height) if name in ranks else STATED[name].question
        said = NEVER_MOVED if name in unmoved else said
        cells += (
            f'<span class="lb-source lb-told" tabindex="0" data-source="{escape(name)}">'
            f"<span>{escape(said)}</span>"
            f'<span class="lb-track"><span class="lb-fill" style="width:'
            f"{100 * float(np.clip(height, 0, 1)):.1f}%"
            f';background:{STATED[name].color}"></span></span>'
            f'<span class="lb-share">{"" if name in ranks else percent(value)}</span>'
            f"{_tip(source_tip(prediction, name, records))}</span>"
        )
    if not cells:
        return ""
    note = OF_PAST_BARS if ranks else NO_RANKS
    return f'<div class="lb-sources">{cells}</div><div class="lb-note">{note}</div>'


def _notes(prediction: TaskPrediction) -> str:
    notes = [] if prediction.no_call is None else [f"no call: {escape(prediction.no_call)}"]
    if prediction.stated is not None:
        notes.append(escape(set_sentence(prediction.stated.members, prediction.classes)))
    if prediction.direct is not None:
        tip = "A linear reading of the last bar's own inputs, beside the transformer over all bars."
        notes.append(f'<span title="{tip}">{escape(shares_sentence(prediction))}</span>')
    if prediction.intensity is not None:
        notes.append(
            '<span title="0 is the average of the series&#x27; own last bars, 1 one standard deviation above '
            f'it">'
            f"expected volatility <b>{prediction.intensity:+.1f}</b> sd from average</span>"
        )
    return f'<div class="lb-note">{" · ".join(notes)}</div>' if notes else ""


def _tip(sentences: list[str]) -> str:
    return f'<span class="lb-tip" role="tooltip">{"<br>".join(map(escape, sentences))}</span>'
