"""From stored bars to a bundle: prepare, train, measure, save."""

from __future__ import annotations

import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from core.baselines.simple import Baselines
from core.bundle import Bundle, save_bundle
from core.confidence.similarity import TrainingReference
from core.config import Config
from core.data.dataset import PreparedData, prepare
from core.data.segments import CALIBRATE, STOP, TEST, TRAIN
from core.data.store import BarStore
from core.data.windows import LastBarWindows
from core.errors import BarsError
from core.models.ensemble import Model
from core.training.audit import audit_model, spread_windows
from core.training.comparison import SCORES, score_windows
from core.training.members import TrainingResult, train
from core.training.scoring import LastBarScores, fit_confidence, score_last_bars, score_with_confidence
from core.training.tracking import EpochTracker, track_run

SEGMENTS = {"train": TRAIN, "stop": STOP, "calibrate": CALIBRATE, "test": TEST}


def train_bundle(store: BarStore, config: Config, folder: Path, *, resume: bool = True) -> Bundle:
    """Train on what `store` holds and write a bundle to `folder`.

    The run is tracked in MLflow. Checkpoints stand in the home folder's ``runs/NAME`` until the bundle is
    written, so that the same command goes on after a kill.

    Raises
    ------
    InputError
        If the store lacks what the configuration asks for, or holds too little.
    """
    data = prepare(read_bars(store, config), config)
    run = store.home / "runs" / config.name
    with track_run(store.home, config.name, config, {"kind": "train"}) as tracked:
        callbacks = [EpochTracker(tracked, data.feature_names)] if tracked.active else []
        result = train(data, config, run, resume=resume, callbacks=callbacks)
        if not result.primary:
            # One process of several: the first of them measures and writes.
            raise SystemExit(0)
        saved = save_bundle(assemble_bundle(data, config, result), folder)
        tracked.log_metrics(_final_scores(saved))
        for path in sorted(folder.iterdir()):
            tracked.log_artifact(path)
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
    """Measure a trained model on its segments and put everything into a bundle.

    All are scored whole, but train on evenly spread rows (`spread_windows`).
    """
    whole = {name: LastBarWindows(data, segment, config) for name, segment in SEGMENTS.items()}
    choice = whole["stop"] if data.borders.stop_segment == STOP else whole["calibrate"]
    windows = whole | {"train": spread_windows(data, TRAIN, config)}
    scores = {}
    for name, part in windows.items():
        if len(part):
            print(f"scoring {len(part)} {name} windows", file=sys.stderr)
            scores[name] = score_last_bars(result.model, part)
    reference = TrainingReference.fit(_described(scores["train"]), _described(scores["calibrate"]))
    bundle = Bundle(
        name=config.name,
        config=config,
        scaler=data.scaler,
        thresholds=data.thresholds,
        instruments=tuple(data.instruments),
        peers=data.peers,
        timeframes=tuple(data.timeframes),
        borders=data.borders,
        reference=reference,
        confidence=fit_confidence(score_with_confidence(result.model, windows["calibrate"], reference)),
        baselines=Baselines.fit(whole["train"], choice, config.tasks).to_dict(),
        metrics={},
        data_fingerprint=data.fingerprint,
        model=result.model,
    )
    segments = {
        name: {
            task: found.to_dict()
            for task, found in score_windows(bundle, windows[name], scored, windows["calibrate"]).items()
        }
        for name, scored in scores.items()
    }
    audit = audit_model(data, config, bundle.confidence, windows["calibrate"], windows["calibrate"])
    record = _training_record(bundle, data, result) | {"audit": audit}
    return replace(bundle, metrics={"segments": segments} | record)


def fit_reference(model: Model, data: PreparedData, config: Config) -> TrainingReference:
    """What windows of the train segment look like, the flag's limits from the calibrate one."""
    training, calibration = (
        _described(score_last_bars(model, spread_windows(data, segment, config)))
        for segment in (TRAIN, CALIBRATE)
    )
    return TrainingReference.fit(training, calibration)


def _described(scores: LastBarScores) -> tuple[np.ndarray, np.ndarray]:
    return scores.representation, scores.statistics


def _training_record(bundle: Bundle, data: PreparedData, result: TrainingResult) -> dict[str, Any]:
    importance = pd.Series(bundle.model.feature_importance().cpu().tolist(), index=list(data.feature_names))
    return {
        "parameters": bundle.model.parameter_count(),
        "members": len(result.best_epochs),
        "best_epochs": list(result.best_epochs),
        "transformer_scales": result.scales,
        "epochs": len(result.history),
        "training_seconds": result.seconds,
        "history": result.history.to_dict(orient="list"),
        "feature_importance": importance.sort_values(ascending=False).to_dict(),
    }


def _final_scores(bundle: Bundle) -> dict[str, float]:
    return {
        f"{segment}/{task}/{score}": values["model"][score]
        for segment, tasks in bundle.metrics["segments"].items()
        for task, values in tasks.items()
        for score in SCORES
    }
