"""What a walk-forward leaves behind, and how it is read back.

A folder holds ``walk_forward.json`` (the plan), per fold k ``fold_k.parquet`` (the model's rows),
``fold_k_baselines.parquet`` and ``fold_k.json`` (written last, with the hashes of the other two), and
``summary.json``.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet

from core.calibration.task_confidence import SET_LEVEL
from core.config import Config, parse_config
from core.data.segments import SegmentBorders
from core.errors import InputError

PLAN, SUMMARY = "walk_forward.json", "summary.json"
FORMAT_VERSION = 1
SOURCE_COLUMNS = ("attention", "ensemble", "similarity", "mc_dropout")
CONFIDENCE_COLUMNS = (*SOURCE_COLUMNS, "raw", "mix", "temperature", "platt", "isotonic", "confidence")
KEY_COLUMNS = ("fold", "instrument", "timeframe", "ts", "task")
CATEGORIES = ("segment", "instrument", "timeframe", "task", "baseline")


class ResultsError(InputError):
    """Walk-forward results that are missing, unfinished or damaged."""


@dataclass(frozen=True)
class FoldRecord:
    """How one fold was made.

    Attributes
    ----------
    borders
        Of its three segments.
    rows
        Test rows scored, by task.
    audit
        ``{object: {"AAPL|1d": {"first", "last", "rows", "label_end"}}}``: the bars every fitted object saw,
        and the last bar their labels look at where it saw labels.
    skipped
        Series left out of the fold, with the reason.
    suspicious
        Features that go with the coming move as none should, with their rank correlation in training.
    confidence
        Calibrators by task as plain numbers; None where the calibrate segment had too few labels.
    mixes
        Learned mixes by task: ``all`` of the sources and, by its name, without each of them, fitted on the
        calibrate segment again: ``weights``, ``intercept`` and ``aurc`` on the fold's test rows. Empty in
        results written before these were kept.
    best_epoch, seconds
        Of the model's training.
    history, importance
        One row per epoch, as in `core.training.trainer.TrainingResult`.
    baselines
        What each fitted baseline chose on the calibrate segment, by task.
    """

    index: int
    borders: SegmentBorders
    rows: dict[str, int]
    audit: dict[str, dict[str, dict[str, Any]]]
    skipped: dict[str, str]
    suspicious: dict[str, float]
    confidence: dict[str, dict[str, Any] | None]
    best_epoch: int
    seconds: float
    history: pd.DataFrame
    importance: pd.DataFrame
    baselines: dict[str, dict[str, Any]]
    mixes: dict[str, dict[str, dict[str, Any]]]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "index": self.index,
            "borders": self.borders.to_dict(),
            "rows": self.rows,
            "audit": self.audit,
            "skipped": self.skipped,
            "suspicious": self.suspicious,
            "confidence": self.confidence,
            "best_epoch": self.best_epoch,
            "seconds": self.seconds,
            "history": self.history.to_dict(orient="list"),
            "importance": self.importance.to_dict(orient="list"),
            "baselines": self.baselines,
            "mixes": self.mixes,
        }

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> FoldRecord:
        """The inverse of `to_dict`."""
        return cls(
            index=int(raw["index"]),
            borders=SegmentBorders.from_dict(raw["borders"]),
            rows=dict(raw["rows"]),
            audit=dict(raw["audit"]),
            skipped=dict(raw["skipped"]),
            suspicious=dict(raw["suspicious"]),
            confidence=dict(raw["confidence"]),
            best_epoch=int(raw["best_epoch"]),
            seconds=float(raw["seconds"]),
            history=pd.DataFrame(raw["history"]),
            importance=pd.DataFrame(raw["importance"]),
            baselines=dict(raw["baselines"]),
            mixes=dict(raw.get("mixes", {})),
        )


@dataclass(frozen=True)
class WalkForwardResult:
    """A finished walk-forward.

    Attributes
    ----------
    rows
        One row per fold, series, bar and task with a label, folds in order. ``fold``, ``segment``,
        ``instrument``, ``timeframe``, ``ts``, ``task``, ``label``, ``label_end``; ``logit_c``, ``p_c``
        (temperature-scaled) and ``u_c`` (plain softmax) per class c, NaN where the task has fewer classes;
        ``head_confidence``, the four sources, ``raw``, ``mix``, ``temperature`` (the largest p), ``platt``,
        ``isotonic``, ``confidence`` (the chosen one); ``set_size`` and ``covered`` of the 90% conformal set,
        ``..._80`` and ``..._95`` of the others, -1 and False where none was fitted; ``distance``,
        ``out_of_distribution``; ``regime_now`` (0 Trending, 1 Ranging, 2 Volatile by the rule on bars up to
        ts, -1 unknown) and ``label_ahead`` (the label of the regime wholly after ts, -1 elsewhere).
    baselines
        The same keys, ``baseline`` and ``p_c``; each baseline's rows of a fold and task in the order of
        `rows`.
    folds
        In order.
    summary
        See `core.training.walk_forward_summary.summarise`.
    plan
        Scheme, test step, baselines and the data's fingerprint.
    """

    rows: pd.DataFrame
    baselines: pd.DataFrame
    folds: list[FoldRecord]
    config: Config
    summary: dict[str, Any]
    plan: dict[str, Any]

    def table(self) -> list[dict[str, Any]]:
        """One line per task, scope ("pooled", "fold 0", "wholly ahead") and forecaster, the model first.

        ``log_loss`` and ``accuracy`` with their intervals' ends; ``difference``, ``low`` and ``high`` of the
        model's log-loss minus the baseline's; ``ece`` and, for the model, ``perfect_ece_p95``.
        """
        lines = []
        for task, entry in self.summary.items():
            scopes = {"pooled": entry["pooled"], "wholly ahead": entry.get("wholly_ahead")}
            scopes |= {f"fold {k}": block for k, block in enumerate(entry["folds"])}
            for scope, block in scopes.items():
                if block is None:
                    continue
                who = {"model": block["model"], "uncalibrated": block["uncalibrated"], **block["baselines"]}
                for name, scores in who.items():
                    line = {"task": task, "scope": scope, "who": name, "rows": block["rows"]}
                    for score in ("log_loss", "accuracy"):
                        found = scores[score]
                        line |= {score: found["value"]}
                        line |= {f"{score}_{end}": found[end] for end in ("low", "high")}
                    difference = scores.get("model_minus_baseline", {})
                    line |= {"difference": difference.get("value")}
                    line |= {end: difference.get(end) for end in ("low", "high")}
                    line |= {"ece": scores["ece"]["value"]}
                    line |= {"perfect_ece_p95": block["perfect_ece"]["p95"] if name == "model" else None}
                    lines.append(line)
        return lines

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, without rows."""
        return {
            "name": self.config.name,
            **{key: self.plan[key] for key in ("scheme", "test_step", "baselines", "series")},
            "folds": [
                {
                    "index": fold.index,
                    "borders": fold.borders.to_dict(),
                    "rows": fold.rows,
                    "skipped": fold.skipped,
                }
                for fold in self.folds
            ],
            "summary": self.summary,
        }


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
        records, rows, baselines = [], [], []
        for k in range(folds):
            raw = read_fold(folder, k)
            records.append(FoldRecord.from_dict(raw))
            rows.append(_read_table(folder, rows_path(folder, k), raw))
            baselines.append(_read_table(folder, baselines_path(folder, k), raw))
        return WalkForwardResult(
            rows=_frame(rows),
            baselines=_frame(baselines),
            folds=records,
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


def write_fold(folder: Path, record: FoldRecord, rows: pd.DataFrame, baselines: pd.DataFrame) -> None:
    """Write one finished fold; its record comes last, so that a kill leaves no half fold."""
    paths = rows_path(folder, record.index), baselines_path(folder, record.index)
    for path, table in zip(paths, (rows, baselines), strict=True):
        write_parquet(path, table)
    files = {path.name: _sha256(path) for path in paths}
    write_json(fold_path(folder, record.index), record.to_dict() | {"files": files})


def write_parquet(path: Path, table: pd.DataFrame) -> None:
    """Write or replace a Parquet file in one step."""
    staging = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        table.to_parquet(staging, index=False, compression="zstd")
        staging.replace(path)
    finally:
        staging.unlink(missing_ok=True)


def write_json(path: Path, content: Any) -> None:
    """Write or replace a JSON file in one step; numbers that are not finite become null."""
    staging = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        staging.write_text(json.dumps(plain(content), indent=1, allow_nan=False) + "\n", encoding="utf-8")
        staging.replace(path)
    finally:
        staging.unlink(missing_ok=True)


def plain(value: Any) -> Any:
    """Lists, dicts and Python scalars for JSON; NaN and infinities become None."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def set_columns(level: float) -> tuple[str, str]:
    """Columns that hold size and coverage of the conformal sets at `level`."""
    end = "" if level == SET_LEVEL else f"_{100 * level:g}"
    return f"set_size{end}", f"covered{end}"


def rows_path(folder: Path, k: int) -> Path:
    """File of fold `k`'s model rows."""
    return Path(folder) / f"fold_{k}.parquet"


def baselines_path(folder: Path, k: int) -> Path:
    """File of fold `k`'s baseline rows."""
    return Path(folder) / f"fold_{k}_baselines.parquet"


def fold_path(folder: Path, k: int) -> Path:
    """Record of fold `k`; there once the fold is finished."""
    return Path(folder) / f"fold_{k}.json"


def _read_table(folder: Path, path: Path, record: Mapping[str, Any]) -> pa.Table:
    if not path.is_file() or _sha256(path) != record["files"].get(path.name):
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


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
