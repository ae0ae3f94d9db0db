"""How long one prediction takes, what its floor is, and what the cheap dropout passes cost in accuracy.

    python -m tests.benchmarks.prediction_latency [--home DIR] [--threads 2] [--windows 200]

Prints medians. The floor is the matrix work of one deterministic forward at the float32 rate this machine
reaches on a large product.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path

import numpy as np
import torch
from scipy.stats import spearmanr

from core.bundle import find_model, load_bundle
from core.data.store import BarStore
from core.models.confidence import dropout_confidence, redraw_everything, redraw_last_bar, trace
from core.predictor import Predictor


def median_ms(run, repeats: int) -> float:
    """Median wall time of `run` in milliseconds, after three warm-up calls."""
    for _ in range(3):
        run()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    return 1e3 * statistics.median(seconds)


def matrix_rate() -> float:
    """Float32 GFLOP/s of a 1024-wide product."""
    a, b = torch.randn(1024, 1024), torch.randn(1024, 1024)
    return 2 * 1024**3 / median_ms(lambda: a @ b, 20) / 1e6


def forward_gflop(predictor: Predictor) -> float:
    """Multiply-adds of one window, the last layer's queries and feed-forward for the last bar alone."""
    config = predictor.bundle.config.model
    bars, width = config.sequence_length, config.d_model
    layer = 2 * bars * (4 * width**2 + 2 * width * config.ffn_dim)
    last = 2 * bars * 2 * width**2
    seen = sum(4 * bars * min(window or bars / 2, bars) * width for window in config.windows[:-1])
    features = 2 * bars * len(predictor.bundle.feature_names) * width
    return ((len(config.windows) - 1) * layer + last + seen + features) / 1e9


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--home", type=Path)
    parser.add_argument("--model")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--windows", type=int, default=200)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    store = BarStore(options.home)
    predictor = Predictor(load_bundle(find_model(store.home, options.model)), store)
    model = predictor.bundle.model
    entry = max(store.series(), key=lambda entry: entry.bars)
    window = predictor.window(entry.instrument, entry.timeframe)
    inputs = predictor._inputs([window])
    with torch.inference_mode():
        traced = trace(model, *inputs)
        times = {
            "whole prediction": median_ms(lambda: predictor.predict(entry.instrument, entry.timeframe), 30),
            "reading bars and features": median_ms(
                lambda: predictor.window(entry.instrument, entry.timeframe), 30
            ),
            "traced forward": median_ms(lambda: trace(model, *inputs), 30),
            "16 passes, last bar's path": median_ms(lambda: redraw_last_bar(model, traced), 30),
            "16 passes, everything redrawn": median_ms(lambda: redraw_everything(model, *inputs), 5),
        }
    rate, work = matrix_rate(), forward_gflop(predictor)
    print(json.dumps({name: round(value, 1) for name, value in times.items()}, indent=1))
    print(f"float32 rate {rate:.0f} GFLOP/s; one forward {work:.2f} GFLOP: floor {1e3 * work / rate:.1f} ms")
    for task, correlation in compare_passes(predictor, entry, options.windows).items():
        print(f"{task}: dropout confidence, last-bar passes against full ones: {correlation}")


def compare_passes(predictor: Predictor, entry, windows: int) -> dict[str, str]:
    """Spearman correlation of the dropout source over evenly spread bars, and of two full draws."""
    series = predictor.label_range(entry.instrument, entry.timeframe)
    ends = np.linspace(predictor.length, len(series.ts) - 1, windows).astype(int)
    cheap: dict[str, list[float]] = {}
    full: dict[str, list[float]] = {}
    again: dict[str, list[float]] = {}
    model, bundle = predictor.bundle.model, predictor.bundle
    instrument = torch.tensor([bundle.instrument_index(entry.instrument)])
    timeframe = torch.tensor([bundle.timeframe_index(entry.timeframe)])
    with torch.inference_mode():
        for end in ends:
            x = torch.from_numpy(series.features[None, end + 1 - predictor.length : end + 1])
            drawn = redraw_last_bar(model, trace(model, x, instrument, timeframe))
            first = redraw_everything(model, x, instrument, timeframe, seed=1)
            second = redraw_everything(model, x, instrument, timeframe, seed=2)
            for kept, passes in ((cheap, drawn), (full, first), (again, second)):
                for task, probabilities in passes.items():
                    kept.setdefault(task, []).append(dropout_confidence(probabilities).item())
    return {
        task: f"{spearmanr(cheap[task], full[task]).statistic:.2f} "
        f"(two full draws among themselves: {spearmanr(full[task], again[task]).statistic:.2f}), "
        f"median {np.median(cheap[task]):.4f} against {np.median(full[task]):.4f}, n = {windows}"
        for task in cheap
    }


if __name__ == "__main__":
    main()
