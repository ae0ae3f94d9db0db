"""Temporal saliency rescaling: a cell counts when hiding its bar and hiding its feature change the slopes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from core.explain.gradients import slopes
from core.explain.margin import MeteredMargin
from core.explain.players import Settings, players

KEPT_BARS = 0.1
"""Share of bars, the most relevant ones, in which features are then hidden."""


def temporal_rescaling(
    margin: MeteredMargin,
    window: np.ndarray,
    references: np.ndarray,
    sources: Sequence[str],
    settings: Settings,
) -> tuple[np.ndarray, int]:
    """Relevance of a cell's bar times relevance of its feature, values (T, N), none negative.

    The saliency rescaled is gradient times distance from the mean reference. As published, bars are hidden
    one by one, and features again in each bar (up to T + T * N gradients). Here `settings.rescaling_block`
    bars are hidden together, and each feature in all relevant bars at once: about 100 gradients for 300 x 30.

    Notes
    -----
    Ismail, Gunady, Corrada Bravo & Feizi 2020, algorithm 1, bars and features grouped.
    """
    bars, features = window.shape
    reference = references.mean(0)
    blocks = players(bars, sources, block=settings.rescaling_block)[:, 0] // features
    margin.plan(1 + int(blocks.max()) + 1 + features)
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
