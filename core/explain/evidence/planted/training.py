"""Train a market transformer on a planted market: dense labels, one task, one loop."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from core.config import ModelConfig, TaskConfig
from core.explain.evidence.planted.markets import Generator
from core.models.transformer import MarketTransformer
from core.progress import Cancelled, Meter, Progress

CLASSES = ("Down", "Up")
TASK = TaskConfig(name="planted", classes=list(CLASSES), label="column:planted")
_DRAWN_AHEAD = 16


@dataclass(frozen=True)
class PlantedTraining:
    """How long and how a planted model is trained.

    Attributes
    ----------
    steps, batch
        Optimiser steps at most, and windows (each with T - 100 labels) per step.
    enough
        Stop once the labels' accuracy, averaged over the last 20 steps, reaches this share of the best there
        is.
    bfloat16
        Compute in bfloat16 where the device gains by it.
    """

    steps: int = 1500
    batch: int = 16
    learning_rate: float = 1e-3
    weight_decay: float = 0.01
    enough: float = 0.985
    bfloat16: bool = False
    device: str = "cpu"
    seed: int = 0


@dataclass(frozen=True)
class TrainedModel:
    """A planted model in evaluation mode, the steps it took and its last training accuracy."""

    model: MarketTransformer
    steps: int
    training_accuracy: float


def build_model(config: ModelConfig, features: int, seed: int) -> MarketTransformer:
    """An untrained model for planted windows of `features` columns."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return MarketTransformer(config, features, [TASK], num_instruments=1, num_timeframes=1)


def train_planted(
    config: ModelConfig,
    generator: Generator,
    training: PlantedTraining,
    features: int = 30,
    *,
    progress: Progress | None = None,
    cancelled: Cancelled | None = None,
) -> TrainedModel:
    """Train on windows drawn anew at every step, so that nothing can be learned by heart."""
    model = build_model(config, features, training.seed).to(training.device).train()
    optimiser = torch.optim.AdamW(
        model.parameters(), lr=training.learning_rate, weight_decay=training.weight_decay
    )
    warmup = max(1, training.steps // 20)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser,
        lambda step: min(1.0, (step + 1) / warmup) * 0.5 * (1 + math.cos(math.pi * step / training.steps)),
    )
    context = torch.zeros(training.batch, dtype=torch.long, device=training.device)
    accuracies: list[float] = []
    drawn = None
    step = 0
    meter = Meter(progress, cancelled, planned=training.steps)
    for step in range(1, training.steps + 1):
        meter.check()
        place = (step - 1) % _DRAWN_AHEAD
        if drawn is None or place == 0:
            drawn = generator.draw(
                training.batch * _DRAWN_AHEAD, seed=1_000_000 * (training.seed + 1) + step,
                bars=config.sequence_length, features=features,
            )  # fmt: skip
        rows = slice(place * training.batch, (place + 1) * training.batch)
        x = torch.from_numpy(drawn.windows[rows]).to(training.device)
        labels = torch.from_numpy(drawn.labels[rows]).to(training.device)
        with torch.autocast(x.device.type, torch.bfloat16, enabled=training.bfloat16):
            logits = model(x, context, context).tasks[TASK.name].logits
        loss = nn.functional.cross_entropy(logits.float().flatten(0, 1), labels.flatten(), ignore_index=-1)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        known = labels >= 0
        accuracies.append(float((logits.argmax(-1) == labels)[known].float().mean()))
        meter.add(1)
        if len(accuracies) >= 20 and np.mean(accuracies[-20:]) >= training.enough * drawn.bayes_accuracy:
            break
    model.zero_grad(set_to_none=True)
    return TrainedModel(model.eval().cpu(), step, float(np.mean(accuracies[-20:])))
