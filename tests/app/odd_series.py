"""Series of every rhythm, size and state that a store may hold."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from tests.conftest import random_walk

STEPS = {"1m": "min", "5m": "5min", "1h": "h", "4h": "4h", "1w": "7D"}
BARS = 620


@dataclass(frozen=True)
class Case:
    """One series: what is odd about it, and what its pages must say."""

    instrument: str
    timeframe: str = "1d"
    level: float = 100.0
    bars: int = BARS
    hole: int | None = None
    open_now: bool = False

    @property
    def name(self) -> str:
        return f"{self.instrument}-{self.timeframe}"

    def make(self) -> pd.DataFrame:
        """Its bars; those of 2005 but for one that is still open."""
        frame = random_walk(self.instrument, self.bars, 3, self.timeframe)
        prices = ["open", "high", "low", "close"]
        frame[prices] *= self.level / frame["close"].iloc[-1]
        if self.timeframe in STEPS:
            ts = pd.date_range("2005-01-03", periods=self.bars, freq=STEPS[self.timeframe], tz="UTC")
            frame["ts"] = ts.as_unit("us")
        if self.hole is not None:
            later = frame.index >= self.hole
            frame.loc[later, "ts"] = frame.loc[later, "ts"] + pd.Timedelta(weeks=78)
        if self.open_now:
            begun = pd.Timestamp.now("UTC").floor(STEPS[self.timeframe]).as_unit("us")
            frame["ts"] = frame["ts"] + (begun - frame["ts"].iloc[-1])
        return frame


RHYTHMS = tuple(Case("AAA", timeframe) for timeframe in ("1m", "5m", "1h", "4h", "1d", "1w"))
SHORT = Case("SHORT", bars=196)
NEW = Case("NEW")
HOLED = Case("HOLED", hole=500)
COIN = Case("COIN", "1h", level=0.00000812)
INDEX = Case("INDEX", level=38_451.0)
OPEN = Case("OPEN", "1h", open_now=True)
CASES = (*RHYTHMS, NEW, HOLED, COIN, INDEX, OPEN)
