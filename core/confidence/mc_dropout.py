"""Monte Carlo dropout of one prediction: cheap passes over recent bars, and the forwards they stand for.

Shapes: P passes, B windows, T bars, R recent bars, Q queries (R, or 1 in the last layer), D model width,
H heads, K = D / H, C classes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import cast

import torch
from torch import Tensor, nn

from core.models.attention import attention_bias
from core.models.ensemble import Model, list_members
from core.models.heads import HeadOutput, TaskHead
from core.models.trace import MemberTrace, Trace, list_blocks
from core.models.transformer import MarketTransformer, TransformerBlock

PASSES = 64
RECENT_BARS = 1
SEED = 20260101

Drop = Callable[[Tensor], Tensor]


def redraw_recent_bars(
    model: Model,
    traced: Trace,
    passes: int = PASSES,
    bars: int = RECENT_BARS,
    seed: int = SEED,
) -> dict[str, Tensor]:
    """Class probabilities of every task under `passes` dropout masks on the path of the last `bars` bars.

    Keys and values of earlier bars are those of the deterministic forward, so that a pass costs R/T of a full
    one; every dropout the recent bars meet (embedding, attention weights, feed-forward, residual, heads) is
    redrawn. With `bars` of the whole window nothing is left out.

    Masks depend on the seed alone: a window gets the same numbers alone and in any batch. Every member of an
    ensemble is redrawn, by masks of its own, and their logits averaged within each pass.

    Returns
    -------
    dict
        Task -> (P, B, C).

    Notes
    -----
    Dropout as sampling: Gal & Ghahramani 2016. What passes and bars cost, and how well they rank windows as
    whole forwards do, is measured by ``python -m tests.benchmarks.prediction_latency``: more passes help,
    more bars do not.
    """
    logits = [
        _redraw_member(member, kept, passes, bars, seed + place)
        for place, (member, kept) in enumerate(zip(list_members(model), traced.members, strict=True))
    ]
    return {name: torch.softmax(_mean([drawn[name] for drawn in logits]), dim=-1) for name in model.heads}


def _redraw_member(
    model: MarketTransformer, traced: MemberTrace, passes: int, bars: int, seed: int
) -> dict[str, Tensor]:
    """Logits of every task under `passes` masks, (P, B, C) float32."""
    length = traced.embedded.shape[1]
    bars = min(bars, length)
    rate = model.config.dropout
    drop, different = _keep_all, 1
    if rate > 0:
        shapes, different = tuple(_mask_shapes(model, bars, length)), passes
        drop = _replay(draw_masks(shapes, passes, rate, seed, traced.embedded.device))
    x = drop(traced.embedded[:, -bars:].expand(different, -1, -1, -1))  # (P, B, R, D)
    blocks = list_blocks(model)
    for block, key, value in zip(blocks, traced.keys, traced.values, strict=True):
        queries = 1 if block is blocks[-1] else bars
        mixed = _attend_recent(block, block.attention_norm(x), key, value, queries, drop)
        x = x[:, :, -queries:] + drop(mixed)
        hidden = drop(block.expand[1](block.expand[0](block.feed_forward_norm(x))))
        x = x + drop(block.contract(hidden))
    representation = model.final_norm(x[:, :, -1])
    said = traced.layers[-1]
    logits = {
        name: head.add(_head_hidden(head.hidden, representation, drop), _last_direct(said[name])).float()
        for name, head in _heads(model).items()
    }
    # Without dropout one pass is all of them, to the last bit.
    return {name: drawn.expand(passes, -1, -1) for name, drawn in logits.items()}


def redraw_everything(
    model: Model,
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
        logits = [_forward_often(m, x, instrument, timeframe, passes) for m in list_members(model)]
    return {name: torch.softmax(_mean([drawn[name] for drawn in logits]), dim=-1) for name in model.heads}


def _forward_often(
    model: MarketTransformer, x: Tensor, instrument: Tensor, timeframe: Tensor, passes: int
) -> dict[str, Tensor]:
    modules = [module for module in model.modules() if not module.training]
    embedded = model.embed(x, instrument, timeframe)  # eval mode: no instrument is hidden
    try:
        model.train()
        embedded = model.embedding_dropout(embedded.repeat(passes, 1, 1))
        states = model.encode(embedded, last_only=True)
        heads = model.read(model.final_norm(states.layers[-1][:, -1]), x[:, -1].repeat(passes, 1))
    finally:
        for module in modules:
            module.training = False
    return {name: head.logits.float().unflatten(0, (passes, len(x))) for name, head in heads.items()}


def _mean(parts: list[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.stack(parts).mean(0)


def _last_direct(said: HeadOutput) -> Tensor | None:
    return None if said.direct is None else said.direct[:, -1]


@lru_cache(maxsize=16)
def draw_masks(
    shapes: tuple[tuple[int, ...], ...], passes: int, rate: float, seed: int, device: torch.device
) -> tuple[Tensor, ...]:
    """Dropout masks (P, *shape), 0 with probability `rate`, else 1 / (1 - rate); drawn once per seed.

    They come from a generator on the CPU, so that every device gets the same.
    """
    generator = torch.Generator().manual_seed(seed)
    # Kept between calls, so they must serve outside inference mode too.
    with torch.inference_mode(False):
        return tuple(
            (torch.rand((passes, *shape), generator=generator).ge(rate) / (1 - rate)).to(device)
            for shape in shapes
        )


def _mask_shapes(model: MarketTransformer, bars: int, length: int) -> Iterator[tuple[int, ...]]:
    """Of one pass, in the order in which the forward meets its dropouts; 1 stands for all windows."""
    width = model.config.d_model
    yield 1, bars, width
    blocks = list_blocks(model)
    for block in blocks:
        queries = 1 if block is blocks[-1] else bars
        keys = length - _first_key(block, queries, bars, length)
        yield 1, block.attention.heads, queries, keys
        yield 1, queries, width
        yield 1, queries, model.config.ffn_dim
        yield 1, queries, width
    for head in _heads(model).values():
        yield from ((1, layer.out_features) for layer in head.hidden if isinstance(layer, nn.Linear))


def _first_key(block: TransformerBlock, queries: int, bars: int, length: int) -> int:
    """The earliest bar any of the last `queries` bars may see, but no recent one."""
    window = block.attention.window
    return 0 if window is None else min(max(0, length - queries - window + 1), length - bars)


def _attend_recent(
    block: TransformerBlock, x: Tensor, key: Tensor, value: Tensor, queries: int, drop: Drop
) -> Tensor:
    """(P, B, R, D) of the recent bars' normed path, (B, H, T, K) of all -> (P, B, Q, D)."""
    attention = block.attention
    passes, _, bars, _ = x.shape
    length = key.shape[-2]
    first, earlier = _first_key(block, queries, bars, length), length - bars
    query = _split(attention.query(x[:, :, -queries:]), attention.heads)  # (P, B, H, Q, K)
    own_key, own_value = (_split(part, attention.heads) for part in attention.key_value(x).chunk(2, dim=-1))
    query = query / math.sqrt(query.shape[-1])
    # One product for all passes: earlier keys and values are the same in each.
    past = _passes_last(query) @ key[:, :, first:earlier].transpose(-2, -1)
    scores = torch.cat([_passes_first(past, passes), query @ own_key.transpose(-2, -1)], dim=-1)
    bias = attention_bias(
        length,
        attention.window,
        attention.decay,
        attention.bias_scale,
        queries=slice(length - queries, None),
        keys=slice(first, None),
    )
    weights = drop(torch.softmax(scores + bias, dim=-1))
    past_weights, own_weights = weights.split([earlier - first, bars], dim=-1)
    mixed = _passes_first(_passes_last(past_weights) @ value[:, :, first:earlier], passes)
    return attention.output((mixed + own_weights @ own_value).transpose(2, 3).flatten(3))


def _split(x: Tensor, heads: int) -> Tensor:
    return x.unflatten(-1, (heads, -1)).transpose(2, 3)  # (P, B, R, D) -> (P, B, H, R, K)


def _passes_last(x: Tensor) -> Tensor:
    return x.permute(1, 2, 0, 3, 4).flatten(2, 3)  # (P, B, H, Q, .) -> (B, H, P * Q, .)


def _passes_first(x: Tensor, passes: int) -> Tensor:
    return x.unflatten(2, (passes, -1)).permute(2, 0, 1, 3, 4)  # (B, H, P * Q, .) -> (P, B, H, Q, .)


def _replay(masks: tuple[Tensor, ...]) -> Drop:
    """Drops by one mask after the other."""
    left = iter(masks)
    return lambda x: x * next(left)


def _keep_all(x: Tensor) -> Tensor:
    return x


def _head_hidden(hidden: nn.Sequential, x: Tensor, drop: Drop) -> Tensor:
    for layer in hidden:
        x = drop(x) if isinstance(layer, nn.Dropout) else layer(x)
    return x


def _heads(model: MarketTransformer) -> dict[str, TaskHead]:
    return {name: cast(TaskHead, head) for name, head in model.heads.items()}
