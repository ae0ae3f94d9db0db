"""Global importance: which features count over many windows, with intervals, three ways side by side.

Shapes: n windows in time order, T bars, N features, C classes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from core.errors import InputError
from core.models.ensemble import Model
from core.progress import Cancelled, Meter, Progress
from core.scores.intervals import interval
from core.scores.stretches import Stretches, find_swings

FEATURE_SELECTION_THRESHOLD = 0.01
"""Share of all importance below which a feature may go (specification, section 8)."""


@dataclass(frozen=True)
class Importance:
    """Importance of one feature or group, its 95% interval NaN where too few separate windows are left."""

    name: str
    value: float
    low: float
    high: float


def attribution_importance(
    values: np.ndarray,
    feature_names: Sequence[str],
    *,
    groups: Mapping[str, str] | None = None,
    stretches: Stretches | int = 10,
    shares: bool = False,
) -> list[Importance]:
    """Mean over windows of the sum over bars of abs(attribution), largest first.

    Parameters
    ----------
    values
        Attributions of windows in time order, (n, T, N); or already summed over bars by `window_importance`,
        (n, N).
    groups
        Sum features by group instead.
    stretches
        Of the windows' times; or how many consecutive windows overlap.
    shares
        As shares of the whole, which add up to 1.

    Raises
    ------
    InputError
        If shapes do not fit or there are fewer than two windows.
    """
    per_window = np.abs(values).sum(1) if values.ndim == 3 else np.asarray(values)
    names = list(feature_names)
    if per_window.ndim != 2 or per_window.shape[1] != len(names) or len(per_window) < 2:
        raise InputError(
            f"two or more windows of {len(names)} features", f"{values.shape}", "explain more windows"
        )
    if groups is not None:
        kinds = list(dict.fromkeys(groups[name] for name in names))
        member = np.array([[groups[name] == kind for kind in kinds] for name in names], dtype=float)
        per_window, names = per_window @ member, kinds
    return _with_intervals(per_window, names, stretches, shares=shares)


def window_importance(values: np.ndarray) -> np.ndarray:
    """One window's contribution to global importance: sum over bars of abs(attribution), (T, N) -> (N,)."""
    return np.abs(values).sum(0)


def permutation_importance(
    predict: Callable[[np.ndarray], Mapping[str, np.ndarray]],
    windows: np.ndarray,
    labels: Mapping[str, np.ndarray],
    feature_names: Sequence[str],
    *,
    groups: Mapping[str, str] | None = None,
    strata: Sequence[str] | None = None,
    block: int = 10,
    stretches: Stretches | int | None = None,
    repeats: int = 2,
    seed: int = 0,
    progress: Progress | None = None,
    cancelled: Cancelled | None = None,
) -> dict[str, list[Importance]]:
    """Growth of each task's log-loss when a feature (or group) is taken from another time, largest first.

    A feature's whole column is swapped for that of a window some blocks away, consecutive windows together,
    so that its own course stays real and only its link to the label is cut. All tasks are read from the same
    swapped windows.

    Parameters
    ----------
    predict
        Windows (n, T, N) -> by task, probabilities (n, C).
    windows, labels
        In time order, (n, T, N), and by task (n,) class indices.
    strata
        n names; columns are swapped between windows of the same name (timeframe) alone.
    block
        Windows moved together; a stratum must hold two blocks of them.
    stretches
        As in `attribution_importance`; None = `block` windows overlap.

    Raises
    ------
    InputError
        If a stratum holds fewer than two blocks of windows, or a window has no label.
    """
    count = len(windows)
    keys = np.array(["all"] * count if strata is None else list(strata))
    places = [np.flatnonzero(keys == key) for key in dict.fromkeys(keys.tolist())]
    fewest = min((len(place) for place in places), default=0)
    if fewest < 2 * block or repeats < 1 or any(len(v) != count or (v < 0).any() for v in labels.values()):
        raise InputError(
            f"at least {2 * block} labelled windows", f"{fewest}", "take more windows or smaller blocks"
        )
    names = list(feature_names)
    kinds = [groups[name] for name in names] if groups is not None else names
    units = list(dict.fromkeys(kinds))
    generator = np.random.default_rng(seed)
    original = {task: _log_losses(said, labels[task]) for task, said in predict(windows).items()}
    growth = {task: np.zeros((count, len(units))) for task in original}
    meter = Meter(progress, cancelled, planned=len(units))
    for index, unit in enumerate(units):
        columns = [i for i, kind in enumerate(kinds) if kind == unit]
        for _ in range(repeats):
            meter.check()
            source = np.arange(count)
            for place in places:
                # A turn by whole blocks: no window keeps its own column, and neighbours stay neighbours.
                source[place] = np.roll(place, block * int(generator.integers(1, len(place) // block)))
            changed = windows.copy()
            changed[:, :, columns] = windows[:, :, columns][source]
            for task, said in predict(changed).items():
                growth[task][:, index] += (_log_losses(said, labels[task]) - original[task]) / repeats
        meter.add(1)
    return {
        task: _with_intervals(values, units, block if stretches is None else stretches)
        for task, values in growth.items()
    }


def gate_importance(model: Model, feature_names: Sequence[str]) -> list[Importance]:
    """The model's own abs(gate) * norm(projection column), largest first; the interval is a point."""
    values = model.feature_importance().cpu().numpy().astype(float)
    ranked = sorted(zip(feature_names, values.tolist(), strict=True), key=lambda pair: -pair[1])
    return [Importance(name, value, value, value) for name, value in ranked]


def removable_features(
    shares: Sequence[Importance], threshold: float = FEATURE_SELECTION_THRESHOLD
) -> list[str]:
    """Features that may go: even the upper end of their share of importance is below `threshold`."""
    total = sum(importance.value for importance in shares)
    if not np.isclose(total, 1.0, atol=1e-6):
        raise InputError("shares that add up to 1", f"a sum of {total:.4g}", "compute them with shares=True")
    return [importance.name for importance in shares if importance.high < threshold]


def _log_losses(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    chosen = np.asarray(probabilities, dtype=float)[np.arange(len(labels)), labels]
    return -np.log(np.maximum(chosen, np.finfo(float).tiny))


def _with_intervals(
    per_window: np.ndarray, names: Sequence[str], stretches: Stretches | int, *, shares: bool = False
) -> list[Importance]:
    if isinstance(stretches, int):
        stretches = Stretches.over(np.arange(len(per_window)), stretches)
    parts = [stretches.total(values) for values in (*per_window.T, np.ones(len(per_window)))]

    def average(sums: np.ndarray) -> np.ndarray:
        means = sums[..., :-1] / sums[..., -1:]
        if not shares:
            return means
        return means / np.maximum(means.sum(-1, keepdims=True), np.finfo(float).tiny)

    per_stretch = np.column_stack(parts)
    values = average(per_stretch.sum(axis=0))
    swings = find_swings(per_stretch, average, values)
    least = -np.inf if (per_window < 0).any() else 0.0
    found = [
        interval(value, swing, stretches, least=least) for value, swing in zip(values, swings.T, strict=True)
    ]
    order = np.argsort(-values, kind="stable")
    return [Importance(str(names[i]), found[i].value, found[i].low, found[i].high) for i in order]
