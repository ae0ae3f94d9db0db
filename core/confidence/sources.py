"""The four confidence sources of one prediction, from one deterministic forward (DESIGN 8).

Shapes: B windows, T bars, D model width, H heads, K = D / H, P dropout passes, L layers, C classes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from core.confidence.mc_dropout import PASSES, SEED, redraw_recent_bars
from core.confidence.similarity import DistanceReference
from core.models.trace import Trace
from core.models.transformer import MarketTransformer

SOURCES = ("attention", "ensemble", "similarity", "mc_dropout")
RAW_WEIGHTS = (0.30, 0.25, 0.25, 0.20)
"""Weights of the raw sum, in the order of `SOURCES` (specification section 5)."""


@dataclass(frozen=True)
class ConfidenceSources:
    """Four numbers in [0, 1] per window, each shape (B,).

    Attributes
    ----------
    attention
        One minus the normalised entropy of where the last bar looks.
    ensemble
        One minus the normalised Jensen-Shannon divergence between the layers' probabilities.
    similarity
        exp(-Mahalanobis distance / scale) of the representation.
    mc_dropout
        One minus the normalised mutual information between prediction and dropout mask.
    """

    attention: Tensor
    ensemble: Tensor
    similarity: Tensor
    mc_dropout: Tensor

    def stacked(self) -> Tensor:
        """(B, 4) in the order of `SOURCES`."""
        return torch.stack([getattr(self, name) for name in SOURCES], dim=-1)

    def raw(self) -> Tensor:
        """The specification's weighted sum, (B,); not yet a probability."""
        stacked = self.stacked()
        return stacked @ torch.tensor(RAW_WEIGHTS, dtype=stacked.dtype, device=stacked.device)


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


def ensemble_confidence(probabilities: Tensor) -> Tensor:
    """One minus the Jensen-Shannon divergence of the layers, over its maximum.

    Parameters
    ----------
    probabilities
        (L, B, C).
    """
    return _agreement(probabilities)


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


def estimate_sources(
    model: MarketTransformer,
    traced: Trace,
    reference: DistanceReference,
    passes: int = PASSES,
    seed: int = SEED,
) -> tuple[dict[str, ConfidenceSources], Tensor]:
    """All four sources of every task, and the representation's Mahalanobis distance (B,)."""
    attention = attention_confidence(traced.attention, model.config.windows)
    distance = reference.distance(traced.representation[:, 0].float().cpu().numpy())
    similarity = torch.from_numpy(reference.similarity(distance)).float().to(attention.device)
    drawn = redraw_recent_bars(model, traced, passes, seed=seed)
    sources = {}
    for name in model.heads:
        layers = torch.stack([layer[name].probabilities[:, 0] for layer in traced.layers])  # (L, B, C)
        sources[name] = ConfidenceSources(
            attention, ensemble_confidence(layers), similarity, dropout_confidence(drawn[name])
        )
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
