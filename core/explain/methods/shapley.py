"""Shapley-value attribution (shap): expected gradients on cells, permutations on groups of cells."""

from __future__ import annotations

import numpy as np
import shap
import torch
from shap.maskers import Independent
from torch import Tensor, nn

from core.device import device_of
from core.explain.margin import EVALUATION_BATCH, MeteredMargin, evaluate
from core.explain.methods.gradients import seeded
from core.explain.methods.settings import Explicand, Settings, players, share_equally


class _OneColumn(nn.Module):
    """shap indexes outputs by column."""

    def __init__(self, margin: MeteredMargin) -> None:
        super().__init__()
        self.margin = margin

    def forward(self, x: Tensor) -> Tensor:
        return self.margin(x)[:, None]

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Nothing to do: no gradient is ever stored, and the weights may be shared."""


def shap_gradient(margin: MeteredMargin, explicand: Explicand, settings: Settings) -> tuple[np.ndarray, int]:
    """shap.GradientExplainer over `settings.samples` points; values (T, N)."""
    window, references = explicand.window, explicand.references
    device = device_of(margin)
    margin.meter.plan(settings.samples + len(references))
    model = _OneColumn(margin)
    with torch.enable_grad():
        explainer = shap.GradientExplainer(
            model,
            torch.from_numpy(references).to(device),  # pyright: ignore[reportArgumentType]
            batch_size=settings.batch,
        )
        with seeded(settings.seed):
            values = explainer.shap_values(
                torch.from_numpy(window)[None].to(device), nsamples=settings.samples, rseed=settings.seed
            )
    return np.asarray(values, dtype=float).reshape(window.shape), settings.samples


def permutation_shap(
    margin: MeteredMargin, explicand: Explicand, settings: Settings
) -> tuple[np.ndarray, int]:
    """shap.PermutationExplainer on groups x blocks of bars; values (T, N), equal within a player."""
    window, references = explicand.window, explicand.references
    assignment = players(len(window), explicand.groups, grouping="source", block=settings.player_block)
    count = int(assignment.max()) + 1
    evaluations = 2 * count * settings.rounds + 1
    margin.meter.plan(evaluations * len(references))
    total = np.zeros(count)
    with seeded(settings.seed):
        for reference in references:
            explainer = shap.PermutationExplainer(
                _revealed(margin, window, reference, assignment),
                Independent(np.zeros((1, count)), max_samples=1),
                seed=settings.seed,
            )
            shares = explainer(
                np.ones((1, count)), max_evals=evaluations, batch_size=EVALUATION_BATCH, silent=True
            )
            assert isinstance(shares, shap.Explanation)
            total += np.asarray(shares.values, dtype=float).reshape(count)
    return share_equally(total / len(references), assignment), evaluations


def _revealed(margin: MeteredMargin, window: np.ndarray, reference: np.ndarray, assignment: np.ndarray):
    """(n, M) of 0 and 1 -> margins (n,) of the window with only the players marked 1 revealed."""

    def score(revealed: np.ndarray) -> np.ndarray:
        shown = np.asarray(revealed) > 0.5
        margins = [
            evaluate(margin, np.where(part[:, assignment], window, reference))
            for part in np.array_split(shown, -(-len(shown) // EVALUATION_BATCH))
        ]
        return np.concatenate(margins)

    return score
