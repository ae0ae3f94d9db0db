"""What would it have taken: the smallest change of the model's input that flips the call.

Shapes: T bars, N features.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from core.errors import InputError
from core.explain.margin import Margin, MeteredMargin, TaskMargin, check_window, evaluate
from core.explain.methods.gradients import slopes
from core.progress import Cancelled, Progress

_LOWEST, _HIGHEST = 0.0, 100.0
_OVERSHOOT = 1.02
_HALVINGS = 12


class CallLead(Margin):
    """Logit of a class minus the largest of the others: below 0, the call is no longer this class."""

    def __init__(self, margin: TaskMargin) -> None:
        super().__init__(margin.task, margin.target)
        self.margin = margin

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, N) -> (B,)."""
        logits = self.margin.logits(x)
        index = self.margin.index
        others = torch.cat([logits[:, :index], logits[:, index + 1 :]], dim=1)
        return logits[:, index] - others.max(dim=1).values


@dataclass(frozen=True)
class Flip:
    """The smallest change found that turns the lead negative.

    Attributes
    ----------
    window
        The changed input, (T, N) float32.
    changes
        (bar, feature, before, after), largest change first.
    size
        Sum of the absolute changes ("sparse") or root of the sum of their squares ("smooth").
    lead_before, lead_after
        The lead; the latter is below 0.
    """

    window: np.ndarray
    changes: tuple[tuple[int, str, float, float], ...]
    size: float
    lead_before: float
    lead_after: float


def find_flip(
    lead: Margin,
    window: np.ndarray,
    feature_names: Sequence[str],
    free: Sequence[str],
    *,
    last_bars: int | None = None,
    penalty: Literal["sparse", "smooth"] = "sparse",
    rounds: int = 40,
    progress: Progress | None = None,
    cancelled: Cancelled | None = None,
) -> Flip | None:
    """Look for the smallest change of the features in `free` that flips the call; None when none is found.

    Repeated linear steps towards the border (DeepFool), kept within 0..100, then halving back towards the
    original. "sparse" moves the most effective cells as far as needed (L1), "smooth" all cells a little (L2).
    The result is a local optimum: a smaller change may exist, and None is no proof that there is none.

    Parameters
    ----------
    lead
        Positive for the present call, negative once it has flipped; see `CallLead`.
    free
        Features that may change; the others are locked.
    last_bars
        Only the newest bars may change; None = all.

    Raises
    ------
    InputError
        If no feature is free, one is unknown, or the lead is not positive to begin with.
    """
    window = check_window(window)
    names = list(feature_names)
    unknown = [name for name in free if name not in names]
    if unknown or not free or (last_bars is not None and last_bars < 1):
        raise InputError(
            "at least one free feature and bar", f"{unknown or free}, {last_bars}", "unlock a feature"
        )
    before = float(evaluate(lead, window[None])[0])
    if before <= 0:
        raise InputError(
            "a call that can be flipped", f"a lead of {before:.3g}", "start from the class called"
        )
    cells = np.zeros(window.shape, dtype=bool)
    cells[-(last_bars or len(window)) :, [names.index(name) for name in free]] = True
    metered = MeteredMargin(lead, progress, cancelled)
    metered.meter.plan(2 * rounds)

    current, score = window.astype(np.float64), before
    for _ in range(rounds):
        slope = np.where(cells, slopes(metered, current[None])[0], 0.0)
        step = _linear_step(current, slope, score, penalty)
        if not np.abs(step).max() > 0:
            return None
        current = np.clip(current + step, _LOWEST, _HIGHEST)
        score = float(evaluate(metered, current[None])[0])
        if score < 0:
            break
    else:
        return None
    flipped = _halve_back(metered, window, current, penalty)
    return _describe(lead, window, flipped, names, penalty, before)


def _linear_step(current: np.ndarray, slope: np.ndarray, score: float, penalty: str) -> np.ndarray:
    """Change that would take the lead to just below 0 if it were linear, as far as the scale allows."""
    room = np.where(slope > 0, current - _LOWEST, _HIGHEST - current)
    wanted = _OVERSHOOT * score + 1e-6
    movable = (room > 0) & (slope != 0)
    if not movable.any():
        return np.zeros_like(current)
    if penalty == "smooth":
        usable = np.where(movable, slope, 0.0)
        return -wanted * usable / (usable**2).sum()
    gains = np.where(movable, np.abs(slope) * room, 0.0).ravel()
    order = np.argsort(-np.where(movable, np.abs(slope), 0.0), axis=None, kind="stable")
    reached = np.cumsum(gains[order])
    count = min(int(np.searchsorted(reached, wanted)) + 1, len(order))
    share = np.zeros(current.size)
    share[order[:count]] = 1.0
    if reached[count - 1] > wanted and gains[order[count - 1]] > 0:
        share[order[count - 1]] = 1 - (reached[count - 1] - wanted) / gains[order[count - 1]]
    return -np.sign(slope) * room * share.reshape(current.shape)


def _halve_back(lead: Margin, window: np.ndarray, flipped: np.ndarray, penalty: str) -> np.ndarray:
    if penalty == "sparse":
        flipped = _restore_idle_cells(lead, window, flipped)
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        trial = window + middle * (flipped - window)
        if evaluate(lead, trial[None])[0] < 0:
            high = middle
        else:
            low = middle
    return window + high * (flipped - window)


def _restore_idle_cells(lead: Margin, window: np.ndarray, flipped: np.ndarray) -> np.ndarray:
    """Put back the smallest changes as long as the call stays flipped, halving how many are tried at once."""
    changed = np.argsort(np.abs(flipped - window), axis=None, kind="stable")
    changed = [index for index in changed if flipped.ravel()[index] != window.ravel()[index]]
    size = len(changed) // 2
    while size:
        trial = flipped.ravel().copy()
        trial[changed[:size]] = window.ravel()[changed[:size]]
        if evaluate(lead, trial.reshape(1, *window.shape))[0] < 0:
            flipped, changed = trial.reshape(window.shape), changed[size:]
            size = min(size, len(changed) // 2)
        else:
            size //= 2
    return flipped


def _describe(
    lead: Margin, window: np.ndarray, flipped: np.ndarray, names: list[str], penalty: str, before: float
) -> Flip | None:
    # The model sees float32: the call is confirmed on what is handed back.
    result = flipped.astype(np.float32)
    after = float(evaluate(lead, result[None])[0])
    if after >= 0:
        return None
    change = (result - window).astype(float)
    order = np.argsort(-np.abs(change), axis=None, kind="stable")
    rows = [divmod(int(index), window.shape[1]) for index in order if change.ravel()[index] != 0]
    changes = tuple((bar, names[f], float(window[bar, f]), float(result[bar, f])) for bar, f in rows)
    size = np.abs(change).sum() if penalty == "sparse" else np.sqrt((change**2).sum())
    return Flip(result, changes, float(size), before, after)
