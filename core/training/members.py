"""Train a model: one transformer, or several apart whose logits are averaged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from lightning.pytorch.callbacks import Callback

from core.config import Config
from core.data.dataset import PreparedData
from core.data.windows import DenseWindows
from core.models.ensemble import Model, join_members
from core.scores.stretches import label_span
from core.training.lines import fit_scales
from core.training.trainer import stopping_windows, train_member


@dataclass(frozen=True)
class TrainingResult:
    """A trained model and the record of its training.

    Attributes
    ----------
    model
        Of each member the weights of its best epoch; in eval mode, on the CPU.
    history
        One row per epoch: ``epoch`` (counted on from member to member), ``member``, ``train_*`` loss terms,
        ``calibrate_*_log_loss``, ``learning_rate``, ``seconds``.
    importance
        One row per epoch, one column per feature: abs(gate) times the length of its projection.
    best_epochs
        One per member, as in `history`: lowest mean calibrate log-loss over the tasks.
    scales
        Task -> how much of the transformer's part is taken beside the direct path, see
        `core.training.lines.fit_scales`.
    seconds
        Training time, all members and resumed parts together.
    primary
        False in the helper processes of a run on several devices, which must write nothing.
    """

    model: Model
    history: pd.DataFrame
    importance: pd.DataFrame
    best_epochs: tuple[int, ...]
    scales: dict[str, float]
    seconds: float
    primary: bool = True


def train(
    data: PreparedData,
    config: Config,
    folder: Path,
    *,
    resume: bool = True,
    progress: bool = True,
    callbacks: Sequence[Callback] = (),
) -> TrainingResult:
    """Train ``model.members`` transformers on the train segment, each stopped early by the calibrate segment.

    Members differ by their seed alone: that of weights, order of windows and dropout.

    Parameters
    ----------
    folder
        Checkpoints are kept here (``best.ckpt``, ``last.ckpt``; each member's in a folder of its own where
        there are several), one run each.
    resume
        Go on from the last checkpoint in `folder` where there is one; a finished run is only read. False
        starts anew and deletes them.
    progress
        A bar with the time left for all epochs of a member, and the number of parameters, on stderr.
    callbacks
        Further Lightning callbacks; `module.history` holds the member's epochs so far at
        ``on_train_epoch_end``.

    Raises
    ------
    InputError
        If a segment holds no labelled window, `folder` holds another run, or the loss is not finite.
    ConfigError
        If the accelerator is not there.
    """
    count = config.model.members
    folders = [Path(folder)] if count == 1 else [Path(folder) / f"member_{k}" for k in range(count)]
    trained = [
        train_member(data, config, part, place, resume=resume, progress=progress, callbacks=callbacks)
        for place, part in enumerate(folders)
    ]
    model = join_members([member.model for member in trained]).eval()
    windows = stopping_windows(data, config)
    history = _join([member.history for member in trained])
    return TrainingResult(
        model=model,
        history=history,
        importance=pd.concat([member.importance for member in trained], ignore_index=True),
        best_epochs=tuple(member.best_epoch for member in trained),
        scales=fit_scales(model, windows, _longest_span(windows)),
        seconds=float(history["seconds"].to_numpy().sum()),
        primary=all(member.primary for member in trained),
    )


def _join(histories: Sequence[pd.DataFrame]) -> pd.DataFrame:
    return pd.concat(
        [history.assign(member=place) for place, history in enumerate(histories)], ignore_index=True
    )


def _longest_span(windows: DenseWindows) -> int:
    """Time stamps the longest label of any task reaches over."""
    opens, ends = [], []
    for series in windows.data.series:
        for task in windows.tasks:
            labelled = np.flatnonzero(series.segments[task] == windows.segment)
            opens.append(series.ts[labelled])
            ends.append(series.ts[series.label_end[task][labelled]])
    return label_span(np.concatenate(opens), np.concatenate(ends))
