"""What the rules say to each call: which side, how large, and every reason to stay out.

Shape legend: n calls.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from core.confidence.sources import SOURCES
from core.disk import plain
from core.prediction import TIE
from core.timeframe import DURATIONS
from core.trading.calls import Calls
from core.trading.rules import REGIMES, Rules

DATED_PER_YEAR = {"1d": 252.0, "1w": 52.0}
TRADING_DAYS = 252
"""Of a year; shorter bars are counted as if each of these days had 24 hours of them."""


@dataclass(frozen=True)
class Thresholds:
    """How sure a call must be to be acted on in one fold.

    Attributes
    ----------
    probability, confidence
        Least of max(P(Bullish), P(Bearish)) and of the confidence; infinite where nothing paid and no trade
        is made.
    confidence_full
        Confidence from which on a position has its full size.
    trades
        Calibrate trades that pass.
    candidates
        Calibrate calls that no other veto holds for.
    utility
        Annual Sharpe ratio, after costs, of an account that trades the calibrate segment with them; NaN where
        none was measured.
    """

    fold: int
    probability: float
    confidence: float
    confidence_full: float
    trades: int = 0
    candidates: int = 0
    utility: float = math.nan

    @property
    def trading(self) -> bool:
        """Whether any call can pass."""
        return math.isfinite(self.probability) and math.isfinite(self.confidence)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; an infinite threshold is None."""
        return plain(asdict(self) | {"trading": self.trading})

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Thresholds:
        """The inverse of `to_dict`."""
        known: dict[str, Any] = {name: raw[name] for name in cls.__dataclass_fields__}
        for name, absent in (*((limit, math.inf) for limit in _LIMITS), ("utility", math.nan)):
            known[name] = absent if known[name] is None else known[name]
        return cls(**known)


def no_trade(fold: int, candidates: int = 0) -> Thresholds:
    """Of a fold in which nothing paid."""
    return Thresholds(fold, math.inf, math.inf, math.inf, 0, candidates)


@dataclass(frozen=True)
class Limits:
    """Thresholds of each call, (n,) each, see `Thresholds`."""

    probability: np.ndarray
    confidence: np.ndarray
    confidence_full: np.ndarray


Doubt = Callable[[Calls, Rules, Limits], np.ndarray]


def _no_call(calls: Calls, rules: Rules, limits: Limits) -> np.ndarray:
    ordered = np.sort(calls.probabilities, axis=1)
    tie = ordered[:, 2] - ordered[:, 1] < TIE - 1e-9
    return rules.doubts.no_call & (tie | (calls.probabilities.argmax(axis=1) == 2))


def _rank_of(source: str) -> Doubt:
    def below(calls: Calls, rules: Rules, limits: Limits) -> np.ndarray:
        least = rules.doubts.least_ranks.get(source)
        if least is None or source not in calls.ranks:
            return np.zeros(len(calls), bool)
        return calls.ranks[source] < least

    return below


def _outside_regimes(calls: Calls, rules: Rules, limits: Limits) -> np.ndarray:
    factors = rules.size.regime_factors
    allowed = [name in rules.doubts.regimes and factors.get(name, 1.0) > 0 for name in REGIMES]
    return ~np.array([*allowed, True])[calls.regime]


VETOES: dict[str, Doubt] = {
    "no_call": _no_call,
    "probability": lambda calls, rules, limits: ~(calls.strength >= limits.probability),
    "confidence": lambda calls, rules, limits: ~(calls.confidence >= limits.confidence),
    "out_of_distribution": lambda calls, rules, limits: (
        rules.doubts.out_of_distribution & calls.out_of_distribution
    ),
    "both_directions": lambda calls, rules, limits: rules.doubts.both_directions & calls.both_directions,
    "regime": _outside_regimes,
    **{f"rank_{source}": _rank_of(source) for source in SOURCES},
    "volume": lambda calls, rules, limits: ~calls.has_volume,
    "volatility": lambda calls, rules, limits: ~np.isfinite(expected_volatility(calls, rules)),
}
"""Every reason to stay out, in the order in which they are named, and the calls (n,) bool it holds for.

``no_call``: Sideways is the most probable class, or the first two tie. ``probability``, ``confidence``: below
the threshold. ``regime``: the predicted one is not traded, or at size 0; an unknown one passes.
``rank_SOURCE``: the source ranks lower than the rules ask. ``volume``: the bar has none. ``volatility``: too
few bars to know it, so there is no size. Each is looked at by itself, whether or not an earlier one holds.
"""


