from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from core.data.ingest.parse import parse_bars
from core.data.ingest.tables import read_table
from core.errors import BarsError

DAYS = pd.date_range("2024-01-01", periods=25)
SECONDS = [int(day.timestamp()) for day in DAYS]
CLOSE = (100 + np.sin(np.arange(25))).round(3)
ROWS = [(float(c - 0.5), float(c + 1), float(c - 1), float(c), 10 + i) for i, c in enumerate(CLOSE)]
SHORT = [dict(zip("tohlcv", (s, *row), strict=True)) for s, row in zip(SECONDS, ROWS, strict=True)]
FRAME = pd.DataFrame(ROWS, columns=["Open", "High", "Low", "Close", "Volume"], index=DAYS.rename("Date"))
NUMBERED = {
    f"{day:%Y-%m-%d}": {f"{i + 1}. {name.lower()}": str(row[i]) for i, name in enumerate(FRAME)}
    for day, row in zip(DAYS, ROWS, strict=True)
}


def listed(*order: int, time=lambda second: second * 1000) -> list[list]:
    return [[time(s), *(row[place] for place in order)] for s, row in zip(SECONDS, ROWS, strict=True)]


SHAPES = {
    "records": SHORT,
    "lines": "\n".join(json.dumps(row) for row in SHORT),
    "Polygon": {"ticker": "X", "queryCount": 25, "results": SHORT},
    "freqtrade and ccxt": listed(0, 1, 2, 3, 4),
    "Coinbase, newest first": listed(2, 1, 0, 3, 4, time=lambda s: s)[::-1],
    "KuCoin, times as text": {"code": "200", "data": listed(0, 3, 1, 2, 4, time=str)},
    "Kraken": {"error": [], "result": {"X": listed(0, 1, 2, 3, 4, time=lambda s: s), "last": 5}},
    "Bybit": {"retMsg": "OK", "result": {"symbol": "X", "list": listed(0, 1, 2, 3, 4)}},
    "arrays": {"s": "ok", **{key: [row[key] for row in SHORT] for key in "tohlcv"}},
    "Alpha Vantage": {"Meta Data": {"2. Symbol": "X"}, "Time Series (Daily)": NUMBERED},
    "Yahoo": {
        "chart": {
            "result": [
                {
                    "meta": {"symbol": "X"},
                    "timestamp": SECONDS,
                    "indicators": {"quote": [{name.lower(): FRAME[name].tolist() for name in FRAME}]},
                }
            ],
            "error": None,
        }
    },
    "OANDA": {
        "instrument": "X",
        "candles": [{"time": r["t"], "volume": r["v"], "mid": {k: str(r[k]) for k in "ohlc"}} for r in SHORT],
    },
    **{
        f"pandas, {orient}": FRAME.to_json(orient=orient, date_format="iso")
        for orient in ("columns", "index", "split", "table")
    },
}


@pytest.mark.parametrize("name", SHAPES)
def test_bars_are_found_in_every_shape(name):
    shape = SHAPES[name]
    data = (shape if isinstance(shape, str) else json.dumps(shape)).encode()
    bars = parse_bars(read_table(data, "X.json")).sort_values("ts")
    assert set(bars["instrument"]) == {"X"}
    assert bars["ts"].dt.tz_localize(None).tolist() == list(DAYS)
    np.testing.assert_allclose(bars[["open", "high", "low", "close", "volume"]], ROWS)


def test_several_instruments_are_kept_apart():
    more = [row | {"c": row["c"] + 0.25} for row in SHORT]
    bars = parse_bars(read_table(json.dumps({"bars": {"A": SHORT, "B": more}}).encode(), "all.json"))
    assert bars.groupby("instrument")["close"].first().to_dict() == {"A": CLOSE[0], "B": CLOSE[0] + 0.25}


def test_nested_cells_are_left_out_by_name():
    rows = [row | {"tags": ["a"], "x": 1.5} for row in SHORT]
    table = read_table(json.dumps(rows).encode(), "X.json")
    assert table.left_out == (("tags", "nested"),)
    assert "x" in parse_bars(table)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b'{"error": "rate limit reached"}', "records with open, high, low and close"),
        (b"[]", "records with open, high, low and close"),
        (json.dumps(SHORT).encode()[:-9], "whole JSON"),
        (json.dumps([SHORT, SHORT]).encode(), "no name tells apart"),
        (b"[" * 100_000, "whole JSON"),
    ],
)
def test_json_without_one_table_is_refused(data, said):
    with pytest.raises(BarsError, match=said):
        parse_bars(read_table(data, "X.json"))
