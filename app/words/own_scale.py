"""Words of the features that measure a series against its own borders."""

from __future__ import annotations

from app.words.scales import LOG_TIMES, PERCENT, PLAIN_TIMES, SIGNED_PERCENT, SIZE, FeatureWords

_AGAINST = "1 is at the border of the series' own last bars that the class is cut at"


def _bars(count: int) -> str:
    return "1 bar" if count == 1 else f"{count} bars"


OWN_SCALE_WORDS: dict[str, FeatureWords] = {
    **{
        f"volatility_{bars}_over_{border}": FeatureWords(
            f"{_bars(bars)} against {title}",
            f"Volatility over {_bars(bars)} divided by the border of {title}; {_AGAINST}.",
            LOG_TIMES,
        )
        for bars in (1, 5, 22, 60)
        for border, title in (("low", "Low"), ("high", "High"))
    },
    **{
        f"volatility_{bars}_{beyond}": FeatureWords(
            f"{_bars(bars)} beyond {title}",
            f"Volatility over {_bars(bars)} in multiples of the border of {title}, 1 unless beyond it.",
            LOG_TIMES,
        )
        for bars in (1, 5, 22, 60)
        for beyond, title in (("below_low", "Low"), ("above_high", "High"))
    },
    "volatility_border_gap": FeatureWords(
        "High against Low border",
        "The border of High divided by that of Low: how far apart the series' own thirds lie.",
        LOG_TIMES,
    ),
    "sigma_over_low": FeatureWords(
        "EWMA volatility against Low",
        f"The exponential average of volatility divided by the border of Low; {_AGAINST}.",
        LOG_TIMES,
    ),
    "past_ratio_over": FeatureWords(
        "unrest of the last window",
        f"Volatility of the last regime window over its EWMA, divided by the border of Volatile; {_AGAINST}.",
        LOG_TIMES,
    ),
    "known_ratio": FeatureWords(
        "unrest of the known half",
        "Volatility of the known half of the regime window over its EWMA, divided by the border of Volatile.",
        LOG_TIMES,
    ),
    "known_filled": FeatureWords(
        "known share of Volatile",
        "Share of the squared moves that make the regime window Volatile already there in its known half.",
        PERCENT,
    ),
    "known_net": FeatureWords(
        "net move of the known half",
        "Size of the net move in the known half of the regime window, in sigmas of that many bars.",
        SIZE,
    ),
    "known_path": FeatureWords(
        "path of the known half",
        "Mean size of the moves in the known half of the regime window, in sigmas of one bar.",
        PLAIN_TIMES,
    ),
    "known_efficiency_over": FeatureWords(
        "straightness over its border",
        "Efficiency ratio of the known half of the regime window less the border of Trending.",
        SIGNED_PERCENT,
    ),
    "known_efficiency_above": FeatureWords(
        "straightness beyond its border",
        "How far the efficiency ratio of the known half lies above the border of Trending, else 0.",
        PERCENT,
    ),
    **{
        f"semivariance_balance_{bars}": FeatureWords(
            f"falls against rises, {bars} bars",
            f"Squared falls less squared rises over their sum, {bars} bars: +100% is nothing but falls.",
            SIGNED_PERCENT,
        )
        for bars in (5, 22)
    },
}
