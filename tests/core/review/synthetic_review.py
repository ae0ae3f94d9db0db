"""A finished walk-forward whose true probabilities are known, written as the program writes it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import expit, softmax
from scipy.stats import rankdata

from core.confidence.conformal import ConformalSets
from core.confidence.sources import SOURCES, raw_weights
from core.confidence.stated import SET_LEVELS
from core.config import Config
from core.data.segments import SegmentBorders
from core.disk import plain, write_json
from core.experiments.walk_forward.records import FoldRecord, WalkForwardResult
from core.experiments.walk_forward.results import (
    CATEGORIES,
    FORMAT_VERSION,
    KEY_COLUMNS,
    PLAN,
    SUMMARY,
    FoldTables,
    load_walk_forward,
    rank_column,
    set_columns,
    write_fold,
)
from core.experiments.walk_forward.summary import summarise
from tests.conftest import small_config

SHARPNESS = 2.0
"""Logits are this many times too large; dividing them by it gives the true probabilities."""


def synthetic_rows(bars: int, folds: int, seed: int = 0, instruments: tuple[str, ...] = ("AAA", "BBB")):
    """Rows and baseline rows: ``p`` is perfectly calibrated, ``u`` too sure, dropout alone informative."""
    rng = np.random.default_rng(seed)
    config = small_config()
    times = pd.date_range("2015-01-01", periods=bars, freq="D", tz="UTC").as_unit("us")
    fold = np.arange(bars) * folds // bars
    tables, baselines = [], []
    for task in config.tasks:
        for instrument in instruments:
            truth = softmax(rng.normal(0, 0.9, (bars, 3)), axis=1)
            label = (rng.random(bars)[:, None] > truth.cumsum(axis=1)[:, :-1]).sum(axis=1)
            logits = SHARPNESS * np.log(truth)
            plain = softmax(logits, axis=1)
            sure = truth.max(axis=1)
            specified = [rng.uniform(0, 0.3, bars), rng.uniform(0.8, 1, (bars, 2)), sure]
            sources = np.column_stack([*specified, rng.random((bars, len(SOURCES) - 4))])
            keys = {
                "fold": fold.astype(np.int16), "segment": "test", "instrument": instrument, "timeframe": "1d",
                "ts": times, "task": task.name, "label": label.astype(np.int8),
                "label_end": times + pd.Timedelta(days=5),
            }  # fmt: skip
            wide = {
                f"{k}_{c}": v[:, c]
                for k, v in (("logit", logits), ("p", truth), ("u", plain))
                for c in range(3)
            }
            stated = {
                "head_confidence": plain.max(axis=1) ** 0.5,
                **dict(zip(SOURCES, sources.T, strict=True)),
                "raw": sources @ np.array(raw_weights()),
                **dict(zip(map(rank_column, SOURCES), rankdata(sources, axis=0).T / bars, strict=True)),
                "ranked": expit(4 * sure - 2), "joint": 0.5 + (sure - 0.5) / 2,
                "mix": expit(4 * sure - 2), "temperature": sure, "platt": sure,
                "isotonic": np.round(sure, 1), "confidence": sure,
            }  # fmt: skip
            sets = {}
            for level in SET_LEVELS:
                members = ConformalSets.fit(truth, label, level).apply(truth)
                size, covered = set_columns(level)
                sets[size] = members.sum(axis=1).astype(np.int8)
                sets[covered] = members[np.arange(bars), label]
            rest = sets | {
                "distance": np.float32(1), "out_of_distribution": False,
                "regime_now": (np.arange(bars) % 3).astype(np.int8), "label_ahead": np.int8(-1),
            }  # fmt: skip
            floats = {k: np.asarray(v, np.float32) for k, v in (wide | stated).items()}
            table = pd.DataFrame(keys | floats | rest)
            tables.append(table)
            for name, forecast in (("prior", np.full((bars, 3), 1 / 3)), ("logistic", 0.5 * truth + 0.5 / 3)):
                part = {f"p_{c}": forecast[:, c].astype(np.float32) for c in range(3)}
                baselines.append(table[list(KEY_COLUMNS)].assign(baseline=name, **part))
    rows = pd.concat(tables, ignore_index=True).astype({n: "category" for n in CATEGORIES if n != "baseline"})
    kept = {n: "category" for n in CATEGORIES if n != "segment"}
    return rows, pd.concat(baselines, ignore_index=True).astype(kept), config


def fold_records(rows: pd.DataFrame, config: Config) -> list[FoldRecord]:
    """How the folds of `synthetic_rows` were made."""
    mixes = {
        "all": {"weights": [0.0, 0.0, 0.0, 4.0], "intercept": -2.0},
        # Attention alone varies by itself once the informative source is gone.
        "mc_dropout": {"weights": [1.0, 0.0, 0.0, 0.0], "intercept": 0.0},
    }
    mixes = {name: mixes.get(name, mixes["all"]) | {"aurc": 0.5} for name in ("all", *SOURCES)}
    losses = np.linspace(1.1, 1.0, 4)
    history = {f"train_{t.name}_cross_entropy": losses for t in config.tasks} | {
        f"calibrate_{t.name}_log_loss": losses + np.array([0, 0, 0.01, 0.05]) for t in config.tasks
    }
    records = []
    for k, mine in rows.groupby("fold"):
        first, last = mine["ts"].min(), mine["ts"].max()
        borders = SegmentBorders(
            first - pd.Timedelta(days=200), first - pd.Timedelta(days=10), last + pd.Timedelta(days=1)
        )
        records.append(
            FoldRecord(
                index=int(k), borders=borders,
                rows={t.name: int((mine["task"] == t.name).sum()) for t in config.tasks},
                audit={}, skipped={}, suspicious={}, confidence={t.name: {} for t in config.tasks},
                best_epochs=(1,), scales={}, seconds=1.0,
                history=pd.DataFrame({"epoch": range(4), **history}),
                importance=pd.DataFrame(), baselines={t.name: {} for t in config.tasks},
                mixes={t.name: mixes for t in config.tasks},
            )
        )  # fmt: skip
    return records


def write_synthetic(
    folder: Path, bars: int = 400, folds: int = 2, seed: int = 0, ranks: bool = True
) -> WalkForwardResult:
    """Write and read back a walk-forward of `bars` days, two instruments and three tasks.

    Without `ranks` as it was written before ranks were kept.
    """
    folder.mkdir(parents=True)
    rows, baselines, config = synthetic_rows(bars, folds, seed)
    if not ranks:
        rows = rows.drop(columns=["ranked", "joint", *map(rank_column, SOURCES)])
    records = fold_records(rows, config)
    plan = {
        "format_version": FORMAT_VERSION, "config": config.model_dump(mode="json"), "scheme": "expanding",
        "test_step": 1, "baselines": ["prior", "logistic"], "series": ["AAA|1d", "BBB|1d"],
        "data": "synthetic",
        "borders": [record.borders.to_dict() for record in records], "fingerprint": "synthetic",
    }  # fmt: skip
    before, theirs = _calibrate_rows(rows, baselines)
    for record in records:
        tables = (table[table["fold"] == record.index] for table in (rows, baselines, before, theirs))
        write_fold(folder, record, FoldTables(*tables))
    write_json(folder / PLAN, plain(plan))
    write_json(folder / SUMMARY, plain(summarise(*_in_file_order(rows, baselines), config)))
    return load_walk_forward(folder)


def _calibrate_rows(rows: pd.DataFrame, baselines: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows of each fold again, ending ten days before the fold's first test bar."""
    length = rows.groupby("fold")["ts"].agg(lambda ts: ts.max() - ts.min()) + pd.Timedelta(days=10)
    shifts = [table["fold"].map(length) for table in (rows, baselines)]
    before = rows.assign(ts=rows["ts"] - shifts[0], label_end=rows["label_end"] - shifts[0])
    before["segment"] = pd.Categorical(["calibrate"] * len(before))
    return before, baselines.assign(ts=baselines["ts"] - shifts[1])


def _in_file_order(rows: pd.DataFrame, baselines: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    return tuple(t.sort_values("fold", kind="stable").reset_index(drop=True) for t in (rows, baselines))  # type: ignore[return-value]
