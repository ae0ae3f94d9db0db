"""Dropout whose masks are cheap to draw on a CPU."""

from __future__ import annotations

import torch
from torch import Tensor, nn

_LEVELS = 2**16


def drop(x: Tensor, share: float, training: bool) -> Tensor:
    """Set a random `share` of `x` to zero and scale the rest up, in training mode; else return `x`.

    On a CPU the mask comes from 16-bit integers out of torch's global generator: torch's own Bernoulli draw
    costs four times as much and took a third of a whole training step. `share` is rounded to 1/65536 there.
    """
    if not training or share == 0:
        return x
    if x.device.type != "cpu":
        return nn.functional.dropout(x, share)
    dropped = round(share * _LEVELS)
    words = torch.empty(-(-x.numel() // 4), dtype=torch.int64).random_(-(2**63), None)
    bits = words.view(torch.int16)[: x.numel()].view(x.shape)
    keep = (bits >= dropped - _LEVELS // 2).to(x.dtype)
    return x * keep.mul_(_LEVELS / (_LEVELS - dropped))


class Dropout(nn.Dropout):
    """`torch.nn.Dropout` drawn by `drop`."""

    def forward(self, input: Tensor) -> Tensor:
        """Drop from `input`, any shape."""
        return drop(input, self.p, self.training)
