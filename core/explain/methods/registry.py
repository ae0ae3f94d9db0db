"""The attribution methods offered, each with its explanation and its paper.

DeepLift and shap's DeepExplainer are not among them: they have no rule for layer normalisation, so their
values do not add up to what they explain. Captum's DeepLift misses more than a tenth of it, where Integrated
Gradients miss less than a hundredth (tests/core/explain/test_attribution.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from core.explain.margin import MeteredMargin
from core.explain.methods.gradients import gradient_shap, gradient_times_input, integrated_gradients
from core.explain.methods.hiding import feature_ablation, occlusion, temporal_rescaling
from core.explain.methods.settings import Explicand, Settings
from core.explain.methods.shapley import permutation_shap, shap_gradient
from core.explain.references import ORDINARY, REAL, REFERENCES


@dataclass(frozen=True)
class Method:
    """A way of sharing the margin out to cells.

    Attributes
    ----------
    name, title
        Key in `METHODS`, and what a screen calls it.
    explanation
        Two sentences for somebody who never met it.
    paper
        Where it comes from.
    resolution
        What gets a value of its own; the value of a feature, bar or block is shared equally by its cells.
    signed
        Whether negative values mean "speaks against the class".
    complete
        Whether the values ought to add up to the margin's distance from the reference's.
    most_windows
        Windows of a reference it takes at most, the most ordinary ones; None is all of them. What hides cells
        scores the model once for every player and window.
    function
        (margin, window, references, groups, settings) -> (values (T, N), steps or samples).
    """

    name: str
    title: str
    explanation: str
    paper: str
    resolution: Literal["cell", "feature", "bar", "block"]
    signed: bool
    complete: bool
    function: Callable[[MeteredMargin, Explicand, Settings], tuple[np.ndarray, int]]
    most_windows: int | None = None


METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        Method(
            "ig",
            "Integrated Gradients",
            "Walks in a straight line from the reference to this window and adds up how strongly the model "
            "reacted "
            "to each cell on the way. The values add up to the whole change in log-odds, which is checked "
            "and shown.",
            "Sundararajan, Taly & Yan 2017, Axiomatic Attribution for Deep Networks",
            "cell",
            True,
            True,
            integrated_gradients,
        ),
        Method(
            "gradient_shap",
            "GradientSHAP",
            "Looks at the model's reaction at random points between references and this window, slightly "
            "blurred, and averages. "
            "It is quicker than a full walk, and being a sample it misses the exact sum by the error shown.",
            "Lundberg & Lee 2017, A Unified Approach to Interpreting Model Predictions (Captum)",
            "cell",
            True,
            True,
            gradient_shap,
        ),
        Method(
            "shap_gradient",
            "SHAP GradientExplainer",
            "Shares the log-odds out by expected gradients, sampled between background windows and this one. "
            "The shares should add up to the change in log-odds; the gap that is left is shown.",
            "Erion et al. 2021, Improving performance of deep learning models with axiomatic attribution "
            "priors",
            "cell",
            True,
            True,
            shap_gradient,
        ),
        Method(
            "gradient_times_input",
            "Gradient x input",
            "Multiplies each cell's distance from the reference by the model's slope at this window. "
            "It costs one look at the model and sees nothing but the slope right here, so large moves "
            "mislead it.",
            "Shrikumar et al. 2016, Not Just a Black Box",
            "cell",
            True,
            False,
            gradient_times_input,
        ),
        Method(
            "temporal_rescaling",
            "Saliency rescaled in time",
            "Hides a few bars at a time, then one feature at a time, and measures how far the slopes of "
            "the rest change. "
            "A cell counts when both its bar and its feature do; the values have no sign.",
            "Ismail et al. 2020, Benchmarking Deep Learning Interpretability in Time Series Predictions",
            "cell",
            False,
            False,
            temporal_rescaling,
            most_windows=1,
        ),
        Method(
            "feature_ablation",
            "Feature ablation",
            "Replaces one feature (or one group of features) by the reference and measures how far the "
            "log-odds fall. "
            "What two features say together is counted for both, so the values need not add up.",
            "Zeiler & Fergus 2014, Visualizing and Understanding Convolutional Networks (Captum)",
            "feature",
            True,
            False,
            feature_ablation,
            most_windows=4,
        ),
        Method(
            "occlusion",
            "Occlusion of bars",
            "Replaces a few bars at a time by the reference, all features at once, and measures how far the "
            "log-odds "
            "fall. It shows when, not which feature.",
            "Zeiler & Fergus 2014, Visualizing and Understanding Convolutional Networks (Captum)",
            "bar",
            True,
            False,
            occlusion,
            most_windows=4,
        ),
        Method(
            "permutation_shap",
            "SHAP on feature groups",
            "Reveals groups of features, a stretch of bars at a time, in random orders and credits each "
            "with what it "
            "added. The values add up exactly to the change in log-odds.",
            "Lundberg & Lee 2017; Castro et al. 2009, Polynomial calculation of the Shapley value (shap)",
            "block",
            True,
            True,
            permutation_shap,
            most_windows=2,
        ),
    )
}
"""Methods by name, the finest and most dependable first."""


UNMEASURED = ("ig", ORDINARY)
"""Where nobody has measured: the method whose values add up, against ordinary windows of the series."""

_TELLING = [name for name, found in METHODS.items() if found.signed and found.resolution == "cell"]


@dataclass(frozen=True)
class Recommendation:
    """A method and a reference, with their planted-market score (AUPRC); None where that is not measured."""

    method: str
    reference: str
    auprc: float | None


def recommend(
    planted: Mapping[str, Any] | None, method: str | None = None, reference: str | None = None
) -> Recommendation:
    """Fill in what was not chosen with what finds planted causes best from real windows.

    Only methods that give every cell a value with a sign are recommended, since only these can say which
    feature spoke for or against the class at which bar; and only references that have been, since the model's
    word on a market that never was explains nothing. Others can be chosen.

    Parameters
    ----------
    planted
        Evidence part "planted" (`core.explain.evidence.planted.run.run_planted`); None where nobody
        measured it.
    method, reference
        What was chosen; taken as it is.
    """
    chosen = (method or UNMEASURED[0], reference or UNMEASURED[1])
    candidates = [
        (score, pair)
        for pair, score in planted_scores(planted).items()
        if pair[0] in ([method] if method else _TELLING) and pair[1] in ([reference] if reference else REAL)
    ]
    if candidates:
        score, chosen = max(candidates)
        return Recommendation(*chosen, score)
    return Recommendation(*chosen, None)


def planted_scores(planted: Mapping[str, Any] | None) -> dict[tuple[str, str], float]:
    """AUPRC of every method and reference offered, mean over the planted markets; empty if not measured."""
    found: dict[tuple[str, str], list[float]] = {}
    generators = {} if planted is None else planted["generators"]
    for result in generators.values():
        for method, by_reference in result["scores"].items():
            for reference, score in by_reference.items():
                if method in METHODS and reference in REFERENCES:
                    found.setdefault((method, reference), []).append(score["auprc"])
    return {pair: float(np.mean(scores)) for pair, scores in found.items() if len(scores) == len(generators)}
