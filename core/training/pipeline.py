"""From stored bars to a bundle: prepare, train, measure, save."""

from __future__ import annotations

import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from core.bundle import Bundle, save_bundle
from core.config import Config
from core.data.dataset import PreparedData, prepare
from core.data.segments import CALIBRATE, TEST, TRAIN
from core.data.store import BarStore
from core.data.windows import LastBarWindows
from core.errors import BarsError
from core.models.similarity import RepresentationReference
from core.models.transformer import MarketTransformer
from core.training.baselines import Baselines
from core.training.confident_scoring import fit_confidence, score_with_confidence
from core.training.evaluation import score_windows
from core.training.scoring import score_last_bars
from core.training.trainer import TrainingResult, train

SEGMENTS = {"train": TRAIN, "calibrate": CALIBRATE, "test": TEST}
REFERENCE_ROWS = 4000
"""Training windows the representation's distribution is measured on, evenly spread."""


def train_bundle(store: BarStore, config: Config, folder: Path, *, resume: bool = True) -> Bundle:
    """Train on what `store` holds and write a bundle to `folder`.

    Checkpoints stand in the home folder's ``runs/NAME`` until the bundle is written, so that the same
    command goes on after a kill.

    Raises
    ------
    InputError
        If the store lacks what the configuration asks for, or holds too little.
    """
    data = prepare(read_bars(store, config), config)
    run = store.home / "runs" / config.name
    result = train(data, config, run, resume=resume)
    bundle = assemble_bundle(data, config, result)
    saved = save_bundle(bundle, folder)
    shutil.rmtree(run)
    return saved


def read_bars(store: BarStore, config: Config) -> dict[tuple[str, str], pd.DataFrame]:
    """Every stored series of the configured timeframes and instruments."""
    wanted = config.data.instruments
    bars = {
        (entry.instrument, entry.timeframe): store.read_range(entry.instrument, entry.timeframe)
        for entry in store.series()
        if entry.timeframe in config.data.timeframes and (wanted == "all" or entry.instrument in wanted)
    }
    if not bars:
        raise BarsError(
            f"stored bars of {', '.join(config.data.timeframes)}",
            "none",
            "ingest some first: python -m core ingest --bundled",
        )
    return bars


def assemble_bundle(data: PreparedData, config: Config, result: TrainingResult) -> Bundle:
    """Measure a trained model on its three segments and put everything into a bundle."""
    windows = {name: LastBarWindows(data, segment, config) for name, segment in SEGMENTS.items()}
    reference = fit_reference(result.model, data, config)
    bundle = Bundle(
        name=config.name,
        config=config,
        scaler=data.scaler,
        thresholds=data.thresholds,
        instruments=tuple(data.instruments),
        timeframes=tuple(data.timeframes),
        borders=data.borders,
        reference=reference,
        confidence=fit_confidence(score_with_confidence(result.model, windows["calibrate"], reference)),
        baselines=Baselines.fit(windows["train"], windows["calibrate"], config.tasks).to_dict(),
        metrics={},
        data_fingerprint=data.fingerprint,
        model=result.model,
    )
    return replace(bundle, metrics=_metrics(bundle, data, result, windows))


def fit_reference(model: MarketTransformer, data: PreparedData, config: Config) -> RepresentationReference:
    """Distribution of the representation over the train segment, its flag limit from the calibrate one."""
    step = max(1, len(LastBarWindows(data, TRAIN, config)) // REFERENCE_ROWS)
    training = score_last_bars(model, LastBarWindows(data, TRAIN, config, step)).representation
    step = max(1, len(LastBarWindows(data, CALIBRATE, config)) // REFERENCE_ROWS)
    calibration = score_last_bars(model, LastBarWindows(data, CALIBRATE, config, step)).representation
    return RepresentationReference.fit(training, calibration)


def _metrics(
    bundle: Bundle, data: PreparedData, result: TrainingResult, windows: dict[str, LastBarWindows]
) -> dict[str, Any]:
    segments = {}
    for name, part in windows.items():
        if not len(part):
            continue
        print(f"scoring {len(part)} {name} windows", file=sys.stderr)
        segments[name] = {task: e.to_dict() for task, e in score_windows(bundle, part).items()}
    importance = result.importance.iloc[result.best_epoch]
    return {
        "segments": segments,
        "parameters": bundle.model.parameter_count(),
        "best_epoch": result.best_epoch,
        "epochs": len(result.history),
        "training_seconds": result.seconds,
        "history": result.history.to_dict(orient="list"),
        "feature_importance": importance.sort_values(ascending=False).to_dict(),
        "audit": data.audit,
    }
