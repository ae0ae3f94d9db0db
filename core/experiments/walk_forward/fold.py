"""One fold of a walk-forward: prepare, train, calibrate, score, compare, write."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import lightning.pytorch as pl
import numpy as np
import pandas as pd
from lightning.pytorch.callbacks import Callback

from core.baselines.measures import measure_series
from core.baselines.trees import plain_config
from core.config import Config
from core.data.dataset import PreparedData, prepare
from core.data.inputs import BarsBySeries, select_series, series_key
from core.data.segments import CALIBRATE, STOP, TEST, TRAIN, SegmentBorders, bars_in_train
from core.data.windows import LastBarWindows
from core.disk import write_text
from core.errors import InputError
from core.experiments.fitted_baselines import FoldBaselines
from core.experiments.walk_forward.audit import find_suspicious
from core.experiments.walk_forward.records import FoldRecord
from core.experiments.walk_forward.results import FoldTables, fold_path, rows_path, write_fold
from core.experiments.walk_forward.rows import build_baseline_rows, build_rows, measure_mixes
from core.training.audit import audit_model, spread_windows
from core.training.members import train
from core.training.pipeline import fit_reference
from core.training.scoring import fit_confidence, fit_left_out, score_with_confidence
from core.training.tracking import EpochTracker, TrackedRun, track_run

_RUN_ID = "mlflow_run"


@dataclass(frozen=True)
class FoldPlan:
    """What one fold is to do.

    Attributes
    ----------
    test_step
        Every test_step-th bar of each series is scored, in calibrate and in test.
    folder
        Of the whole walk-forward.
    track_home
        Home folder of the MLflow store; None tracks nothing.
    """

    index: int
    borders: SegmentBorders
    test_step: int
    baselines: tuple[str, ...]
    folder: Path
    track_home: Path | None = None

    @property
    def run_folder(self) -> Path:
        """Checkpoints, until the fold is written."""
        return self.folder / f"fold_{self.index}"


def trainings(config: Config, baselines: Sequence[str]) -> int:
    """How many times a fold trains a transformer: every member, and the plain one."""
    return config.model.members + ("plain_transformer" in baselines)


def run_fold(
    bars_by_series: BarsBySeries, config: Config, plan: FoldPlan, report: Callable[[int], None] | None = None
) -> None:
    """Run one fold and write its files; an interrupted training goes on from its checkpoint.

    Parameters
    ----------
    report
        Called with the epochs done in this fold, of all its trainings.

    Raises
    ------
    InputError
        If a segment holds no labelled window.
    """
    bars, skipped = _bars_of_fold(bars_by_series, config, plan.borders)
    if config.data.instruments != "all":
        kept = sorted({instrument for instrument, _ in bars})
        config = config.model_copy(update={"data": config.data.model_copy(update={"instruments": kept})})
    data = prepare(bars, config, plan.borders)
    measures = measure_series(bars, data, config)
    windows = {
        TRAIN: LastBarWindows(data, TRAIN, config),
        **{
            segment: LastBarWindows(data, segment, config, plan.test_step)
            for segment in (data.borders.stop_segment, CALIBRATE, TEST)
        },
    }
    for segment, part in windows.items():
        if not len(part):
            name = {TRAIN: "train", CALIBRATE: "calibrate", TEST: "test", STOP: "stop"}[segment]
            raise InputError(
                f"labelled bars in the {name} segment of fold {plan.index}", "none", "ask for fewer folds"
            )
    suspicious = find_suspicious(data, measures)
    plan.run_folder.mkdir(parents=True, exist_ok=True)
    with _tracked(plan, config) as run:
        result = train(
            data, config, plan.run_folder / "run", progress=False, callbacks=_callbacks(run, data, report, 0)
        )
        if not result.primary:
            return
        reference = fit_reference(result.model, data, config)
        calibrate = score_with_confidence(result.model, windows[CALIBRATE], reference)
        confidence = fit_confidence(calibrate)
        tested = score_with_confidence(result.model, windows[TEST], reference)
        rows = build_rows(plan.index, data, config, tested, confidence, measures)
        fitted_on = build_rows(plan.index, data, config, calibrate, confidence, measures, "calibrate")
        plain_model = None
        if "plain_transformer" in plan.baselines:
            before = config.training.epochs * config.model.members
            callbacks = _callbacks(run, data, report, before, "plain/")
            without = train(
                data, plain_config(config), plan.run_folder / "plain", progress=False, callbacks=callbacks
            )
            plain_model = without.model
        baselines = FoldBaselines(plan.baselines, data, config, windows, measures, plain_model)
        limits = spread_windows(data, CALIBRATE, config)
        audit = audit_model(data, config, confidence, windows[CALIBRATE], limits) | baselines.audit
        record = FoldRecord(
            index=plan.index,
            borders=plan.borders,
            rows={task.name: int(np.sum(rows["task"] == task.name)) for task in config.tasks},
            audit=audit,
            skipped=skipped,
            suspicious=suspicious,
            confidence={
                task.name: confidence[task.name].to_dict() if task.name in confidence else None
                for task in config.tasks
            },
            best_epochs=result.best_epochs,
            scales=result.scales,
            seconds=result.seconds,
            history=result.history,
            importance=result.importance,
            baselines=baselines.chosen,
            mixes=measure_mixes(tested, confidence, fit_left_out(calibrate)),
        )
        write_fold(
            plan.folder,
            record,
            FoldTables(
                rows=rows,
                baselines=build_baseline_rows(rows, baselines.probabilities, config),
                calibrate=fitted_on,
                calibrate_baselines=build_baseline_rows(fitted_on, baselines.calibrated, config),
            ),
        )
        for path in (fold_path(plan.folder, plan.index), rows_path(plan.folder, plan.index)):
            run.log_artifact(path)
    shutil.rmtree(plan.run_folder, ignore_errors=True)


class EpochReport(Callback):
    """Calls back with the number of epochs done."""

    def __init__(self, report: Callable[[int], None], before: int) -> None:
        self._report, self._before = report, before

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Count the epochs before a resume too."""
        self._report(self._before + getattr(pl_module, "first_epoch", 0) + trainer.current_epoch + 1)


