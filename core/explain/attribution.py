"""Attribution of one prediction to cells (bar, feature): the one way to run every method."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from core.data.features.table import feature_groups
from core.errors import InputError
from core.explain.margin import Margin, MeteredMargin, check_window, evaluate, probability
from core.explain.methods.registry import METHODS
from core.explain.methods.settings import Explicand, Settings
from core.explain.references import SAME, Reference
from core.progress import Cancelled, Progress

SMALLEST_DIFFERENCE = 0.01
"""Log-odds: completeness errors are relative to at least this much, since nothing has no parts to compare."""


@dataclass(frozen=True)
class Attribution:
    """How much each cell of one window spoke for a class.

    Attributes
    ----------
    values
        Shape (T, N) float32, in log-odds; positive speaks for the class, negative against.
    method, task, target, reference
        Names.
    output, reference_output
        Margin of the window, and of the reference (mean over its windows).
    reference_probability
        What the model says of the class in the reference, mean over its windows, before calibration.
    reference_distance
        As `core.explain.references.Reference.distance`.
    reference_windows
        K, the windows averaged over.
    completeness_error
        abs(sum of values - (output - reference_output)) over the larger of abs(output - reference_output) and
        `SMALLEST_DIFFERENCE`; None where the method promises no such sum.
    steps
        Steps along the path, samples, or windows scored, as the method counts.
    seconds
        Wall time.
    feature_names, groups
        Names of the N columns and the source group of each.
    resolution
        As `Method.resolution`.
    """

    values: np.ndarray
    method: str
    task: str
    target: str
    reference: str
    output: float
    reference_output: float
    reference_probability: float
    reference_distance: float | None
    reference_windows: int
    completeness_error: float | None
    steps: int
    seconds: float
    feature_names: tuple[str, ...]
    groups: tuple[str, ...]
    resolution: str

    @property
    def probability(self) -> float:
        """What the model says of the class in this window, before calibration."""
        return float(probability(self.output))

    @property
    def out_of_distribution(self) -> bool:
        """Whether the reference is unlike anything the model was trained on; False where nobody judged it."""
        return self.reference_distance is not None and self.reference_distance > 1

    @property
    def says_the_same(self) -> bool:
        """Whether the reference already says what the window says, so that there is nothing to explain."""
        return abs(self.probability - self.reference_probability) <= SAME

    @property
    def by_bar(self) -> np.ndarray:
        """Sum over features, (T,)."""
        return self.values.sum(1)

    @property
    def by_feature(self) -> dict[str, float]:
        """Sum over bars, by feature name."""
        return dict(zip(self.feature_names, self.values.sum(0).tolist(), strict=True))

    @property
    def by_group(self) -> dict[str, float]:
        """Sum over the bars and features of each source group."""
        sums = dict.fromkeys(self.groups, 0.0)
        for group, value in zip(self.groups, self.by_feature.values(), strict=True):
            sums[group] += value
        return sums

    def by_block(self, bars: int) -> np.ndarray:
        """Sum over consecutive blocks of `bars` bars, counted back from the last bar; oldest block first."""
        blocks = (np.arange(len(self.values))[::-1] // bars).max() - np.arange(len(self.values))[::-1] // bars
        return np.bincount(blocks, weights=self.by_bar)


def attribute(
    margin: Margin,
    window: np.ndarray,
    reference: Reference,
    feature_names: Sequence[str],
    method: str = "ig",
    settings: Settings | None = None,
    *,
    groups: Mapping[str, str] | None = None,
    progress: Progress | None = None,
    cancelled: Cancelled | None = None,
) -> Attribution:
    """Explain one window with one method.

    Parameters
    ----------
    margin
        What is explained.
    window
        Shape (T, N), the model's own input.
    reference
        Compared with; a method that is dear per window takes its first few (`Method.most_windows`).
    feature_names
        N names.
    method
        A key of `METHODS`.
    groups
        Source group of each feature by name; by default those of `core.data.features.table`.
    progress, cancelled
        Called at every batch of windows.

    Raises
    ------
    InputError
        If the method is not offered, or names and window do not fit.
    Stopped
        If `cancelled` said so.
    """
    if method not in METHODS:
        raise InputError(f"a method out of {', '.join(METHODS)}", repr(method), "choose one of them")
    window = check_window(window)
    names = tuple(feature_names)
    if len(names) != window.shape[1] or reference.windows.shape[1:] != window.shape:
        raise InputError(
            f"{window.shape[1]} feature names and references of shape {window.shape}",
            f"{len(names)} names and {reference.windows.shape[1:]}",
            "take window, reference and names from the same model",
        )
    by_name = feature_groups(names) if groups is None else groups
    chosen = METHODS[method]
    start = time.perf_counter()
    if chosen.most_windows is not None:
        reference = reference.first(chosen.most_windows)
    output, reference_outputs = float(evaluate(margin, window[None])[0]), evaluate(margin, reference.windows)
    metered = MeteredMargin(margin, progress, cancelled, output - reference_outputs)
    explicand = Explicand(window, reference.windows, tuple(by_name[name] for name in names))
    values, steps = chosen.function(metered, explicand, settings or Settings())
    metered.meter.finish()
    reference_output = float(reference_outputs.mean())
    error = None
    if chosen.complete:
        error = completeness_error(values, output, reference_output)
    return Attribution(
        values=values.astype(np.float32),
        method=method,
        task=margin.task,
        target=margin.target,
        reference=reference.name,
        output=output,
        reference_output=reference_output,
        reference_probability=float(probability(reference_outputs).mean()),
        reference_distance=reference.distance,
        reference_windows=len(reference.windows),
        completeness_error=error,
        steps=steps,
        seconds=time.perf_counter() - start,
        feature_names=names,
        groups=explicand.groups,
        resolution=chosen.resolution,
    )


def completeness_error(values: np.ndarray, output: float, reference_output: float) -> float:
    """How far `values` miss adding up to ``output - reference_output``, as a share of that difference."""
    difference = output - reference_output
    return float(abs(values.sum(dtype=float) - difference) / max(abs(difference), SMALLEST_DIFFERENCE))
