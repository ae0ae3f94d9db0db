"""Train one transformer with Lightning: early stopping, checkpoints, resume after a kill."""

from __future__ import annotations

import logging
import math
import signal
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import lightning.pytorch as pl
import numpy as np
import pandas as pd
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint
from lightning.pytorch.utilities import rank_zero_only
from tqdm import tqdm

from core.config import Config, TrainingConfig
from core.data.dataset import PreparedData
from core.data.segments import TRAIN
from core.data.windows import DenseWindows
from core.device import choose_device
from core.disk import digest_json
from core.errors import ConfigError, InputError
from core.models.transformer import MarketTransformer
from core.training.lines import start_at_lines
from core.training.losses import balanced_class_weights
from core.training.module import CHECKPOINT_KEY, MONITOR, TransformerModule

LAST, BEST = "last.ckpt", "best.ckpt"

# Changing these between a kill and a resume leaves the meaning of the run as it was.
_RESUMABLE = {"epochs", "patience", "threads", "accelerator", "devices"}


@dataclass(frozen=True)
class TrainedMember:
    """A trained transformer and the record of its training.

    Attributes
    ----------
    model
        Weights of the best epoch, in eval mode, on the CPU.
    history
        One row per epoch: ``epoch``, ``train_*`` loss terms, ``calibrate_*_log_loss``, ``learning_rate``,
        ``seconds``.
    importance
        One row per epoch, one column per feature: abs(gate) times the length of its projection.
    best_epoch
        As in `history`; lowest mean calibrate log-loss over the tasks.
    primary
        False in the helper processes of a run on several devices, which must write nothing.
    """

    model: MarketTransformer
    history: pd.DataFrame
    importance: pd.DataFrame
    best_epoch: int
    primary: bool


def build_model(data: PreparedData, config: Config) -> MarketTransformer:
    """An untrained model that fits the data."""
    return MarketTransformer(
        config.model,
        len(data.feature_names),
        config.tasks,
        len(data.instruments),
        len(data.timeframes),
        {task.name: task.direct_columns(data.feature_names) for task in config.tasks},
    )


def train_member(
    data: PreparedData,
    config: Config,
    folder: Path,
    place: int,
    *,
    resume: bool,
    progress: bool,
    callbacks: Sequence[Callback],
) -> TrainedMember:
    """Train one transformer on the train segment, stop early by the stop segment, keep the best epoch.

    Parameters
    ----------
    place
        Which member of an ensemble it is, from 0: its seed is that much further on, and its epochs are
        counted after those of the members before it.

    See `core.training.members.train` for the rest.
    """
    folder.mkdir(parents=True, exist_ok=True)
    seed = config.training.seed + place
    config = config.model_copy(update={"training": config.training.model_copy(update={"seed": seed})})
    datasets = _training_windows(data, config), stopping_windows(data, config)
    fingerprint = run_fingerprint(data, config)
    if not resume:
        for name in (LAST, BEST):
            (folder / name).unlink(missing_ok=True)
    record = _read_record(folder, fingerprint)
    with _torch_threads(config.training.threads), torch.random.fork_rng():
        torch.manual_seed(seed)
        model = build_model(data, config)
        start_at_lines(model, data, config)
        counts, weights = _count_classes(data, config), None
        if config.loss.class_weights:
            weights = {task: balanced_class_weights(torch.from_numpy(counts[task])) for task in counts}
        first = place * config.training.epochs
        module = TransformerModule(model, config, *datasets, weights, fingerprint, first)
        if progress and not rank_zero_only.rank:
            print(f"{model.parameter_count():,} parameters", file=sys.stderr)
        if record is not None and _is_finished(record["history"], config.training):
            module.history, module.importance = record["history"], record["importance"]
            primary = True
        else:
            primary = _fit(module, config, folder, record is not None, progress, callbacks)
    return _collect(module, folder, data, primary)


