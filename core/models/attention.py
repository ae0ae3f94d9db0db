"""Temporal-biased sparse attention.

Shapes: B windows, T bars, D model width, H heads, K = D / H, Q queries (T, or 1 for the last bar alone).
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.attention.flex_attention import BlockMask, create_block_mask, flex_attention

from core.models.dropout import drop

QUERY_BLOCK = 64
"""Queries attended at once on a CPU, so that keys no query of the block may see are never touched."""

AttentionPath = Literal["blocked", "sdpa", "flex"]


def recency(age: Tensor, decay: float) -> Tensor:
    """Bias of a key `age` bars before the query, before the head's scale: 1 at age 0, falling to 0."""
    return torch.exp(-decay * age)


def visible(age: Tensor, window: int | None) -> Tensor:
    """Whether a key `age` bars before the query may be seen: not the future, nor `window` bars ago."""
    seen = age >= 0
    return seen if window is None else seen & (age < window)


@lru_cache(maxsize=64)
def _constant_terms(
    length: int, window: int | None, decay: float | None, device: torch.device
) -> tuple[Tensor, Tensor]:
    # The learned scale must not be part of what is cached, and tensors made in inference mode could not be
    # saved for a later backward pass.
    with torch.inference_mode(False), torch.no_grad():
        position = torch.arange(length, device=device, dtype=torch.float32)
        age = position[:, None] - position[None, :]
        seen = visible(age, window)
        outside = torch.zeros(length, length, device=device).masked_fill(~seen, -math.inf)
        slope = torch.zeros_like(age) if decay is None else recency(age.clamp(min=0), decay) * seen
    return slope, outside


def attention_bias(
    length: int,
    window: int | None,
    decay: float | None,
    scale: Tensor,
    *,
    queries: slice = slice(None),
    keys: slice = slice(None),
) -> Tensor:
    """Additive bias: ``s_h * exp(-decay * (i - j))`` where key j may be seen from query i, else -inf.

    Parameters
    ----------
    length
        Bars in the window, T.
    window
        A query sees itself and the ``window - 1`` bars before it; None = every bar up to itself.
    decay
        lambda, per bar; None = no recency bias, the visibility alone.
    scale
        s_h, shape (H,); gradients flow to it. The bias lives on its device.
    queries, keys
        Which rows and columns are wanted, for a query subset.

    Returns
    -------
    Tensor
        Shape (H, Q, keys), float32; (1, Q, keys) when `decay` is None.
    """
    slope, outside = _constant_terms(length, window, decay, scale.device)
    slope, outside = slope[queries, keys], outside[queries, keys]
    if decay is None:
        return outside[None]
    return scale[:, None, None] * slope + outside


