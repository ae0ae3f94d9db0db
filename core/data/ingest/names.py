"""The instrument a file's name speaks of, guessed so that two instruments never get one name."""

from __future__ import annotations

import re
from pathlib import PurePath

_SUFFIXES = (
    r"(?:\.(?:csv|txt|tsv|tab|dat|prn|parquet|pq|feather|json|jsonl|ndjson|xlsx?|xlsm|mt[45]"
    r"|gz|gzip|zip|bz2|xz|zst))+$"
)
_COPY = r"(?:\s*\(\d{1,3}\)|\s+-\s+copy|[\s_]copy)+$"
_SEPARATOR = r"[\s_,\-\u2013\u2014]+"

# Sellers of data, brokers and exchanges of currencies: what follows means the same everywhere.
_VENDORS = (
    "binance", "binanceus", "bitfinex", "bitstamp", "bittrex", "bitmex", "bitget", "bybit", "cexio",
    "coinbase", "coinbasepro", "cryptocap", "deribit", "exmo", "ftx", "gateio", "gemini",
    "hitbtc", "htx", "huobi", "itbit", "kraken", "kucoin", "mexc", "okcoin", "okex", "okx",
    "poloniex", "upbit", "alpari", "axi", "capitalcom", "dukascopy", "eightcap", "forexcom",
    "fpmarkets", "fxcm", "fx_idc", "fxpro", "icmarkets", "oanda", "pepperstone", "saxo",
    "tickmill", "vantage", "xm", "alphavantage", "barchart", "eod", "eoddata", "eodhd", "firstratedata",
    "histdata", "histdata_com", "kibot", "nasdaqdatalink", "polygon", "quandl", "stooq", "tiingo",
    "tradingview", "twelvedata", "yahoo", "yahoofinance", "yf", "yfinance", "coingecko",
    "coinmarketcap", "cryptodatadownload", "investing", "investingcom", "marketwatch",
)  # fmt: skip
# Words that are part of a name where they stand at its end: Dollar Index.
_PREFIXES = ("all", "coin", "crypto", "forex", "fx", "ig", "index", "market", "my")
# Places of the United States share one list of symbols; those of other countries reuse its letters.
_AMERICAN = (
    "amex", "arca", "bats", "cboe", "cbot", "cbot_mini", "cfe", "cme", "cme_mini", "cme_micro", "comex",
    "comex_mini", "dj", "djcfd", "foreign", "ice", "nasdaq", "nymex", "nymex_mini", "nyse", "nysearca",
    "otc", "sp", "spcfd", "tvc",
)  # fmt: skip
_WORDS = (
    "adj", "adjsplit", "adjsplitdiv", "adjusted", "ascii", "ask", "backtest", "bar", "bars",
    "bid", "bidask", "candle", "candles", "candlestick", "chart", "clean", "cleaned", "close", "csv",
    "dat", "data", "database", "dataset", "download", "export", "exported", "feed", "file", "final",
    "from", "full", "hist", "historic", "historical", "historicaldata", "historicalprices", "historico",
    "historicos", "hist\u00f3ricos", "historiques", "historische", "historicaldaten", "history",
    "input", "kline", "klines", "last", "marketdata", "max", "mid", "mt", "mt4", "mt5", "new",
    "nt", "ohlc", "ohlcv", "old", "output", "price", "prices", "quote", "quotes", "rates", "raw",
    "sample", "series", "split", "stock", "stocks", "table", "test", "ticker", "tick", "ticks",
    "timeseries", "to", "train", "unadjusted", "until", "utc", "gmt", "est", "xlsx", "daten", "datos",
    "dati", "storici", "dados", "donn\u00e9es", "dane", "historyczne", "intraday", "untitled",
    "unknown", "unnamed", "book", "book1", "sheet", "sheet1", "temp", "tmp", "upload", "result",
    "results", "reversed", "sorted", "ascending", "descending",
)  # fmt: skip
_NO_SYMBOLS = (
    "bars", "book", "candle", "chart", "csv", "daily", "data", "feed", "file", "final", "hist", "input",
    "month", "ohlc", "ohlcv", "price", "quote", "rates", "sheet", "stock", "table", "temp", "test",
    "ticks", "tmp", "week",
)  # fmt: skip
_ROW_ORDER = r"(?:newest|oldest)[\s_-]?first"
_FRAMES = (
    r"[mhdw]\d{1,3}|mn1?|\d{1,4}[\s_-]?(?:m|mins?|minutes?|h|hrs?|hours?|d|days?|w|wk|weeks?|mo|months?|s|sec"
    r"|seconds?)|minute|minutes|hour|hourly|daily|day|weekly|week|monthly|month|min"
)
_YEAR = r"(?:19|20)\d\d"
_DATES = (
    rf"{_YEAR}[-._]?(?:0[1-9]|1[0-2])(?:[-._]?(?:0[1-9]|[12]\d|3[01])"
    r"(?:[\sT_-]?\d{2}[-:.]?\d{2}(?:[-:.]?\d{2})?Z?)?)?"
    rf"|{_YEAR}[-_]{_YEAR}|m1{_YEAR}(?:[01]\d)?"
    rf"|(?:[0-3]?\d[-._][01]?\d|[01]?\d[-._][0-3]?\d)[-._]{_YEAR}|1\d{{9}}|1\d{{12}}"
)
_QUOTES = (
    "USDT|USDC|BUSD|TUSD|FDUSD|USD|EUR|GBP|JPY|BTC|ETH|BNB|TRY|KRW|AUD|CAD|CHF|NZD|SEK|NOK|PLN|MXN|ZAR|SGD"
    "|HKD|CNH|INR"
)
_PAIR = re.compile(
    rf"#?[A-Z0-9]{{2,10}}[-_/]?(?:{_QUOTES})(?:[._-]?(?:PERP|P)|[a-z.+]{{1,4}})?", re.IGNORECASE
)
_MINUTES = r"(?:1|5|15|30|60|240|1440|10080)"


