"""One deterministic forward that keeps what the confidence sources of the last bar need.

Shapes: B windows, T bars, N features, D model width, H heads, K = D / H, L layers, M members, C classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from core.models.ensemble import Model, join_heads, list_members, mean_outputs
from core.models.heads import HeadOutput
from core.models.transformer import MarketTransformer, TransformerBlock


@dataclass(frozen=True)
class MemberTrace:
    """What one deterministic forward of one transformer leaves behind.

    Attributes
    ----------
    embedded
        Embedding of every bar before its dropout, (B, T, D).
    keys, values
        L of (B, H, T, K).
    attention
        The last query's weights, L of (B, H, T).
    layers
        Heads read at each layer's last bar; L, the last being the prediction.
    representation
        Of the last bar, (B, 1, D).
    """

    embedded: Tensor
    keys: list[Tensor]
    values: list[Tensor]
    attention: list[Tensor]
    layers: list[dict[str, HeadOutput]]
    representation: Tensor


@dataclass(frozen=True)
class Trace:
    """What one deterministic forward of a model leaves behind: `members`, one or several, and them as one.

    Attributes
    ----------
    attention
        The last query's weights, L of (B, M * H, T).
    layers
        Mean over the members of the heads read at each layer's last bar; L, the last being the prediction.
    representation
        Of the last bar, (B, 1, M * D).
    """

    members: list[MemberTrace]
    attention: list[Tensor]
    layers: list[dict[str, HeadOutput]]
    representation: Tensor


def trace(model: Model, x: Tensor, instrument: Tensor, timeframe: Tensor) -> Trace:
    """Run the model once on (B, T, N) and keep what the sources need; the model must be in eval mode."""
    assert not model.training
    members = [_trace_member(member, x, instrument, timeframe) for member in list_members(model)]
    by_layer = zip(*(member.layers for member in members), strict=True)
    return Trace(
        members=members,
        attention=join_heads([member.attention for member in members]),
        layers=[mean_outputs(layer) for layer in by_layer],
        representation=torch.cat([member.representation for member in members], dim=-1),
    )


def list_blocks(model: MarketTransformer) -> list[TransformerBlock]:
    """The model's layers, first to last, by their own type."""
    return [cast(TransformerBlock, block) for block in model.blocks]


def _trace_member(model: MarketTransformer, x: Tensor, instrument: Tensor, timeframe: Tensor) -> MemberTrace:
    hidden = embedded = model.embed(x, instrument, timeframe)
    keys, values, attention, lasts = [], [], [], []
    for index, block in enumerate(list_blocks(model)):
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
    layers = [model.read(last, x[:, -1:]) for last in normed_lasts]
    return MemberTrace(embedded, keys, values, attention, layers, normed_lasts[-1])