def choose_precision(training: TrainingConfig) -> Literal["32-true", "bf16-mixed"]:
    """Resolve "auto": bf16 on a GPU, and on a CPU with bf16 instructions (1.5 times as fast there)."""
    if training.precision != "auto":
        return training.precision
    if _device(training).type == "cuda":
        return "bf16-mixed"
    # torch has no public query for these instruction sets.
    queries = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    has_bf16 = any(getattr(torch.cpu, query, lambda: False)() for query in queries)
    return "bf16-mixed" if has_bf16 else "32-true"


def _device(training: TrainingConfig) -> torch.device:
    return choose_device(training.accelerator, "training.accelerator")


def run_fingerprint(data: PreparedData, config: Config) -> str:
    """SHA-256 of everything that gives a run its meaning: data, features, labels' borders, configuration."""
    settings = config.model_dump(mode="json", exclude={"name": True, "training": _RESUMABLE})
    content = [data.fingerprint, list(data.feature_names), str(data.borders), settings]
    return digest_json(content)


def _fit(
    module: TransformerModule,
    config: Config,
    folder: Path,
    resume: bool,
    progress: bool,
    callbacks: Sequence[Callback],
) -> bool:
    training = config.training
    precision = choose_precision(training)
    # Lightning's own save_last writes only when the best improves, and a resumed run would repeat the rest.
    checkpoints = [
        ModelCheckpoint(
            dirpath=folder,
            filename=Path(name).stem,
            monitor=monitor,
            save_on_train_epoch_end=True,
            enable_version_counter=False,
        )
        for name, monitor in ((BEST, MONITOR), (LAST, None))
    ]
    stopping = EarlyStopping(MONITOR, patience=training.patience, check_on_train_epoch_end=True)
    with _quiet_lightning():
        try:
            trainer = pl.Trainer(
                accelerator="gpu" if _device(training).type == "cuda" else "cpu",
                devices=training.devices,
                precision=precision,
                max_epochs=training.epochs,
                accumulate_grad_batches=training.accumulate,
                gradient_clip_val=training.gradient_clip,
                callbacks=[*checkpoints, stopping, *([RunProgress()] if progress else []), *callbacks],
                default_root_dir=folder,
                logger=False,
                enable_progress_bar=False,
                enable_model_summary=False,
                num_sanity_val_steps=0,
                use_distributed_sampler=False,
            )
        except (MisconfigurationException, RuntimeError, ValueError) as error:
            raise ConfigError(
                "training.accelerator and training.devices this machine has",
                f"{training.accelerator} x {training.devices} ({error})",
                "set training.accelerator=cpu and training.devices=1",
            ) from None
        interrupt = signal.getsignal(signal.SIGINT)
        try:
            # Everything in the checkpoint is tensors and plain values, so nothing needs unpickling.
            trainer.fit(module, ckpt_path=folder / LAST if resume else None, weights_only=True)
        except SystemExit:
            # Lightning answers Ctrl+C by ignoring the signal from then on and leaving the process.
            if not trainer.interrupted:
                raise
            signal.signal(signal.SIGINT, interrupt)
            raise KeyboardInterrupt from None
    return trainer.is_global_zero


def _collect(module: TransformerModule, folder: Path, data: PreparedData, primary: bool) -> TrainedMember:
    history = pd.DataFrame(module.history).astype({"epoch": int})
    scores = history[MONITOR].to_numpy()
    if not np.isfinite(scores).any():
        raise InputError("a finite loss", "a loss that is not", "lower training.learning_rate")
    best = torch.load(folder / BEST, map_location="cpu", weights_only=True)
    prefix = "model."
    module.model.load_state_dict(
        {
            name.removeprefix(prefix): value
            for name, value in best["state_dict"].items()
            if name.startswith(prefix)
        }
    )
    return TrainedMember(
        model=module.model.cpu().eval(),
        history=history,
        importance=pd.DataFrame(module.importance, columns=list(data.feature_names)),
        best_epoch=int(history["epoch"].iloc[int(np.nanargmin(scores))]),
        primary=primary,
    )


