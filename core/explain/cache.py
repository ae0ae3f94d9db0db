"""Explanations on disk, by everything they depend on; the least recently read go first."""

from __future__ import annotations

import json
import os
import zipfile
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from core.disk import digest_json, write_arrays

FORMAT = 2
LARGEST = 512 * 2**20
"""Bytes kept on disk: about six thousand attributions of 300 bars and 40 features."""

# What numpy, zipfile and zlib raise for a file that was cut short or changed on disk.
_DAMAGE = (
    OSError,
    ValueError,
    KeyError,
    TypeError,
    EOFError,
    NotImplementedError,
    RuntimeError,
    zipfile.BadZipFile,
    zlib.error,
)


def open_cache(home: Path) -> ExplanationCache:
    """The cache of a home folder, shared by command line, workbench and reports."""
    return ExplanationCache(Path(home) / "explanations")


class ExplanationCache:
    """A folder of results, safe to share between processes.

    Parameters
    ----------
    folder
        Made when first written to.
    largest
        Bytes kept at most.

    Notes
    -----
    What cannot be read counts as absent: it is computed again and replaced, so a damaged file costs time and
    nothing else. Files hold plain numbers, never pickles.
    """

    def __init__(self, folder: Path, largest: int = LARGEST) -> None:
        self.folder = Path(folder)
        self.largest = largest

    def read(self, key: dict[str, Any]) -> tuple[dict[str, Any], dict[str, np.ndarray]] | None:
        """Fields and arrays written under `key`, or None."""
        path = self._path(key)
        try:
            with np.load(path, allow_pickle=False) as stored:
                arrays = {name: stored[name] for name in stored.files}
            header = json.loads(bytes(arrays.pop("header")).decode())
            os.utime(path)
            if header["key"] != _stored_form(key):
                return None
            return header["fields"], arrays
        except _DAMAGE:
            return None

    def write(self, key: dict[str, Any], fields: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
        """Keep a result; readers find the whole of it or nothing.

        Parameters
        ----------
        fields
            Plain values for JSON, without NaN.
        """
        header = json.dumps({"key": _stored_form(key), "fields": fields}, allow_nan=False)
        named = {"header": np.frombuffer(header.encode(), np.uint8), **arrays}
        write_arrays(self._path(key), named, durable=False)
        self._prune()

    def _path(self, key: dict[str, Any]) -> Path:
        return self.folder / f"{digest_json([FORMAT, key])[:32]}.npz"

    def _prune(self) -> None:
        kept = []
        # Half the time of a glob, which counts with thousands of entries.
        with os.scandir(self.folder) as entries:
            for entry in entries:
                if entry.name.endswith(".npz") and not entry.name.startswith("."):
                    with suppress(FileNotFoundError):
                        found = entry.stat()
                        kept.append((found.st_mtime, found.st_size, entry.path))
        total = sum(size for _, size, _ in kept)
        for _, size, path in sorted(kept):
            if total <= self.largest:
                return
            Path(path).unlink(missing_ok=True)
            total -= size


def _stored_form(key: dict[str, Any]) -> list[Any]:
    """The key as it comes back from JSON, where tuples have become lists."""
    return json.loads(json.dumps([FORMAT, key], sort_keys=True))
