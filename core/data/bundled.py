"""Real daily bars that come with the program, so that a fresh machine needs no download."""

from __future__ import annotations

import importlib
from pathlib import Path

import pandas as pd

from core.data.bars import as_bars

STOCKS_PATH = Path(__file__).resolve().parents[2] / "assets" / "bars" / "stocks_daily.parquet"
STOCKS = ("AAPL", "FB", "GOOG", "IBM", "MSFT")
INDICES = {"SP500": "arch.data.sp500", "NASDAQ": "arch.data.nasdaq"}
BUNDLED = (*STOCKS, *INDICES)


def load_bundled() -> pd.DataFrame:
    """Daily bars with `adj_close` of five US stocks (2000-2013) and two US indices (1999-2018).

    Sources: `assets/bars/README.md` for the stocks; S&P 500 and NASDAQ Composite from the package `arch`.

    Returns
    -------
    DataFrame
        Bars frame of `BUNDLED`, prices as traded, `adj_close` beside them.
    """
    frames = [pd.read_parquet(STOCKS_PATH)]
    frames.extend(_load_index(name, module) for name, module in INDICES.items())
    return as_bars(pd.concat(frames, ignore_index=True))


def _load_index(name: str, module: str) -> pd.DataFrame:
    table = importlib.import_module(module).load()
    table.columns = [str(column).lower().replace(" ", "_") for column in table.columns]
    ts = pd.DatetimeIndex(table.index).tz_localize("UTC")
    return table.reset_index(drop=True).assign(instrument=name, timeframe="1d", ts=ts)
