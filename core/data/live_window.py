"""One window for a live prediction, with the numbers that training on the whole history would see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from core.config import Config
from core.data.assembly import fill_and_scale, forward_fill, misses_too_much, without_labels
from core.data.bars import adjust_prices
from core.data.features import CAUSAL_WARMUP, feature_table
from core.data.scaling import FeatureScaler
from core.errors import WindowError


def prepare_window(
    bars: pd.DataFrame,
    others: Mapping[str, pd.DataFrame] | None,
    feature_names: Sequence[str],
    scaler: FeatureScaler,
    config: Config,
    length: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Scaled features of the last `length` bars, the same numbers as `prepare` gives on the whole history.

    Parameters
    ----------
    bars
        One series; the last ``length + CAUSAL_WARMUP`` bars are used, more are ignored.
    others
        Bars of the other instruments the model was trained with, same timeframe; what is later than the
        last of `bars` is ignored. At least ``length + CAUSAL_WARMUP`` bars of each, where it has them.
    feature_names
        As in the bundle; a feature the bars do not have counts as missing.

    Returns
    -------
    features
        (length, N) float32 in [0, 100].
    ts
        (length,) naive UTC datetime64[us].

    Raises
    ------
    WindowError
        If there are fewer than `length` bars, or more than ``data.max_missing_share`` of the window's cells
        or of the last bar's are missing.
    """
    if len(bars) < length:
        raise WindowError(
            f"at least {length} bars up to that time", f"{len(bars)}", "choose a later bar or add history"
        )
    assert tuple(feature_names) == scaler.columns
    recent = adjust_prices(bars.iloc[-(length + CAUSAL_WARMUP) :].reset_index(drop=True))
    ts = recent["ts"].to_numpy(dtype="datetime64[us]")
    peers = {
        name: adjust_prices(_recent_peer(frame, ts[-length], ts[-1]))
        for name, frame in (others or {}).items()
    }
    table = feature_table(without_labels(recent, config), peers)
    names = list(feature_names[:-1])
    values = table.reindex(columns=names).to_numpy(float)
    features, missing = fill_and_scale(values, scaler, config)
    share = float(missing[-length:].mean())
    if misses_too_much(float(missing[-1]), config):
        raise WindowError(
            f"a last bar with at most {config.data.max_missing_share:.0%} of its features missing",
            f"{missing[-1]:.0%} missing at {ts[-1]}",
            "choose another bar or fill the gaps in the data",
        )
    if misses_too_much(share, config):
        unknown = np.isnan(forward_fill(values, config))[-length:].mean(axis=0)
        most = ", ".join(f"{names[i]} {unknown[i]:.0%}" for i in np.argsort(-unknown)[:3])
        cells = length * len(names)
        raise WindowError(
            f"at most {config.data.max_missing_share:.0%} of a window's cells missing",
            f"{round(share * cells)} of {cells} missing ({share:.0%}), most in {most}",
            "choose a later bar or fill the gaps in the data",
        )
    return features[-length:], ts[-length:]


def _recent_peer(bars: pd.DataFrame, window_start: np.datetime64, end: np.datetime64) -> pd.DataFrame:
    ts = bars["ts"].to_numpy(dtype="datetime64[us]")
    first = max(int(np.searchsorted(ts, window_start)) - CAUSAL_WARMUP, 0)
    return bars.iloc[first : int(np.searchsorted(ts, end, side="right"))].reset_index(drop=True)
