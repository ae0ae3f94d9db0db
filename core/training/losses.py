"""The loss: every task's cross-entropy, calibration, intensity, deep supervision and gate sparsity.

Shapes: R labelled positions, flat; C classes of a task; L layers; N features.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from core.config import LossConfig, TaskConfig
from core.models.heads import HeadOutput

NO_LABEL = -1


def masked_cross_entropy(
    logits: Tensor, labels: Tensor, weight: Tensor | None = None, smoothing: float = 0.0
) -> Tensor:
    """Mean cross-entropy over the labelled rows, in float32.

    Parameters
    ----------
    logits
        (R, C).
    labels
        (R,) int64, -1 = none.
    weight
        Per class (C,); the mean is then over the labels' weights.
    smoothing
        Label smoothing, in [0, 1).

    Returns
    -------
    Tensor
        Scalar; 0, with a zero gradient, when no row is labelled.
    """
    total = nn.functional.cross_entropy(
        logits.float(), labels, weight, ignore_index=NO_LABEL, reduction="sum", label_smoothing=smoothing
    )
    labelled = labels != NO_LABEL
    mass = labelled if weight is None else weight[labels.clamp(min=0)] * labelled
    return total / mass.sum().clamp(min=1e-6)


def confidence_brier(logits: Tensor, confidence_logit: Tensor, labels: Tensor) -> Tensor:
    """Mean squared gap between the learned confidence and whether the winning class is right.

    Being right is a constant here: the loss moves the confidence, never the call. Shapes and the empty case
    as `masked_cross_entropy`.
    """
    labelled = labels != NO_LABEL
    correct = (logits.argmax(-1) == labels).float()
    gap = (torch.sigmoid(confidence_logit.float()) - correct).square() * labelled
    return gap.sum() / labelled.sum().clamp(min=1)


def masked_huber(predicted: Tensor, target: Tensor) -> Tensor:
    """Mean Huber loss (delta 1) where `target` (R,) is not NaN; 0 with a zero gradient when it always is."""
    known = torch.isfinite(target)
    loss = nn.functional.huber_loss(predicted.float(), target.nan_to_num(), reduction="none") * known
    return loss.sum() / known.sum().clamp(min=1)


class MultiTaskLoss(nn.Module):
    """Weighted sum of all loss terms (specification section 6).

    Parameters
    ----------
    tasks
        Their weights and which have an intensity.
    config
        Weights of the other terms.
    class_weights
        By task (C,), None or absent for equal weights; see `balanced_class_weights`.
    """

    def __init__(
        self,
        tasks: Sequence[TaskConfig],
        config: LossConfig,
        class_weights: Mapping[str, Tensor | None] | None = None,
    ) -> None:
        super().__init__()
        self.tasks = list(tasks)
        self.config = config
        for task in tasks:
            self.register_buffer(
                f"weight_{task.name}", (class_weights or {}).get(task.name), persistent=False
            )

    def forward(
        self,
        layers: Sequence[Mapping[str, HeadOutput]],
        labels: Mapping[str, Tensor],
        intensity: Tensor,
        gate: Tensor,
    ) -> dict[str, Tensor]:
        """Loss terms as they enter the total, which is their sum.

        Parameters
        ----------
        layers
            The heads' outputs (R, ...) at every layer, L of them, the last being the prediction.
        labels
            By task (R,) int64, -1 = none.
        intensity
            (R,), NaN = none.
        gate
            (N,).

        Returns
        -------
        dict
            ``{task}_cross_entropy`` by task, ``calibration``, ``intensity``, ``auxiliary``, ``gate_l1``,
            ``total``: scalars.
        """
        final, zero = layers[-1], gate.sum() * 0
        terms: dict[str, Tensor] = {}
        calibration, regression, auxiliary = zero, zero, zero
        for task in self.tasks:
            output, target = final[task.name], labels[task.name]
            terms[f"{task.name}_cross_entropy"] = task.weight * self._cross_entropy(task, output, target)
            gap = confidence_brier(output.logits, output.confidence_logit, target)
            calibration = calibration + task.weight * gap
            if output.intensity is not None:
                regression = regression + task.weight * masked_huber(output.intensity, intensity)
            for layer in layers[:-1]:
                share = task.weight / (len(layers) - 1)
                auxiliary = auxiliary + share * self._cross_entropy(task, layer[task.name], target)
        terms["calibration"] = self.config.calibration * calibration
        terms["intensity"] = self.config.intensity * regression
        terms["auxiliary"] = self.config.auxiliary * auxiliary
        terms["gate_l1"] = self.config.gate_l1 * gate.abs().mean()
        return terms | {"total": torch.stack(list(terms.values())).sum()}

    def _cross_entropy(self, task: TaskConfig, output: HeadOutput, labels: Tensor) -> Tensor:
        weight = getattr(self, f"weight_{task.name}")
        return masked_cross_entropy(output.logits, labels, weight, self.config.label_smoothing)


def balanced_class_weights(counts: Tensor) -> Tensor:
    """Weights inversely proportional to the training counts (C,), mean 1 over the labelled rows.

    A class without a row gets weight 0.
    """
    present = counts > 0
    weights = torch.where(present, counts.sum() / counts.clamp(min=1), 0.0)
    return (weights / present.sum().clamp(min=1)).float()


def perturb_adversarially(x: Tensor, loss: Tensor, epsilon: float) -> Tensor:
    """Fast gradient sign step: `x` moved by `epsilon` in the direction that raises `loss`, kept in [0, 100].

    Parameters
    ----------
    x
        Features on the 0..100 scale, any shape, requiring a gradient; `loss` was computed from it.
    epsilon
        Step on that scale.

    Returns
    -------
    Tensor
        Detached; the graph of `loss` is kept.

    Notes
    -----
    Goodfellow, Shlens & Szegedy 2015.
    """
    (gradient,) = torch.autograd.grad(loss, x, retain_graph=True)
    return (x + epsilon * gradient.sign()).clamp(0, 100).detach()
