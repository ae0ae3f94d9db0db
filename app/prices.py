"""Bars as charts show them."""

from __future__ import annotations

import pandas as pd

from core.data.bars import adjust_prices

PRICES = ["open", "high", "low", "close"]


def quoted_prices(traded: pd.DataFrame, anchor: int = -1) -> pd.DataFrame:
    """Bars adjusted for splits and dividends where data allow, scaled to the price bar `anchor` traded at.

    Parameters
    ----------
    traded
        One series as `core.data.store` returns it, ascending, at least one row.
    """
    bars = adjust_prices(traded)
    return bars.assign(**(bars[PRICES] * (traded["close"].iloc[anchor] / bars["close"].iloc[anchor])))
