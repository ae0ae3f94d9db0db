"""What is explained: one number per window, the log-odds of one class of one task at the last bar.

Shapes: B windows, T bars, N features, C classes, K references.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from core.device import device_of
from core.errors import InputError, WindowError
from core.models.ensemble import Model
from core.models.transformer import ModelOutput
from core.progress import Cancelled, Meter, Progress

EVALUATION_BATCH = 16
"""Windows scored at once where no gradient is wanted."""


class Margin(nn.Module):
    """A model seen as windows (B, T, N) -> one number each, (B,).

    Attributes
    ----------
    task, target
        Names of the task and of the class the number speaks for.
    """

    task: str
    target: str

    def __init__(self, task: str, target: str) -> None:
        super().__init__()
        self.task = task
        self.target = target


class TaskMargin(Margin):
    """Log-odds of one class at the last bar: its logit minus the log-sum-exp of the other classes' logits.

    The sigmoid of the margin is the class's probability, so an effect on the margin reads as a change of
    odds, does not saturate as probabilities do, and does not depend on a constant added to all logits.

    Parameters
    ----------
    model
        Put in evaluation mode; its weights are neither changed nor given gradients.
    task, target
        A task of the model, and one of `classes`.
    classes
        Names of the task's classes, in the order of its logits.
    instrument, timeframe
        Vocabulary indices; 0 = unknown.

    Raises
    ------
    InputError
        If the task or the class is unknown.
    """

    def __init__(
        self,
        model: Model,
        task: str,
        target: str,
        classes: tuple[str, ...],
        instrument: int = 0,
        timeframe: int = 0,
    ) -> None:
        super().__init__(task, target)
        if task not in model.heads:
            raise InputError(f"a task out of {', '.join(model.heads)}", repr(task), "choose one of them")
        if target not in classes:
            raise InputError(f"a class out of {', '.join(classes)}", repr(target), "choose one of them")
        self.model = model.eval()
        self.classes = tuple(classes)
        self.index = self.classes.index(target)
        self.context = (instrument, timeframe)

    def forward(self, x: Tensor) -> Tensor:
        """Log-odds of the class, (B, T, N) -> (B,)."""
        return log_odds(self.logits(x), self.index)

    def logits(self, x: Tensor) -> Tensor:
        """Logits of all classes at the last bar, (B, T, N) -> (B, C)."""
        instrument, timeframe = self.indices(len(x), x.device)
        return self.model(x, instrument, timeframe, last_only=True).tasks[self.task].logits[:, -1]

    def read(self, output: ModelOutput) -> Tensor:
        """Log-odds of the class at the last bar of outputs the model has already given, (B,)."""
        return log_odds(output.tasks[self.task].logits[:, -1], self.index)

    def indices(self, count: int, device: torch.device) -> tuple[Tensor, Tensor]:
        """Vocabulary indices of `count` windows, two of (count,)."""
        instrument, timeframe = self.context
        return torch.full((count,), instrument, device=device), torch.full((count,), timeframe, device=device)


class MeteredMargin(Margin):
    """A margin that reports how many windows it has scored and stops when told to.

    Explaining methods of other libraries call the model again and again; what they call is the one place
    where all of them can report progress and be cancelled.

    Attributes
    ----------
    changes
        Margin of the window explained less that of each reference window, (K,); None where none is needed.
    """

    def __init__(
        self,
        margin: Margin,
        progress: Progress | None,
        cancelled: Cancelled | None,
        changes: np.ndarray | None = None,
    ) -> None:
        super().__init__(margin.task, margin.target)
        self.margin = margin
        self.changes = changes
        self.meter = Meter(progress, cancelled)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, N) -> (B,).

        Raises
        ------
        Stopped
            If the caller wants no more.
        """
        self.meter.check()
        output = self.margin(x)
        self.meter.add(len(x))
        return output


def log_odds(logits: Tensor, index: int) -> Tensor:
    """Logit of class `index` minus the log-sum-exp of the others, (..., C) -> (...)."""
    others = torch.cat([logits[..., :index], logits[..., index + 1 :]], dim=-1)
    return logits[..., index] - torch.logsumexp(others, dim=-1)


def evaluate(margin: Margin, windows: np.ndarray | Tensor, batch: int = EVALUATION_BATCH) -> np.ndarray:
    """Margin of every window without gradients, (B, T, N) -> (B,) float64."""
    windows = torch.as_tensor(windows, dtype=torch.float32)
    device = device_of(margin)
    with torch.no_grad():
        parts = [margin(part.to(device)).double().cpu() for part in windows.split(batch)]
    return torch.cat(parts).numpy()


def probability(margin: np.ndarray | float) -> np.ndarray:
    """Probability of the class whose log-odds are `margin`, any shape."""
    return 1 / (1 + np.exp(-np.asarray(margin, dtype=float)))


def check_window(window: np.ndarray) -> np.ndarray:
    """`window` as contiguous float32 of shape (T, N).

    Raises
    ------
    WindowError
        If it has another number of axes or holds a value that is not finite.
    """
    window = np.ascontiguousarray(window, dtype=np.float32)
    if window.ndim != 2:
        raise WindowError("one window (bars, features)", f"shape {window.shape}", "give windows one by one")
    if not np.isfinite(window).all():
        raise WindowError(
            "a finite value in every cell", f"{(~np.isfinite(window)).sum()} cells without", "fill them first"
        )
    return window
