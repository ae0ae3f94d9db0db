"""Which method and baseline to explain with, by their scores where the causes are known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.explain.baselines import BASELINES
from core.explain.methods import METHODS

UNMEASURED = ("ig", "window_mean")
"""Where nobody has measured: the method whose values add up, against the shape within the window."""

_TELLING = [name for name, found in METHODS.items() if found.signed and found.resolution == "cell"]


@dataclass(frozen=True)
class Recommendation:
    """A method and a baseline, with their planted-market score (AUPRC); None where that is not measured."""

    method: str
    baseline: str
    auprc: float | None


def recommend(
    planted: Mapping[str, Any] | None, method: str | None = None, baseline: str | None = None
) -> Recommendation:
    """Fill in what was not chosen with what finds planted causes best.

    Only methods that give every cell a value with a sign are recommended, since only these can say which
    feature spoke for or against the class at which bar; others can be chosen.

    Parameters
    ----------
    planted
        Evidence part "planted" (`core.explain.planted.run_planted`); None where nobody measured it.
    method, baseline
        What was chosen; taken as it is.
    """
    chosen = (method or UNMEASURED[0], baseline or UNMEASURED[1])
    candidates = [
        (score, pair)
        for pair, score in planted_scores(planted).items()
        if pair[0] in ([method] if method else _TELLING) and baseline in (None, pair[1])
    ]
    if candidates:
        score, chosen = max(candidates)
        return Recommendation(*chosen, score)
    return Recommendation(*chosen, None)


def planted_scores(planted: Mapping[str, Any] | None) -> dict[tuple[str, str], float]:
    """AUPRC of every method and baseline offered, mean over the planted markets; empty where not measured."""
    found: dict[tuple[str, str], list[float]] = {}
    generators = {} if planted is None else planted["generators"]
    for result in generators.values():
        for method, by_baseline in result["scores"].items():
            for baseline, score in by_baseline.items():
                if method in METHODS and baseline in BASELINES:
                    found.setdefault((method, baseline), []).append(score["auprc"])
    return {pair: float(np.mean(scores)) for pair, scores in found.items() if len(scores) == len(generators)}
