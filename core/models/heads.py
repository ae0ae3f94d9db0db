"""Task heads: one representation in, class logits, a confidence and (if wanted) an intensity out."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from core.models.direct import DirectPath
from core.models.dropout import Dropout


@dataclass(frozen=True)
class HeadOutput:
    """What one task's head says at each position; leading shape (...) as the representation's.

    Attributes
    ----------
    logits
        Shape (..., C); their softmax is the class probabilities.
    confidence_logit
        Shape (...); its sigmoid is the learned probability that the winning class is right.
    intensity
        Shape (...), the standardised quantity behind the label; None when the task has none.
    direct
        Shape (..., C), float32: the part of `logits` that the bar's own inputs say, see
        `core.models.direct`; the rest is the transformer's. None when the task has no direct path.
    """

    logits: Tensor
    confidence_logit: Tensor
    intensity: Tensor | None
    direct: Tensor | None = None

    @property
    def probabilities(self) -> Tensor:
        """Class probabilities in float32, shape (..., C)."""
        return torch.softmax(self.logits.float(), dim=-1)

    @property
    def confidence(self) -> Tensor:
        """Learned confidence in (0, 1), shape (...)."""
        return torch.sigmoid(self.confidence_logit.float())

    def at(self, positions: slice) -> HeadOutput:
        """The same outputs for some positions of the second axis."""
        intensity = None if self.intensity is None else self.intensity[:, positions]
        direct = None if self.direct is None else self.direct[:, positions]
        return HeadOutput(self.logits[:, positions], self.confidence_logit[:, positions], intensity, direct)


class TaskHead(nn.Module):
    """Two hidden layers (D -> D/2 -> D/4; 256 -> 128 -> 64 at full size) and one layer of outputs.

    Parameters
    ----------
    d_model
        Width D of the representation.
    num_classes
        C >= 2.
    intensity
        Whether a regression output is added.
    dropout
        After each hidden layer, in training mode.
    direct
        Adds its logits to those of the representation.

    Attributes
    ----------
    scale
        What the representation's logits are multiplied with, in [0, 1]; 1 unless it was found that less of
        them forecasts better. At 0 a direct path stands alone.
    """

    scale: Tensor

    def __init__(
        self,
        d_model: int,
        num_classes: int,
        intensity: bool,
        dropout: float,
        direct: DirectPath | None = None,
    ) -> None:
        super().__init__()
        self.hidden = nn.Sequential(
            nn.Linear(d_model, d_model // 2),
            nn.GELU(),
            Dropout(dropout),
            nn.Linear(d_model // 2, d_model // 4),
            nn.GELU(),
            Dropout(dropout),
        )
        self.logits = nn.Linear(d_model // 4, num_classes)
        self.confidence = nn.Linear(d_model // 4, 1)
        self.intensity = nn.Linear(d_model // 4, 1) if intensity else None

        self.direct = direct
        self.register_buffer("scale", torch.ones(()))

    def forward(self, representation: Tensor, inputs: Tensor | None = None) -> HeadOutput:
        """Read a representation (..., D) and, where there is a direct path, the bar's inputs (..., N)."""
        hidden = self.hidden(representation)
        intensity = None if self.intensity is None else self.intensity(hidden)[..., 0]
        direct = None
        if self.direct is not None:
            assert inputs is not None
            direct = self.direct(inputs)
        return HeadOutput(self.add(hidden, direct), self.confidence(hidden)[..., 0], intensity, direct)

    def add(self, hidden: Tensor, direct: Tensor | None) -> Tensor:
        """Logits of hidden values (..., D/4), the direct path's (..., C) added."""
        logits = self.logits(hidden) * self.scale
        return logits if direct is None else logits.float() + direct
