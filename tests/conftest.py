"""Synthetic markets and a small untrained bundle, for tests that need the whole road but not its length."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.special import softmax

from core.bundle import Bundle, save_bundle
from core.confidence.similarity import DistanceReference, TrainingReference, window_statistics
from core.confidence.sources import SOURCES, raw_weights
from core.confidence.stated import TaskConfidence
from core.config import Config, parse_config
from core.data.dataset import PreparedData, prepare
from core.data.store import BarStore
from core.models.ensemble import join_members
from core.training.trainer import build_model

# Numbers are compared with those of the CPU; what concerns another device asks for it.
os.environ.setdefault("LOOKBACK_DEVICE", "cpu")
# A dependency of the tests alone must not change how pandas sums.
pd.set_option("compute.use_bottleneck", False)


def random_walk(instrument: str, bars: int, seed: int, timeframe: str = "1d") -> pd.DataFrame:
    """A geometric random walk with clustered volatility, one bar a weekday."""
    rng = np.random.default_rng(seed)
    sigma = 0.01 * np.exp(np.cumsum(rng.normal(0, 0.05, bars)) * 0.3).clip(0.3, 3)
    close = 100 * np.exp(np.cumsum(sigma * rng.standard_normal(bars)))
    open_ = close * np.exp(sigma * 0.3 * rng.standard_normal(bars))
    high = np.maximum(open_, close) * np.exp(np.abs(sigma * 0.3 * rng.standard_normal(bars)))
    low = np.minimum(open_, close) * np.exp(-np.abs(sigma * 0.3 * rng.standard_normal(bars)))
    return pd.DataFrame(
        {
            "instrument": instrument,
            "timeframe": timeframe,
            "ts": pd.bdate_range("2005-01-03", periods=bars, tz="UTC").as_unit("us"),
            "open": open_,
            "high": high,
            "low": low,
            "close": close,
            "volume": rng.integers(1000, 9000, bars).astype(float),
        }
    )


def small_config(**sections: dict) -> Config:
    """The shipped structure at a width that trains in seconds."""
    model = {"d_model": 16, "num_attention_heads": 4, "ffn_dim": 32, "sequence_length": 300}
    training = {"epochs": 1, "batch_size": 8, "accumulate": 1, "threads": 1, "precision": "32-true"}
    raw: dict = {"name": "small", "data": {"timeframes": ["1d"]}, "model": model, "training": training}
    for section, values in sections.items():
        raw[section] = {**raw.get(section, {}), **values}
    return parse_config(raw)


def noisy_confidence(config: Config, seed: int) -> dict[str, TaskConfidence]:
    """Calibrators fitted on noise: enough for everything but meaning."""
    rng = np.random.default_rng(seed)
    fitted = {}
    for task in config.tasks:
        logits = rng.normal(size=(400, len(task.classes)))
        labels = np.array([rng.choice(len(task.classes), p=p) for p in softmax(logits, axis=1)])
        sources = rng.uniform(size=(400, len(SOURCES)))
        fitted[task.name] = TaskConfidence.fit(
            logits, labels, sources, sources @ np.array(raw_weights()), np.arange(400), gap=5
        )
    return fitted


def untrained_bundle(data: PreparedData, config: Config, folder: Path, seed: int = 0) -> Bundle:
    """A bundle whose weights are random: enough for everything but skill."""
    torch.manual_seed(seed)
    members = [build_model(data, config) for _ in range(config.model.members)]
    model = join_members(members).eval()
    with torch.no_grad():
        for head in (head for member in members for head in member.heads.values()):
            # Beside a direct path a head starts at zero: nothing would be left to explain.
            head.logits.weight.uniform_(-0.1, 0.1)
            if head.direct is not None:
                head.direct.weight.uniform_(-0.1, 0.1)
    noise = np.random.default_rng(seed).normal(size=(400, config.model.d_model * len(members)))
    length = config.model.sequence_length
    windows = [
        series.features[end - length : end]
        for series in data.series
        for end in range(length, len(series.ts), 25)
    ]
    statistics = window_statistics(np.stack(windows))
    described = DistanceReference.fit(statistics, statistics)
    return save_bundle(
        Bundle(
            name=config.name,
            config=config,
            scaler=data.scaler,
            thresholds=data.thresholds,
            instruments=tuple(data.instruments),
            peers=data.peers,
            timeframes=tuple(data.timeframes),
            borders=data.borders,
            reference=TrainingReference(DistanceReference.fit(noise, noise), described),
            confidence=noisy_confidence(config, seed),
            baselines={},
            metrics={},
            data_fingerprint=data.fingerprint,
            model=model,
        ),
        folder,
    )


@pytest.fixture(scope="session")
def walks() -> dict[tuple[str, str], pd.DataFrame]:
    return {(name, "1d"): random_walk(name, 1400, seed) for seed, name in enumerate(["AAA", "BBB"])}


@pytest.fixture(scope="session")
def walk_data(walks) -> PreparedData:
    return prepare(walks, small_config())


@pytest.fixture(scope="session")
def walk_bundle(walk_data, tmp_path_factory) -> Bundle:
    return untrained_bundle(walk_data, small_config(), tmp_path_factory.mktemp("bundles") / "small")


@pytest.fixture(scope="session")
def pair_bundle(walk_data, tmp_path_factory) -> Bundle:
    """Two members trained by nobody, which say different things."""
    config = small_config(model={"members": 2}).model_copy(update={"name": "pair"})
    return untrained_bundle(walk_data, config, tmp_path_factory.mktemp("bundles") / "pair")


@pytest.fixture
def walk_store(walks, tmp_path) -> BarStore:
    store = BarStore(tmp_path / "home")
    for bars in walks.values():
        store.upsert(bars)
    return store
