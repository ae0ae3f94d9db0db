"""Settings of the attribution methods, and how cells are grouped into what is hidden together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from core.errors import InputError

Grouping = Literal["feature", "source"]


@dataclass(frozen=True)
class Settings:
    """How hard and how finely a method works.

    Attributes
    ----------
    first_steps, max_steps, tolerance
        Integrated Gradients starts with `first_steps` intervals, shared by the references, and doubles those
        of the paths that miss most until the completeness error is at most `tolerance` or another doubling
        would exceed `max_steps` on a path; `first_steps` is even.
    samples
        Points sampled by the two gradient SHAP methods.
    noise
        Standard deviation of the noise GradientSHAP blurs the window with, on the 0..100 scale.
    batch
        Windows with gradients held in memory at once.
    grouping
        Feature ablation hides single features, or all features of a source.
    ablation_block
        Bars hidden together by feature ablation; None = the whole window.
    occlusion_block
        Bars hidden together by occlusion, moved on by half of that.
    rescaling_block
        Bars hidden together by temporal rescaling.
    player_block, rounds
        Bars per block and number of random orders (each forth and back) of SHAP on feature groups.
    seed
        Of everything sampled.

    Raises
    ------
    InputError
        If a number is out of range.
    """

    first_steps: int = 16
    max_steps: int = 200
    tolerance: float = 0.01
    samples: int = 16
    noise: float = 1.0
    batch: int = 8
    grouping: Grouping = "feature"
    ablation_block: int | None = None
    occlusion_block: int = 10
    rescaling_block: int = 10
    player_block: int = 50
    rounds: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        counts = {
            name: getattr(self, name)
            for name in (
                "first_steps",
                "samples",
                "batch",
                "occlusion_block",
                "rescaling_block",
                "player_block",
                "rounds",
            )
        } | {"ablation_block": 1 if self.ablation_block is None else self.ablation_block}
        small = [f"{name}={value}" for name, value in counts.items() if value < 1]
        if small or self.max_steps < self.first_steps or not self.tolerance > 0:
            received = ", ".join(small) or f"max_steps={self.max_steps}, tolerance={self.tolerance}"
            raise InputError(
                "counts of at least 1, max_steps >= first_steps, tolerance > 0", received, "raise it"
            )
        if self.first_steps % 2:
            raise InputError("an even number of first_steps", str(self.first_steps), "add one")
        if self.batch > 64:
            raise InputError(
                "a batch of at most 64 windows", str(self.batch), "lower it: memory grows with it"
            )


@dataclass(frozen=True)
class Explicand:
    """What a method explains, beside what it compares with.

    Attributes
    ----------
    window
        Shape (T, N) float32.
    references
        Shape (K, T, N) float32.
    groups
        Group of each of the N features.
    """

    window: np.ndarray
    references: np.ndarray
    groups: tuple[str, ...]


def players(
    bars: int, groups: Sequence[str], *, grouping: Grouping = "feature", block: int | None = None
) -> np.ndarray:
    """Which cells are hidden together, as an integer 0..M-1 per cell.

    Blocks are counted back from the last bar, so that the newest one is always whole.

    Parameters
    ----------
    bars
        T.
    groups
        Group of each of the N features.
    grouping
        Each feature alone, or all features of a group together.
    block
        Bars per block; None = the whole window.

    Returns
    -------
    ndarray
        Shape (T, N) int64; players run over features first, then over blocks, oldest block first.
    """
    if grouping == "source":
        order = {group: index for index, group in enumerate(dict.fromkeys(groups))}
        columns = np.array([order[group] for group in groups])
    else:
        columns = np.arange(len(groups))
    if block is None:
        blocks = np.zeros(bars, dtype=np.int64)
    else:
        back = np.arange(bars)[::-1] // block
        blocks = back.max() - back
    return blocks[:, None] * (columns.max() + 1) + columns[None]


def share_equally(per_player: np.ndarray, assignment: np.ndarray) -> np.ndarray:
    """Each player's value shared equally by its cells, so that sums are kept; (M,), (T, N) -> (T, N)."""
    sizes = np.bincount(assignment.ravel(), minlength=len(per_player))
    return (per_player / sizes)[assignment]