@lru_cache(maxsize=64)
def _block_mask(length: int, window: int | None, device: torch.device) -> BlockMask:
    def mask(batch: Tensor, head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        return visible(query - key, window)

    with torch.inference_mode(False):
        return create_block_mask(mask, None, None, length, length, device=str(device))


@lru_cache(maxsize=1)
def _compiled_flex_attention():
    return torch.compile(flex_attention)


def flex_attend(
    query: Tensor, key: Tensor, value: Tensor, window: int | None, decay: float | None, scale: Tensor
) -> Tensor:
    """Attend with FlexAttention: compiled on CUDA, skipping blocks outside the window; eager on a CPU."""

    def score(score: Tensor, batch: Tensor, head: Tensor, q: Tensor, k: Tensor) -> Tensor:
        return score if decay is None else score + scale[head] * recency(q - k, decay)

    attend = _compiled_flex_attention() if query.is_cuda else flex_attention
    return attend(
        query, key, value, score_mod=score, block_mask=_block_mask(query.shape[-2], window, query.device)
    )


class TemporalBiasedAttention(nn.Module):
    """Causal multi-head attention within a window, biased towards recent bars by a learned scale per head.

    Parameters
    ----------
    d_model, heads
        D and H; H divides D.
    window
        Bars a query sees, itself included; None = all up to itself.
    decay
        lambda of the recency bias, per bar.
    temporal_bias
        False leaves the recency bias out; the window stays.
    dropout
        Share of attention weights dropped in training mode.

    Attributes
    ----------
    bias_scale
        s_h, shape (H,), starting at 1; 0 and fixed without the temporal bias.
    path
        How the weighted sum is computed when no weights are asked for; None chooses by device: query blocks
        on a CPU, one scaled_dot_product_attention on a GPU. "flex" is FlexAttention with a block mask, for
        inference (it has no dropout of weights, nor gradients on a CPU); where it cannot serve,
        scaled_dot_product_attention does.
    """

    def __init__(
        self,
        d_model: int,
        heads: int,
        window: int | None,
        decay: float,
        temporal_bias: bool,
        dropout: float,
    ) -> None:
        super().__init__()
        self.heads = heads
        self.window = window
        self.decay = decay if temporal_bias else None
        self.dropout = dropout
        self.path: AttentionPath | None = None
        self.query = nn.Linear(d_model, d_model)
        self.key_value = nn.Linear(d_model, 2 * d_model)
        self.output = nn.Linear(d_model, d_model)
        self.bias_scale = nn.Parameter(
            torch.full((heads,), float(temporal_bias)), requires_grad=temporal_bias
        )

    def forward(
        self, x: Tensor, *, last_only: bool = False, need_weights: bool | Literal["last"] = False
    ) -> tuple[Tensor, Tensor | None]:
        """Attend over the bars of `x`.

        Parameters
        ----------
        x
            Shape (B, T, D).
        last_only
            Compute the last bar's query alone (keys and values are those of all bars).
        need_weights
            True: the weights of every query computed, on the explicit path. "last": those of the last query,
            beside the fused path.

        Returns
        -------
        out : Tensor
            Shape (B, Q, D).
        weights : Tensor or None
            Before dropout, rows summing to 1: (B, H, Q, T), or (B, H, T) for "last".
        """
        query = self.project_queries(x[:, -1:] if last_only else x)
        key, value = self.project_keys_values(x)
        return self.attend(query, key, value, need_weights=need_weights)

    def project_queries(self, x: Tensor) -> Tensor:
        """Queries of `x` (B, Q, D) -> (B, H, Q, K)."""
        return self._split(self.query(x))

    def project_keys_values(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values of `x` (B, T, D) -> two of (B, H, T, K)."""
        key, value = self.key_value(x).chunk(2, dim=-1)
        return self._split(key), self._split(value)

    def attend(
        self, query: Tensor, key: Tensor, value: Tensor, *, need_weights: bool | Literal["last"] = False
    ) -> tuple[Tensor, Tensor | None]:
        """Weigh `value` for the last Q bars' queries (B, H, Q, K); outputs as `forward`."""
        if need_weights is True:
            mixed, weights = self._attend_explicitly(query, key, value)
        else:
            mixed = self._attend_fused(query, key, value)
            weights = self._weights(query[:, :, -1:], key)[:, :, 0] if need_weights == "last" else None
        return self.output(mixed.transpose(1, 2).flatten(2)), weights

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def _bias(self, length: int, queries: slice, keys: slice = slice(None)) -> Tensor:
        return attention_bias(length, self.window, self.decay, self.bias_scale, queries=queries, keys=keys)

    def _weights(self, query: Tensor, key: Tensor) -> Tensor:
        length = key.shape[-2]
        scores = query @ key.transpose(-2, -1) / math.sqrt(query.shape[-1])
        return torch.softmax(scores.float() + self._bias(length, slice(length - query.shape[-2], None)), -1)

    def _attend_explicitly(self, query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        weights = self._weights(query, key)
        dropped = drop(weights, self.dropout, self.training)
        return dropped.to(value.dtype) @ value, weights

    def _attend_fused(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        length, count = key.shape[-2], query.shape[-2]
        dropout = self.dropout if self.training else 0.0
        path = self.path or ("sdpa" if query.is_cuda else "blocked")
        if path == "flex" and not dropout and count == length and not torch.is_grad_enabled():
            return flex_attend(query, key, value, self.window, self.decay, self.bias_scale)
        if path != "blocked":
            bias = self._bias(length, slice(length - count, None)).to(query.dtype)
            return nn.functional.scaled_dot_product_attention(
                query, key, value, attn_mask=bias, dropout_p=dropout
            )
        parts = []
        for start in range(length - count, length, QUERY_BLOCK):
            stop = min(start + QUERY_BLOCK, length)
            keys = slice(0 if self.window is None else max(0, start - self.window + 1), stop)
            rows = query[:, :, start - (length - count) : stop - (length - count)]
            bias = self._bias(length, slice(start, stop), keys)
            parts.append(self._attend_block(rows, key[:, :, keys], value[:, :, keys], bias))
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=-2)

    def _attend_block(self, query: Tensor, key: Tensor, value: Tensor, bias: Tensor) -> Tensor:
        # With a gradient for the bias scale, or with dropout, torch itself takes this road, with more passes.
        if torch.is_grad_enabled() or (self.training and self.dropout):
            scores = (query / math.sqrt(query.shape[-1])) @ key.transpose(-2, -1) + bias.to(query.dtype)
            weights = drop(torch.softmax(scores, dim=-1), self.dropout, self.training)
            return weights.to(value.dtype) @ value
        return nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=bias.to(query.dtype))
