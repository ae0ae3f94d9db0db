"""Prediction panels as HTML: pure text from a prediction, in the theme's own colours."""

from __future__ import annotations

from html import escape

import pandas as pd

from app.figures.theme import class_color, class_sign, ink_on
from core.predictor import Prediction, TaskPrediction

TITLES = {"direction": "Direction", "volatility": "Volatility", "regime": "Regime"}

STYLE = """<style>
.lb-panel { line-height: 1.3; }
.lb-head { display: flex; justify-content: space-between; align-items: center; margin-bottom: .45rem; }
.lb-title { font-weight: 600; font-size: 1.05rem; }
.lb-call { font-weight: 700; font-size: 1.05rem; padding: .12rem .6rem; border-radius: .3rem; }
.lb-row { display: grid; grid-template-columns: 6rem 1fr 2.6rem; gap: .5rem; align-items: center; }
.lb-row + .lb-row { margin-top: .3rem; }
.lb-track { height: .8rem; background: rgba(128,128,128,.18); border-radius: .2rem; overflow: hidden; }
.lb-fill { height: 100%; border-radius: .2rem; }
.lb-share { text-align: right; font-variant-numeric: tabular-nums; }
.lb-note { font-size: .86rem; opacity: .8; margin-top: .4rem; }
.lb-strip { display: flex; gap: 2px; align-items: stretch; }
.lb-facts { font-size: .95rem; }
</style>"""


def percent(share: float) -> str:
    """A share in [0, 1] as percent without decimals."""
    return f"{100 * share:.0f}%"


def task_panel(prediction: TaskPrediction) -> str:
    """One task: its call, every class's probability, and how sure the head says it is."""
    call = prediction.call
    color = class_color(call, prediction.classes.index(call))
    rows = "".join(
        _class_row(name, float(share), class_color(name, i))
        for i, (name, share) in enumerate(zip(prediction.classes, prediction.probabilities, strict=True))
    )
    title = TITLES.get(prediction.task, prediction.task.replace("_", " ").capitalize())
    return (
        f'<div class="lb-panel" data-task="{escape(prediction.task)}">'
        f'<div class="lb-head"><span class="lb-title">{escape(title)}</span>'
        f'<span class="lb-call" style="background:{color};color:{ink_on(color)}">'
        f"{class_sign(call)} {escape(call.upper())}</span></div>{rows}"
        f'<div class="lb-note">{_sureness(prediction)}</div></div>'
    )


def facts(prediction: Prediction, next_due: pd.Timestamp, timeframe: str) -> str:
    """When the bar was, when it could be known, when the next is due, how long the answer took."""
    form = "%Y-%m-%d" if timeframe in ("1d", "1w") else "%Y-%m-%d %H:%M"
    return (
        f"Bar of **{prediction.ts.strftime(form)}**, known from {prediction.known_at:%Y-%m-%d %H:%M} UTC, "
        f"next due {next_due.strftime(form)} · answered in {prediction.latency_ms:.0f} ms"
    )


def _class_row(name: str, share: float, color: str) -> str:
    return (
        f'<div class="lb-row"><span>{class_sign(name)} {escape(name)}</span>'
        f'<span class="lb-track"><span class="lb-fill" style="display:block;width:{100 * share:.1f}%;'
        f'background:{color}"></span></span><span class="lb-share">{percent(share)}</span></div>'
    )


def _sureness(prediction: TaskPrediction) -> str:
    text = (
        f"The model's own estimate of being right: <b>{percent(prediction.head_confidence)}</b>, "
        "uncalibrated; no record yet."
    )
    if prediction.intensity is not None:
        text += (
            f" Expected volatility: <b>{prediction.intensity:+.1f}</b> "
            "(0 = its training average, 1 = one standard deviation)."
        )
    return text
