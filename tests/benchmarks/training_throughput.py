"""Labels trained per second: dense supervision against a window per label, on the machine at hand.

Run ``python -m tests.benchmarks.training_throughput [--threads 2] [--seconds 20]``. A label is a bar with a
class for each of the three tasks. Printed as JSON lines; the best of the repeated steps counts, since other
processes only ever slow one down.
"""

from __future__ import annotations

import argparse
import json
import time

import torch

from core.config import Config
from core.models.transformer import MarketTransformer
from core.training.losses import MultiTaskLoss
from core.training.module import split_by_decay

FEATURES = 30


def make_batch(config: Config, windows: int, dense: bool) -> dict:
    length = config.model.sequence_length
    labels = torch.randint(0, 3, (windows, length))
    labels[:, : config.training.first_position if dense else length - 1] = -1
    return {
        "x": torch.rand(windows, length, FEATURES) * 100,
        "instrument": torch.randint(0, 8, (windows,)),
        "timeframe": torch.randint(0, 3, (windows,)),
        "labels": labels,
        "intensity": torch.randn(windows, length),
    }


def measure(config: Config, windows: int, dense: bool, bf16: bool, path: str, seconds: float) -> dict:
    """Best time of one micro-batch: forward, every loss term, backward, and a quarter of AdamW's step."""
    torch.manual_seed(0)
    model = MarketTransformer(config.model, FEATURES, config.tasks, 7, 2).train()
    for block in model.blocks:
        block.attention.path = path
    loss = MultiTaskLoss(config.tasks, config.loss)
    decayed, kept = split_by_decay(model)
    optimizer = torch.optim.AdamW([{"params": decayed}, {"params": kept, "weight_decay": 0.0}], fused=True)
    batch = make_batch(config, windows, dense)
    positions = slice(None) if dense else slice(-1, None)
    labelled = batch["labels"][:, positions] >= 0
    times, started = [], time.perf_counter()
    while len(times) < 3 or time.perf_counter() - started < seconds:
        begin = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            embedded = model.embed(batch["x"], batch["instrument"], batch["timeframe"])
            states = model.encode(embedded, last_only=not dense).layers
            inputs = batch["x"][:, positions][labelled]
            layers = [model.read(model.final_norm(state[:, positions][labelled]), inputs) for state in states]
        labels = batch["labels"][:, positions][labelled]
        intensity = batch["intensity"][:, positions][labelled]
        loss(layers, dict.fromkeys(model.heads, labels), intensity, model.gate)["total"].backward()
        if len(times) % config.training.accumulate == 0:
            optimizer.step()
            optimizer.zero_grad()
        times.append(time.perf_counter() - begin)
    return {
        "dense": dense,
        "windows": windows,
        "precision": "bf16" if bf16 else "fp32",
        "path": path,
        "seconds": round(min(times), 4),
        "median": round(sorted(times)[len(times) // 2], 4),
        "windows_per_s": round(windows / min(times), 1),
        "labels_per_s": round(int(labelled.sum()) / min(times), 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=20.0, help="per line")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    config = Config()
    results = []
    for dense, windows, bf16, path in (
        (True, 16, True, "blocked"),
        (True, 16, False, "blocked"),
        (True, 16, True, "sdpa"),
        (True, 16, False, "sdpa"),
        (False, 16, True, "blocked"),
        (False, 16, False, "blocked"),
        (False, 16, False, "sdpa"),
    ):
        results.append(measure(config, windows, dense, bf16, path, options.seconds))
        print(json.dumps(results[-1]), flush=True)
    best = {dense: max(r["labels_per_s"] for r in results if r["dense"] == dense) for dense in (True, False)}
    print(json.dumps({"dense_over_window_per_label": round(best[True] / best[False], 1)}))


if __name__ == "__main__":
    main()
