"""The confidence sources of one prediction, from one deterministic forward (DESIGN 8).

Shapes: B windows, S sources, T bars, H heads, P dropout passes, L layers, C classes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from core.confidence.mc_dropout import PASSES, SEED, redraw_recent_bars
from core.confidence.similarity import DistanceReference
from core.models.ensemble import Model
from core.models.trace import Trace


@dataclass(frozen=True)
class Seen:
    """What one deterministic forward shows of the model's certainty.

    Attributes
    ----------
    windows
        Bars each layer's query may see; None is all of them.
    traced
        The forward.
    similarity
        exp(-Mahalanobis distance / scale) of the representation, (B,).
    drawn
        Probabilities of the dropout passes, by task (P, B, C).
    """

    windows: list[int | None]
    traced: Trace
    similarity: Tensor
    drawn: Mapping[str, Tensor]


@dataclass(frozen=True)
class Source:
    """One confidence source.

    Attributes
    ----------
    weight
        In the raw sum (specification section 5), which divides by the sum of all weights.
    estimate
        Values in [0, 1] by task, (B,) each.
    """

    weight: float
    estimate: Callable[[Seen], Mapping[str, Tensor]]


@dataclass(frozen=True)
class ConfidenceSources:
    """What every source says of each window: by name, in the order of `SOURCES`, (B,) in [0, 1]."""

    values: Mapping[str, Tensor]

    def stacked(self) -> Tensor:
        """(B, S) in the order of `SOURCES`."""
        return torch.stack([self.values[name] for name in SOURCES], dim=-1)

    def raw(self) -> Tensor:
        """The specification's weighted sum, (B,); not yet a probability."""
        stacked = self.stacked()
        return stacked @ torch.tensor(raw_weights(), dtype=stacked.dtype, device=stacked.device)


def attention_confidence(weights: list[Tensor], windows: list[int | None]) -> Tensor:
    """One minus entropy over log(keys the last bar may see), mean over heads and layers.

    Parameters
    ----------
    weights
        L of (B, H, T), rows summing to 1.
    windows
        Visible bars per layer; None is all T.

    Returns
    -------
    Tensor
        (B,); 1 when one bar is attended, 0 when attention is uniform. A layer that sees one bar only gives 1.

    Notes
    -----
    DESIGN correction 2: the specification divides by log(heads), which does not bound this entropy.
    """
    per_layer = []
    for layer, window in zip(weights, windows, strict=True):
        length = layer.shape[-1]
        visible = length if window is None else min(window, length)
        entropy = _entropy(layer.float())  # (B, H)
        per_layer.append(1 - entropy / math.log(visible) if visible > 1 else torch.ones_like(entropy))
    return torch.stack(per_layer).mean(dim=(0, 2)).clamp(0, 1)


def ensemble_confidence(layers: Tensor, members: Tensor | None = None) -> Tensor:
    """One minus the Jensen-Shannon divergence of the layers, and of the members, over its maximum.

    Parameters
    ----------
    layers
        What each layer says, (L, B, C).
    members
        What each of several models says, (M, B, C). None, or one alone, leaves the layers' divergence; of
        more, the mean of both divergences counts.
    """
    if members is None or len(members) == 1:
        return _agreement(layers)
    return (_agreement(layers) + _agreement(members)) / 2


def dropout_confidence(probabilities: Tensor) -> Tensor:
    """One minus the mutual information between class and dropout mask, over its maximum.

    Parameters
    ----------
    probabilities
        (P, B, C), one pass each.

    Notes
    -----
    Mutual information: Houlsby et al. 2011 (BALD); dropout as sampling: Gal & Ghahramani 2016.
    """
    return _agreement(probabilities)


def _attention(seen: Seen) -> dict[str, Tensor]:
    return dict.fromkeys(seen.drawn, attention_confidence(seen.traced.attention, seen.windows))


def _ensemble(seen: Seen) -> dict[str, Tensor]:
    said = {}
    for task in seen.drawn:
        layers = torch.stack([layer[task].probabilities[:, 0] for layer in seen.traced.layers])  # (L, B, C)
        members = torch.stack([one.layers[-1][task].probabilities[:, 0] for one in seen.traced.members])
        said[task] = ensemble_confidence(layers, members)
    return said


def _similarity(seen: Seen) -> dict[str, Tensor]:
    return dict.fromkeys(seen.drawn, seen.similarity)


def _mc_dropout(seen: Seen) -> dict[str, Tensor]:
    return {task: dropout_confidence(drawn) for task, drawn in seen.drawn.items()}


SOURCES: dict[str, Source] = {
    "attention": Source(0.30, _attention),
    "ensemble": Source(0.25, _ensemble),
    "similarity": Source(0.25, _similarity),
    "mc_dropout": Source(0.20, _mc_dropout),
}
"""Every confidence source by name; what a person reads of each stands in `app.words.confidence`.

A new one goes to the end: a mix stored before it knows the earlier ones by their place. Another weight makes
another raw sum, for which calibrators are to be fitted again.
"""


def raw_weights() -> list[float]:
    """Share of each source in the raw sum, in the order of `SOURCES`; they add up to 1."""
    total = math.fsum(source.weight for source in SOURCES.values())
    return [source.weight / total for source in SOURCES.values()]


def estimate_sources(
    model: Model,
    traced: Trace,
    reference: DistanceReference,
    passes: int = PASSES,
    seed: int = SEED,
) -> tuple[dict[str, ConfidenceSources], Tensor]:
    """All sources of every task, and the representation's Mahalanobis distance (B,)."""
    distance = reference.distance(traced.representation[:, 0].float().cpu().numpy())
    similarity = torch.from_numpy(reference.similarity(distance)).float().to(traced.representation.device)
    drawn = redraw_recent_bars(model, traced, passes, seed=seed)
    seen = Seen(model.config.windows, traced, similarity, {name: drawn[name] for name in model.heads})
    said = {name: source.estimate(seen) for name, source in SOURCES.items()}
    sources = {
        task: ConfidenceSources({name: values[task] for name, values in said.items()}) for task in seen.drawn
    }
    return sources, torch.from_numpy(distance)


def _entropy(probabilities: Tensor) -> Tensor:
    return torch.special.entr(probabilities).sum(-1)


def _agreement(probabilities: Tensor) -> Tensor:
    members, _, classes = probabilities.shape
    if members == 1:
        return probabilities.new_ones(probabilities.shape[1])
    first = probabilities[0]
    mean = (first + (probabilities - first).mean(0)).clamp_min(torch.finfo(first.dtype).tiny)
    # As a mean divergence from the mean rather than a difference of entropies: equal members give exactly 0.
    ratio = torch.special.xlogy(probabilities, probabilities) - torch.special.xlogy(probabilities, mean)
    divergence = ratio.sum(-1).mean(0)
    return (1 - divergence / math.log(min(members, classes))).clamp(0, 1)
