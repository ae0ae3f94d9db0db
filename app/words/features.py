"""What every feature is called and what its numbers mean."""

from __future__ import annotations

from app.words.own_scale import OWN_SCALE_WORDS
from app.words.scales import (
    HALF_BANDS,
    LOG_POINTS,
    LOG_TIMES,
    MOVE,
    PERCENT,
    POINTS,
    ROBUST,
    SIGNED_PERCENT,
    SIGNED_POINTS,
    SIZE,
    UNIT,
    VOLATILITY,
    FeatureWords,
)
from core.data.features.price import RETURN_HORIZONS
from core.data.features.table import MISSING_SHARE

SIGMA = "One sigma is the volatility usual just before (EWMA, decay .94), times the root of the bars taken."


def _bars(count: int) -> str:
    return "1 bar" if count == 1 else f"{count} bars"


FEATURE_WORDS: dict[str, FeatureWords] = {
    **{
        f"return_{bars}": FeatureWords(
            f"return over {_bars(bars)}",
            f"How far the close moved over {_bars(bars)}. {SIGMA}",
            MOVE,
        )
        for bars in RETURN_HORIZONS
    },
    "gap_open": FeatureWords("opening gap", f"The open against the close of the bar before. {SIGMA}", MOVE),
    "body": FeatureWords(
        "body of the candle",
        "Close less open as a share of the bar's range: +100% opens at the low and closes at the high.",
        SIGNED_PERCENT,
    ),
    "upper_wick": FeatureWords("upper wick", "Share of the bar's range that lies above its body.", PERCENT),
    "lower_wick": FeatureWords("lower wick", "Share of the bar's range that lies below its body.", PERCENT),
    "range": FeatureWords("range of the bar", f"From the bar's low to its high. {SIGMA}", SIZE),
    **{
        f"position_{bars}": FeatureWords(
            f"place in the {bars}-bar range",
            f"Where the close stands between the lowest low (0%) and the highest high (100%) of {bars} bars.",
            PERCENT,
        )
        for bars in (20, 50, 200)
    },
    "drawdown_60": FeatureWords(
        "below the 60-bar high",
        f"How far the close stands below the highest high of 60 bars, never above 0. {SIGMA}",
        MOVE,
    ),
    **{
        f"efficiency_{bars}": FeatureWords(
            f"straightness over {bars} bars",
            f"Kaufman's efficiency ratio: the net move over the whole way of {bars} bars; 100% is a straight "
            "line.",
            PERCENT,
        )
        for bars in (10, 20)
    },
    "log_volatility": FeatureWords(
        "volatility (EWMA)", "Volatility per bar by an exponential average of squared returns.", VOLATILITY
    ),
    **{
        f"log_garman_klass_{bars}": FeatureWords(
            f"volatility over {bars} bars",
            f"Garman and Klass's volatility per bar, from open, high, low and close of {bars} bars.",
            VOLATILITY,
        )
        for bars in (5, 20, 60)
    },
    **{
        f"volatility_ratio_{bars}_60": FeatureWords(
            f"volatility, {bars} against 60 bars",
            f"Volatility over {bars} bars divided by that over 60: above 1 it is rising.",
            LOG_TIMES,
        )
        for bars in (5, 20)
    },
    "volatility_ratio_10_ewma": FeatureWords(
        "volatility, 10 bars against EWMA",
        "Volatility over 10 bars divided by its exponential average: above 1 the last bars moved more.",
        LOG_TIMES,
    ),
    "volatility_of_volatility": FeatureWords(
        "unrest of volatility",
        "How much log volatility itself varied over 20 bars (standard deviation).",
        LOG_POINTS,
    ),
    "rsi_14": FeatureWords(
        "RSI, 14 bars", "Relative strength index: how much of 14 bars' movement was upwards.", POINTS
    ),
    "adx_14": FeatureWords(
        "trend strength (ADX)", "Average directional index over 14 bars: high in a trend either way.", POINTS
    ),
    "cci_20": FeatureWords(
        "distance from typical price (CCI)",
        "Commodity channel index over 20 bars, bent into −1 to 1 as tanh(CCI / 200).",
        UNIT,
    ),
    "stochastic_14": FeatureWords(
        "stochastic, 14 bars",
        "Slow %K: where the close stands in the range of 14 bars, averaged over 3.",
        POINTS,
    ),
    "aroon_25": FeatureWords(
        "newest high or low (Aroon)",
        "Aroon oscillator over 25 bars: +100 when the high is new and the low old, −100 the other way.",
        SIGNED_POINTS,
    ),
    "ultimate_oscillator": FeatureWords(
        "ultimate oscillator", "Buying pressure over 7, 14 and 28 bars in one number.", POINTS
    ),
    "bollinger_20": FeatureWords(
        "place in the Bollinger band",
        "Distance of the close from its mean over 20 bars; ±1 is the edge of the band, two standard "
        "deviations away.",
        HALF_BANDS,
    ),
    "volume_surprise": FeatureWords(
        "volume against usual", "Volume divided by what was usual over the 20 bars before.", LOG_TIMES
    ),
    "volume_trend": FeatureWords(
        "volume, 5 against 60 bars", "Usual volume of 5 bars divided by that of 60.", LOG_TIMES
    ),
    "mfi_14": FeatureWords(
        "money flow, 14 bars", "Money flow index: RSI with every bar weighted by its volume.", POINTS
    ),
    **{
        f"time_of_day_{part}": FeatureWords(
            f"time of day ({name})",
            f"The bar's open (UTC) as a point on a circle of 24 hours, its {name}.",
            UNIT,
        )
        for part, name in (("sin", "sine"), ("cos", "cosine"))
    },
    **{
        f"day_of_week_{part}": FeatureWords(
            f"day of the week ({name})",
            f"The bar's weekday as a point on a circle of seven days from Monday, its {name}.",
            UNIT,
        )
        for part, name in (("sin", "sine"), ("cos", "cosine"))
    },
    **{
        f"market_return_{bars}": FeatureWords(
            f"others' return over {_bars(bars)}",
            f"Mean move of the other instruments over {_bars(bars)}, each in its own sigmas.",
            MOVE,
        )
        for bars in (1, 5)
    },
    "market_correlation_60": FeatureWords(
        "moves with the others",
        "Correlation of this instrument's 1-bar returns with the others' mean over 60 bars.",
        UNIT,
    ),
    "relative_strength_20": FeatureWords(
        "stronger than the others",
        "This instrument's 20-bar return less the others' mean, both in sigmas.",
        MOVE,
    ),
    **OWN_SCALE_WORDS,
    MISSING_SHARE: FeatureWords(
        "share of unknown features", "How many of the other features were unknown at the bar.", PERCENT
    ),
}
"""Every built-in feature by its name."""

GROUP_TITLES = {
    "price": "price moves",
    "range": "candle and range",
    "volatility": "volatility",
    "regime": "regime so far",
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
        ROBUST,
    )
    return FEATURE_WORDS.get(name, own)


def group_title(group: str) -> str:
    """A group of features as a person would call it."""
    return GROUP_TITLES.get(group, group)
