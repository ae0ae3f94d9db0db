"""What a report is made of, gathered from model, store and measurements; nothing is drawn here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlencode

import numpy as np
import pandas as pd

from app.report.review import ModelReview, review_model
from app.shell.selection import Selection, bar_name
from app.similar.words import outcome_lines
from core.bundle import Bundle
from core.data.bars import quoted_prices
from core.errors import InputError
from core.experiments.walk_forward.records import WalkForwardResult
from core.explain.cache import open_cache
from core.explain.evidence.store import Part, read_evidence
from core.explain.explanation import Explanation, Question, check_explanation, explain_moment
from core.explain.moment import Moment
from core.explain.similar.glimpse import Glimpse, read_glimpse
from core.explain.similar.index import load_index, represent_window
from core.explain.similar.reach import check_reach
from core.explain.similar.search import Analogue, Analogues, find_analogues
from core.predictor import naive_utc
from core.progress import Cancelled, Progress
from core.review.track_record import ConfidenceRecord
from core.timeframe import known_at

SIMILAR = 6

Records = Mapping[str, Mapping[str, ConfidenceRecord]]


@dataclass(frozen=True)
class SimilarMoment:
    """One similar moment with its bars and, task by task, what the model said and what came (Markdown)."""

    moment: Analogue
    glimpse: Glimpse
    outcomes: tuple[str, ...]


@dataclass(frozen=True)
class Similar:
    """Similar moments; `trained` when the explained bar itself lies in the training years."""

    found: Analogues
    moments: tuple[SimilarMoment, ...]
    trained: bool


@dataclass(frozen=True)
class Material:
    """Everything one report says.

    Attributes
    ----------
    prices
        Bars of the window as charts show them, T rows.
    attention
        What the bar attends by layer, (L, T).
    records
        What stated confidences were worth, by task and name; empty without a walk-forward.
    planted, routing
        Evidence; None where nobody measured it.
    similar
        None where no index of this model exists.
    review
        What the confidence was worth in the model's walk-forward; None without one.
    troubles
        Sentences about measurements that could not be read.
    made
        When, UTC.
    link
        Address that opens the same view; without a server's address only its query.
    """

    explanation: Explanation
    prices: pd.DataFrame
    attention: np.ndarray
    records: Records
    planted: dict[str, Any] | None
    routing: dict[str, Any] | None
    similar: Similar | None
    review: ModelReview | None
    troubles: tuple[str, ...]
    made: pd.Timestamp
    link: str


def gather_material(
    moment: Moment,
    question: Question,
    *,
    records: Records | None = None,
    walk_forward: WalkForwardResult | None = None,
    troubles: tuple[str, ...] = (),
    address: str | None = None,
    progress: Progress | None = None,
    cancelled: Cancelled | None = None,
) -> Material:
    """Explain, check and collect what stands beside it.

    Parameters
    ----------
    records
        From `app.live.cached.confidence_records`.
    walk_forward
        The model's own, to be reviewed.
    address
        Where the workbench is served, for the link.

    Raises
    ------
    InputError
        As `core.explain.explanation.explain_moment` does.
    Stopped
        If `cancelled` said so.
    """
    predictor, bundle = moment.predictor, moment.bundle
    home, window = predictor.store.home, moment.window
    cache = open_cache(home)
    found = explain_moment(moment, question, cache, progress=_half(progress, 0), cancelled=cancelled)
    check = check_explanation(
        moment, question, found, cache, progress=_half(progress, 1), cancelled=cancelled
    )
    said = list(troubles)
    traded = predictor.store.read_window(window.instrument, window.timeframe, moment.ts, len(window.ts))
    return Material(
        explanation=Explanation(moment, question, found, check),
        prices=quoted_prices(traded),
        attention=moment.attention_by_layer(question.member),
        records=records or {},
        planted=_evidence(home, bundle, "planted", said),
        routing=_evidence(home, bundle, "routing", said),
        similar=_find_similar(moment, question.task, said),
        review=None if walk_forward is None else review_model(walk_forward, bundle, question.task),
        troubles=tuple(said),
        made=cast(pd.Timestamp, pd.Timestamp.now("UTC").floor("s")),
        link=permalink(moment, question, address),
    )


def permalink(moment: Moment, question: Question, address: str | None) -> str:
    """Address of the Attribution page with this very question."""
    chosen = Selection(
        moment.window.instrument,
        moment.window.timeframe,
        bar=bar_name(moment.ts),
        task=question.task,
        target=question.target,
        method=question.method,
        reference=question.reference,
        member=question.member,
        model=moment.bundle.name,
    )
    return f"{(address or '').rstrip('/')}/attribution?{urlencode(chosen.to_params())}"


def _half(progress: Progress | None, half: int) -> Progress | None:
    """Progress of one of two stages as progress of the whole."""
    if progress is None:
        return None
    return lambda done, planned: progress(half * planned + done, 2 * planned)


def _evidence(home: Path, bundle: Bundle, part: Part, troubles: list[str]) -> dict[str, Any] | None:
    try:
        return read_evidence(home, bundle, part)
    except InputError as error:
        troubles.append(str(error))
        return None


def _find_similar(moment: Moment, task: str, troubles: list[str]) -> Similar | None:
    predictor, window = moment.predictor, moment.window
    try:
        index = load_index(predictor.store.home, moment.bundle)
    except InputError as error:
        troubles.append(str(error))
        return None
    if index is None:
        return None
    reach = check_reach(index, predictor)
    closed = naive_utc(known_at(moment.ts, window.timeframe))
    opens = predictor.store.read_range(window.instrument, window.timeframe, end=moment.ts)["ts"]
    found = find_analogues(
        index,
        represent_window(predictor, window),
        task=task,
        series=f"{window.instrument}|{window.timeframe}",
        bar=len(opens) - 1,
        known_at=closed,
        count=SIMILAR,
        among=[one.name for one in reach if one.searchable],
    )
    moments = tuple(
        SimilarMoment(
            one,
            read_glimpse(predictor.store, one.series, one.ts, closed),
            tuple(outcome_lines(moment.bundle, index, one.row, closed)),
        )
        for one in found.moments
    )
    return Similar(found, moments, bool(window.ts[-1] < naive_utc(moment.bundle.borders.train_end)))
