"""Numbers behind the Selective page: what is left when only the surer predictions are acted on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from core.confidence.calibrators import LearnedMix
from core.confidence.choice import ALONE, METHODS, binary_log_losses
from core.confidence.sources import SOURCES, raw_weights
from core.experiments.walk_forward.records import FoldRecord
from core.review.rows import ReviewRows, list_stated
from core.scores.intervals import hold_claims, interval, paired_difference
from core.scores.selective import RiskCoverage, find_area_swings, risk_coverage, selective_areas
from core.scores.stretches import Stretches

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


def score_areas(rows: ReviewRows, stretches: Stretches) -> pd.DataFrame:
    """AURC of every confidence with its interval, and what it gains over random order.

    Parameters
    ----------
    rows, stretches
        Confidences that not all rows state are left out, so that all stand on the same rows.

    Returns
    -------
    DataFrame
        Index: names of `list_stated`, best first; ``aurc``, ``low``, ``high``, and ``gain``, ``gain_low``,
        ``gain_high``: the error rate of acting on everything less the AURC, above zero is better than random.
    """
    correct = rows.correct
    everything = np.zeros(len(rows))
    random, at_random = selective_areas(everything, correct)[0], _swing_area(everything, correct, stretches)
    lines = {}
    for name, stated in rows.stated.items():
        if not np.isfinite(stated).all():
            continue
        swings = _swing_area(stated, correct, stretches)
        area = interval(selective_areas(stated, correct)[0], swings, stretches, least=0.0, most=1.0)
        gain = interval(random - area.value, at_random - swings, stretches)
        lines[name] = (area.value, area.low, area.high, gain.value, gain.low, gain.high)
    columns = ["aurc", "low", "high", "gain", "gain_low", "gain_high"]
    return pd.DataFrame.from_dict(lines, orient="index", columns=columns).sort_values("aurc")


def compare_forms(rows: ReviewRows, stretches: Stretches) -> pd.DataFrame:
    """Every form of the final confidence by log-loss of being right and by AURC, on the same rows.

    Parameters
    ----------
    rows, stretches
        Forms that not all rows state are left out.

    Returns
    -------
    DataFrame
        Index: ``confidence`` (what each fold chose) and names of `core.confidence.choice.METHODS`, least
        log-loss first; ``loss`` and ``aurc``, and of each what it is less that of the probability alone, with
        the ends of its paired interval: ``loss_beside``, ``loss_low``, ``loss_high``, ``aurc_beside``, ...;
        below zero is better. ``loss_holds``: whether that the losses differ holds with all forms counted.
        Empty where the probability alone was not stated.
    """
    correct = rows.correct.astype(float)
    told = {
        name: rows.stated[name]
        for name in ("confidence", *METHODS)
        if len(rows) and np.isfinite(rows.stated[name]).all()
    }
    lines, claims = {}, []
    if ALONE in told:
        losses = {name: binary_log_losses(stated, correct) for name, stated in told.items()}
        swings = {name: _swing_area(stated, correct, stretches) for name, stated in told.items()}
        areas = {name: selective_areas(stated, correct)[0] for name, stated in told.items()}
        for name in told:
            loss = paired_difference(losses[name], losses[ALONE], stretches)
            area = interval(areas[name] - areas[ALONE], swings[name] - swings[ALONE], stretches)
            beside = (loss.value, loss.low, loss.high), (area.value, area.low, area.high)
            lines[name] = (losses[name].mean(), *beside[0], areas[name], *beside[1])
            claims.append(np.nan if name == ALONE else loss.p)
    columns = [f"{kind}{part}" for kind in ("loss", "aurc") for part in ("", "_beside", "_low", "_high")]
    table = pd.DataFrame.from_dict(lines, orient="index", columns=columns)
    return table.assign(loss_holds=hold_claims(claims)).sort_values("loss", kind="stable")


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


def leave_out(rows: ReviewRows, folds: Sequence[FoldRecord], task: str, stretches: Stretches):
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
    swings = {
        kind: _swing_area(stated, correct, stretches)
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
        for kind, swing in swings.items():
            left = without[kind].clip(0, 1)
            value = selective_areas(left, correct)[0] - selective_areas(whole[kind].clip(0, 1), correct)[0]
            found = interval(value, _swing_area(left, correct, stretches) - swing, stretches)
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


def _swing_area(stated: np.ndarray, correct: np.ndarray, stretches: Stretches) -> np.ndarray:
    """(G,) what each stretch adds to the AURC."""
    return find_area_swings(stated, np.asarray(correct, float), stretches, RANKS)[:, 0]


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
