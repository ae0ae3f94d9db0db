"""The direct paths: started at a regression's fit, and how much of the transformer is taken beside them.

Shapes: n rows, N features, C classes, M members, A candidate scales.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from core.baselines.simple import NO_LABEL, Logistic, baseline_rows
from core.config import Config
from core.data.dataset import PreparedData
from core.data.segments import TRAIN
from core.data.windows import DenseWindows, LastBarWindows
from core.device import device_of
from core.models.ensemble import Model, list_members
from core.models.heads import TaskHead
from core.training.block_error import measure_block_error

MOST_ROWS = 200_000
"""Training rows a regression is fitted on, evenly spread when there are more."""

SCALES = torch.linspace(0, 1, 21)


def start_at_lines(model: Model, data: PreparedData, config: Config) -> None:
    """Set every direct path to the multinomial logistic regression of the training rows.

    Its strength is the one with the lowest log-loss on the segment early stopping watches. All members get
    the same, and a model whose transformer part is still zero then predicts exactly what the regression does.
    """
    paths = {
        task: head.direct for task, head in task_heads(list_members(model)[0]) if head.direct is not None
    }
    if not paths:
        return
    step = -(-len(LastBarWindows(data, TRAIN, config)) // MOST_ROWS)
    train = LastBarWindows(data, TRAIN, config, max(step, 1))
    choice = LastBarWindows(data, data.borders.stop_segment, config)
    classes = {task.name: len(task.classes) for task in config.tasks}
    for task, path in paths.items():
        columns = path.columns.tolist()
        rows = baseline_rows(train, task).reading(columns), baseline_rows(choice, task).reading(columns)
        if not (rows[0].labels != NO_LABEL).any():
            continue
        line = Logistic.fit(*rows, classes[task])
        for member in list_members(model):
            head = cast(TaskHead, member.heads[task])
            assert head.direct is not None
            head.direct.set_line(torch.tensor(line.weights), torch.tensor(line.intercept))


def fit_scales(model: Model, windows: DenseWindows, span: int) -> dict[str, float]:
    """Set how much of the transformer's part is taken beside each direct path, by evidence on `windows`.

    Of the scales tried the one with the lowest log-loss, times 1 - (s / g)^2 and at least 0: g is what it
    gains on the direct path alone, s the standard error of that gain. What a short segment seems to show is
    taken in the measure in which it shows it; where it shows nothing the direct path stands alone.

    Parameters
    ----------
    windows
        Of the segment early stopping watches.
    span
        Time stamps one label reaches over, the least block of `core.training.block_error`.

    Returns
    -------
    dict
        Task -> scale, of tasks with a direct path and a label in `windows`.

    Notes
    -----
    The factor is that of the positive-part James-Stein estimator (1961) for a single mean.
    """
    paths = [task for task, head in task_heads(list_members(model)[0]) if head.direct is not None]
    scales = {}
    for task in paths:
        set_scale(model, task, 1.0)
    for task, (direct, rest, labels, times) in _parts(model, windows, paths).items():
        if len(labels):
            scales[task] = _evident_scale(direct, rest, labels, times, span)
            set_scale(model, task, scales[task])
    return scales


def set_scale(model: Model, task: str, scale: float) -> None:
    """Set what the transformer's part of a task's logits is multiplied with, in every member."""
    for member in list_members(model):
        cast(TaskHead, member.heads[task]).scale.fill_(scale)


def task_heads(model: torch.nn.Module) -> Iterator[tuple[str, TaskHead]]:
    """Names and heads of one transformer."""
    return ((name, cast(TaskHead, head)) for name, head in cast(torch.nn.ModuleDict, model.heads).items())


def losses_by_scale(direct: Tensor, rest: Tensor, labels: Tensor, scales: Tensor = SCALES) -> Tensor:
    """Cross-entropy of ``direct + scale * rest`` for every scale, (n, C) twice and (n,) -> (A, n)."""
    logits = direct + scales.to(direct.device)[:, None, None] * rest
    return -torch.log_softmax(logits, -1).gather(-1, labels.expand(len(scales), -1)[..., None])[..., 0]


def _evident_scale(direct: Tensor, rest: Tensor, labels: Tensor, times: np.ndarray, span: int) -> float:
    best = int(losses_by_scale(direct, rest, labels).mean(1).argmin())
    alone, taken = losses_by_scale(direct, rest, labels, SCALES[[0, best]]).double().numpy()
    gains = alone - taken
    if best == 0 or gains.mean() <= 0:
        return 0.0
    error = measure_block_error(gains, times, span)
    return float(SCALES[best]) * max(0.0, 1 - (error / float(gains.mean())) ** 2)


def _parts(
    model: Model, windows: DenseWindows, tasks: list[str]
) -> dict[str, tuple[Tensor, Tensor, Tensor, np.ndarray]]:
    """Direct and remaining logits (n, C), labels and bar opens (n,) of every labelled position, by task."""
    found: dict[str, list[tuple[Tensor, Tensor, Tensor, np.ndarray]]] = {task: [] for task in tasks}
    device, length, done = device_of(model), windows.length, 0
    was_training = model.training
    model.eval()
    with torch.inference_mode():
        # With a generator of its own, the loader takes nothing from the global one.
        for batch in DataLoader(windows, batch_size=16, generator=torch.Generator()):
            rows = windows.rows[done : done + len(batch["x"])]
            done += len(rows)
            opens = [windows.data.series[which].ts[last + 1 - length : last + 1] for which, last in rows]
            said = model(*(batch[key].to(device) for key in ("x", "instrument", "timeframe"))).tasks
            for task in tasks:
                known = batch["labels"][task] != NO_LABEL
                output = said[task]
                assert output.direct is not None
                direct, logits = output.direct.cpu()[known], output.logits.cpu()[known]
                labels, times = batch["labels"][task][known], np.stack(opens)[known.numpy()]
                found[task].append((direct, logits - direct, labels, times))
    model.train(was_training)
    joined = {}
    for task, parts in found.items():
        direct, rest, labels, times = zip(*parts, strict=True)
        joined[task] = torch.cat(direct), torch.cat(rest), torch.cat(labels), np.concatenate(times)
    return joined