def _training_windows(data: PreparedData, config: Config) -> DenseWindows:
    windows = DenseWindows(data, TRAIN, config)
    if not len(windows):
        raise InputError(
            f"a training series of at least {config.model.sequence_length} bars with labels",
            "none",
            "give more history or shorten model.sequence_length",
        )
    return windows


def stopping_windows(data: PreparedData, config: Config) -> DenseWindows:
    """Windows of the segment early stopping watches, each label once.

    Raises
    ------
    InputError
        If there is none.
    """
    training = config.training
    if training.dense:
        # Each label is scored once.
        once = config.model.sequence_length - training.first_position
        config = config.model_copy(update={"training": training.model_copy(update={"window_stride": once})})
    windows = DenseWindows(data, data.borders.stop_segment, config)
    if not len(windows):
        raise InputError(
            "labelled bars for early stopping, in the earlier part of calibrate",
            "none",
            "move the split borders",
        )
    return windows


def _count_classes(data: PreparedData, config: Config) -> dict[str, np.ndarray]:
    """Training bars of every class, (C,) by task; those that have none are named in a warning."""
    found = {}
    for task in config.tasks:
        counts = np.zeros(len(task.classes), dtype=np.int64)
        for series in data.series:
            labels = series.labels[task.name][(series.segments[task.name] == TRAIN) & series.usable]
            counts += np.bincount(labels[labels >= 0], minlength=len(counts))
        absent = [name for name, count in zip(task.classes, counts, strict=True) if not count]
        if absent and counts.any():
            warnings.warn(
                f"{task.name}: no training bar is {' or '.join(absent)}; the model cannot learn them",
                stacklevel=2,
            )
        found[task.name] = counts
    return found


def _read_record(folder: Path, fingerprint: str) -> dict[str, Any] | None:
    path = folder / LAST
    if not path.is_file():
        return None
    record = torch.load(path, map_location="cpu", weights_only=True)[CHECKPOINT_KEY]
    if record["fingerprint"] != fingerprint:
        raise InputError(
            "a folder that holds this run or none",
            f"checkpoints of other data or another configuration in {folder}",
            "choose another folder or start anew",
        )
    return record


def _is_finished(history: list[dict[str, float]], training: TrainingConfig) -> bool:
    scores = [line[MONITOR] for line in history]
    if len(scores) >= training.epochs or not math.isfinite(scores[-1]):
        return True
    return len(scores) - 1 - int(np.argmin(scores)) >= training.patience


@contextmanager
def _torch_threads(threads: int) -> Iterator[None]:
    before = torch.get_num_threads()
    if threads:
        torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def _quiet_lightning() -> Iterator[None]:
    logger = logging.getLogger("lightning.pytorch")
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            # Windows are slices of tensors in memory, so loading them needs no worker processes; and one
            # folder holds the checkpoints of one run by intent.
            for noise in (".*does not have many workers.*", ".*exists and is not empty.*", ".*LeafSpec.*"):
                warnings.filterwarnings("ignore", message=noise)
            yield
    finally:
        logger.setLevel(level)


class RunProgress(Callback):
    """One bar over the optimiser's whole run with the time left, on stderr (Lightning's counts one epoch)."""

    def __init__(self) -> None:
        self._bar: tqdm | None = None

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Open the bar, at the first batch still to do."""
        batches = int(trainer.num_training_batches)
        self._bar = tqdm(
            total=batches * (trainer.max_epochs or 0),
            initial=batches * trainer.current_epoch,
            unit="batch",
            file=sys.stderr,
            disable=not trainer.is_global_zero,
        )

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        """Count one batch."""
        assert self._bar is not None
        self._bar.update()

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Show the score early stopping watches."""
        assert self._bar is not None
        score = float(trainer.callback_metrics[MONITOR])
        self._bar.set_description(f"epoch {trainer.current_epoch + 1}, calibrate log-loss {score:.4f}")

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Close the bar."""
        if self._bar is not None:
            self._bar.close()
