"""What training and live prediction share: which series and columns, how gaps are filled and cells scaled."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from core.config import Config
from core.data.features import OPTIONAL
from core.data.scaling import FeatureScaler
from core.data.targets import label_column
from core.errors import ConfigError

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

    The usual ones are those of any table but `core.data.features.OPTIONAL`.

    Raises
    ------
    ConfigError
        If a configured name is in no table.
    """
    there = list(dict.fromkeys(str(name) for table in tables for name in table.columns))
    usual = [name for name in there if name not in OPTIONAL]
    asked = config.data.feature_columns
    items = [asked] if isinstance(asked, str) else asked
    wanted = [name for item in items for name in (usual if item == "auto" else [item])]
    for name in wanted:
        if name not in there:
            near = difflib.get_close_matches(name, there, n=1)
            fix = f"did you mean {near[0]!r}" if near else "remove it from data.feature_columns"
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
