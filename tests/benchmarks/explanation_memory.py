"""Memory and time of many explanations in one sitting.

    python -m tests.benchmarks.explanation_memory [--home DIR] [--count 200] [--method ig] [--threads 2]

Explains bar after bar and class after class as the Attribution page does, each with its disk cache and the
board's share kept in memory, and prints the process's resident memory as it goes; then how long one
explanation takes, and how long the second time.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections import OrderedDict
from pathlib import Path

import torch

from core.bundle import find_model, load_bundle
from core.data.store import BarStore
from core.explain.cache import ExplanationCache
from core.explain.explanation import Question, check_explanation, explain_moment
from core.explain.methods.registry import METHODS
from core.explain.moment import Moment
from core.predictor import Predictor

KEPT = 64
"""Results the page's board holds on to (`app.shell.jobs.KEPT`)."""
REPORT_EVERY = 20


def resident_mb() -> float:
    """Resident memory of this process in MB, from /proc."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("--home", type=Path, help="default LOOKBACK_HOME")
    parser.add_argument("--instrument", default="AAPL")
    parser.add_argument("--timeframe", default="1d")
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--method", default="ig", choices=list(METHODS))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--check", type=int, default=0, metavar="K", help="check every K-th; 0 none")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    store = BarStore(options.home) if options.home else BarStore()
    predictor = Predictor(load_bundle(find_model(store.home, None)), store)
    ends = store.read_range(options.instrument, options.timeframe)["ts"].iloc[-options.count :]
    questions = [(task.name, target) for task in predictor.bundle.config.tasks for target in task.classes]
    kept: OrderedDict[int, object] = OrderedDict()
    first, again = [], []
    with tempfile.TemporaryDirectory() as folder:
        cache = ExplanationCache(Path(folder))
        print(f"before: {resident_mb():.0f} MB")
        warm = peak = 0.0
        for index in range(options.count):
            ts = ends.iloc[index % len(ends)]
            moment = Moment.at(predictor, options.instrument, options.timeframe, ts)
            question = Question(*questions[index % len(questions)], method=options.method)
            began = time.perf_counter()
            found = explain_moment(moment, question, cache)
            first.append(time.perf_counter() - began)
            if options.check and index % options.check == 0:
                check_explanation(moment, question, found, cache)
            began = time.perf_counter()
            explain_moment(moment, question, cache)
            again.append(time.perf_counter() - began)
            kept[index] = found
            if len(kept) > KEPT:
                kept.popitem(last=False)
            peak = max(peak, resident_mb())
            if index + 1 == REPORT_EVERY:
                warm = resident_mb()
            if (index + 1) % REPORT_EVERY == 0:
                print(f"after {index + 1:4d}: {resident_mb():.0f} MB", flush=True)
    print(f"peak {peak:.0f} MB, growth after the first {REPORT_EVERY}: {resident_mb() - warm:+.0f} MB")
    print(
        f"{METHODS[options.method].title}: median {statistics.median(first):.2f} s, slowest {max(first):.2f} "
        f"s; second time {1e3 * statistics.median(again):.1f} ms"
    )


if __name__ == "__main__":
    main()
