"""What a walk-forward leaves behind, and how it is read back.

A folder holds ``walk_forward.json`` (the plan), per fold k ``fold_k.parquet`` (the model's rows),
``fold_k_baselines.parquet``, the same two of its calibrate segment (``fold_k_calibrate.parquet`` and
``fold_k_calibrate_baselines.parquet``; not in results written before these were kept) and ``fold_k.json``
(written last, with the hashes of the others), and ``summary.json``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet

from core.confidence.stated import SET_LEVEL
from core.config import parse_config
from core.disk import digest_file, plain, stage_file, write_json
from core.errors import InputError
from core.experiments.walk_forward.records import FoldRecord, WalkForwardResult

PLAN, SUMMARY = "walk_forward.json", "summary.json"
FORMAT_VERSION = 1
KEY_COLUMNS = ("fold", "instrument", "timeframe", "ts", "task")
CATEGORIES = ("segment", "instrument", "timeframe", "task", "baseline")


@dataclass(frozen=True)
class FoldTables:
    """What one fold scored: the model's rows and its baselines', in test and in calibrate."""

    rows: pd.DataFrame
    baselines: pd.DataFrame
    calibrate: pd.DataFrame
    calibrate_baselines: pd.DataFrame


class ResultsError(InputError):
    """Walk-forward results that are missing, unfinished or damaged."""


def rank_column(source: str) -> str:
    """Column that holds a source's rank among the bars of the fold's calibrate segment."""
    return f"rank_{source}"


def load_walk_forward(folder: Path) -> WalkForwardResult:
    """Read a finished walk-forward, verifying every file.

    Raises
    ------
    ResultsError
        If there is none, it is unfinished, or a file is damaged.
    """
    folder = Path(folder)
    plan = read_plan(folder)
    if plan is None:
        raise ResultsError(
            f"walk-forward results in {folder}", "none", "run python -m core walk-forward first"
        )
    folds = len(plan["borders"])
    missing = [k for k in range(folds) if not fold_path(folder, k).is_file()]
    if missing or not (folder / SUMMARY).is_file():
        raise ResultsError(
            f"{folds} finished folds in {folder}",
            f"{folds - len(missing)}",
            "run the same walk-forward again, it goes on where it stopped",
        )
    try:
        raws = [read_fold(folder, k) for k in range(folds)]
        whole = {
            name: _frame([_read_table(folder, path_of(folder, k), raws[k]) for k in range(folds)])
            for name, path_of in TABLES.items()
            if name in NEEDED or all(path_of(folder, k).name in raws[k]["files"] for k in range(folds))
        }
        return WalkForwardResult(
            **whole,
            folds=[FoldRecord.from_dict(raw) for raw in raws],
            config=parse_config(plan["config"]),
            summary=_read_json(folder / SUMMARY),
            plan=plan,
        )
    except (KeyError, TypeError, ValueError, AttributeError, pa.ArrowException) as error:
        if isinstance(error, ResultsError):
            raise
        raise ResultsError(
            "walk-forward results this version can read",
            f"{folder}: {str(error).splitlines()[0]}",
            "delete the folder and run it again",
        ) from None


def read_plan(folder: Path) -> dict[str, Any] | None:
    """The plan of the walk-forward in `folder`; None where there is none.

    Raises
    ------
    ResultsError
        If it is damaged or of a newer format.
    """
    path = Path(folder) / PLAN
    if not path.is_file():
        return None
    plan = _read_json(path)
    version = plan.get("format_version") if isinstance(plan, dict) else None
    needed = {"config", "borders", "fingerprint", "scheme", "test_step", "baselines", "series"}
    if version != FORMAT_VERSION or not needed <= set(plan):
        raise ResultsError(
            f"a walk-forward plan of format {FORMAT_VERSION}", f"format {version} in {path}", "run it again"
        )
    return plan


def read_fold(folder: Path, k: int) -> dict[str, Any]:
    """The record of finished fold `k`, as it was written."""
    raw = _read_json(fold_path(folder, k))
    if not isinstance(raw, dict) or raw.get("index") != k or not isinstance(raw.get("files"), Mapping):
        raise ResultsError(
            f"the record of fold {k}", f"other content in {fold_path(folder, k)}", "delete it and run again"
        )
    return raw


def write_fold(folder: Path, record: FoldRecord, tables: FoldTables) -> None:
    """Write one finished fold; its record comes last, so that a kill leaves no half fold."""
    paths = {name: path_of(folder, record.index) for name, path_of in TABLES.items()}
    for name, path in paths.items():
        write_parquet(path, getattr(tables, name))
    files = {path.name: digest_file(path) for path in paths.values()}
    write_json(fold_path(folder, record.index), plain(record.to_dict() | {"files": files}))


def write_parquet(path: Path, table: pd.DataFrame) -> None:
    """Write or replace a Parquet file in one step."""
    with stage_file(path) as staging:
        table.to_parquet(staging, index=False, compression="zstd")


def set_columns(level: float) -> tuple[str, str]:
    """Columns that hold size and coverage of the conformal sets at `level`."""
    end = "" if level == SET_LEVEL else f"_{100 * level:g}"
    return f"set_size{end}", f"covered{end}"


def read_distribution(rows: pd.DataFrame, prefix: str, classes: int) -> np.ndarray:
    """(n, C) float64 from the columns ``prefix_0``..., each row summing to 1."""
    values = rows[[f"{prefix}_{c}" for c in range(classes)]].to_numpy(np.float64)
    return values / values.sum(axis=1, keepdims=True)


def rows_path(folder: Path, k: int) -> Path:
    """File of fold `k`'s model rows."""
    return Path(folder) / f"fold_{k}.parquet"


def baselines_path(folder: Path, k: int) -> Path:
    """File of fold `k`'s baseline rows."""
    return Path(folder) / f"fold_{k}_baselines.parquet"


def calibrate_path(folder: Path, k: int) -> Path:
    """File of the model's rows in fold `k`'s calibrate segment."""
    return Path(folder) / f"fold_{k}_calibrate.parquet"


def calibrate_baselines_path(folder: Path, k: int) -> Path:
    """File of the baselines' rows in fold `k`'s calibrate segment."""
    return Path(folder) / f"fold_{k}_calibrate_baselines.parquet"


TABLES = {
    "rows": rows_path,
    "baselines": baselines_path,
    "calibrate": calibrate_path,
    "calibrate_baselines": calibrate_baselines_path,
}
"""A fold's tables by their name in `FoldTables`, with their files."""

NEEDED = ("rows", "baselines")


def fold_path(folder: Path, k: int) -> Path:
    """Record of fold `k`; there once the fold is finished."""
    return Path(folder) / f"fold_{k}.json"


def _read_table(folder: Path, path: Path, record: Mapping[str, Any]) -> pa.Table:
    if not path.is_file() or digest_file(path) != record["files"].get(path.name):
        raise ResultsError(
            f"{path.name} as it was written",
            f"other content in {folder}",
            "delete the fold's files and run again",
        )
    return pyarrow.parquet.read_table(path)


def _frame(tables: list[pa.Table]) -> pd.DataFrame:
    # Concatenated in Arrow, where folds with different dictionaries are unified without decoding them.
    whole = pa.concat_tables(tables, promote_options="permissive").unify_dictionaries()
    frame = whole.to_pandas()
    for name in CATEGORIES:
        if name in frame and frame[name].dtype != "category":
            frame[name] = frame[name].astype("category")
    return frame


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ResultsError(f"readable JSON in {path}", str(error), "delete it and run again") from None