def _bars_of_fold(
    bars_by_series: BarsBySeries, config: Config, borders: SegmentBorders
) -> tuple[dict[tuple[str, str], pd.DataFrame], dict[str, str]]:
    """Bars up to the fold's end, of the series that have a training window."""
    kept, skipped = {}, {}
    for key, frame in select_series(bars_by_series, config).items():
        ts = frame["ts"].to_numpy(dtype="datetime64[us]")
        end = borders.bounds(TEST)[1]
        known = int(bars_in_train(ts, key[1], borders).sum())
        if known < config.model.sequence_length:
            skipped[series_key(*key)] = f"{known} bars in train, fewer than a window"
            continue
        kept[key] = frame if end is None else frame[ts < end].reset_index(drop=True)
    if not kept:
        raise InputError(
            f"a series with {config.model.sequence_length} bars before {borders.train_end.date()}",
            "none",
            "ask for fewer folds or give more history",
        )
    return kept, skipped


@contextmanager
def _tracked(plan: FoldPlan, config: Config) -> Iterator[TrackedRun]:
    """The fold's tracked run, gone on with after a kill."""
    path = plan.run_folder / _RUN_ID
    before = path.read_text(encoding="utf-8").strip() if path.is_file() else None
    tags = {"fold": str(plan.index), "kind": "walk-forward fold"}
    with track_run(plan.track_home, f"{config.name} fold {plan.index}", config, tags, before) as run:
        if run.run_id is not None:
            write_text(path, run.run_id)
        yield run


def _callbacks(
    run: TrackedRun, data: PreparedData, report: Callable[[int], None] | None, before: int, prefix: str = ""
) -> list[Callback]:
    callbacks: list[Callback] = [EpochTracker(run, data.feature_names, prefix)] if run.active else []
    return callbacks if report is None else [*callbacks, EpochReport(report, before)]
