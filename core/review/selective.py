"""Numbers behind the Selective page: what is left when only the surer predictions are acted on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy.sparse

from core.confidence.calibrators import LearnedMix
from core.confidence.choice import ALONE, METHODS, binary_log_losses
from core.confidence.sources import SOURCES, raw_weights
from core.experiments.walk_forward.records import FoldRecord
from core.review.rows import ReviewRows, list_stated
from core.scores.bootstrap import BlockBootstrap, interval, paired_difference
from core.scores.selective import RiskCoverage, areas_from_ties, risk_coverage, selective_areas

RANKS = 200
POINTS = 250
FEWEST = 30
"""Calls from which on a curve is drawn: the share wrong of fewer says nothing."""


@dataclass(frozen=True)
class Curve:
    """A risk-coverage curve thinned for drawing; `coverage`, `risk`, `threshold` and `oracle` are (K,)."""

    coverage: np.ndarray
    risk: np.ndarray
    threshold: np.ndarray
    oracle: np.ndarray
    aurc: float
    random: float


def trace_risk(rows: ReviewRows) -> dict[str, Curve]:
    """Curve of everything that states a confidence on these rows."""
    curves = {}
    for name in list_stated():
        known = rows.stating(name)
        if len(known):
            curves[name] = _thin(risk_coverage(known.stated[name], known.correct), len(known))
    return curves


def draw_areas(confidence: np.ndarray, correct: np.ndarray, bootstrap: BlockBootstrap) -> np.ndarray:
    """(R,) AURC of each resample, confidences grouped into at most `RANKS` ranks, ties random.

    The same bootstrap gives the same resamples, so two of these are paired.
    """
    n, ranks = confidence.size, min(RANKS, confidence.size)
    _, tie = np.unique(-confidence, return_inverse=True)
    first = np.concatenate([[0], np.cumsum(np.bincount(tie))[:-1]])
    group = first[tie] * ranks // n
    wrong = 1.0 - correct
    shape = (2 * ranks, bootstrap.n_times)
    # Count and errors of each rank at each time, ranks in rows.
    place = np.concatenate([group, group + ranks]), np.tile(bootstrap.time_index, 2)
    per_time = scipy.sparse.csr_array((np.concatenate([np.ones(n), wrong]), place), shape=shape)
    drawn = np.concatenate([(per_time @ np.ascontiguousarray(w.T)).T for w in bootstrap.weights()])
    return areas_from_ties(drawn[:, :ranks], drawn[:, ranks:])[0]


def score_areas(rows: ReviewRows, bootstrap: BlockBootstrap) -> pd.DataFrame:
    """AURC of every confidence with its interval, and what it gains over random order.

    Parameters
    ----------
    rows, bootstrap
        Confidences that not all rows state are left out, so that all stand on the same rows.

    Returns
    -------
    DataFrame
        Index: names of `list_stated`, best first; ``aurc``, ``low``, ``high``, and ``gain``, ``gain_low``,
        ``gain_high``: the error rate of acting on everything less the AURC, above zero is better than random.
    """
    correct = rows.correct
    everything = np.zeros(len(rows))
    random, random_draws = selective_areas(everything, correct)[0], draw_areas(everything, correct, bootstrap)
    lines = {}
    for name, stated in rows.stated.items():
        if not np.isfinite(stated).all():
            continue
        draws = draw_areas(stated, correct, bootstrap)
        area = interval(selective_areas(stated, correct)[0], draws)
        gain = interval(random - area.value, random_draws - draws)
        lines[name] = (area.value, area.low, area.high, gain.value, gain.low, gain.high)
    columns = ["aurc", "low", "high", "gain", "gain_low", "gain_high"]
    return pd.DataFrame.from_dict(lines, orient="index", columns=columns).sort_values("aurc")


def compare_forms(rows: ReviewRows, bootstrap: BlockBootstrap) -> pd.DataFrame:
    """Every form of the final confidence by log-loss of being right and by AURC, on the same rows.

    Parameters
    ----------
    rows, bootstrap
        Forms that not all rows state are left out.

    Returns
    -------
    DataFrame
        Index: ``confidence`` (what each fold chose) and names of `core.confidence.choice.METHODS`, least
        log-loss first; ``loss`` and ``aurc``, and of each what it is less that of the probability alone, with
        the ends of its paired interval: ``loss_beside``, ``loss_low``, ``loss_high``, ``aurc_beside``, ...;
        below zero is better. Empty where the probability alone was not stated.
    """
    correct = rows.correct.astype(float)
    told = {
        name: rows.stated[name]
        for name in ("confidence", *METHODS)
        if len(rows) and np.isfinite(rows.stated[name]).all()
    }
    lines = {}
    if ALONE in told:
        losses = {name: binary_log_losses(stated, correct) for name, stated in told.items()}
        draws = {name: draw_areas(stated, correct, bootstrap) for name, stated in told.items()}
        areas = {name: selective_areas(stated, correct)[0] for name, stated in told.items()}
        for name in told:
            loss = paired_difference(losses[name], losses[ALONE], bootstrap)
            area = interval(areas[name] - areas[ALONE], draws[name] - draws[ALONE])
            beside = (loss.value, loss.low, loss.high), (area.value, area.low, area.high)
            lines[name] = (losses[name].mean(), *beside[0], areas[name], *beside[1])
    columns = [f"{kind}{part}" for kind in ("loss", "aurc") for part in ("", "_beside", "_low", "_high")]
    return pd.DataFrame.from_dict(lines, orient="index", columns=columns).sort_values("loss", kind="stable")


def missing_ranks(rows: ReviewRows) -> str | None:
    """Why the ranked forms cannot be shown; None where they can."""
    if not len(rows) or np.isfinite(rows.stated["joint"]).all():
        return None
    if np.isfinite(rows.stated["joint"]).any():
        return "Some folds held back too few bars to rank the sources among: choose the others by Fold."
    return (
        "These predictions carry no ranks of the sources: the walk-forward was run before ranks were kept, "
        "or held back too few bars. Run it again to compare the ranked forms."
    )


def leave_out(rows: ReviewRows, folds: Sequence[FoldRecord], task: str, bootstrap: BlockBootstrap):
    """What each source adds: AURC without it less AURC with it, paired; above zero it helps.

    Returns
    -------
    DataFrame
        Index: the sources these rows state; for each of ``raw`` (the sum of the others with its weights
        scaled back to 1) and ``mix`` (fitted again without the source, on the bars each fold held back)
        ``_value``, ``_low``, ``_high``. ``mix`` is NaN where a fold keeps no such mixes, see `missing_mixes`.
    """
    names = [name for name in SOURCES if np.isfinite(rows.stated[name]).all()]
    told = np.isin(list(SOURCES), names)
    correct, sources = rows.correct, rows.sources[:, told]
    weights = np.array(raw_weights())[told]
    whole = {"raw": sources @ (weights / weights.sum()), "mix": _apply_mix(rows, folds, task, "all")}
    draws = {
        kind: draw_areas(stated, correct, bootstrap)
        for kind, stated in whole.items()
        if np.isfinite(stated).all()
    }
    table = pd.DataFrame(
        np.nan,
        index=names,
        columns=[f"{k}_{part}" for k in whole for part in ("value", "low", "high")],
    )
    for i, source in enumerate(names):
        others = np.delete(weights, i)
        without = {
            "raw": np.delete(sources, i, axis=1) @ (others / others.sum()),
            "mix": _apply_mix(rows, folds, task, source),
        }
        for kind, drawn in draws.items():
            left = without[kind].clip(0, 1)
            value = selective_areas(left, correct)[0] - selective_areas(whole[kind].clip(0, 1), correct)[0]
            found = interval(value, draw_areas(left, correct, bootstrap) - drawn)
            table.loc[source, [f"{kind}_{p}" for p in ("value", "low", "high")]] = (
                found.value,
                found.low,
                found.high,
            )
    return table


def missing_mixes(rows: ReviewRows, folds: Sequence[FoldRecord], task: str) -> str | None:
    """Why the learned mix cannot be shown without each source; None where it can."""
    shown = [fold for fold in folds if (rows.fold == fold.index).any()]
    if any(fold.confidence.get(task) is None for fold in shown):
        return "Some folds held back too few bars to fit a learned mix: choose the others by Fold."
    if any(task not in fold.mixes for fold in shown):
        return (
            "This walk-forward was run before mixes without each source were kept: run it again to see what "
            "each adds to the learned mix."
        )
    return None


def _apply_mix(rows: ReviewRows, folds: Sequence[FoldRecord], task: str, name: str) -> np.ndarray:
    """(n,) what each fold's mix called `name` states; NaN where it keeps none."""
    stated = np.full(len(rows), np.nan)
    for fold in folds:
        inside, kept = rows.fold == fold.index, fold.mixes.get(task, {}).get(name)
        if kept is not None and inside.any():
            stated[inside] = LearnedMix.from_dict(kept).apply(rows.sources[inside])
    return stated


def _thin(found: RiskCoverage, n: int) -> Curve:
    told = np.flatnonzero(found.coverage * n >= min(FEWEST, n))
    keep = told[np.unique(np.linspace(0, told.size - 1, POINTS).round().astype(int))]
    parts = (part[keep] for part in (found.coverage, found.risk, found.threshold, found.oracle))
    return Curve(*parts, aurc=found.aurc, random=found.random)
