"""What every feature is called, what its numbers mean and how a person would write them."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from app.words.numbers import true_minus, unsigned_zero
from core.data.features.price import RETURN_HORIZONS
from core.data.features.table import MISSING_SHARE


@dataclass(frozen=True)
class Scale:
    """How numbers of one kind are written.

    Attributes
    ----------
    unit
        Short, for axes and labels.
    said
        Follows the number in a sentence.
    digits
        Decimals.
    signed
        Whether a plus sign is written.
    number
        Feature values to the numbers a person reads.
    """

    unit: str
    said: str
    digits: int = 1
    signed: bool = False
    number: Callable[[np.ndarray], np.ndarray] = np.asarray


@dataclass(frozen=True)
class FeatureWords:
    """One feature in words.

    Attributes
    ----------
    title
        Short, as a row of a chart.
    meaning
        One sentence.
    """

    title: str
    meaning: str
    scale: Scale

    @property
    def unit(self) -> str:
        """Short unit of `numbers`."""
        return self.scale.unit

    @property
    def label(self) -> str:
        """Title and unit."""
        return f"{self.title} ({self.unit})"

    @property
    def in_markdown(self) -> str:
        """The title where Markdown is read: a user's column may be called anything."""
        return _SPECIAL.sub(r"\\\1", self.title)

    def numbers(self, values: np.ndarray | float) -> np.ndarray:
        """Feature values (`core.data.features.table`) as the numbers a person reads, in `unit`; any shape."""
        return self.scale.number(np.asarray(values, dtype=float))

    def write(self, value: float) -> str:
        """A feature value as the bare number: '1.8'."""
        number = float(self.numbers(value))
        if not math.isfinite(number):
            return "unknown"
        text = f"{number:{'+' if self.scale.signed else ''}.{self.scale.digits}f}"
        return true_minus(unsigned_zero(text))

    def state(self, value: float) -> str:
        """A feature value with its unit, as in a sentence: '1.8 sigma'."""
        text = self.write(value)
        return text if text == "unknown" else f"{text}{self.scale.said}"


_SPECIAL = re.compile(r"([\\`*_{}\[\]()<>#+!$|~:])")


def _hundredfold(values: np.ndarray) -> np.ndarray:
    return 100 * values


def _volatility_percent(values: np.ndarray) -> np.ndarray:
    return 100 * np.exp(values)


_MOVE = Scale("σ", " sigma", signed=True)
_SIZE = Scale("σ", " sigma")
_PERCENT = Scale("%", "%", 0, number=_hundredfold)
_SIGNED_PERCENT = Scale("%", "%", 0, signed=True, number=_hundredfold)
_POINTS = Scale("0–100", " of 100", 0)
_SIGNED_POINTS = Scale("−100–100", " of ±100", 0, signed=True)
_UNIT = Scale("−1–1", "", 2, signed=True)
_VOLATILITY = Scale("% a bar", "% a bar", 2, number=_volatility_percent)
_TIMES = Scale("times", " times", 2, number=np.exp)
_LOG_POINTS = Scale("log points", " log points", 2)
_HALF_BANDS = Scale("half bands", " half band widths", 1, signed=True)
_ROBUST = Scale("robust sd", " robust standard deviations", signed=True)

SIGMA = "One sigma is the volatility usual just before (EWMA, decay .94), times the root of the bars taken."


def _bars(count: int) -> str:
    return "1 bar" if count == 1 else f"{count} bars"


