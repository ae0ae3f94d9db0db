"""Draw the Desk with 200 series from stored predictions, and time it.

    python -m tests.benchmarks.desk [SERIES]

The model is a small untrained one, and all series are given the prediction of one: what is timed is what the
page does with what is stored.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from core.data.dataset import prepare
from core.data.store import BarStore, SeriesSummary
from core.disk import write_json
from core.operations.latest import (
    FORMAT_VERSION,
    Latest,
    find_stale,
    latest_path,
    predict_newest,
    read_latest,
)
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
        series = store.series()
        start = time.perf_counter()
        said = predict_newest(Predictor(bundle, store), series[0])
        print(f"one series predicted in {1e3 * (time.perf_counter() - start):.0f} ms")
        rows = [_said_of(said, one).to_dict() for one in series]
        content = {"format_version": FORMAT_VERSION, "version": bundle.version, "rows": rows}
        write_json(latest_path(home, bundle.version), content)
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
    busy = time.process_time()
    warm = _median(lambda: app.run())
    busy = (time.process_time() - busy) / RUNS
    print(f"warm run, {rows} rows: {1e3 * warm:.0f} ms, {1e3 * busy:.0f} ms of one core")


def _said_of(said: Latest, one: SeriesSummary) -> Latest:
    """The first series' prediction as that of another: what is drawn is as much."""
    assert said.now is not None
    assert said.before is not None
    assert said.call is not None
    now, before = (replace(part, instrument=one.instrument) for part in (said.now, said.before))
    call = said.call | {"instruments": [one.instrument]}
    names = {"instrument": one.instrument, "last": one.last, "bars": one.bars}
    return replace(said, now=now, before=before, call=call, **names)


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
