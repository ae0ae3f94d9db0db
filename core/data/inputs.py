"""What training and live prediction share: which series and columns, how gaps are filled and cells scaled."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from core.config import Config
from core.data.bars import adjust_prices
from core.data.features.table import OPTIONAL, feature_table, warm_up
from core.data.labels.assign import label_column
from core.data.scaling import FeatureScaler
from core.errors import ConfigError, WindowError

BarsBySeries = Mapping[tuple[str, str], pd.DataFrame]


def series_key(instrument: str, timeframe: str) -> str:
    """Name of a series in thresholds and audit, ``"AAPL|1d"``."""
    return f"{instrument}|{timeframe}"


def select_series(bars_by_series: BarsBySeries, config: Config) -> dict[tuple[str, str], pd.DataFrame]:
    """The series `config` asks for, sorted by key, empty ones left out.

    Raises
    ------
    ConfigError
        If none is left, or a named instrument has no bars.
    """
    wanted = config.data.instruments
    selected = {
        key: frame
        for key, frame in sorted(bars_by_series.items())
        if key[1] in config.data.timeframes and (wanted == "all" or key[0] in wanted) and len(frame)
    }
    if not selected:
        there = ", ".join(series_key(*key) for key in sorted(bars_by_series)) or "none"
        instruments = wanted if wanted == "all" else ", ".join(wanted)
        raise ConfigError(
            f"bars of {instruments} at {', '.join(config.data.timeframes)}",
            there,
            "change data.instruments or ingest them",
        )
    absent = [] if wanted == "all" else sorted(set(wanted) - {instrument for instrument, _ in selected})
    if absent:
        raise ConfigError(
            "bars of every name in data.instruments", f"none of {', '.join(absent)}", "ingest them"
        )
    return selected


def check_tasks(frames: Iterable[pd.DataFrame], config: Config) -> None:
    """Refuse tasks whose label column is in none of the frames, and intensity without volatility.

    Raises
    ------
    ConfigError
    """
    present = {str(column) for frame in frames for column in frame.columns}
    for task in config.tasks:
        column = label_column(task)
        if column is not None and column not in present:
            raise ConfigError(
                f"a column {column!r} for task {task.name!r}", "bars without it", "correct its label"
            )
        if task.intensity and task.label != "volatility":
            raise ConfigError(
                "intensity only where the label is volatility",
                f"{task.label!r} in task {task.name!r}",
                "turn it off",
            )


def feature_names(tables: Iterable[pd.DataFrame], config: Config) -> list[str]:
    """Names of the features to use: the configured list, in which ``auto`` stands for all usual ones.

    The usual ones are those of any table but `core.data.features.table.OPTIONAL`.

    Raises
    ------
    ConfigError
        If a configured name, one of data.as_is, or a direct input of a task, is in no table.
    """
    there = list(dict.fromkeys(str(name) for table in tables for name in table.columns))
    usual = [name for name in there if name not in OPTIONAL]
    asked = config.data.feature_columns
    items = [asked] if isinstance(asked, str) else asked
    wanted = [name for item in items for name in (usual if item == "auto" else [item])]
    direct = [(name, f"direct of task {task.name}") for task in config.tasks for name in task.direct]
    placed = [(name, "data.feature_columns") for name in wanted]
    placed += [(name, "data.as_is") for name in config.data.as_is]
    for name, place in [*placed, *direct]:
        if there and name not in there:
            near = difflib.get_close_matches(name, there, n=1)
            fix = f"did you mean {near[0]!r}" if near else f"remove it from {place}"
            raise ConfigError(f"a feature out of {', '.join(there)}", repr(name), fix)
    return list(dict.fromkeys(wanted))


def label_columns(config: Config) -> list[str]:
    """User's columns that tasks are read from."""
    return [column for task in config.tasks if (column := label_column(task)) is not None]


def without_labels(bars: pd.DataFrame, config: Config) -> pd.DataFrame:
    """Bars without the label columns, which must never become features."""
    return bars.drop(columns=label_columns(config), errors="ignore")


def forward_fill(values: np.ndarray, config: Config) -> np.ndarray:
    """Unknown cells (T, N) carried from the bars before, at most ``data.max_forward_fill`` of them."""
    if config.data.max_forward_fill == 0:
        return values
    return pd.DataFrame(values).ffill(limit=config.data.max_forward_fill).to_numpy()


def fill_and_scale(
    values: np.ndarray, scaler: FeatureScaler, config: Config
) -> tuple[np.ndarray, np.ndarray]:
    """Scale the features of one series to the model's input.

    Parameters
    ----------
    values
        Shape (T, N - 1), NaN where unknown: all of the scaler's columns but the mask.

    Returns
    -------
    features
        (T, N) float32 in [0, 100]; the last column is the mask, the share of cells unknown at that bar
        before anything was carried forward.
    missing
        (T,) float32: share of cells still unknown after that, which got the training median.
    """
    mask = np.isnan(values).mean(axis=1)
    filled = forward_fill(values, config)
    features = scaler.transform(np.column_stack([filled, mask]))
    return features, np.isnan(filled).mean(axis=1).astype(np.float32)


def misses_too_much(share: np.ndarray | float, config: Config) -> np.ndarray | bool:
    """Whether a share of missing cells is above ``data.max_missing_share``, rounding aside."""
    return share > config.data.max_missing_share + 1e-6


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
        One series; the last ``length + warm_up(config.labels)`` bars are used, more are ignored.
    others
        Bars of the other instruments the model was trained with, same timeframe; what is later than the
        last of `bars` is ignored. As many bars of each, where it has them.
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
    before = warm_up(config.labels)
    recent = adjust_prices(bars.iloc[-(length + before) :].reset_index(drop=True))
    ts = recent["ts"].to_numpy(dtype="datetime64[us]")
    peers = {
        name: adjust_prices(_recent_peer(frame, ts[-length], ts[-1], before))
        for name, frame in (others or {}).items()
    }
    table = feature_table(without_labels(recent, config), peers, config.labels, config.data.as_is)
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
            "choose a later bar, bring more history or other instruments of the timeframe, or fill the gaps",
        )
    return features[-length:], ts[-length:]


def _recent_peer(
    bars: pd.DataFrame, window_start: np.datetime64, end: np.datetime64, before: int
) -> pd.DataFrame:
    ts = bars["ts"].to_numpy(dtype="datetime64[us]")
    first = max(int(np.searchsorted(ts, window_start)) - before, 0)
    return bars.iloc[first : int(np.searchsorted(ts, end, side="right"))].reset_index(drop=True)
