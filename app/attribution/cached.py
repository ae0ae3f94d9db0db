"""What the Attribution page keeps between runs beside `app.shell.cached`.

What is cached is shared by all sessions: read, never change.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from app.figures.attribution import Rows, attribution_figure, depth_figure
from app.figures.faithfulness import faithfulness_figure
from app.figures.theme import Palette, class_sign
from app.shell import cached
from app.shell.cached import ModelKey, SeriesKey
from app.shell.jobs import await_result
from app.shell.selection import bar_time
from app.words.members import member_title
from core.data.store import home_folder
from core.explain.attribution import Attribution
from core.explain.cache import ExplanationCache, open_cache
from core.explain.causes import strongest_cells
from core.explain.evidence.store import Part, read_evidence
from core.explain.explanation import (
    Check,
    Question,
    check_explanation,
    explain_moment,
    find_reference,
    recall_attribution,
    recall_check,
)
from core.explain.methods.conductance import Conductance, layer_conductance
from core.explain.methods.registry import METHODS
from core.explain.methods.settings import Settings
from core.explain.moment import Moment
from core.progress import Cancelled, Progress

DEPTH_WINDOWS = 2
"""Windows of a reference behind the conductance: each costs a path forth and back for every layer."""


@dataclass(frozen=True)
class Ask:
    """What a person wants explained, and how it is to be drawn.

    Attributes
    ----------
    member
        Of an ensemble, from 1, explained alone; None is all together.
    rows
        One row a feature, or one a group of features.
    block
        Bars taken together.
    shown
        Newest bars in sight.
    """

    model: ModelKey
    series: SeriesKey
    bar: str
    task: str
    target: str
    method: str
    reference: str
    member: int | None = None
    rows: Rows = "feature"
    block: int = 1
    shown: int = 120

    @property
    def question(self) -> Question:
        """As `core.explain.explanation` is asked: a method that hides groups of cells hides these."""
        settings = Settings()
        if self.method == "feature_ablation":
            settings = Settings(grouping=self.rows, ablation_block=None if self.block == 1 else self.block)
        elif self.method == "occlusion" and self.block > 1:
            settings = Settings(occlusion_block=self.block)
        return Question(self.task, self.target, self.method, self.reference, settings, self.member)

    def key(self, stage: str) -> tuple:
        """Of everything the answer of one stage depends on."""
        return (stage, self.model, self.series, self.bar, self.question)


@st.cache_resource(max_entries=16, show_spinner=False)
def moment(model: ModelKey, series: SeriesKey, bar: str) -> Moment:
    """The bar with the window the model sees at it."""
    return Moment.at(cached.predictor(model), series.instrument, series.timeframe, bar_time(bar))


def explanations() -> ExplanationCache:
    """Explanations kept in the home folder."""
    return open_cache(home_folder())


def await_attribution(ask: Ask) -> Attribution | None:
    """The attribution, from disk without waiting for anybody's turn; None while it is worked for."""
    found, cache = moment(ask.model, ask.series, ask.bar), explanations()
    return recall_attribution(found, ask.question, cache) or await_result(
        ask.key("attribution"),
        f"Explaining: {METHODS[ask.method].title}",
        lambda progress, cancelled: explain_moment(
            found, ask.question, cache, progress=progress, cancelled=cancelled
        ),
    )


def await_check(ask: Ask, attribution: Attribution) -> Check | None:
    """Whether the attribution is true of the model, likewise."""
    found, cache = moment(ask.model, ask.series, ask.bar), explanations()
    return recall_check(found, ask.question, cache) or await_result(
        ask.key("check"),
        "Checking the explanation",
        lambda progress, cancelled: check_explanation(
            found, ask.question, attribution, cache, progress=progress, cancelled=cancelled
        ),
    )


def await_conductance(ask: Ask) -> Conductance | None:
    """How deep in the model each bar's part of the margin is; None while it is worked for."""
    found = moment(ask.model, ask.series, ask.bar)
    margin, cache = found.margin(ask.task, ask.target, ask.member), explanations()

    def work(progress: Progress, cancelled: Cancelled) -> Conductance:
        windows = find_reference(found, ask.question, cache).windows[:DEPTH_WINDOWS]
        return layer_conductance(margin, found.features, windows, progress=progress, cancelled=cancelled)

    return await_result(ask.key("depth"), "Looking into the layers", work)


@st.cache_resource(max_entries=48, show_spinner=False)
def figure(ask: Ask, palette: Palette, dark: bool, _attribution: Attribution) -> go.Figure:
    """The map between candles and sums; the same object as long as nothing changed."""
    found = moment(ask.model, ask.series, ask.bar)
    name = f"{class_sign(ask.target)} {ask.target}"
    by = "" if ask.member is None else f", by {member_title(ask.member)}"
    return attribution_figure(
        cached.window(ask.series, ask.bar, len(_attribution.values)),
        _attribution,
        title=f"What spoke for {name} and what against{by}, {ask.series.instrument} up to {ask.bar}",
        rows=ask.rows,
        block=ask.block,
        market=found.market_values(),
        marks=[(cells.features, cells.first, cells.last) for cells in strongest_cells(_attribution)],
        shown=ask.shown,
        palette=palette,
        dark=dark,
    )


@st.cache_resource(max_entries=48, show_spinner=False)
def curves(ask: Ask, dark: bool, _attribution: Attribution, _check: Check) -> go.Figure:
    """Deletion and insertion."""
    title = "Does it matter to the model what the map says matters?"
    there = _attribution.reference_probability
    return faithfulness_figure(
        _check.faithfulness, target=ask.target, title=title, reference=there, dark=dark
    )


@st.cache_resource(max_entries=16, show_spinner=False)
def depth(ask: Ask, dark: bool, _conductance: Conductance) -> go.Figure:
    """Conductance by depth and bar."""
    window = moment(ask.model, ask.series, ask.bar).window
    title = f"Where in the model the case for {ask.target} stands, bar by bar"
    return depth_figure(_conductance, window.ts, window.timeframe, title=title, shown=ask.shown, dark=dark)


@st.cache_data(ttl=10, max_entries=16, show_spinner=False)
def _evidence(model: ModelKey, part: Part, home: str) -> dict[str, Any] | None:
    return read_evidence(home_folder(), cached.predictor(model).bundle, part)


def evidence(model: ModelKey, part: Part) -> dict[str, Any] | None:
    """What was measured about this model's explanations; None where nobody did. At most ten seconds old.

    Raises
    ------
    EvidenceError
        If the measurements are damaged.
    """
    return _evidence(model, part, str(home_folder()))
