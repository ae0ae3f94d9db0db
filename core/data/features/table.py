"""Bars to features: causal, stationary columns, one row per bar."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from core.config import LabelConfig
from core.data.features.indicators import indicator_features, volume_features
from core.data.features.own_scale import own_scale_features
from core.data.features.price import (
    calendar_features,
    normalised_returns,
    price_features,
    volatility_features,
)
from core.data.labels.borders import priced_rows, trailing_borders
from core.data.labels.past import measure_past
from core.errors import BarsError

CAUSAL_WARMUP = 512
"""Bars after which every recursion has forgotten its start (below 1e-9)."""

MISSING_SHARE = "missing_share"
"""Name of the mask column: the share of the other features that were unknown at that bar."""

OPTIONAL = (
    "volatility_ratio_10_ewma",
    "log_volatility",
    "log_garman_klass_5",
    "log_garman_klass_20",
    "log_garman_klass_60",
)
"""Features that only a configuration that names them uses. The levels among them mean something else in every
series, while labels are cut on the series' own scale."""

_BAR_COLUMNS = {"instrument", "timeframe", "ts", "open", "high", "low", "close", "volume"}
_USER_WINDOW = 250
_USER_MIN_BARS = 60
_USER_LIMIT = 20.0

_RANGE = {
    "body",
    "upper_wick",
    "lower_wick",
    "range",
    "stochastic_14",
    "aroon_25",
    "bollinger_20",
    "drawdown_60",
}
_VOLUME = {"volume_surprise", "volume_trend", "mfi_14"}
_VOLATILITY = {"log_volatility", "volatility_of_volatility", "sigma_over_low"}
_VOLATILITY_PREFIXES = (
    "log_garman_klass_",
    "semivariance_balance_",
    *(f"volatility_{part}_" for part in ("ratio", "border", 1, 5, 22, 60)),
)
_PRICE = {"gap_open", "rsi_14", "adx_14", "cci_20", "ultimate_oscillator"}
_REGIME = {"past_ratio_over"}

CALENDAR = "calendar"
"""Group of the features that tell days and hours apart and know nothing of the market."""


def warm_up(labels: LabelConfig) -> int:
    """Bars before a window after which every feature has forgotten its start (below 1e-9)."""
    return CAUSAL_WARMUP + labels.reference_bars


def feature_table(
    bars: pd.DataFrame,
    others: Mapping[str, pd.DataFrame] | None = None,
    labels: LabelConfig | None = None,
    as_is: Collection[str] = (),
) -> pd.DataFrame:
    """Every feature of one series.

    Parameters
    ----------
    bars
        One series in the bars frame, prices adjusted, sorted by ts. Every further numeric column is a
        feature too: its distance from the median of its last 250 bars, in robust standard deviations
        (interquartile range / 1.349; the plain standard deviation where that is 0), within [-20, 20].
    others
        Adjusted bars of the other instruments of the same timeframe, by instrument; matched by equal ts.
    labels
        How the quantities are measured whose trailing borders some features are in units of; the defaults
        when None. These features use trailing borders where labels are cut at frozen ones too.
    as_is
        Further columns whose values are the features, not their distance from their own past.

    Returns
    -------
    DataFrame
        One float64 row per bar, NaN where a feature is unknown (too little history, no volume, no other
        instrument, prices missing), never infinite. The value at a bar uses that bar and earlier ones.

    Raises
    ------
    BarsError
        If a further column carries the name of a feature.
    """
    return peer_feature_table(bars, [measure_peer(other) for other in (others or {}).values()], labels, as_is)


def measure_peer(bars: pd.DataFrame) -> PeerReturns:
    """What one series' adjusted bars lend to the cross-asset features of the others."""
    known = priced_rows(bars)
    return peer_returns(_times(bars)[known], bars["close"].to_numpy(float)[known])


def peer_feature_table(
    bars: pd.DataFrame,
    peers: Iterable[PeerReturns],
    labels: LabelConfig | None = None,
    as_is: Collection[str] = (),
) -> pd.DataFrame:
    """`feature_table` with the other instruments already measured, so that many series share that work."""
    # Rows without prices are left out and put back as NaN: recursions must not meet a NaN.
    known = priced_rows(bars)
    ts = _times(bars)[known]
    open_, high, low, close = (bars[name].to_numpy(float)[known] for name in ("open", "high", "low", "close"))
    volume = bars["volume"].to_numpy(float)[known]
    columns: dict[str, np.ndarray] = {}
    if len(ts):
        columns |= price_features(open_, high, low, close)
        columns |= volatility_features(open_, high, low, close)
        labels = LabelConfig() if labels is None else labels
        past = measure_past(bars.loc[known], labels)
        columns |= own_scale_features(past, trailing_borders(past, labels), labels)
        columns |= indicator_features(high, low, close)
        columns |= volume_features(high, low, close, volume)
        columns |= calendar_features(ts)
        columns |= cross_features(peer_returns(ts, close), peers)
    values = np.full((len(bars), len(columns)), np.nan)
    for index, column in enumerate(columns.values()):
        values[known, index] = column
    table = pd.DataFrame(values, columns=list(columns), index=bars.index)
    return pd.concat([table, _user_features(bars, set(columns), as_is)], axis=1)


