"""Attention as routing: where information was read from, by layer, head and age. It is no cause.

Shapes: L layers, H heads, T bars; ``weights[l, h, i, j]`` is what bar i reads from bar j, zero for j > i.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from core.device import device_of
from core.errors import InputError
from core.explain.margin import TaskMargin, check_window, log_odds
from core.models.ensemble import list_members, mean_outputs

SHARE_SPANS = (20, 50, 300)
LOCAL_REACH = 0.5
"""Of the mean age that even attention over all a layer may see has; a local head stays below that part."""
DIFFUSE_ENTROPY = 0.9
AGE_BORDERS = (0, 1, 5, 10, 20, 50, 100, 200)
"""First age of each group that moments are compared by, in bars."""


def rollout(weights: np.ndarray, residual: float = 0.5, members: int = 1) -> np.ndarray:
    """How much of every bar reaches every bar through all layers, heads averaged.

    Parameters
    ----------
    weights
        Shape (L, H, T, T), rows adding up to 1.
    residual
        Share that stays in place at each layer (the skip connection); in [0, 1].
    members
        Transformers whose heads stand side by side in H, in equal numbers: each is followed by itself, as no
        head reads what another member's wrote, and the flows are averaged.

    Returns
    -------
    ndarray
        Shape (T, T); rows add up to 1, and nothing is read from the future.

    Notes
    -----
    Abnar & Zuidema 2020, Quantifying Attention Flow in Transformers.
    """
    weights = _check(weights)
    if not 0 <= residual <= 1:
        raise InputError("a residual share in [0, 1]", str(residual), "0.5 is the published one")
    if members < 1 or weights.shape[1] % members:
        raise InputError(
            f"as many heads from each of {members} members", f"{weights.shape[1]} heads", "count the members"
        )
    identity = np.eye(weights.shape[-1])
    flows = []
    for own in np.split(weights, members, axis=1):
        flow = identity
        for layer in own.mean(1):
            flow = ((1 - residual) * layer + residual * identity) @ flow
        flows.append(flow)
    return np.mean(flows, axis=0)


@dataclass(frozen=True)
class HeadSummaries:
    """Where each head looks from one bar (or on average over several).

    Attributes
    ----------
    entropy
        Entropy over the keys a head may see, as a share of its maximum, in [0, 1]; shape (L, H).
    mean_age
        Mean look-back age in bars, (L, H).
    share_within
        By span in bars: share of attention on the newest `span` bars, the bar itself included, (L, H).
    peak_age
        Age in bars of the most attended bar, (L, H) int64; the first queried bar's if there are several.
    kind
        "local" (mean age below `LOCAL_REACH` of what even attention over the layer's own window has), else
        "diffuse" (entropy at least `DIFFUSE_ENTROPY`), else "global"; L tuples of H names.
    """

    entropy: np.ndarray
    mean_age: np.ndarray
    share_within: dict[int, np.ndarray]
    peak_age: np.ndarray
    kind: tuple[tuple[str, ...], ...]


def summarise_heads(
    weights: np.ndarray, windows: Sequence[int | None], queries: Sequence[int] = (-1,)
) -> HeadSummaries:
    """Summaries of every head, averaged over the bars `queries`.

    Parameters
    ----------
    weights
        Shape (L, H, T, T).
    windows
        Bars a query may see per layer; None = all up to itself. A query that sees itself alone has entropy 0.
    """
    weights = _check(weights)
    bars = weights.shape[-1]
    if len(windows) != len(weights) or not len(queries):
        raise InputError(
            f"{len(weights)} windows and at least one bar", f"{len(windows)} and {len(queries)}", "give them"
        )
    entropy, age, shares, peaks, even = [], [], {span: [] for span in SHARE_SPANS}, [], []
    for query in queries:
        by_age = age_profile(weights, query)
        index = query % bars
        visible = np.array([min(index + 1, bars if window is None else window) for window in windows])
        logs = np.log(by_age, out=np.zeros_like(by_age), where=by_age > 0)
        limit = np.log(visible)[:, None]
        entropy.append(
            np.divide(-(by_age * logs).sum(-1), limit, out=np.zeros(by_age.shape[:2]), where=limit > 0)
        )
        age.append(by_age @ np.arange(bars))
        even.append((visible - 1) / 2)
        peaks.append(by_age.argmax(-1))
        for span, values in shares.items():
            values.append(by_age[..., :span].sum(-1))
    mean_entropy, mean_age = np.mean(entropy, 0), np.mean(age, 0)
    kind = tuple(
        tuple(
            "local" if a < LOCAL_REACH * middle else "diffuse" if e >= DIFFUSE_ENTROPY else "global"
            for a, e in zip(ages, entropies, strict=True)
        )
        for ages, entropies, middle in zip(mean_age, mean_entropy, np.mean(even, 0), strict=True)
    )
    within = {span: np.mean(values, 0) for span, values in shares.items()}
    return HeadSummaries(mean_entropy, mean_age, within, peaks[0], kind)


def age_profile(weights: np.ndarray, query: int = -1) -> np.ndarray:
    """Attention of one bar by age: ``[..., a]`` is what it reads a bars back, (L, H, T, T) -> (L, H, T)."""
    weights = _check(weights)
    bars = weights.shape[-1]
    if not -bars <= query < bars:
        raise InputError(f"a bar from 0 to {bars - 1}", str(query), "choose a bar of the window")
    index = query % bars
    profile = np.zeros(weights.shape[:-1])
    profile[..., : index + 1] = weights[..., index, index::-1]
    return profile


def age_groups(bars: int) -> list[tuple[int, int]]:
    """First and last age of each group in a window of so many bars."""
    starts = [age for age in AGE_BORDERS if age < bars]
    return list(zip(starts, [*(age - 1 for age in starts[1:]), bars - 1], strict=True))


def group_by_age(profile: np.ndarray) -> np.ndarray:
    """Sums of an age profile (..., T) over its G age groups, (..., G)."""
    return np.add.reduceat(profile, [first for first, _ in age_groups(profile.shape[-1])], axis=-1)


@dataclass(frozen=True)
class MomentComparison:
    """How attention differs between two moments, by age so that different windows can be compared.

    Attributes
    ----------
    difference
        Second moment's age profile minus the first's, (L, H, T).
    distance
        Total variation distance per head, 0 (same) to 1 (nothing in common), (L, H).
    group_distance
        The same between age groups, (L, H), never above `distance`: a bar that both moments attend, and that
        is a few bars older in the second, counts as the same place while it stays in its group.
    mean_age
        Mean look-back ages of the first and the second moment, two of (L, H).
    """

    difference: np.ndarray
    distance: np.ndarray
    group_distance: np.ndarray
    mean_age: tuple[np.ndarray, np.ndarray]


def compare_moments(
    first: np.ndarray, second: np.ndarray, first_query: int = -1, second_query: int = -1
) -> MomentComparison:
    """Compare one bar's attention with another's, of the same window or of two, (L, H, T, T) each."""
    before, after = age_profile(first, first_query), age_profile(second, second_query)
    if before.shape != after.shape:
        raise InputError(
            f"maps of shape {before.shape}", str(after.shape), "compare models of one architecture"
        )
    ages = np.arange(before.shape[-1])
    difference = after - before
    distance, grouped = (np.abs(values).sum(-1) / 2 for values in (difference, group_by_age(difference)))
    return MomentComparison(difference, distance, grouped, (before @ ages, after @ ages))


@dataclass(frozen=True)
class ClassRelevance:
    """Attention weighted by its effect on one class.

    Attributes
    ----------
    by_bar
        Relevance of each bar to the last bar's prediction, what the skip connections alone carry left out,
        (T,), none negative.
    by_head
        Sum over bars of gradient times attention, negative parts dropped, at the last query, (L, H).
    matrix
        Relevance of every bar to every bar, (T, T).
    task, target
        What it speaks for.
    """

    by_bar: np.ndarray
    by_head: np.ndarray
    matrix: np.ndarray
    task: str
    target: str


def class_relevance(margin: TaskMargin, window: np.ndarray) -> ClassRelevance:
    """Gradient-weighted attention relevance of one class's margin at the last bar.

    Parameters
    ----------
    margin
        The class.
    window
        Shape (T, N).

    Notes
    -----
    Chefer, Gur & Wolf 2021, Generic Attention-model Explainability: R = I, then per layer R += A R with A the
    mean over heads of the positive part of gradient times attention. Members of an ensemble are followed
    apart and averaged.
    """
    x = torch.from_numpy(check_window(window))[None].to(device_of(margin)).requires_grad_()
    instrument, timeframe = margin.indices(1, x.device)
    with torch.enable_grad():
        said = [
            member(x, instrument, timeframe, need_attention="full") for member in list_members(margin.model)
        ]
        logits = mean_outputs([output.tasks for output in said])[margin.task].logits[:, -1]
        score = log_odds(logits, margin.index).sum()
        layers = [weights for output in said for weights in output.attention]
        gradients = torch.autograd.grad(score, layers)
    with torch.no_grad():
        products = [
            (len(said) * gradient * weights)[0].clamp(min=0).double().cpu()
            for gradient, weights in zip(gradients, layers, strict=True)
        ]
        # Every member routes within itself alone; the mean logit takes one part of as many from each.
        depth = len(said[0].attention)
        parts = [products[start : start + depth] for start in range(0, len(products), depth)]
        matrix = np.mean([_follow(part) for part in parts], axis=0)
    by_head = np.stack(
        [torch.cat([part[layer][:, -1].sum(-1) for part in parts]).numpy() for layer in range(depth)]
    )
    return ClassRelevance(matrix[-1], by_head, matrix, margin.task, margin.target)


def _follow(products: list[torch.Tensor]) -> np.ndarray:
    """Relevance (T, T) that `products`, L of (H, T, T), carry from layer to layer, without the start."""
    identity = torch.eye(products[0].shape[-1], dtype=torch.float64)
    relevance = identity
    for product in products:
        relevance = relevance + product.mean(0) @ relevance
    return (relevance - identity).numpy()


def full_attention(margin: TaskMargin, window: np.ndarray) -> np.ndarray:
    """Weights of every layer and head over one window (T, N), as (L, H, T, T) float32."""
    x = torch.from_numpy(check_window(window))[None].to(device_of(margin))
    instrument, timeframe = margin.indices(1, x.device)
    with torch.no_grad():
        output = margin.model(x, instrument, timeframe, need_attention="full")
    return np.stack([layer[0].float().cpu().numpy() for layer in output.attention])


def _check(weights: np.ndarray) -> np.ndarray:
    weights = np.asarray(weights, dtype=np.float64)
    if weights.ndim != 4 or weights.shape[-1] != weights.shape[-2]:
        raise InputError(
            "attention of shape (layers, heads, bars, bars)", f"shape {weights.shape}", "ask for full maps"
        )
    return weights


def share_within(row: np.ndarray, query: int, bars: int) -> float:
    """Share of one query's attention on itself and the `bars` - 1 bars before it, in [0, 1]."""
    total = float(row[: query + 1].sum())
    return float(row[max(query + 1 - bars, 0) : query + 1].sum()) / total if total > 0 else 0.0
