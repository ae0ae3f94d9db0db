"""What a model's stated confidence has been worth in its walk-forward, as a report says it."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
import plotly.graph_objects as go

from app.figures.reliability import reliability_figure
from app.report.html import chart, fill
from app.review.tables import scores_table
from app.review.words import acting_sentence, before_sentence, error_sentence, evidence_sentence
from app.words.predictions import title_of
from core.bundle import Bundle
from core.experiments.walk_forward.records import WalkForwardResult
from core.review.acting import count_acting
from core.review.calibration import compare_with_before, measure_reliability, score_errors
from core.review.evidence import describe_evidence, find_differences
from core.review.performance import score_rows, tabulate_scores
from core.review.rows import RowFilter, stretches_of, take_rows

LEAST_ROWS = 30
CONFIDENCE = "confidence"
LINE = 60
"""Whole percent above which acting is told of."""


@dataclass(frozen=True)
class ModelReview:
    """One task's review, every series and fold of the walk-forward together.

    Attributes
    ----------
    said
        Sentences, Markdown: whose walk-forward it is, what acting on it gave, how far the confidence was off.
    figure
        Reliability diagram of the final confidence.
    scores
        Performance's table, one row a forecaster.
    """

    said: tuple[str, ...]
    figure: go.Figure
    scores: pd.DataFrame


def review_model(result: WalkForwardResult, bundle: Bundle, task: str) -> ModelReview | None:
    """Review of the final confidence of `task`; None where fewer than `LEAST_ROWS` rows state one."""
    if task not in [one.name for one in result.config.tasks]:
        return None
    chosen = RowFilter(task)
    everything = take_rows(result, chosen)
    rows = everything.stating(CONFIDENCE) if len(everything) else everything
    if len(rows) < LEAST_ROWS:
        return None
    stretches = stretches_of(rows)
    pooled = score_rows(result, chosen)["pooled"]
    title = f"{title_of(task)}: when it was this sure, how often was it right?"
    other = find_differences(result.config, bundle.config)
    model = f"{bundle.name} {bundle.version}"
    said = (
        evidence_sentence(describe_evidence(result), None, model, other),
        before_sentence(compare_with_before(everything)),
        acting_sentence(count_acting(rows, CONFIDENCE, stretches), LINE),
        error_sentence(score_errors(rows, CONFIDENCE, stretches), len(rows)),
    )
    return ModelReview(
        tuple(one for one in said if one),
        reliability_figure(
            measure_reliability(rows, CONFIDENCE, stretches), CONFIDENCE, title=title, dark=False
        ),
        pd.DataFrame() if pooled is None else scores_table(tabulate_scores(pooled)),
    )


def draw_review(review: ModelReview | None, task: str) -> str:
    """The part of the report, or the command that makes what is missing."""
    if review is None:
        return fill(
            "nothing_reviewed",
            reason=f"No walk-forward of this model with enough {title_of(task).lower()} predictions: run "
            "`python -m core walk-forward`.",
        )
    table = review.scores
    return fill(
        "review",
        said=review.said,
        figure=chart(review.figure, "reliability", "Share right against stated confidence"),
        columns=list(table.columns),
        rows=table.to_numpy().tolist(),
    )
