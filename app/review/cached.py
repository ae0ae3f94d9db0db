"""What the review pages keep between runs: walk-forwards, and everything counted for one filter.

Beside `app.shell.cached`, the only place with st.cache_*. Keys are primitives and frozen dataclasses of them;
what is cached is shared by all sessions: read, never change.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from app.figures.reliability import (
    calibrators_figure,
    histogram_figure,
    reliability_figure,
    through_time_figure,
)
from app.figures.selective import risk_figure, sets_figure
from core.bundle import SHIPPED
from core.data.store import home_folder
from core.experiments.walk_forward.records import WalkForwardResult
from core.experiments.walk_forward.results import SUMMARY, load_walk_forward
from core.review import calibration, performance, selective, sets
from core.review.acting import Acting, count_acting
from core.review.calibration import ThroughTime
from core.review.evidence import Evidence, describe_evidence
from core.review.rows import ReviewRows, RowFilter, list_reviews, stretches_of, take_rows


@dataclass(frozen=True)
class ReviewKey:
    """A finished walk-forward on disk and when it was finished."""

    folder: str
    finished: int


@st.cache_data(ttl=5, show_spinner=False)
def _reviews(home: str, shipped: str) -> dict[str, ReviewKey]:
    found = list_reviews(Path(home), Path(shipped))
    return {name: ReviewKey(str(path), (path / SUMMARY).stat().st_mtime_ns) for name, path in found.items()}


def reviews() -> dict[str, ReviewKey]:
    """Every finished walk-forward by name, the default first."""
    return _reviews(str(home_folder()), str(SHIPPED.parent))


@st.cache_resource(max_entries=2, show_spinner="Reading the walk-forward")
def result(key: ReviewKey) -> WalkForwardResult:
    """The walk-forward, every file verified."""
    return load_walk_forward(Path(key.folder))


@st.cache_data(max_entries=8, show_spinner=False)
def evidence(key: ReviewKey) -> Evidence:
    """What the walk-forward speaks of."""
    return describe_evidence(result(key))


@st.cache_resource(max_entries=24, show_spinner=False)
def rows(key: ReviewKey, chosen: RowFilter) -> ReviewRows:
    """The rows that pass the filter."""
    return take_rows(result(key), chosen)


@st.cache_resource(max_entries=24, show_spinner=False)
def stating(key: ReviewKey, chosen: RowFilter, source: str) -> ReviewRows:
    """Those of them on which `source` states something."""
    return rows(key, chosen).stating(source)


@st.cache_resource(max_entries=48, show_spinner=False)
def acting(key: ReviewKey, chosen: RowFilter, source: str) -> Acting:
    """What every line would have let through."""
    found = stating(key, chosen, source)
    return count_acting(found, source, stretches_of(found))


@st.cache_resource(max_entries=48, show_spinner=False)
def reliability(key: ReviewKey, chosen: RowFilter, source: str, dark: bool) -> go.Figure:
    """Reliability diagram of one confidence."""
    found = stating(key, chosen, source)
    measured = calibration.measure_reliability(found, source, stretches_of(found))
    title = "When it was this sure, how often was it right?"
    return reliability_figure(measured, source, title=title, dark=dark)


@st.cache_resource(max_entries=48, show_spinner=False)
def histogram(key: ReviewKey, chosen: RowFilter, source: str) -> go.Figure:
    """Right and wrong by stated confidence."""
    found = stating(key, chosen, source)
    return histogram_figure(found.stated[source], found.correct)


@st.cache_resource(max_entries=48, show_spinner=False)
def calibrators(key: ReviewKey, chosen: RowFilter, dark: bool) -> go.Figure:
    """Before, after, and each calibrator."""
    return calibrators_figure(calibration.compare_calibrators(rows(key, chosen)), dark=dark)


@st.cache_resource(max_entries=24, show_spinner=False)
def curves(key: ReviewKey, chosen: RowFilter) -> dict[str, selective.Curve]:
    """Risk-coverage curve of every confidence."""
    return selective.trace_risk(rows(key, chosen))


@st.cache_resource(max_entries=48, show_spinner=False)
def risk(key: ReviewKey, chosen: RowFilter, shown: tuple[str, ...], dark: bool) -> go.Figure:
    """Risk-coverage of some confidences."""
    return risk_figure(curves(key, chosen), shown, dark=dark)


@st.cache_resource(max_entries=48, show_spinner=False)
def through_time(key: ReviewKey, chosen: RowFilter, source: str) -> ThroughTime:
    """Calibration of trailing windows."""
    return calibration.follow_calibration(stating(key, chosen, source), source)


@st.cache_resource(max_entries=48, show_spinner=False)
def through_time_chart(key: ReviewKey, chosen: RowFilter, source: str, dark: bool) -> go.Figure:
    """The same, drawn."""
    return through_time_figure(through_time(key, chosen, source), dark=dark)


@st.cache_resource(max_entries=12, show_spinner="Following the sets")
def following(key: ReviewKey, task: str, level: float) -> sets.FollowingSets:
    """Sets whose threshold follows the outcomes, of all rows of a task."""
    return sets.follow_outcomes(result(key), task, level)


@st.cache_resource(max_entries=48, show_spinner=False)
def sets_chart(key: ReviewKey, chosen: RowFilter, level: float, dark: bool) -> go.Figure:
    """Coverage and size of the prediction sets through time."""
    found = sets.follow_sets(rows(key, chosen), following(key, chosen.task, level), level)
    return sets_figure(found, dark=dark)


@st.cache_data(max_entries=48, show_spinner=False)
def sets_held(key: ReviewKey, chosen: RowFilter, level: float) -> sets.SetsHeld | None:
    """What the sets held; None where some folds fitted none."""
    found = rows(key, chosen)
    return sets.measure_sets(found, following(key, chosen.task, level), level, stretches_of(found))


@st.cache_data(max_entries=24, show_spinner="Scoring these rows")
def scores(key: ReviewKey, chosen: RowFilter) -> dict[str, Any]:
    """Scores of everyone on the rows that pass the filter, as a walk-forward's summary has them."""
    return performance.score_rows(result(key), chosen)