@dataclass(frozen=True)
class Stances:
    """What is done about each call at the next bar's open.

    Attributes
    ----------
    side
        (n,) int8: 1 long, -1 short, 0 stay out.
    size
        (n,) value of the position as a share of the equity, before the limit on all together; 0 where out.
    lean, full_size
        (n,) side and size there would be without any veto; the size is 0 where it is unknown.
    expected
        (n,) volatility of one bar ahead, in log return; stops are measured in it. NaN where unknown.
    vetoes
        By name of `VETOES`, (n,) bool.
    first_veto
        (n,) place in `VETOES` of the first that holds; -1 where none does.
    """

    side: np.ndarray
    size: np.ndarray
    lean: np.ndarray
    full_size: np.ndarray
    expected: np.ndarray
    vetoes: dict[str, np.ndarray]
    first_veto: np.ndarray

    def alone(self, name: str) -> np.ndarray:
        """(n,) bool: calls that this veto, and no other, kept from being acted on."""
        others = sum(mask.astype(int) for mask in self.vetoes.values())
        return self.vetoes[name] & (others == 1)


def judge_calls(calls: Calls, rules: Rules, thresholds: Mapping[int, Thresholds] | Thresholds) -> Stances:
    """Side, size and vetoes of every call, from the call alone.

    Parameters
    ----------
    thresholds
        By fold, or one for all calls (live predictions).

    Raises
    ------
    KeyError
        If a fold has none.
    """
    limits = _limits(calls, thresholds)
    vetoes = {name: doubt(calls, rules, limits) for name, doubt in VETOES.items()}
    held = np.column_stack(list(vetoes.values())) if len(calls) else np.zeros((0, len(vetoes)), bool)
    out = held.any(axis=1)
    expected, full = expected_volatility(calls, rules), _size(calls, rules, limits)
    return Stances(
        side=np.where(out, 0, calls.lean).astype(np.int8),
        size=np.where(out, 0.0, full),
        lean=calls.lean,
        full_size=full,
        expected=expected,
        vetoes=vetoes,
        first_veto=np.where(out, held.argmax(axis=1), -1),
    )


def expected_volatility(calls: Calls, rules: Rules) -> np.ndarray:
    """(n,) of one bar ahead: variance of sigma and of the predicted volatility classes, by their weights.

    A class stands for its typical level in the series' own past. Sigma alone where classes or levels are
    unknown; NaN where sigma is.
    """
    weight = rules.size.forecast_weight
    predicted = (calls.volatility * calls.levels**2).sum(axis=1)
    variance = np.where(
        np.isfinite(predicted), (1 - weight) * calls.sigma**2 + weight * predicted, calls.sigma**2
    )
    return np.sqrt(variance)


def bars_per_year(timeframe: str) -> float:
    """Trading bars of a year: 252 days, 52 weeks, and of shorter ones 24 hours of each day."""
    if timeframe in DATED_PER_YEAR:
        return DATED_PER_YEAR[timeframe]
    return TRADING_DAYS * (DURATIONS["1d"] / DURATIONS[timeframe])


def _limits(calls: Calls, thresholds: Mapping[int, Thresholds] | Thresholds) -> Limits:
    if isinstance(thresholds, Thresholds):
        parts = [np.full(len(calls), getattr(thresholds, name)) for name in _LIMITS]
        return Limits(*parts)
    folds, place = np.unique(calls.fold, return_inverse=True)
    chosen = [thresholds[int(fold)] for fold in folds]
    return Limits(*(np.array([getattr(one, name) for one in chosen])[place] for name in _LIMITS))


_LIMITS = ("probability", "confidence", "confidence_full")


def _size(calls: Calls, rules: Rules, limits: Limits) -> np.ndarray:
    per_year = expected_volatility(calls, rules) * np.sqrt(bars_per_year(calls.timeframe))
    least = rules.size.least_confident
    with np.errstate(invalid="ignore", divide="ignore"):
        above = (calls.confidence - limits.confidence) / (limits.confidence_full - limits.confidence)
        # Without room between the two every call is as sure as any.
        above = np.where(np.isfinite(above), above.clip(0, 1), 1.0)
        size = rules.size.target_volatility / per_year * (least + (1 - least) * above)
    factors = np.array([*(rules.size.regime_factors.get(name, 1.0) for name in REGIMES), 1.0])
    size = size * factors[calls.regime]
    return np.where(np.isfinite(size), np.minimum(size, rules.exposure.per_instrument), 0.0)
