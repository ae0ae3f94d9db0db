"""What is written is whole or not there, whenever the writer dies; digests stay what they were."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.disk import (
    digest_bars,
    digest_file,
    digest_json,
    digest_parts,
    hold_lock,
    plain,
    remove_leftovers,
    stage_file,
    stage_folder,
    write_arrays,
    write_json,
    write_text,
)

ROOT = Path(__file__).resolve().parents[2]
DIE = (
    "import os, signal, sys\nfrom pathlib import Path\nimport core.disk as disk\n"
    "def die(*_): os.kill(os.getpid(), signal.SIGKILL)\n"
)


def killed(code: str, path: Path) -> None:
    """Run `code` in a process that must kill itself; `path` is its argument."""
    command = [sys.executable, "-c", DIE + code, str(path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == -signal.SIGKILL, done.stderr


def fail_inside(stage, path: Path) -> None:
    with stage(path) as staging:
        (staging / "a" if staging.is_dir() else staging).write_text("half")
        raise ZeroDivisionError


def hidden(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize("moment", ["disk.os.fsync", "disk.Path.replace"])
def test_a_writer_killed_before_the_rename_leaves_the_old_file(tmp_path, moment):
    path = tmp_path / "numbers.json"
    write_json(path, [1, 2])
    killed(f"{moment} = die\ndisk.write_json(Path(sys.argv[1]), list(range(9999)))\n", path)
    assert json.loads(path.read_text()) == [1, 2]
    assert len(hidden(tmp_path)) == 1
    remove_leftovers(tmp_path)
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_while_writing_leaves_the_old_file_and_no_other(tmp_path):
    path = tmp_path / "a.txt"
    write_text(path, "old")
    with pytest.raises(ZeroDivisionError):
        fail_inside(stage_file, path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_json_that_is_refused_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, {"a": 1})
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(path, {"a": float("nan")})
    assert json.loads(path.read_text()) == {"a": 1}


def test_readers_see_one_writers_file_or_anothers_and_never_half(tmp_path):
    path, seen, done = tmp_path / "deep" / "a.txt", set(), threading.Event()
    texts = ["a" * 200_000, "b" * 300_000]
    write_text(path, texts[0])

    def read() -> None:
        while not done.is_set():
            seen.add(path.read_text())

    reader = threading.Thread(target=read)
    reader.start()
    writers = [threading.Thread(target=lambda t=t: [write_text(path, t) for _ in range(30)]) for t in texts]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    done.set()
    reader.join()
    assert seen <= set(texts)
    assert not hidden(path.parent)


def test_a_folder_takes_the_place_of_the_older_one_with_all_its_files(tmp_path):
    folder = tmp_path / "models" / "small"
    for names in ("abc", "de"):
        with stage_folder(folder) as staging:
            assert not (folder / names[0]).exists()
            for name in names:
                (staging / name).write_text(name)
        assert sorted(path.name for path in folder.iterdir()) == list(names)
    assert list(folder.parent.iterdir()) == [folder]


def test_an_error_or_a_kill_while_a_folder_is_filled_leaves_the_old_one(tmp_path):
    folder = tmp_path / "small"
    with stage_folder(folder) as staging:
        (staging / "a").write_text("old")
    with pytest.raises(ZeroDivisionError):
        fail_inside(stage_folder, folder)
    assert list(tmp_path.iterdir()) == [folder]
    killed(
        "with disk.stage_folder(Path(sys.argv[1])) as staging:\n"
        "    (staging / 'a').write_text('new')\n    disk.os.fsync = die\n",
        folder,
    )
    assert (folder / "a").read_text() == "old"


def test_a_folder_that_cannot_be_put_in_place_brings_the_old_one_back(tmp_path, monkeypatch):
    folder = tmp_path / "small"
    with stage_folder(folder) as staging:
        (staging / "a").write_text("old")
    rename = Path.replace

    def refuse(self, target):
        if target == folder and (self / "a").read_text() == "new":
            raise OSError("disk full")
        return rename(self, target)

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(OSError, match="disk full"), stage_folder(folder) as staging:
        (staging / "a").write_text("new")
    assert (folder / "a").read_text() == "old"
    assert list(tmp_path.iterdir()) == [folder]


def test_leftovers_of_other_files_stay(tmp_path):
    names = [".2019.parquet.0f.tmp", ".2020.parquet.0f.tmp", "2019.parquet", ".2019.lock"]
    for name in names:
        (tmp_path / name).touch()
    remove_leftovers(tmp_path, "2019.")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names[1:])


@pytest.mark.parametrize("compress", [True, False])
def test_arrays_come_back_and_objects_are_refused(tmp_path, compress):
    path = tmp_path / "a.npz"
    arrays = {"x": np.arange(6.0).reshape(2, 3), "flag": np.array([True])}
    write_arrays(path, arrays, compress=compress)
    with np.load(path, allow_pickle=False) as stored:
        assert sorted(stored.files) == ["flag", "x"]
        np.testing.assert_array_equal(stored["x"], arrays["x"])
    with pytest.raises(ValueError, match="allow_pickle=False"):
        write_arrays(path, {"x": np.array([{}], dtype=object)}, compress=compress)
    assert list(tmp_path.iterdir()) == [path]


def test_a_lock_is_refused_while_held_and_free_once_its_holder_is_killed(tmp_path):
    path = tmp_path / ".lock"
    code = (
        "import sys\nfrom pathlib import Path\nfrom core.disk import hold_lock\n"
        "with hold_lock(Path(sys.argv[1]), 0, RuntimeError()):\n"
        "    print('held', flush=True)\n    sys.stdin.read()\n"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    holder = subprocess.Popen([sys.executable, "-c", code, str(path)], cwd=ROOT, **pipes)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(KeyError, match="busy"), hold_lock(path, 0, KeyError("busy")):
        pass
    os.kill(holder.pid, signal.SIGKILL)
    holder.communicate(timeout=30)
    with hold_lock(path, 5, KeyError("busy")):
        pass


def test_a_lock_is_let_go_after_an_error(tmp_path):
    with pytest.raises(ZeroDivisionError), hold_lock(tmp_path / ".lock", 0, KeyError("busy")):
        raise ZeroDivisionError
    with hold_lock(tmp_path / ".lock", 0, KeyError("busy")):
        pass


def test_digests_are_those_of_the_bytes(tmp_path):
    values = np.arange(12, dtype=np.float32).reshape(3, 4)
    expected = hashlib.sha256(b"a" + values.T.copy().tobytes()).hexdigest()
    assert digest_parts([b"a", values.T]) == expected
    write_text(tmp_path / "a", "abc")
    # FIPS 180-4, appendix B.1.
    assert digest_file(tmp_path / "a") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert digest_json({"b": [1], "a": None}) == hashlib.sha256(b'{"a": null, "b": [1]}').hexdigest()
    assert digest_json({"b": 1, "a": 2}) == digest_json({"a": 2, "b": 1})


def test_the_digest_of_bars_is_that_of_opens_and_columns_in_order():
    ts = pd.to_datetime(["2020-01-01", "2020-01-02"], utc=True)
    bars = pd.DataFrame({"instrument": "X", "timeframe": "1d", "ts": ts, "close": [1, 2], "mood": ["u", "d"]})
    opens = np.array(["2020-01-01", "2020-01-02"], "datetime64[us]").tobytes()
    content = b"X|1d" + opens + b"close" + np.array([1.0, 2.0]).tobytes() + b"mood" + b"u\0d"
    assert digest_bars([("X|1d", bars)]) == hashlib.sha256(content).hexdigest()
    later = bars.assign(ts=bars["ts"] + pd.Timedelta(days=1))
    assert digest_bars([("X|1d", later)]) != digest_bars([("X|1d", bars)])
    assert digest_bars([("X|1d", bars.assign(close=[1, 3]))]) != digest_bars([("X|1d", bars)])


def test_plain_values_survive_json_and_what_is_not_finite_becomes_null():
    content = {
        1: np.float32(0.5), "n": np.int64(3), "a": np.array([[1.0, np.nan], [np.inf, 2.0]]),
        "t": (True, None, "x"), "z": float("-inf"),
    }  # fmt: skip
    expected = {"1": 0.5, "n": 3, "a": [[1.0, None], [None, 2.0]], "t": [True, None, "x"], "z": None}
    assert plain(content) == expected
    assert json.loads(json.dumps(plain(content), allow_nan=False)) == expected
