"""Draw the Desk with 200 series from stored predictions, and time it.

    python -m tests.benchmarks.desk [SERIES]

The model is a small untrained one: what is timed is what the page does with what is stored.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from core.data.dataset import prepare
from core.data.store import BarStore
from core.operations.latest import find_stale, read_latest, update_latest
from core.predictor import Predictor
from tests.conftest import random_walk, small_config, untrained_bundle

BARS = 700
RUNS = 7


def main() -> None:
    """Fill a home folder, predict once, and time reading, the table, and whole runs of the page."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        os.environ["LOOKBACK_HOME"] = str(home)
        store = BarStore(home)
        walks = {(name, "1d"): random_walk(name, BARS, seed) for seed, name in enumerate(_names(count))}
        for bars in walks.values():
            store.upsert(bars)
        few = dict(list(walks.items())[:2])
        config = small_config()
        bundle = untrained_bundle(prepare(few, config), config, home / "models" / "small")
        start = time.perf_counter()
        update_latest(Predictor(bundle, store), store.series())
        print(f"{count} series predicted once in {time.perf_counter() - start:.1f} s")
        print(f"read from disk: {1e3 * _median(lambda: read_latest(home, bundle.version)):.0f} ms")
        stored = read_latest(home, bundle.version)
        print(f"stale found: {1e3 * _median(lambda: find_stale(stored, store.series())):.0f} ms")
        _time_page(home)


def _time_page(home: Path) -> None:
    from streamlit.testing.v1 import AppTest

    import core.bundle

    core.bundle.SHIPPED = home / "no model"
    app = AppTest.from_file(str(Path(__file__).parents[2] / "app" / "main.py"), default_timeout=300).run()
    start = time.perf_counter()
    app.switch_page("../pages/desk.py").run()
    print(f"first run of the page: {1e3 * (time.perf_counter() - start):.0f} ms")
    assert not app.exception
    rows = len(app.dataframe[0].value)
    print(f"warm run, {rows} rows: {1e3 * _median(lambda: app.run()):.0f} ms")


def _names(count: int) -> list[str]:
    return [f"S{index:03d}" for index in range(count)]


def _median(act) -> float:
    times = []
    for _ in range(RUNS):
        start = time.perf_counter()
        act()
        times.append(time.perf_counter() - start)
    return float(np.median(times))


if __name__ == "__main__":
    main()
