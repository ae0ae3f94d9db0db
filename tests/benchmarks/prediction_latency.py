"""How long one prediction takes, what its floor is, and how well cheap dropout passes rank bars.

    python -m tests.benchmarks.prediction_latency [--home DIR] [--threads 2] [--windows 120]

Prints medians. The floor is the matrix work of one deterministic forward at the float32 rate this machine
reaches on a large product. The table compares the dropout source by Spearman correlation with that of
`REFERENCE_SEEDS` x 16 whole forwards, over bars evenly spread in several series; 0 windows leave it out.
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
from core.confidence.mc_dropout import PASSES, redraw_everything, redraw_recent_bars
from core.confidence.sources import dropout_confidence
from core.data.store import BarStore
from core.models.trace import Trace, trace
from core.predictor import Predictor

REFERENCE_SEEDS = 8
FORWARDS = 16
CHEAP_SEEDS = 4
CHEAP = ((16, 1), (32, 1), (64, 1), (128, 1), (16, 10), (16, 20), (16, 50), (64, 10), (64, 20))
"""Passes and recent bars redrawn."""
LONGEST = 4
"""Series the windows are taken from."""

Sources = dict[str, np.ndarray]


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
    """Multiply-adds of one window, all members, the last layer for the last bar's query alone."""
    config = predictor.bundle.config.model
    bars, width = config.sequence_length, config.d_model
    layer = 2 * bars * (4 * width**2 + 2 * width * config.ffn_dim)
    last = 2 * bars * 2 * width**2
    seen = sum(4 * bars * min(window or bars / 2, bars) * width for window in config.windows[:-1])
    features = 2 * bars * len(predictor.bundle.feature_names) * width
    member = (len(config.windows) - 1) * layer + last + seen + features
    return config.members * member / 1e9


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--home", type=Path)
    parser.add_argument("--model")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--windows", type=int, default=120)
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
            f"{PASSES} passes, last bar's path": median_ms(lambda: redraw_recent_bars(model, traced), 30),
            f"{FORWARDS} passes, everything redrawn": median_ms(
                lambda: redraw_everything(model, *inputs, FORWARDS), 5
            ),
        }
    rate, work = matrix_rate(), forward_gflop(predictor)
    print(json.dumps({name: round(value, 1) for name, value in times.items()}, indent=1))
    print(f"float32 rate {rate:.0f} GFLOP/s; one forward {work:.2f} GFLOP: floor {1e3 * work / rate:.1f} ms")
    if options.windows:
        compare_passes(predictor, options.windows)


def compare_passes(predictor: Predictor, windows: int) -> None:
    """Print how each number of passes and bars ranks windows, and what it costs."""
    with torch.inference_mode():
        inputs = spread_windows(predictor, windows)
        model = predictor.bundle.model
        traces = [trace(model, *one) for one in inputs]
        drawn = [
            [redraw_everything(model, *one, FORWARDS, seed) for one in inputs]
            for seed in range(1, REFERENCE_SEEDS + 1)
        ]
        reference = merged_sources(drawn)
        agreement = [
            correlations(
                merged_sources([mine]), merged_sources([other for other in drawn if other is not mine])
            )
            for mine in drawn
        ]
        print(f"\n{len(inputs)} windows; correlation with {REFERENCE_SEEDS} x {FORWARDS} whole forwards")
        print(f"{'passes':>6} {'bars':>5} {'ms':>6}  " + "  ".join(f"{task:<22}" for task in reference))
        show_line(FORWARDS, "all", median_ms(lambda: redraw_everything(model, *inputs[0]), 3), agreement)
        for passes, bars in CHEAP:
            ms = median_ms(lambda p=passes, b=bars: redraw_recent_bars(model, traces[0], p, b), 7)
            found = [
                correlations(cheap_sources(predictor, traces, passes, bars, seed), reference)
                for seed in range(CHEAP_SEEDS)
            ]
            show_line(passes, str(bars), ms, found)
    print(f"mean [least, most] over seeds; the {FORWARDS} forwards against the other seeds' forwards")


def spread_windows(predictor: Predictor, windows: int) -> list[tuple[torch.Tensor, ...]]:
    """Model inputs at evenly spread bars of the longest series, each a batch of one."""
    entries = sorted(predictor.store.series(), key=lambda entry: -entry.bars)[:LONGEST]
    bundle, inputs = predictor.bundle, []
    for entry in entries:
        series = predictor.label_range(entry.instrument, entry.timeframe)
        instrument = torch.tensor([bundle.instrument_index(entry.instrument)])
        timeframe = torch.tensor([bundle.timeframe_index(entry.timeframe)])
        first = len(series.ts) - 1 - len(series.ts) // 2
        for end in np.linspace(first, len(series.ts) - 1, -(-windows // len(entries))).astype(int):
            x = torch.from_numpy(series.features[None, end + 1 - predictor.length : end + 1])
            inputs.append((x, instrument, timeframe))
    return inputs


def merged_sources(drawn: list[list[dict[str, torch.Tensor]]]) -> Sources:
    """Dropout source of every window, (n,) by task, from the passes of several draws together."""
    return {
        task: np.array(
            [
                dropout_confidence(torch.cat([draw[i][task] for draw in drawn])).item()
                for i in range(len(drawn[0]))
            ]
        )
        for task in drawn[0][0]
    }


def cheap_sources(predictor: Predictor, traces: list[Trace], passes: int, bars: int, seed: int) -> Sources:
    """The same from passes over recent bars."""
    model = predictor.bundle.model
    return merged_sources([[redraw_recent_bars(model, traced, passes, bars, seed) for traced in traces]])


def correlations(one: Sources, other: Sources) -> dict[str, float]:
    """Spearman correlation by task."""
    return {task: float(spearmanr(one[task], other[task]).statistic) for task in one}


def show_line(passes: int, bars: str, ms: float, found: list[dict[str, float]]) -> None:
    """One line of the table."""
    cells = []
    for task in found[0]:
        values = [entry[task] for entry in found]
        cells.append(f"{np.mean(values):.2f} [{min(values):.2f}, {max(values):.2f}]".ljust(22))
    print(f"{passes:>6} {bars:>5} {ms:>6.1f}  " + "  ".join(cells), flush=True)


if __name__ == "__main__":
    main()