FEATURE_WORDS: dict[str, FeatureWords] = {
    **{
        f"return_{bars}": FeatureWords(
            f"return over {_bars(bars)}",
            f"How far the close moved over {_bars(bars)}. {SIGMA}",
            _MOVE,
        )
        for bars in RETURN_HORIZONS
    },
    "gap_open": FeatureWords("opening gap", f"The open against the close of the bar before. {SIGMA}", _MOVE),
    "body": FeatureWords(
        "body of the candle",
        "Close less open as a share of the bar's range: +100% opens at the low and closes at the high.",
        _SIGNED_PERCENT,
    ),
    "upper_wick": FeatureWords("upper wick", "Share of the bar's range that lies above its body.", _PERCENT),
    "lower_wick": FeatureWords("lower wick", "Share of the bar's range that lies below its body.", _PERCENT),
    "range": FeatureWords("range of the bar", f"From the bar's low to its high. {SIGMA}", _SIZE),
    **{
        f"position_{bars}": FeatureWords(
            f"place in the {bars}-bar range",
            f"Where the close stands between the lowest low (0%) and the highest high (100%) of {bars} bars.",
            _PERCENT,
        )
        for bars in (20, 50, 200)
    },
    "drawdown_60": FeatureWords(
        "below the 60-bar high",
        f"How far the close stands below the highest high of 60 bars, never above 0. {SIGMA}",
        _MOVE,
    ),
    **{
        f"efficiency_{bars}": FeatureWords(
            f"straightness over {bars} bars",
            f"Kaufman's efficiency ratio: the net move over the whole way of {bars} bars; 100% is a straight "
            "line.",
            _PERCENT,
        )
        for bars in (10, 20)
    },
    "log_volatility": FeatureWords(
        "volatility (EWMA)", "Volatility per bar by an exponential average of squared returns.", _VOLATILITY
    ),
    **{
        f"log_garman_klass_{bars}": FeatureWords(
            f"volatility over {bars} bars",
            f"Garman and Klass's volatility per bar, from open, high, low and close of {bars} bars.",
            _VOLATILITY,
        )
        for bars in (5, 20, 60)
    },
    **{
        f"volatility_ratio_{bars}_60": FeatureWords(
            f"volatility, {bars} against 60 bars",
            f"Volatility over {bars} bars divided by that over 60: above 1 it is rising.",
            _TIMES,
        )
        for bars in (5, 20)
    },
    "volatility_ratio_10_ewma": FeatureWords(
        "volatility, 10 bars against EWMA",
        "Volatility over 10 bars divided by its exponential average: above 1 the last bars moved more.",
        _TIMES,
    ),
    "volatility_of_volatility": FeatureWords(
        "unrest of volatility",
        "How much log volatility itself varied over 20 bars (standard deviation).",
        _LOG_POINTS,
    ),
    "rsi_14": FeatureWords(
        "RSI, 14 bars", "Relative strength index: how much of 14 bars' movement was upwards.", _POINTS
    ),
    "adx_14": FeatureWords(
        "trend strength (ADX)", "Average directional index over 14 bars: high in a trend either way.", _POINTS
    ),
    "cci_20": FeatureWords(
        "distance from typical price (CCI)",
        "Commodity channel index over 20 bars, bent into −1 to 1 as tanh(CCI / 200).",
        _UNIT,
    ),
    "stochastic_14": FeatureWords(
        "stochastic, 14 bars",
        "Slow %K: where the close stands in the range of 14 bars, averaged over 3.",
        _POINTS,
    ),
    "aroon_25": FeatureWords(
        "newest high or low (Aroon)",
        "Aroon oscillator over 25 bars: +100 when the high is new and the low old, −100 the other way.",
        _SIGNED_POINTS,
    ),
    "ultimate_oscillator": FeatureWords(
        "ultimate oscillator", "Buying pressure over 7, 14 and 28 bars in one number.", _POINTS
    ),
    "bollinger_20": FeatureWords(
        "place in the Bollinger band",
        "Distance of the close from its mean over 20 bars; ±1 is the edge of the band, two standard "
        "deviations away.",
        _HALF_BANDS,
    ),
    "volume_surprise": FeatureWords(
        "volume against usual", "Volume divided by what was usual over the 20 bars before.", _TIMES
    ),
    "volume_trend": FeatureWords(
        "volume, 5 against 60 bars", "Usual volume of 5 bars divided by that of 60.", _TIMES
    ),
    "mfi_14": FeatureWords(
        "money flow, 14 bars", "Money flow index: RSI with every bar weighted by its volume.", _POINTS
    ),
    **{
        f"time_of_day_{part}": FeatureWords(
            f"time of day ({name})",
            f"The bar's open (UTC) as a point on a circle of 24 hours, its {name}.",
            _UNIT,
        )
        for part, name in (("sin", "sine"), ("cos", "cosine"))
    },
    **{
        f"day_of_week_{part}": FeatureWords(
            f"day of the week ({name})",
            f"The bar's weekday as a point on a circle of seven days from Monday, its {name}.",
            _UNIT,
        )
        for part, name in (("sin", "sine"), ("cos", "cosine"))
    },
    **{
        f"market_return_{bars}": FeatureWords(
            f"others' return over {_bars(bars)}",
            f"Mean move of the other instruments over {_bars(bars)}, each in its own sigmas.",
            _MOVE,
        )
        for bars in (1, 5)
    },
    "market_correlation_60": FeatureWords(
        "moves with the others",
        "Correlation of this instrument's 1-bar returns with the others' mean over 60 bars.",
        _UNIT,
    ),
    "relative_strength_20": FeatureWords(
        "stronger than the others",
        "This instrument's 20-bar return less the others' mean, both in sigmas.",
        _MOVE,
    ),
    MISSING_SHARE: FeatureWords(
        "share of unknown features", "How many of the other features were unknown at the bar.", _PERCENT
    ),
}
"""Every built-in feature by its name."""

GROUP_TITLES = {
    "price": "price moves",
    "range": "candle and range",
    "volatility": "volatility",
    "volume": "volume",
    "calendar": "calendar",
    "cross-asset": "other instruments",
    "mask": "unknown data",
    "user": "your columns",
}
"""Source groups of `core.data.features.table.feature_groups` as a person would call them."""


def feature_words(name: str) -> FeatureWords:
    """Words of a feature; a column of the user's own keeps its name."""
    own = FeatureWords(
        name,
        "A column of your own file: its distance from the median of its last 250 bars.",
        _ROBUST,
    )
    return FEATURE_WORDS.get(name, own)


def group_title(group: str) -> str:
    """A source group as a person would call it."""
    return GROUP_TITLES.get(group, group)
