"""Attribution by hiding: what the margin loses without some cells (Captum), and saliency rescaled by it."""

from __future__ import annotations

import numpy as np
import torch
from captum.attr import FeatureAblation, Occlusion
from torch import Tensor

from core.device import device_of
from core.explain.margin import EVALUATION_BATCH, MeteredMargin
from core.explain.methods.gradients import slopes
from core.explain.methods.settings import Explicand, Settings, players, share_equally


def feature_ablation(
    margin: MeteredMargin, explicand: Explicand, settings: Settings
) -> tuple[np.ndarray, int]:
    """Hide one feature or group (in one block of bars, if asked for) at a time; values (T, N).

    A player's loss is shared equally by its cells, so that sums over a feature give its loss.
    """
    window, references = explicand.window, explicand.references
    assignment = players(
        len(window), explicand.groups, grouping=settings.grouping, block=settings.ablation_block
    )
    count = int(assignment.max()) + 1
    margin.meter.plan((count + 1) * len(references))
    device = device_of(margin)
    mask = torch.from_numpy(assignment)[None].to(device)
    explainer = FeatureAblation(margin)
    total = np.zeros(window.shape)
    with torch.no_grad():
        for reference in references:
            losses = explainer.attribute(
                torch.from_numpy(window)[None].to(device),
                torch.from_numpy(reference)[None].to(device),
                feature_mask=mask,
                perturbations_per_eval=EVALUATION_BATCH,
            )
            assert isinstance(losses, Tensor)
            total += losses[0].cpu().double().numpy()
    per_player = np.zeros(count)
    per_player[assignment] = total / len(references)
    return share_equally(per_player, assignment), count


def occlusion(margin: MeteredMargin, explicand: Explicand, settings: Settings) -> tuple[np.ndarray, int]:
    """Hide `settings.occlusion_block` bars at a time, all features; values (T, N).

    Blocks overlap by half. A bar's value is the mean loss over the blocks it lay in, per bar of a block, and
    is shared equally by its cells.
    """
    window, references = explicand.window, explicand.references
    bars, features = window.shape
    block = min(settings.occlusion_block, bars)
    stride = max(1, block // 2)
    count = 1 + -(-(bars - block) // stride)
    margin.meter.plan((count + 1) * len(references))
    device = device_of(margin)
    explainer = Occlusion(margin)
    total = np.zeros(window.shape)
    with torch.no_grad():
        for reference in references:
            losses = explainer.attribute(
                torch.from_numpy(window)[None].to(device),
                sliding_window_shapes=(block, features),
                strides=(stride, features),
                baselines=torch.from_numpy(reference)[None].to(device),
                perturbations_per_eval=EVALUATION_BATCH,
            )
            assert isinstance(losses, Tensor)
            total += losses[0].cpu().double().numpy()
    return total / len(references) / (block * features), count


KEPT_BARS = 0.1
"""Share of bars, the most relevant ones, in which features are then hidden."""


def temporal_rescaling(
    margin: MeteredMargin, explicand: Explicand, settings: Settings
) -> tuple[np.ndarray, int]:
    """Relevance of a cell's bar times relevance of its feature, values (T, N), none negative.

    The saliency rescaled is gradient times distance from the reference. As published, bars are hidden one by
    one, and features again in each bar (up to T + T * N gradients). Here `settings.rescaling_block`
    bars are hidden together, and each feature in all relevant bars at once: about 100 gradients for 300 x 30.

    Notes
    -----
    Ismail, Gunady, Corrada Bravo & Feizi 2020, algorithm 1, bars and features grouped.
    """
    window, references = explicand.window, explicand.references
    bars, features = window.shape
    reference = references.mean(0)
    blocks = players(bars, explicand.groups, block=settings.rescaling_block)[:, 0] // features
    margin.meter.plan(1 + int(blocks.max()) + 1 + features)
    whole = slopes(margin, window[None])[0] * (window - reference)

    def change(masks: list[np.ndarray]) -> np.ndarray:
        effects = []
        for start in range(0, len(masks), settings.batch):
            hidden = np.where(np.stack(masks[start : start + settings.batch]), reference, window)
            saliency = slopes(margin, hidden) * (hidden - reference)
            effects.append(np.abs(saliency - whole).sum((1, 2)))
        return np.concatenate(effects)

    every_feature = np.ones(features, dtype=bool)
    by_block = change([(blocks == block)[:, None] & every_feature for block in range(blocks.max() + 1)])
    by_bar = by_block[blocks]
    relevant = by_block >= np.quantile(by_block, 1 - KEPT_BARS)
    by_feature = change([relevant[blocks][:, None] & (np.arange(features) == f) for f in range(features)])
    return by_bar[:, None] * by_feature[None], 1 + len(by_block) + features
