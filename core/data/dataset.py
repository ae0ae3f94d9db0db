"""From bars to scaled features, labels and segments of every series."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from core.config import Config
from core.data.bars import adjust_prices
from core.data.features.table import MISSING_SHARE, feature_table, measure_peer, peer_feature_table
from core.data.inputs import (
    BarsBySeries,
    check_tasks,
    feature_names,
    fill_and_scale,
    label_columns,
    misses_too_much,
    select_series,
    series_key,
    without_labels,
)
from core.data.labels.assign import assign_labels, persistence_labels
from core.data.labels.borders import Borders, SeriesThresholds, fit_thresholds, series_borders, training_rows
from core.data.labels.measure import TargetQuantities, measure_targets
from core.data.scaling import FeatureScaler
from core.data.segments import TRAIN, SegmentBorders, assign_segments, bars_in_train, choose_borders
from core.disk import digest_bars


@dataclass(frozen=True)
class LabelledSeries:
    """One series of T bars, ready for the model.

    Attributes
    ----------
    ts
        Bar opens, naive UTC datetime64[us], (T,).
    features
        (T, N) float32 in [0, 100], no NaN.
    missing
        (T,) float32: share of the features that had to be filled with the training median at each bar.
    usable
        (T,) bool: `missing` is at most ``data.max_missing_share``.
    labels, label_end, segments, persistence
        By task: class (T,) int64, -1 none; index of t1 (T,) int64, -1 none; segment (T,) int8, 0 train,
        1 calibrate, 2 test, -1 no label or purged; class by the rule on bars up to t (T,) int64.
    intensity
        (T,) float32: standardised log volatility ahead, NaN none.
    close
        (T,) float64, adjusted.
    borders
        The cuts of the labels at each bar.
    """

    instrument: str
    timeframe: str
    ts: np.ndarray
    features: np.ndarray
    missing: np.ndarray
    usable: np.ndarray
    labels: dict[str, np.ndarray]
    label_end: dict[str, np.ndarray]
    segments: dict[str, np.ndarray]
    intensity: np.ndarray
    close: np.ndarray
    persistence: dict[str, np.ndarray]
    borders: Borders

    @property
    def key(self) -> str:
        return series_key(self.instrument, self.timeframe)


@dataclass(frozen=True)
class PreparedData:
    """Every series of one experiment, and what was fitted to make them.

    Attributes
    ----------
    series
        Sorted by instrument, then timeframe.
    thresholds
        Frozen cuts by ``"AAPL|1d"``; empty where labels are cut at trailing borders.
    instruments, timeframes
        Vocabularies; index i stands for the model's embedding i + 1, 0 is unknown. Of the instruments only
        those a training label is there for: the others are as new to the model as any.
    peers
        All instruments, in the order of their names.
    fingerprint
        SHA-256 hex of the bars the data was made from, label columns included.
    audit
        Which rows every fitted object saw: ``{object: {"AAPL|1d": {"first", "last", "rows"}}}``, with ISO
        times of bar opens (None when no row).
    """

    series: list[LabelledSeries]
    feature_names: tuple[str, ...]
    scaler: FeatureScaler
    thresholds: dict[str, SeriesThresholds]
    instruments: list[str]
    peers: tuple[str, ...]
    timeframes: list[str]
    borders: SegmentBorders
    fingerprint: str
    audit: dict[str, dict[str, dict[str, Any]]]


def prepare(
    bars_by_series: BarsBySeries, config: Config, borders: SegmentBorders | None = None
) -> PreparedData:
    """Features, labels and segments of every series `config` selects.

    Scaler and frozen thresholds see training rows only.

    Parameters
    ----------
    bars_by_series
        Bars frames of one series each, raw or adjusted.
    borders
        Segment borders; by default `choose_borders` with ``config.split``.

    Raises
    ------
    InputError
        If nothing is selected, a named feature or label column is not there, or no bar lies in train.
    """
    bars = {key: adjust_prices(frame) for key, frame in select_series(bars_by_series, config).items()}
    check_tasks(bars.values(), config)
    times = {key: frame["ts"].to_numpy(dtype="datetime64[us]") for key, frame in bars.items()}
    if borders is None:
        borders = choose_borders(times.values(), config.split)
    in_train = {key: bars_in_train(times[key], key[1], borders) for key in bars}

    tables = _feature_tables(bars, config)
    names = feature_names(tables.values(), config)
    values = {key: table.reindex(columns=names).to_numpy(float) for key, table in tables.items()}
    scaler = FeatureScaler.fit(
        names,
        np.concatenate(list(values.values())),
        np.concatenate(list(in_train.values())),
        config.data.scaler_quantiles,
    ).with_column(MISSING_SHARE, 0.0, 1.0, 0.0)
    kept = [names.index(name) for name in scaler.columns[:-1]]

    frozen = config.labels.reference == "frozen"
    audit = {"scaler": {}} | ({"volatility thresholds": {}, "regime thresholds": {}} if frozen else {})
    thresholds, series = {}, []
    for key in bars:
        name = series_key(*key)
        quantities = measure_targets(bars[key], config.labels, label_columns(config))
        audit["scaler"][name] = _rows_seen(times[key], in_train[key])
        if frozen:
            thresholds[name] = fit_thresholds(quantities, in_train[key], config.labels)
            for label, end in (("volatility", quantities.volatility_end), ("regime", quantities.regime_end)):
                seen = training_rows(end, in_train[key])
                audit[f"{label} thresholds"][name] = _rows_seen(times[key], seen)
        cuts = series_borders(bars[key], config.labels, thresholds.get(name))
        _warn_if_unlabelled(name, cuts, config)
        features, missing = fill_and_scale(values[key][:, kept], scaler, config)
        close = bars[key]["close"].to_numpy(float)
        series.append(
            _label_series(key, times[key], close, features, missing, quantities, cuts, borders, config)
        )
    return PreparedData(
        series=series,
        feature_names=scaler.columns,
        scaler=scaler,
        thresholds=thresholds,
        instruments=sorted({one.instrument for one in series if _is_trained_on(one, config)}),
        peers=tuple(sorted({instrument for instrument, _ in bars})),
        timeframes=[name for name in config.data.timeframes if any(name == key[1] for key in bars)],
        borders=borders,
        fingerprint=digest_bars((series_key(*key), frame) for key, frame in bars.items()),
        audit=audit,
    )


def prepare_frozen(
    bars: pd.DataFrame,
    others: Mapping[str, pd.DataFrame] | None,
    scaler: FeatureScaler,
    thresholds: SeriesThresholds | None,
    borders: SegmentBorders,
    config: Config,
) -> LabelledSeries:
    """Features and labels of one series with a bundle's scaler, label cuts and segment borders.

    Parameters
    ----------
    bars
        One series, raw or adjusted, not empty.
    others
        Bars of the other instruments the model was trained with, same timeframe, over the same span.
    thresholds
        The bundle's frozen cuts for the series; None where there are none or labels are cut at trailing ones.
    """
    adjusted = adjust_prices(bars)
    peers = {name: adjust_prices(frame) for name, frame in (others or {}).items()}
    table = feature_table(without_labels(adjusted, config), peers, config.labels, config.data.as_is)
    values = table.reindex(columns=list(scaler.columns[:-1])).to_numpy(float)
    features, missing = fill_and_scale(values, scaler, config)
    return _label_series(
        (str(adjusted["instrument"].iloc[0]), str(adjusted["timeframe"].iloc[0])),
        adjusted["ts"].to_numpy(dtype="datetime64[us]"),
        adjusted["close"].to_numpy(float),
        features,
        missing,
        measure_targets(adjusted, config.labels, label_columns(config)),
        series_borders(adjusted, config.labels, thresholds),
        borders,
        config,
    )


def _feature_tables(bars: BarsBySeries, config: Config) -> dict[tuple[str, str], pd.DataFrame]:
    peers = {key: measure_peer(frame) for key, frame in bars.items()}
    return {
        key: peer_feature_table(
            without_labels(frame, config),
            [peer for other, peer in peers.items() if other[1] == key[1] and other[0] != key[0]],
            config.labels,
            config.data.as_is,
        )
        for key, frame in bars.items()
    }


def _label_series(
    key: tuple[str, str],
    ts: np.ndarray,
    close: np.ndarray,
    features: np.ndarray,
    missing: np.ndarray,
    quantities: TargetQuantities,
    cuts: Borders,
    borders: SegmentBorders,
    config: Config,
) -> LabelledSeries:
    labels, intensity = assign_labels(quantities, cuts, config.labels, config.tasks)
    return LabelledSeries(
        instrument=key[0],
        timeframe=key[1],
        ts=ts,
        features=features,
        missing=missing,
        usable=~np.asarray(misses_too_much(missing, config)),
        labels={name: label.values for name, label in labels.items()},
        label_end={name: label.end for name, label in labels.items()},
        segments={
            name: assign_segments(ts, key[1], label.end, borders, config.split.embargo_bars)
            for name, label in labels.items()
        },
        intensity=intensity,
        close=close,
        persistence=persistence_labels(quantities, cuts, config.labels, config.tasks),
        borders=cuts,
    )


def _warn_if_unlabelled(name: str, cuts: Borders, config: Config) -> None:
    asked = {task.label for task in config.tasks}
    uncut = [
        label
        for label, cut in (("volatility", cuts.volatility_low), ("regime", cuts.regime_ratio))
        if label in asked and np.isnan(cut).all()
    ]
    if uncut:
        history = "training history" if config.labels.reference == "frozen" else "history"
        warnings.warn(f"{name}: too little {history} for labels of {', '.join(uncut)}", stacklevel=3)


def _is_trained_on(series: LabelledSeries, config: Config) -> bool:
    whole = np.arange(len(series.ts)) >= config.model.sequence_length - 1
    return any((whole & series.usable & (segment == TRAIN)).any() for segment in series.segments.values())


def _rows_seen(ts: np.ndarray, seen: np.ndarray) -> dict[str, Any]:
    if not seen.any():
        return {"first": None, "last": None, "rows": 0}
    first, last = (str(ts[seen][i]) + "Z" for i in (0, -1))
    return {"first": first, "last": last, "rows": int(seen.sum())}
