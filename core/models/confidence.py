"""The four confidence sources of one prediction, from one deterministic forward (DESIGN 8).

Shapes: B windows, T bars, D model width, H heads, K = D / H, P dropout passes, L layers, C classes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from core.models.attention import attention_bias
from core.models.heads import HeadOutput, TaskHead
from core.models.similarity import DistanceReference
from core.models.transformer import MarketTransformer, TransformerBlock

SOURCES = ("attention", "ensemble", "similarity", "mc_dropout")
RAW_WEIGHTS = (0.30, 0.25, 0.25, 0.20)
"""Weights of the raw sum, in the order of `SOURCES` (specification section 5)."""

PASSES = 16
SEED = 20260101


@dataclass(frozen=True)
class Trace:
    """What one deterministic forward leaves behind for the last bar.

    Attributes
    ----------
    embedded
        Embedding of the last bar before its dropout, (B, 1, D).
    keys, values
        L of (B, H, T, K).
    attention
        The last query's weights, L of (B, H, T).
    layers
        Heads read at each layer's last bar; L, the last being the prediction.
    representation
        (B, 1, D).
    """

    embedded: Tensor
    keys: list[Tensor]
    values: list[Tensor]
    attention: list[Tensor]
    layers: list[dict[str, HeadOutput]]
    representation: Tensor


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


def trace(model: MarketTransformer, x: Tensor, instrument: Tensor, timeframe: Tensor) -> Trace:
    """Run the model once on (B, T, N) and keep what the sources need; the model must be in eval mode."""
    assert not model.training
    hidden = model.embed(x, instrument, timeframe)
    embedded = hidden[:, -1:]
    keys, values, attention, lasts = [], [], [], []
    for index, block in enumerate(_blocks(model)):
        normed = block.attention_norm(hidden)
        key, value = block.attention.project_keys_values(normed)
        if index == len(model.blocks) - 1:
            normed, hidden = normed[:, -1:], hidden[:, -1:]
        query = block.attention.project_queries(normed)
        mixed, weights = block.attention.attend(query, key, value, need_weights="last")
        hidden = block.add(hidden, mixed)
        keys.append(key)
        values.append(value)
        attention.append(cast(Tensor, weights))
        lasts.append(hidden[:, -1:])
    normed_lasts = [model.final_norm(last) for last in lasts]
    return Trace(
        embedded, keys, values, attention, [model.read(last) for last in normed_lasts], normed_lasts[-1]
    )


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


def redraw_last_bar(
    model: MarketTransformer, traced: Trace, passes: int = PASSES, seed: int = SEED
) -> dict[str, Tensor]:
    """Class probabilities of every task under `passes` dropout masks on the last bar's path.

    Keys and values of earlier bars are those of the deterministic forward, so that a pass costs 1/T of a
    full one; every dropout the last bar meets (embedding, attention weights, feed-forward, residual, heads)
    is redrawn. Masks depend on the seed alone: a window gets the same numbers alone and in any batch.

    Returns
    -------
    dict
        Task -> (P, B, C).
    """
    generator = torch.Generator().manual_seed(seed)
    rate = model.config.dropout

    def drop(x: Tensor) -> Tensor:  # (P, B, ...), one mask for all windows
        if rate == 0:
            return x
        shape = (x.shape[0], 1, *x.shape[2:])
        mask = torch.rand(shape, generator=generator, device="cpu") >= rate
        return x * mask.to(x.device) / (1 - rate)

    x = drop(traced.embedded[:, 0].expand(passes, -1, -1))  # (P, B, D)
    for block, key, value in zip(_blocks(model), traced.keys, traced.values, strict=True):
        x = x + drop(_attend_last(block, x, key, value, drop))
        hidden = drop(block.expand[1](block.expand[0](block.feed_forward_norm(x))))
        x = x + drop(block.contract(hidden))
    representation = model.final_norm(x)
    return {
        name: torch.softmax(head.logits(_head_hidden(head.hidden, representation, drop)).float(), dim=-1)
        for name, head in _heads(model).items()
    }


def redraw_everything(
    model: MarketTransformer,
    x: Tensor,
    instrument: Tensor,
    timeframe: Tensor,
    passes: int = PASSES,
    seed: int = SEED,
) -> dict[str, Tensor]:
    """The reference: `passes` whole forwards with dropout in every position; task -> (P, B, C).

    Costs `passes` forwards; uses torch's global generator, so call it offline only.
    """
    with torch.random.fork_rng(devices=[]), torch.inference_mode():
        torch.manual_seed(seed)
        modules = [module for module in model.modules() if not module.training]
        embedded = model.embed(x, instrument, timeframe)  # eval mode: no instrument is hidden
        try:
            model.train()
            embedded = model.embedding_dropout(embedded.repeat(passes, 1, 1))
            states = model.encode(embedded, last_only=True)
            heads = model.read(model.final_norm(states.layers[-1][:, -1]))
        finally:
            for module in modules:
                module.training = False
    return {
        name: torch.softmax(head.logits.float(), dim=-1).unflatten(0, (passes, len(x)))
        for name, head in heads.items()
    }


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
    drawn = redraw_last_bar(model, traced, passes, seed)
    sources = {}
    for name in model.heads:
        layers = torch.stack([layer[name].probabilities[:, 0] for layer in traced.layers])  # (L, B, C)
        sources[name] = ConfidenceSources(
            attention, ensemble_confidence(layers), similarity, dropout_confidence(drawn[name])
        )
    return sources, torch.from_numpy(distance)


def _attend_last(block: TransformerBlock, x: Tensor, key: Tensor, value: Tensor, drop) -> Tensor:
    attention = block.attention
    normed = block.attention_norm(x)  # (P, B, D)
    query = _by_pass(attention.project_queries(normed.flatten(0, 1)[:, None]), len(x))
    own_key, own_value = (
        _by_pass(part, len(x)) for part in attention.project_keys_values(normed.flatten(0, 1)[:, None])
    )  # (P, B, H, K)
    length = key.shape[-2]
    scores = torch.einsum("pbhk,bhtk->pbht", query, key)
    scores[..., -1] = (query * own_key).sum(-1)
    bias = attention_bias(
        length, attention.window, attention.decay, attention.bias_scale, queries=slice(length - 1, None)
    )[:, 0]  # (H|1, T)
    weights = drop(torch.softmax(scores / math.sqrt(query.shape[-1]) + bias, dim=-1))
    mixed = torch.einsum("pbht,bhtk->pbhk", weights[..., :-1], value[:, :, :-1])
    mixed = mixed + weights[..., -1:] * own_value
    return attention.output(mixed.flatten(2))


def _by_pass(x: Tensor, passes: int) -> Tensor:
    return x[:, :, 0].unflatten(0, (passes, -1))  # (P * B, H, 1, K) -> (P, B, H, K)


def _head_hidden(hidden: nn.Sequential, x: Tensor, drop) -> Tensor:
    for layer in hidden:
        x = drop(x) if isinstance(layer, nn.Dropout) else layer(x)
    return x


def _heads(model: MarketTransformer) -> dict[str, TaskHead]:
    return {name: cast(TaskHead, head) for name, head in model.heads.items()}


def _blocks(model: MarketTransformer) -> list[TransformerBlock]:
    return [cast(TransformerBlock, block) for block in model.blocks]


def _entropy(probabilities: Tensor) -> Tensor:
    return torch.special.entr(probabilities).sum(-1)


def _agreement(probabilities: Tensor) -> Tensor:
    members, _, classes = probabilities.shape
    if members == 1:
        return probabilities.new_ones(probabilities.shape[1])
    divergence = _entropy(probabilities.mean(0)) - _entropy(probabilities).mean(0)
    return (1 - divergence / math.log(min(members, classes))).clamp(0, 1)
