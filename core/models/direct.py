"""What the bar itself says: a linear reading of a few of its own inputs, beside what the transformer says.

Shapes: (...) any leading shape, N features, S inputs read, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

INPUT_CENTRE, INPUT_SPREAD = 50.0, 25.0
"""Of the 0..100 scale: what the model subtracts from its inputs, and divides them by."""


class DirectPath(nn.Module):
    """Logits that are linear in some features of the same bar.

    It is a multinomial logistic regression, held at its fit: training moves the transformer's part alone, so
    that this part stays what the bar itself says.

    Parameters
    ----------
    columns
        Indices of the S features that are read, out of the model's N.
    num_classes
        C.
    """

    columns: Tensor
    weight: Tensor
    bias: Tensor

    def __init__(self, columns: Sequence[int], num_classes: int) -> None:
        super().__init__()
        self.register_buffer("columns", torch.tensor(list(columns), dtype=torch.int64), persistent=False)
        self.register_buffer("weight", torch.zeros(num_classes, len(columns)))
        self.register_buffer("bias", torch.zeros(num_classes))

    def forward(self, x: Tensor) -> Tensor:
        """Features on the 0..100 scale, (..., N) -> (..., C), in float32."""
        read = (x[..., self.columns].float() - INPUT_CENTRE) / INPUT_SPREAD
        # A product and a sum stay in float32 where autocast would round a linear layer to bfloat16.
        return (read[..., None, :] * self.weight).sum(-1) + self.bias

    def set_line(self, weights: Tensor, intercept: Tensor) -> None:
        """Take over a regression on features of the 0..100 scale: (C, S) and (C,)."""
        weights, intercept = weights.double(), intercept.double()
        self.weight.copy_(weights * INPUT_SPREAD)
        # Logits of all classes may be shifted alike; a mean of zero keeps each readable on its own.
        bias = intercept + weights.sum(1) * INPUT_CENTRE
        self.bias.copy_(bias - bias.mean())