def instrument_from(name: str) -> str | None:
    """The instrument that the name of a file speaks of, or None if it names none.

    What says where, when and how bars were taken is left off both ends: EXCHANGE_ in front, timeframes,
    dates, words such as "data" or "bid". The rest is kept as it is spelled, in capitals if it has none, so
    that names of two instruments stay different. `data.csv` and `2024-03-01.csv` name no instrument.
    """
    stem = re.sub(_SUFFIXES, "", PurePath(name).name, flags=re.IGNORECASE)
    stem = re.sub(_COPY, "", stem, flags=re.IGNORECASE).strip(" _,-")
    market_watch = re.fullmatch(r"Download Data - [A-Z]+_[A-Z]{2}_[^_]+_(.+)", stem)
    word = market_watch[1] if market_watch else stem
    chart = re.fullmatch(r"(.+), (?:\d{1,5}[A-Z]?|[DWM])(?:[_ ].*)?", word)
    word = _without_ends(chart[1] if chart else word)
    return (word.upper() if word.islower() else word) or None


def _without_ends(stem: str) -> str:
    word, before = stem, None
    while word != before:
        before = word
        for shorten in (_without_end, _without_start):
            if _is_noise(word):
                return ""
            word = shorten(word).strip(" _,-\u2013\u2014")
    return word


def _without_end(word: str) -> str:
    shorter = re.sub(rf"{_SEPARATOR}{_NOISE}$", "", word, flags=re.IGNORECASE)
    shorter = re.sub(r"(?<=\w{2})\.(?:last|bid|ask|[mh]\d{1,2}|d1|w1)$", "", shorter, flags=re.IGNORECASE)
    if shorter != word:
        return shorter
    # A lone letter or number may belong to the name: S&P 500, Russell 2000, HEI-A, TSX_T, ES 03-24.
    found = re.fullmatch(rf"(.+?)({_SEPARATOR})([DWHMTdwhmt]|{_YEAR}|{_MINUTES})", word)
    if found is None:
        glued = re.fullmatch(rf"(.{{6,}}?)({_MINUTES})", word)
        return glued[1] if glued and _PAIR.fullmatch(glued[1]) else word
    left, separator, last = found.groups()
    underscore = separator == "_" and len(left) > 2 and not last.isupper()
    year = len(last) == 4 and re.fullmatch(_YEAR, last)
    symbol = year and re.fullmatch(r"[A-Z.^=]{1,5}", left)
    after_noise = year and re.fullmatch(rf".+{_SEPARATOR}{_NOISE}", left, flags=re.IGNORECASE)
    return left if underscore or symbol or after_noise or _PAIR.fullmatch(left) else word


def _without_start(word: str) -> str:
    noise = rf"(?:{_NOISE}|{_alternatives(_PREFIXES)})"
    shorter = re.sub(rf"^{noise}[_-]+(?=.)", "", word, flags=re.IGNORECASE)
    return re.sub(rf"^{_alternatives(_AMERICAN)}_(?=[^\W\d])", "", shorter, flags=re.IGNORECASE)


def _is_noise(word: str) -> bool:
    if re.fullmatch(r"[A-Z]{1,5}", word):
        return word.lower() in _NO_SYMBOLS
    return not word or re.fullmatch(rf"{_NOISE}|{_YEAR}", word, flags=re.IGNORECASE) is not None


def _alternatives(words: tuple[str, ...]) -> str:
    return f"(?:{'|'.join(re.escape(word) for word in sorted(words, key=len, reverse=True))})"


_NOISE = rf"(?:{_alternatives((*_WORDS, *_VENDORS))}|{_FRAMES}|{_DATES}|{_ROW_ORDER})"
