"""Global importance: which features count over many windows, with intervals, three ways side by side.

Shapes: n windows in time order, T bars, N features, C classes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from arch.bootstrap import CircularBlockBootstrap

from core.errors import InputError
from core.explain.margin import Cancelled, ExplanationCancelled, Progress
from core.models.transformer import MarketTransformer

FEATURE_SELECTION_THRESHOLD = 0.01
"""Share of all importance below which a feature may go (specification, section 8)."""

_RESAMPLES = 500


@dataclass(frozen=True)
class Importance:
    """Importance of one feature or group, with its 95% block-bootstrap interval."""

    name: str
    value: float
    low: float
    high: float


def attribution_importance(
    values: np.ndarray,
    feature_names: Sequence[str],
    *,
    groups: Mapping[str, str] | None = None,
    block: int = 10,
    shares: bool = False,
    seed: int = 0,
) -> list[Importance]:
    """Mean over windows of the sum over bars of abs(attribution), largest first.

    Parameters
    ----------
    values
        Attributions of windows in time order, (n, T, N); or already summed over bars by `window_importance`,
        (n, N).
    groups
        Sum features by group instead.
    block
        Consecutive windows drawn together, at least as many as overlap.
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
    return _with_intervals(per_window, names, block, seed, shares=shares)


def window_importance(values: np.ndarray) -> np.ndarray:
    """One window's contribution to global importance: sum over bars of abs(attribution), (T, N) -> (N,)."""
    return np.abs(values).sum(0)


def importance_by(
    values: np.ndarray, labels: Sequence[str], feature_names: Sequence[str], *, block: int = 10, seed: int = 0
) -> dict[str, list[Importance]]:
    """`attribution_importance` for each label (instrument, regime, period) with at least two windows."""
    keys = np.asarray(labels)
    if len(keys) != len(values):
        raise InputError(f"{len(values)} labels", str(len(keys)), "label every window")
    return {
        str(key): attribution_importance(values[keys == key], feature_names, block=block, seed=seed)
        for key in dict.fromkeys(keys.tolist())
        if (keys == key).sum() >= 2
    }


def permutation_importance(
    predict: Callable[[np.ndarray], np.ndarray],
    windows: np.ndarray,
    labels: np.ndarray,
    feature_names: Sequence[str],
    *,
    groups: Mapping[str, str] | None = None,
    block: int = 10,
    repeats: int = 2,
    seed: int = 0,
    progress: Progress | None = None,
    cancelled: Cancelled | None = None,
) -> list[Importance]:
    """How much the log-loss grows when a feature (or group) is taken from another time, largest first.

    A feature's whole column is swapped for that of a window some blocks away, consecutive windows together,
    so that its own course stays real and only its link to the label is cut.

    Parameters
    ----------
    predict
        Windows (B, T, N) -> probabilities (B, C).
    windows, labels
        In time order, (n, T, N) and (n,) class indices.
    block
        Windows moved together, and drawn together for the intervals; at most half of n.

    Raises
    ------
    InputError
        If there are fewer than two blocks of windows.
    """
    count = len(windows)
    if count < 2 * block or len(labels) != count or repeats < 1:
        raise InputError(
            f"at least {2 * block} labelled windows", f"{count}", "take more windows or smaller blocks"
        )
    names = list(feature_names)
    kinds = [groups[name] for name in names] if groups is not None else names
    units = list(dict.fromkeys(kinds))
    generator = np.random.default_rng(seed)
    original = _log_losses(predict(windows), labels)
    growth = np.zeros((count, len(units)))
    for index, unit in enumerate(units):
        columns = [i for i, kind in enumerate(kinds) if kind == unit]
        for _ in range(repeats):
            if cancelled is not None and cancelled():
                raise ExplanationCancelled
            # A turn by whole blocks: no window keeps its own column, and neighbours stay neighbours.
            shift = block * int(generator.integers(1, count // block))
            changed = windows.copy()
            changed[:, :, columns] = np.roll(windows[:, :, columns], shift, axis=0)
            growth[:, index] += (_log_losses(predict(changed), labels) - original) / repeats
        if progress is not None:
            progress(index + 1, len(units))
    return _with_intervals(growth, units, block, seed)


def gate_importance(model: MarketTransformer, feature_names: Sequence[str]) -> list[Importance]:
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
    per_window: np.ndarray, names: Sequence[str], block: int, seed: int, *, shares: bool = False
) -> list[Importance]:
    def mean(rows: np.ndarray) -> np.ndarray:
        values = rows.mean(0)
        return values / max(values.sum(), np.finfo(float).tiny) if shares else values

    bootstrap = CircularBlockBootstrap(min(block, len(per_window)), per_window, seed=seed)
    low, high = bootstrap.conf_int(mean, reps=_RESAMPLES, method="percentile", size=0.95)
    values = mean(per_window)
    order = np.argsort(-values, kind="stable")
    return [Importance(str(names[i]), float(values[i]), float(low[i]), float(high[i])) for i in order]
