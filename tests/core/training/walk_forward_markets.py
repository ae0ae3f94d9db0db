"""A small market with a two-class label column, and a model that trains on it in seconds."""

from __future__ import annotations

import numpy as np
import pandas as pd

from core.config import Config
from tests.conftest import random_walk, small_config

THREE = [
    {"name": "direction", "classes": ["Bullish", "Bearish", "Sideways"], "label": "direction"},
    # An order of its own, which every forecaster must respect.
    {
        "name": "volatility",
        "classes": ["High", "Low", "Medium"],
        "label": "volatility",
        "intensity": True,
        "direct": ["volatility_5_over_low", "return_1"],
    },
    {"name": "regime", "classes": ["Trending", "Ranging", "Volatile"], "label": "regime"},
]
COIN = {"name": "coin", "classes": ["Heads", "Tails"], "label": "column:coin"}


def tiny_config(tasks: list[dict] | None = None, **sections: dict) -> Config:
    """Windows of 40 bars, two layers, width 16."""
    training = {"epochs": 3, "first_position": 10, "window_stride": 30, "accelerator": "cpu"}
    model = {"sequence_length": 40, "windows": [10, None]}
    # Enough bars beside early stopping's to fit calibrators on.
    split = {"train_share": 0.7, "calibrate_share": 0.25, "stop_share": 0.25}
    small = {"model": model, "training": training, "split": split}
    raw = small | {name: {**small.get(name, {}), **values} for name, values in sections.items()}
    config = small_config(**raw)
    return type(config).model_validate(config.model_dump() | {"tasks": tasks or [*THREE, COIN]})


def market(bars: int = 1300) -> dict[tuple[str, str], pd.DataFrame]:
    """Two random walks with clustered volatility and a coin tossed at every bar."""
    series = {}
    for seed, name in enumerate(("AAA", "BBB")):
        coin = np.random.default_rng(100 + seed).integers(0, 2, bars).astype(float)
        series[name, "1d"] = random_walk(name, bars, seed).assign(coin=coin)
    return series


def plain_walk(name: str, bars: int, seed: int) -> pd.DataFrame:
    """A geometric random walk of constant volatility: nothing about its direction can be known."""
    rng = np.random.default_rng(seed)
    path = np.cumsum(rng.normal(0, 0.01 / 8, (bars, 64)).ravel()).reshape(bars, 64)
    prices = 100 * np.exp(path)
    return pd.DataFrame(
        {
            "instrument": name,
            "timeframe": "1d",
            "ts": pd.bdate_range("2005-01-03", periods=bars, tz="UTC").as_unit("us"),
            "open": prices[:, 0],
            "high": prices.max(axis=1),
            "low": prices.min(axis=1),
            "close": prices[:, -1],
            "volume": rng.integers(1000, 9000, bars).astype(float),
        }
    )
