"""A transformer small enough for closed tests, and windows for it."""

from __future__ import annotations

import torch

from core.config import Config, ModelConfig
from core.models.transformer import MarketTransformer

LENGTH, FEATURES = 24, 5


def make_model(dropout: float = 0.1, windows: list[int | None] | None = None) -> MarketTransformer:
    """In eval mode, with heads that say something."""
    torch.manual_seed(3)
    config = ModelConfig(
        sequence_length=LENGTH,
        d_model=32,
        num_attention_heads=4,
        ffn_dim=64,
        dropout=dropout,
        windows=[4, 8, None, None] if windows is None else windows,
    )
    model = MarketTransformer(config, FEATURES, Config().tasks, 2, 1).eval()
    with torch.no_grad():
        for head in model.heads.values():
            head.logits.weight.mul_(20)
    return model


def make_windows(count: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """`count` random windows of a known instrument and timeframe."""
    generator = torch.Generator().manual_seed(5)
    x = 100 * torch.rand(count, LENGTH, FEATURES, generator=generator)
    return x, torch.ones(count, dtype=torch.long), torch.ones(count, dtype=torch.long)