def feature_groups(columns: Iterable[str]) -> dict[str, str]:
    """Group of each feature: price, range, volume, volatility, regime, calendar, cross-asset, mask or user.

    Any name that is not one of this module's is a user's column.
    """
    return {name: _group(name) for name in columns}


def _group(name: str) -> str:
    if name == MISSING_SHARE:
        return "mask"
    if name in CROSS_COLUMNS:
        return "cross-asset"
    if name in _VOLUME:
        return "volume"
    if name in _VOLATILITY or name.startswith(_VOLATILITY_PREFIXES):
        return "volatility"
    if name in _REGIME or name.startswith("known_"):
        return "regime"
    if name.startswith(("time_of_day_", "day_of_week_")):
        return CALENDAR
    if name in _RANGE or name.startswith("position_"):
        return "range"
    if name in _PRICE or name.startswith(("return_", "efficiency_")):
        return "price"
    return "user"


def _user_features(bars: pd.DataFrame, taken: set[str], as_is: Collection[str]) -> pd.DataFrame:
    extra = bars[[name for name in bars.columns if name not in {*_BAR_COLUMNS, "adj_close"}]]
    extra = extra.select_dtypes(["number", "bool"]).astype(float)
    if extra.empty:
        return pd.DataFrame(index=bars.index, columns=extra.columns, dtype=float)
    clash = sorted(set(extra.columns) & (taken | {MISSING_SHARE}))
    if clash:
        raise BarsError("further columns under names of their own", f"{clash}", "rename them in the file")
    extra = extra.where(np.isfinite(extra))
    window = extra.rolling(_USER_WINDOW, min_periods=_USER_MIN_BARS)
    distance = extra - window.median()
    spread = (window.quantile(0.75) - window.quantile(0.25)) / 1.349
    spread = spread.where(spread > 0, window.std())
    score = (distance / spread.where(spread > 0)).clip(-_USER_LIMIT, _USER_LIMIT)
    score = score.where(distance != 0, 0.0)
    return score.assign(**{name: extra[name] for name in as_is if name in extra.columns})


def _times(bars: pd.DataFrame) -> np.ndarray:
    return bars["ts"].to_numpy(dtype="datetime64[us]")


CROSS_COLUMNS = ("market_return_1", "market_return_5", "market_correlation_60", "relative_strength_20")

_HORIZONS = (1, 5, 20)


@dataclass(frozen=True)
class PeerReturns:
    """What one instrument lends to the others: its returns in sigmas.

    Attributes
    ----------
    ts
        datetime64[us], shape (T,), sorted.
    returns
        Shape (T, 3): over 1, 5 and 20 bars.
    """

    ts: np.ndarray
    returns: np.ndarray


def peer_returns(ts: np.ndarray, close: np.ndarray) -> PeerReturns:
    """Measure one instrument for the others; prices finite and positive, shape (T,)."""
    return PeerReturns(ts, normalised_returns(close, _HORIZONS))


def cross_features(own: PeerReturns, peers: Iterable[PeerReturns]) -> dict[str, np.ndarray]:
    """Mean return of the peers, the correlation to it and the strength against it.

    Bars are matched by equal open time, so nothing is used before it is known.

    Returns
    -------
    dict
        `CROSS_COLUMNS`, each (T,): mean return of the peers over 1 and 5 bars in sigmas; correlation of
        the 1-bar returns over 60 bars (at least 30 of them known); own 20-bar return minus the peers'
        mean. NaN where no peer has a bar at that time.
    """
    total = np.zeros(own.returns.shape)
    count = np.zeros(own.returns.shape)
    for peer in peers:
        if len(peer.ts) == 0:
            continue
        place = np.minimum(np.searchsorted(peer.ts, own.ts), len(peer.ts) - 1)
        found = np.where((peer.ts[place] == own.ts)[:, None], peer.returns[place], np.nan)
        total += np.nan_to_num(found)
        count += np.isfinite(found)
    market = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    own_1, market_1 = pd.Series(own.returns[:, 0]), pd.Series(market[:, 0])
    both = own_1.notna() & market_1.notna()
    correlation = own_1.where(both).rolling(60, min_periods=30).corr(market_1.where(both)).to_numpy()
    correlation = np.where(np.isfinite(correlation), np.clip(correlation, -1, 1), np.nan)
    strength = own.returns[:, 2] - market[:, 2]
    return dict(zip(CROSS_COLUMNS, (market[:, 0], market[:, 1], correlation, strength), strict=True))
