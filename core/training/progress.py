"""How far a training run is."""

from __future__ import annotations

import sys
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback
from tqdm import tqdm

from core.training.module import MONITOR


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
