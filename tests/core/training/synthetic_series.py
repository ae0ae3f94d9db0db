"""Prepared data whose labels are planted in white-noise features, with a known best accuracy."""

from __future__ import annotations

import numpy as np
import pandas as pd

from core.config import Config, parse_config
from core.data.dataset import LabelledSeries, PreparedData
from core.data.labels.borders import Borders
from core.data.scaling import FeatureScaler
from core.data.segments import CALIBRATE, TEST, TRAIN, SegmentBorders

NUM_FEATURES = 6
KEPT = 0.85
"""Share of labels that follow the rule; the others are drawn evenly from the three classes."""

PLANTED_ACCURACY = KEPT + (1 - KEPT) / 3
TASKS = ("direction", "volatility", "regime")


def planted_config(**sections: dict) -> Config:
    """A small model on windows of 60 bars, in float32 on one thread."""
    raw: dict = {
        "name": "planted",
        "model": {
            "sequence_length": 60,
            "d_model": 32,
            "num_attention_heads": 4,
            "ffn_dim": 64,
            "dropout": 0.0,
            "windows": [10, None],
            "embedding_dropout": 0.1,
        },
        "training": {
            "epochs": 12,
            "batch_size": 16,
            "accumulate": 1,
            "learning_rate": 3e-3,
            "first_position": 20,
            "window_stride": 40,
            "threads": 1,
            "precision": "32-true",
            "accelerator": "cpu",
        },
    }
    for section, values in sections.items():
        raw[section] = {**raw.get(section, {}), **values}
    return parse_config(raw)


def planted_rules(features: np.ndarray) -> dict[str, np.ndarray]:
    """Classes 0..2 by task: from one bar's sum, from a mean over ten bars, from an interaction."""
    x = (features - 50) / 50
    total = x[:, 0] + x[:, 1]
    recent = pd.Series(x[:, 2]).rolling(10).mean().fillna(0).to_numpy()
    product = x[:, 3] * x[:, 4]
    cut = {"direction": 0.42, "volatility": 0.079, "regime": 0.15}
    return {
        task: np.digitize(value, [-cut[task], cut[task]])
        for task, value in zip(TASKS, (total, recent, product), strict=True)
    }


def planted_data(bars: int = 2400, series: int = 2, seed: int = 0, shuffled: bool = False) -> PreparedData:
    """Two thirds of every series train, a sixth each calibrate and test; labels end on their own bar."""
    rng = np.random.default_rng(seed)
    borders = (bars * 4 // 6, bars * 5 // 6)
    ts = pd.date_range("2010-01-01", periods=bars, freq="D").to_numpy().astype("datetime64[us]")
    names = [f"S{index}" for index in range(series)]
    labelled = [_series(name, ts, borders, rng, shuffled) for name in names]
    columns = tuple(f"f{index}" for index in range(NUM_FEATURES))
    low, high, median = (np.full(NUM_FEATURES, value) for value in (0.0, 100.0, 50.0))
    ends = [pd.Timestamp(ts[border], tz="UTC") for border in borders]
    return PreparedData(
        series=labelled,
        feature_names=columns,
        scaler=FeatureScaler(columns, low, high, median),
        thresholds={},
        instruments=names,
        peers=tuple(names),
        timeframes=["1d"],
        borders=SegmentBorders(*ends),
        fingerprint=f"planted {bars} {series} {seed} {shuffled}",
        audit={},
    )


def _series(
    name: str, ts: np.ndarray, borders: tuple[int, int], rng: np.random.Generator, shuffled: bool
) -> LabelledSeries:
    bars = len(ts)
    features = rng.uniform(0, 100, (bars, NUM_FEATURES)).astype(np.float32)
    segment = np.full(bars, TRAIN, dtype=np.int8)
    segment[borders[0] :], segment[borders[1] :] = CALIBRATE, TEST
    labels = {}
    for task, classes in planted_rules(features).items():
        noisy = np.where(rng.random(bars) < KEPT, classes, rng.integers(0, 3, bars)).astype(np.int64)
        labels[task] = rng.permutation(noisy) if shuffled else noisy
    return LabelledSeries(
        instrument=name,
        timeframe="1d",
        ts=ts,
        features=features,
        missing=np.zeros(bars, dtype=np.float32),
        usable=np.ones(bars, dtype=bool),
        labels=labels,
        label_end={task: np.arange(bars) for task in TASKS},
        segments={task: segment for task in TASKS},
        intensity=((features[:, 2] - 50) / 29).astype(np.float32),
        close=np.full(bars, 100.0),
        persistence={task: np.where(np.arange(bars) % 5 == 0, -1, values) for task, values in labels.items()},
        borders=Borders.unknown(bars),
    )
