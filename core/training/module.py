"""What Lightning trains: the transformer, its loss, its optimiser and its learning-rate schedule.

Shapes: B windows, T bars, N features, R labelled positions of a batch, flat.
"""

from __future__ import annotations

import math
import time
from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import CosineAnnealingWarmRestarts, LinearLR, LRScheduler, SequentialLR
from torch.utils.data import DataLoader, DistributedSampler

from core.config import Config, TrainingConfig
from core.data.windows import DenseWindows
from core.models.heads import HeadOutput
from core.models.transformer import MarketTransformer
from core.training.lines import SCALES, losses_by_scale
from core.training.losses import NO_LABEL, MultiTaskLoss, perturb_adversarially

MONITOR = "calibrate_log_loss"
CHECKPOINT_KEY = "lookback"

Batch = dict[str, Any]


class TransformerModule(pl.LightningModule):
    """The training loop's contents.

    Parameters
    ----------
    model
        Trained in place.
    config
        Loss weights, schedule, batch sizes.
    train, calibrate
        What is learned from, and what early stopping watches.
    class_weights
        By task, see `MultiTaskLoss`.
    fingerprint
        Identifies data and configuration; kept in checkpoints.
    first_epoch
        Number of the first epoch in the record: those of the members trained before it come first.

    Attributes
    ----------
    history
        One dict of plain numbers per finished epoch; kept in checkpoints.
    importance
        One list of N feature importances per finished epoch; kept in checkpoints.
    """

    def __init__(
        self,
        model: MarketTransformer,
        config: Config,
        train: DenseWindows,
        calibrate: DenseWindows,
        class_weights: dict[str, Tensor] | None = None,
        fingerprint: str = "",
        first_epoch: int = 0,
    ) -> None:
        super().__init__()
        self.model = model
        self.config = config
        self.loss = MultiTaskLoss(config.tasks, config.loss, class_weights)
        self.fingerprint = fingerprint
        self.first_epoch = first_epoch
        self.history: list[dict[str, float]] = []
        self.importance: list[list[float]] = []
        self._train, self._calibrate = train, calibrate
        self._term_sums: dict[str, Tensor] = {}
        self._score_sums: dict[str, Tensor] = {}
        self._batches = 0
        self._started = 0.0

    def train_dataloader(self) -> DataLoader:
        """Micro-batches in an order that depends on the seed and the epoch alone."""
        return self._load(self._train, shuffle=True)

    def val_dataloader(self) -> DataLoader:
        """The calibrate segment, in order."""
        return self._load(self._calibrate, shuffle=False)

    def on_train_epoch_start(self) -> None:
        """Seed this epoch, so that a resumed run draws what an uninterrupted one would have."""
        seeds = [self.config.training.seed, self.current_epoch, self.global_rank]
        torch.manual_seed(int(np.random.SeedSequence(seeds).generate_state(1)[0]))
        self._started = time.perf_counter()
        self._term_sums, self._batches = {}, 0

    def training_step(self, batch: Batch, index: int) -> Tensor:
        """Total loss of one micro-batch."""
        epsilon = self.config.loss.adversarial_epsilon
        if epsilon:
            batch = batch | {"x": batch["x"].requires_grad_()}
        terms = self._terms(batch)
        if epsilon:
            shifted = perturb_adversarially(batch["x"], terms["total"], epsilon)
            attacked = self._terms(batch | {"x": shifted})["total"]
            terms = terms | {"adversarial": attacked, "total": (terms["total"] + attacked) / 2}
        for name, term in terms.items():
            self._term_sums[name] = self._term_sums.get(name, 0.0) + term.detach()
        self._batches += 1
        return terms["total"]

    def on_validation_epoch_start(self) -> None:
        """Forget the last epoch's sums."""
        self._score_sums = {}

    def validation_step(self, batch: Batch, index: int) -> None:
        """Add up each task's number of labels and log-loss, beside a direct path at every scale there is."""
        labelled = self._labelled(batch)
        outputs = self._read(batch, labelled, layers=False)[-1]
        for name, output in outputs.items():
            labels = self._last(batch["labels"][name])[labelled]
            known = labels != NO_LABEL
            logits = output.logits.float()[known]
            direct = torch.zeros_like(logits) if output.direct is None else output.direct[known]
            scales = SCALES[-1:] if output.direct is None else SCALES
            losses = losses_by_scale(direct, logits - direct, labels[known], scales).double().sum(1)
            sums = torch.cat([losses, known.sum().double()[None]])
            self._score_sums[name] = self._score_sums.get(name, 0.0) + sums

    def on_validation_epoch_end(self) -> None:
        """Log the mean over tasks of the calibrate log-loss, which early stopping watches."""
        total = self._calibrate_scores()
        self.log(MONITOR, sum(total.values()) / max(len(total), 1), sync_dist=True)

    def on_train_epoch_end(self) -> None:
        """Write one line of `history` and of `importance`."""
        scores = self._calibrate_scores()
        line: dict[str, float] = {"epoch": self.first_epoch + self.current_epoch}
        line |= {
            f"train_{name}": float(self._sum_over_ranks(value)) / self._batches / self.trainer.world_size
            for name, value in self._term_sums.items()
        }
        line |= {f"calibrate_{name}_log_loss": value for name, value in scores.items()}
        line[MONITOR] = sum(scores.values()) / max(len(scores), 1)
        optimizer = self.trainer.optimizers[0]
        line["learning_rate"] = float(optimizer.param_groups[0]["lr"])
        line["seconds"] = time.perf_counter() - self._started
        self.history.append(line)
        self.importance.append(self.model.feature_importance().cpu().tolist())

    def configure_optimizers(self) -> dict[str, Any]:
        """AdamW with two decay groups; linear warm-up, then cosine with warm restarts, per step."""
        training = self.config.training
        decayed, kept = split_by_decay(self.model)
        optimizer = torch.optim.AdamW(
            [
                {"params": decayed, "weight_decay": training.weight_decay},
                {"params": kept, "weight_decay": 0.0},
            ],
            lr=training.learning_rate,
        )
        steps = math.ceil(self._num_micro_batches() / training.accumulate)
        schedule = cosine_with_restarts(optimizer, training, steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the record of the run with the weights."""
        checkpoint[CHECKPOINT_KEY] = {
            "fingerprint": self.fingerprint,
            "history": self.history,
            "importance": self.importance,
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take the record of the interrupted run up again."""
        record = checkpoint[CHECKPOINT_KEY]
        self.history, self.importance = list(record["history"]), list(record["importance"])

    def _load(self, dataset: DenseWindows, shuffle: bool) -> DataLoader:
        sampler = DistributedSampler(
            dataset,
            self.trainer.world_size,
            self.trainer.global_rank,
            shuffle=shuffle,
            seed=self.config.training.seed,
        )
        size = micro_batch(self.config.training, self.trainer.world_size)
        # With a generator of its own, the loader takes nothing from the one dropout draws from.
        return DataLoader(dataset, size, sampler=sampler, generator=torch.Generator())

    def _num_micro_batches(self) -> int:
        ranks = self.trainer.world_size
        return math.ceil(math.ceil(len(self._train) / ranks) / micro_batch(self.config.training, ranks))

    def _labelled(self, batch: Batch) -> Tensor:
        known = torch.isfinite(batch["intensity"])
        for labels in batch["labels"].values():
            known = known | (labels != NO_LABEL)
        return self._last(known)

    def _last(self, values: Tensor) -> Tensor:
        return values if self.config.training.dense else values[:, -1:]

    def _read(self, batch: Batch, labelled: Tensor, layers: bool) -> list[dict[str, HeadOutput]]:
        """The heads at the labelled positions (R, ...), of all layers or of the last alone."""
        model = self.model
        embedded = model.embed(batch["x"], batch["instrument"], batch["timeframe"])
        states = model.encode(embedded, last_only=not self.config.training.dense).layers
        wanted = states if layers else states[-1:]
        inputs = self._last(batch["x"])[labelled]
        return [model.read(model.final_norm(self._last(state)[labelled]), inputs) for state in wanted]

    def _terms(self, batch: Batch) -> dict[str, Tensor]:
        labelled = self._labelled(batch)
        layers = self._read(batch, labelled, layers=self.config.loss.auxiliary > 0)
        labels = {name: self._last(values)[labelled] for name, values in batch["labels"].items()}
        return self.loss(layers, labels, self._last(batch["intensity"])[labelled], self.model.gate)

    def _calibrate_scores(self) -> dict[str, float]:
        """Log-loss by task at its best scale, of the trained tasks that have a label in the segment."""
        scores = {}
        for task in self.config.tasks:
            *losses, count = self._sum_over_ranks(self._score_sums[task.name]).tolist()
            if count and task.weight:
                scores[task.name] = min(losses) / count
        return scores

    def _sum_over_ranks(self, values: Tensor) -> Tensor:
        return (
            values if self.trainer.world_size == 1 else self.trainer.strategy.reduce(values, reduce_op="sum")
        )


def micro_batch(training: TrainingConfig, ranks: int = 1) -> int:
    """Windows in one forward pass on each of `ranks` devices; at least 1."""
    return max(1, training.batch_size // (training.accumulate * ranks))


def split_by_decay(model: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """Trainable parameters that weight decay shrinks (weights of linear layers), and the others."""
    linear = {id(module.weight) for module in model.modules() if isinstance(module, nn.Linear)}
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    decayed = [parameter for parameter in trainable if id(parameter) in linear]
    return decayed, [parameter for parameter in trainable if id(parameter) not in linear]


def cosine_with_restarts(
    optimizer: torch.optim.Optimizer, training: TrainingConfig, steps_per_epoch: int
) -> LRScheduler:
    """Learning rate by optimiser step: linear from 1% over the warm-up, then cosine cycles to 0."""
    cycle = CosineAnnealingWarmRestarts(
        optimizer, T_0=training.restart_epochs * steps_per_epoch, T_mult=training.restart_factor
    )
    warmup = round(training.warmup_epochs * steps_per_epoch)
    if warmup == 0:
        return cycle
    rise = LinearLR(optimizer, start_factor=0.01, total_iters=warmup)
    return SequentialLR(optimizer, [rise, cycle], milestones=[warmup])
