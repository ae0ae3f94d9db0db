"""How exports name their columns: the words for each meaning, in the order in which they are believed."""

from __future__ import annotations

import re
import unicodedata

TIMES = (
    *("ts", "time_open", "open_time", "window_start", "ts_event", "candle_begin_time", "time_period_start"),
    *("period_start", "start_time", "start_at", "bar_start", "start", "begin", "time_key", "kline_time"),
    *("timestamp", "datetime", "date_time", "time_utc", "datetime_utc", "timestamp_utc", "date_utc"),
    *("gmt_time", "utc_time", "local_time", "unix", "unix_timestamp", "unix_time", "epoch", "epoch_time"),
    *("date", "dtyyyymmdd", "trade_date", "trading_date", "trading_day", "tradedate", "price_date"),
    *("bar_time", "day", "time", "t", "dt", "index_level_0"),
    *("datum", "fecha", "data", "日期", "交易日期", "时间", "交易时间"),
)
UTC_TIMES = frozenset({"gmttime", "utctime", "timeutc", "datetimeutc", "timestamputc", "dateutc"})
OTHER_TIMES = frozenset(
    {"closetime", "timeclose", "timehigh", "timelow", "tsrecv", "timeperiodend", "periodend", "endtime"}
    | {"timeopen", "windowend", "barend", "end"}
)
MEANINGS: dict[str, tuple[str, ...]] = {
    "open": (
        *("open", "o", "open_price", "price_open", "opening", "opening_price", "first", "px_open"),
        *("eroffn", "eröffn", "eröffnung", "apertura", "ouv", "ouverture", "abertura", "otwarcie"),
        *("openen", "opening_px", "开盘", "开盘价"),
    ),
    "high": (
        *("high", "h", "high_price", "price_high", "highest", "max", "px_high", "day_high"),
        *("hoch", "máximo", "maximo", "massimo", "máxima", "maxima", "plus_haut", "najwyzszy"),
        *("hoog", "最高", "最高价"),
    ),
    "low": (
        *("low", "l", "low_price", "price_low", "lowest", "min", "px_low", "day_low"),
        *("tief", "mínimo", "minimo", "mínima", "minima", "plus_bas", "najnizszy", "laag"),
        *("最低", "最低价"),
    ),
    "close": (
        *("close", "c", "close_price", "price_close", "last", "close_last", "price", "px_last"),
        *("closing_price", "closing", "last_price", "settle", "settlement", "settlement_price"),
        *("settle_price", "settlement_px", "schluss", "schlusskurs", "zuletzt", "último", "ultimo"),
        *("cierre", "dernier", "clôture", "cloture", "fechamento", "chiusura", "zamkniecie", "slot"),
        *("收盘", "收盘价"),
    ),
    "volume": (
        *("volume", "vol", "v", "tick_volume", "tickvol", "shares_traded", "volume_traded", "trade_volume"),
        *("total_volume", "total_traded_quantity", "no_of_shares", "base_volume", "qty", "quantity"),
        *("volumen", "wolumen", "成交量"),
    ),
    "instrument": (
        *("instrument", "symbol", "ticker", "pair", "asset", "sym", "tic", "act_symbol", "ts_code"),
        *("instrument_name", "currency_pair", "product_id", "inst_id", "tradingsymbol", "trading_symbol"),
        *("code", "stock_code", "sec_id", "ric", "product", "contract", "security", "stock", "coin", "name"),
        *("代码", "股票代码"),
    ),
    "timeframe": ("timeframe", "interval", "period", "per", "resolution", "granularity", "bar_size"),
}
_STORED = {
    **dict.fromkeys(("adjclose", "adjustedclose", "adjusted", "closeadj", "closeadjusted"), "adj_close"),
    **dict.fromkeys(("adjclosingprice", "adjcloseprice"), "adj_close"),
    "tickvol": "tick_volume",
}
_NUMBERED = re.compile(r"^\s*\d+[ab]?\.\s+(?=\D)")
_CURRENCY = re.compile(r"_(?:usd|usdt|eur|gbp|jpy|cny|chf|aud|cad|inr|btc)$")


def plain(column: str) -> str:
    """A name in lower case, of letters and digits, anything else an underscore: "Adj. Close" is adj_close."""
    return re.sub(r"\W+", "_", unicodedata.normalize("NFKC", column).strip().lower()).strip("_")


def key(column: str) -> str:
    """`plain` without underscores and without a number in front: "openTime", "Open Time", "1. open time"."""
    return plain(_NUMBERED.sub("", column)).replace("_", "")


def stored_name(column: str) -> str:
    """The name under which a further column is stored: "5. adjusted close" and "Adj Close" are adj_close."""
    name = plain(_NUMBERED.sub("", column)) or "feature"
    return _STORED.get(name.replace("_", ""), name)


def without_currency(column: str) -> str:
    """`key` less a currency at its end: "1a. open (USD)" is open."""
    return _CURRENCY.sub("", plain(_NUMBERED.sub("", column))).replace("_", "")


def claims(columns: tuple[str, ...], meaning: str) -> list[str]:
    """The columns that a meaning's words name, the most believed first."""
    words = TIMES if meaning == "ts" else MEANINGS[meaning]
    found = [column for word in words for column in columns if key(column) == word.replace("_", "")]
    if not found and meaning in ("open", "high", "low", "close"):
        found = [c for word in words for c in columns if without_currency(c) == word.replace("_", "")]
    return found


_FIELDS = {
    word.replace("_", ""): meaning
    for meaning in ("open", "high", "low", "close", "volume")
    for word in MEANINGS[meaning]
} | {word: "adj_close" for word, name in _STORED.items() if name == "adj_close"}
_TIME_KEYS = frozenset(word.replace("_", "") for word in TIMES)


def field_of(name: str) -> str | None:
    """The price, volume or adjusted close that a name speaks of, or None."""
    return _FIELDS.get(key(name))


def is_time_name(name: str) -> bool:
    """Whether a name is one of a bar's time."""
    return key(name) in _TIME_KEYS