@st.cache_data(max_entries=48, show_spinner="Measuring")
def errors(key: ReviewKey, chosen: RowFilter, source: str) -> pd.DataFrame:
    """Calibration errors and Brier parts with intervals and floors."""
    found = stating(key, chosen, source)
    return calibration.score_errors(found, source, stretches_of(found))


@st.cache_data(max_entries=48, show_spinner=False)
def over_limit(key: ReviewKey, chosen: RowFilter, source: str) -> calibration.OverLimit | None:
    """When the calibration through time was over its limit."""
    return calibration.find_over_limit(through_time(key, chosen, source))


@st.cache_data(max_entries=48, show_spinner=False)
def beside_before(key: ReviewKey, chosen: RowFilter) -> calibration.BesideBefore | None:
    """The final confidence beside the probability before calibration."""
    return calibration.compare_with_before(rows(key, chosen))


@st.cache_data(max_entries=24, show_spinner="Measuring")
def compared(key: ReviewKey, chosen: RowFilter) -> pd.DataFrame:
    """Every confidence by the same measures."""
    return calibration.compare_stated(rows(key, chosen))


@st.cache_data(max_entries=24, show_spinner="Resampling")
def areas(key: ReviewKey, chosen: RowFilter) -> pd.DataFrame:
    """AURC of every confidence with its interval."""
    found = rows(key, chosen)
    return selective.score_areas(found, stretches_of(found))


@st.cache_data(max_entries=24, show_spinner="Resampling")
def forms(key: ReviewKey, chosen: RowFilter) -> pd.DataFrame:
    """Every form of the final confidence beside the probability alone."""
    found = rows(key, chosen)
    return selective.compare_forms(found, stretches_of(found))


def missing_ranks(key: ReviewKey, chosen: RowFilter) -> str | None:
    """Why the ranked forms cannot be shown; None where they can."""
    return selective.missing_ranks(rows(key, chosen))


@st.cache_data(max_entries=24, show_spinner="Resampling")
def left_out(key: ReviewKey, chosen: RowFilter) -> pd.DataFrame:
    """What each source adds."""
    found = rows(key, chosen)
    return selective.leave_out(found, result(key).folds, chosen.task, stretches_of(found))


def missing_mixes(key: ReviewKey, chosen: RowFilter) -> str | None:
    """Why the learned mix cannot be shown without each source; None where it can."""
    return selective.missing_mixes(rows(key, chosen), result(key).folds, chosen.task)
