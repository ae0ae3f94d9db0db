"""How sure a call must be to be acted on, chosen on each fold's calibrate rows alone.

Shape legend: n calls.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from core.disk import plain
from core.trading.rules import Rules


@dataclass(frozen=True)
class Thresholds:
    """Of one fold.

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
        Mean over standard deviation of what the calibrate trades earned after costs, summed by the time of
        their call, over all such times; NaN where none was measured.
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


def fixed_thresholds(rules: Rules, fold: int = -1) -> Thresholds | None:
    """Those the rules name themselves; None where one of them is to be chosen on calibrate rows."""
    probability, confidence = rules.entry.probability, rules.entry.confidence
    if isinstance(probability, str) or isinstance(confidence, str):
        return None
    return Thresholds(fold, probability, confidence, 1.0)


def no_trade(fold: int, candidates: int = 0) -> Thresholds:
    """Of a fold in which nothing paid."""
    return Thresholds(fold, math.inf, math.inf, math.inf, 0, candidates)


def latest(thresholds: Mapping[int, Thresholds]) -> Thresholds:
    """Those of the newest fold, for bars after all folds."""
    return thresholds[max(thresholds)]
