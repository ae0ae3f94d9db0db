"""Kill-safety and concurrency, with real processes."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from core.data.partitions import locked
from core.data.store import BarStore
from core.errors import BarsError

ROOT = Path(__file__).resolve().parents[3]
START = pd.Timestamp("2020-01-01", tz="UTC")

# Bar i has close 1000 + i and volume 2 * close: a row mixed out of two writes would not.
PRELUDE = """
import sys
from pathlib import Path
import pandas as pd
from core.data.store import BarStore
from core.errors import BarsError
store = BarStore(Path(sys.argv[1]))
START = pd.Timestamp("2020-01-01", tz="UTC")
def bars(numbers):
    close = 1000.0 + pd.Series(list(numbers), dtype="float64")
    ts = START + pd.to_timedelta(list(numbers), unit="h")
    return pd.DataFrame({"instrument": "X", "timeframe": "1h", "ts": ts, "open": close, "high": close,
                         "low": close, "close": close, "volume": 2 * close})
"""
WRITER = (
    PRELUDE
    + """
first, step, count, size = map(int, sys.argv[2:6])
for i in range(count):
    numbers = range(first + i * step * size, first + (i * size + size) * step, step)
    store.upsert(bars(numbers))
    print(numbers[-1], flush=True)
"""
)
READER = (
    PRELUDE
    + """
print("ready", flush=True)
reads, most = 0, 0
while not Path(sys.argv[2]).exists():
    window = store.read_window("X", "1h", length=100_000)
    assert (window["volume"] == 2 * window["close"]).all(), "torn row"
    assert (window["close"] - 1000 == (window["ts"] - START).dt.total_seconds() / 3600).all(), "wrong row"
    assert window["ts"].is_unique and window["ts"].is_monotonic_increasing
    assert len(window) >= most, "acknowledged rows vanished"
    listed = store.series()[0]
    assert listed.bars >= len(window)
    reads, most = reads + 1, len(window)
print(reads, flush=True)
"""
)


def run(code: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_writers_killed_at_random_lose_nothing_acknowledged_while_a_reader_reads(tmp_path):
    home, stop = tmp_path / "home", tmp_path / "stop"
    seed = run(WRITER, home, 0, 1, 1, 10)
    assert seed.communicate(timeout=60)[0].split() == ["9"]
    reader = run(READER, home, stop)
    assert reader.stdout is not None
    assert reader.stdout.readline() == "ready\n"
    moments = random.Random(7)
    acknowledged = 10
    for _ in range(4):
        writer = run(WRITER, home, acknowledged, 1, 100_000, 37)
        assert writer.stdout is not None
        last = int(writer.stdout.readline())
        time.sleep(moments.uniform(0.0, 0.25))
        os.kill(writer.pid, signal.SIGKILL)
        rest, errors = writer.communicate(timeout=60)
        assert writer.returncode == -signal.SIGKILL, errors
        lines = [line for line in rest.splitlines(keepends=True) if line.endswith("\n")]
        acknowledged = (int(lines[-1]) if lines else last) + 1
        stored = BarStore(home).read_range("X", "1h")
        assert len(stored) >= acknowledged
        assert (stored["close"].iloc[:acknowledged] == 1000.0 + stored.index[:acknowledged]).all()
    stop.touch()
    output, errors = reader.communicate(timeout=60)
    assert reader.returncode == 0, errors
    assert int(output) > 0
    BarStore(home).upsert(stored)
    assert not list(home.rglob("*.tmp"))


def test_two_writers_of_one_partition_lose_nothing(tmp_path):
    writers = [run(WRITER, tmp_path, first, 2, 25, 10) for first in (0, 1)]
    for writer in writers:
        _, errors = writer.communicate(timeout=90)
        assert writer.returncode == 0, errors
    stored = BarStore(tmp_path).read_range("X", "1h")
    assert (stored["close"] - 1000).tolist() == list(range(500))


def test_a_writer_killed_inside_the_write_leaves_the_old_partition_and_no_lock(tmp_path):
    BarStore(tmp_path).upsert(_bars(5))
    code = PRELUDE + (
        "import os, signal\n"
        "import core.data.partitions as partitions\n"
        "def die(descriptor): os.kill(os.getpid(), signal.SIGKILL)\n"
        "partitions.os.fsync = die\n"
        "store.upsert(bars(range(5, 50)))\n"
    )
    writer = run(code, tmp_path)
    writer.communicate(timeout=60)
    assert writer.returncode == -signal.SIGKILL
    assert len(list(tmp_path.rglob("*.tmp"))) == 1
    assert len(BarStore(tmp_path).read_range("X", "1h")) == 5
    BarStore(tmp_path).upsert(_bars(6))
    assert len(BarStore(tmp_path).read_range("X", "1h")) == 6
    assert not list(tmp_path.rglob("*.tmp"))


def test_a_lock_held_elsewhere_is_said_in_a_sentence(tmp_path):
    path = tmp_path / "bars" / "2020.parquet"
    code = (
        "import sys\nfrom pathlib import Path\nfrom core.data.partitions import locked\n"
        "with locked(Path(sys.argv[1])):\n    print('held', flush=True)\n    sys.stdin.read()\n"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(path)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(BarsError, match="another process still writing it"), locked(path, seconds=0.2):
        pass
    holder.communicate(timeout=30)
    with locked(path, seconds=5):
        pass


def _bars(count: int) -> pd.DataFrame:
    close = 1000.0 + pd.Series(range(count), dtype="float64")
    ts = START + pd.to_timedelta(range(count), unit="h")
    frame = {"instrument": "X", "timeframe": "1h", "ts": ts, "volume": 2 * close}
    return pd.DataFrame(frame | dict.fromkeys(("open", "high", "low", "close"), close))
