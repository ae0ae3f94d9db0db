"""Files that are whole or not there, digests of what stands in them, and locks between processes.

A writer works on a hidden file beside the one it is to become and renames it when everything is on the disk.
Readers therefore see the old content or the new one, and what a kill leaves behind is a hidden file that
nothing reads.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import filelock
import numpy as np
import pandas as pd


@contextmanager
def stage_file(path: Path, *, durable: bool = True) -> Iterator[Path]:
    """A hidden path to write to, which takes the place of `path` when the block ends without an error.

    The folder is made where it is absent. After an error nothing has changed.

    Parameters
    ----------
    durable
        Wait until all is on the disk, so that a power cut cannot leave an empty file either; False where the
        content can be had again and a reader finds out.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    staging = _hidden(path)
    try:
        yield staging
        if durable:
            _sync(staging)
        staging.replace(path)
    finally:
        staging.unlink(missing_ok=True)
    if durable:
        _sync(path.parent)


@contextmanager
def stage_folder(folder: Path) -> Iterator[Path]:
    """As `stage_file` for a folder with plain files, which takes the place of a whole older one.

    A folder cannot be renamed onto another, so between two renames there is none; a kill at that moment
    leaves the older one beside it under a hidden name.
    """
    folder = Path(folder)
    staging, retired = _hidden(folder), _hidden(folder)
    staging.mkdir(parents=True)
    try:
        yield staging
        for path in (*staging.iterdir(), staging):
            _sync(path)
        replaces = folder.exists()
        if replaces:
            folder.replace(retired)
        try:
            staging.replace(folder)
        except OSError:
            if replaces:
                retired.replace(folder)
            raise
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    shutil.rmtree(retired, ignore_errors=True)
    _sync(folder.parent)


def remove_leftovers(folder: Path, stem: str = "") -> None:
    """Delete what killed writers of files whose names start with `stem` left; call as their only writer."""
    for leftover in folder.glob(f".{stem}*.tmp"):
        leftover.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write or replace a UTF-8 file in one step."""
    with stage_file(path) as staging:
        staging.write_text(text, encoding="utf-8")


def write_json(path: Path, content: Any) -> None:
    """Write or replace a JSON file in one step.

    Raises
    ------
    ValueError
        If a number is not finite; `plain` makes those null.
    """
    write_text(path, json.dumps(content, indent=1, allow_nan=False) + "\n")


def write_arrays(
    path: Path, arrays: Mapping[str, np.ndarray], *, compress: bool = True, durable: bool = True
) -> None:
    """Write or replace an npz file in one step; objects are refused, so that none is ever unpickled."""
    save = np.savez_compressed if compress else np.savez
    with stage_file(path, durable=durable) as staging, staging.open("wb") as file:
        save(file, allow_pickle=False, **arrays)


@contextmanager
def hold_lock(path: Path, seconds: float, refusal: Exception) -> Iterator[None]:
    """Hold the lock file `path`, which a killed process lets go of.

    Parameters
    ----------
    seconds
        How long to wait while another process holds it.
    refusal
        Raised when that is not enough.
    """
    lock = filelock.FileLock(path, timeout=seconds)
    try:
        lock.acquire()
    except filelock.Timeout:
        raise refusal from None
    try:
        yield
    finally:
        lock.release()


def digest_file(path: Path) -> str:
    """SHA-256 of a file, 64 hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_parts(parts: Iterable[bytes | np.ndarray]) -> str:
    """SHA-256 of bytes, and of arrays in C order, one after the other; 64 hex digits."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part if isinstance(part, bytes) else np.ascontiguousarray(part).tobytes())
    return digest.hexdigest()


def digest_json(content: Any) -> str:
    """SHA-256 of plain values, whatever the order of their keys; 64 hex digits."""
    return digest_parts([json.dumps(content, sort_keys=True).encode()])


def digest_bars(series: Iterable[tuple[str, pd.DataFrame]]) -> str:
    """SHA-256 over bar opens and every further column of (label, bars) in the given order, 64 hex digits."""
    return digest_parts(part for label, bars in series for part in _bar_parts(label, bars))


def plain(value: Any) -> Any:
    """Lists, dicts and Python scalars for JSON; NaN and infinities become None."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _bar_parts(label: str, bars: pd.DataFrame) -> Iterator[bytes | np.ndarray]:
    yield label.encode()
    yield bars["ts"].to_numpy(dtype="datetime64[us]")
    for column in bars.columns.drop(["instrument", "timeframe", "ts"]):
        yield str(column).encode()
        values = bars[column]
        numeric = pd.api.types.is_numeric_dtype(values)
        yield values.to_numpy(float) if numeric else "\0".join(map(str, values)).encode()


def _hidden(path: Path) -> Path:
    return path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")


def _sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    if path.is_dir():
        if os.name == "nt":
            return
        descriptor = os.open(path, os.O_RDONLY)
    else:
        descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
