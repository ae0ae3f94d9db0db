"""Features of an instrument against the other instruments of its timeframe."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from core.data.feature_price import normalised_returns

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
