import numpy as np
import pytest
import torch
from torch import nn

from core.config import ModelConfig, TaskConfig
from core.explain.margin import Margin, TaskMargin
from core.models.transformer import MarketTransformer

CLASSES = ("Up", "Down", "Flat")


class LinearMargin(Margin):
    """weights . x + bias, known in every detail."""

    def __init__(self, weights: np.ndarray, bias: float = 0.0) -> None:
        super().__init__("toy", "Up")
        self.weights = nn.Parameter(torch.from_numpy(np.asarray(weights, dtype=np.float32)))
        self.bias = bias

    def forward(self, x):
        return (x * self.weights).sum((1, 2)) + self.bias


class ProductMargin(Margin):
    """Product of two cells' distances from 50; all other cells are dummies."""

    def __init__(self, first: tuple[int, int], second: tuple[int, int]) -> None:
        super().__init__("toy", "Up")
        self.first, self.second = first, second

    def forward(self, x):
        return (x[:, *self.first] - 50) * (x[:, *self.second] - 50) / 100


@pytest.fixture
def linear():
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(24, 4)) / 50
    window = rng.uniform(10, 90, (24, 4)).astype(np.float32)
    return LinearMargin(weights), weights.astype(np.float32), window


@pytest.fixture
def linear_margin():
    return LinearMargin


@pytest.fixture
def product_margin():
    return ProductMargin


@pytest.fixture(scope="session")
def model():
    torch.manual_seed(0)
    config = ModelConfig(
        sequence_length=40, d_model=16, num_attention_heads=2, ffn_dim=32, windows=[8, 16, None], dropout=0.1
    )
    tasks = [TaskConfig(name="direction", classes=list(CLASSES), label="direction")]
    built = MarketTransformer(config, 5, tasks, num_instruments=2, num_timeframes=1).eval()
    with torch.no_grad():
        for parameter in built.heads.parameters():
            parameter.mul_(3)
    return built


@pytest.fixture
def margin(model):
    return TaskMargin(model, "direction", "Up", CLASSES, instrument=1, timeframe=1)


@pytest.fixture
def market_window():
    return np.random.default_rng(3).uniform(0, 100, (40, 5)).astype(np.float32)
