from __future__ import annotations

from itertools import combinations

import pytest

from core.data.ingest.names import instrument_from

NAMES = {
    "BINANCE_BTCUSDT, 60.csv": "BTCUSDT",
    "OANDA_EURUSD, 1D_a1b2c.csv": "EURUSD",
    "CME_MINI_ES1!, 5.csv": "ES1!",
    "NASDAQ_AAPL, 1D (1).csv": "AAPL",
    "TSX_T, 1D.csv": "TSX_T",
    "NSE_M_M, 1D.csv": "NSE_M_M",
    "DAT_ASCII_EURUSD_M1_202007.csv": "EURUSD",
    "DAT_MT_GBPUSD_M1_2020.csv": "GBPUSD",
    "EUR_USD_H1.csv": "EUR_USD",
    "EUR_GBP_H1.csv": "EUR_GBP",
    "EURUSD_M1_201901020000_201912312359.csv": "EURUSD",
    "EURUSD1440.csv": "EURUSD",
    "AUDCAD.H1.csv": "AUDCAD",
    "US30.csv": "US30",
    "GER40_H1.csv": "GER40",
    "EURUSD_Candlestick_1_M_BID_01.01.2020-31.12.2020.csv": "EURUSD",
    "usdjpy-m1-bid-2020-01-01-2020-02-01.csv": "USDJPY",
    "BTCUSDT-1m-2021-01.csv": "BTCUSDT",
    "ETHUSDT-4h-2023.csv": "ETHUSDT",
    "Bitfinex_LTCUSD_1h.csv": "LTCUSD",
    "Binance_BTCUSDT_d.csv": "BTCUSDT",
    "BTC_USDT-5m.csv": "BTC_USDT",
    "BTC-USD.csv": "BTC-USD",
    "XBTUSD_60.csv": "XBTUSD",
    "^GSPC.csv": "^GSPC",
    "^gspc_d.csv": "^GSPC",
    "aapl.us.txt": "AAPL.US",
    "BRK-A.csv": "BRK-A",
    "BRK.B.csv": "BRK.B",
    "7203.T.csv": "7203.T",
    "600519.csv": "600519",
    "some/folder/MSFT.parquet": "MSFT",
    "msft_data.csv.gz": "MSFT",
    "daily_adjusted_IBM.csv": "IBM",
    "ESH24.txt": "ESH24",
    "ES 12-23.Last.txt": "ES 12-23",
    "ES 03-24.Last.txt": "ES 03-24",
    "S&P 500 Historical Data.csv": "S&P 500",
    "NIFTY 50.csv": "NIFTY 50",
    "NIFTY BANK.csv": "NIFTY BANK",
    "Russell 2000.csv": "Russell 2000",
    "Gold_prices.csv": "Gold",
    "Silver_prices.csv": "Silver",
    "Dow Jones Industrial Average Historical Data.csv": "Dow Jones Industrial Average",
    "Download Data - STOCK_US_XNAS_TSLA.csv": "TSLA",
    "Bitcoin_1.1.2024-14.2.2024_historical_data_coinmarketcap.csv": "Bitcoin",
    "x.csv": "X",
}


@pytest.mark.parametrize("file", NAMES)
def test_instruments_are_taken_from_file_names(file):
    assert instrument_from(file) == NAMES[file]


@pytest.mark.parametrize(
    "file",
    [
        "data.csv", "prices.csv", "ohlcv.csv", "2024-03-01.csv", "2024-03-01_2024-03-31.csv", "2020.csv",
        "HistoricalData_1712345678901.csv", "1h.csv", "BINANCE.zip", "test data.csv", ".csv",
    ],
)  # fmt: skip
def test_a_name_that_speaks_of_no_instrument_gives_none(file):
    assert instrument_from(file) is None


PATTERNS = (
    "BINANCE_{}, 60.csv", "{}_H1.csv", "DAT_ASCII_{}_M1_2020.csv", "{}-1m-2024-12.csv", "{}_2020_2024.csv",
    "{} Historical Data.csv", "{}_prices.csv", "{}.csv", "{}_1 Min_Bid_2020.01.01_2020.12.31.csv",
)  # fmt: skip
INSTRUMENTS = (
    "BTCUSDT", "ETHUSDT", "EUR_USD", "EUR_GBP", "EURUSD", "BRK-A", "BRK-B", "BRK.B", "ES1!", "ESH24", "ESM24",
    "US30", "US500", "7203.T", "600519", "S&P 500", "NIFTY 50", "NIFTY BANK", "Gold", "^GSPC", "M6E", "T",
    "TT",
)  # fmt: skip


@pytest.mark.parametrize("pattern", PATTERNS)
def test_two_instruments_never_get_one_name(pattern):
    names = {instrument: instrument_from(pattern.format(instrument)) for instrument in INSTRUMENTS}
    for one, other in combinations(INSTRUMENTS, 2):
        assert names[one] != names[other] or names[one] is None, (one, other)
