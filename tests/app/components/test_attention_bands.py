"""The bands' payload, read back as their script reads it."""

from __future__ import annotations

import json
import struct

import numpy as np
import pandas as pd
import pytest

from app.components.attention_bands import Band, Relevance, pack_bands, pack_state
from app.figures.theme import CANDLES

T = 7
BANDS = [Band("L1", "Layer 1", 3, 1), Band("through", "Through all layers", None)]


def maps() -> np.ndarray:
    rows = np.tril(np.random.default_rng(1).uniform(0.05, 1, (len(BANDS), T, T)))
    rows[0][np.arange(T)[:, None] - np.arange(T) >= 3] = 0
    return (rows / rows.sum(-1, keepdims=True)).astype(np.float32)


def window_bars(scale: float = 1.0) -> pd.DataFrame:
    close = scale * (1.5 + 0.1 * np.arange(T))
    return pd.DataFrame(
        {
            "instrument": "X",
            "timeframe": "1h",
            "ts": pd.date_range("2020-01-01 05:00", periods=T, freq="h", tz="UTC"),
            "open": close - 0.05 * scale,
            "high": close + 0.2 * scale,
            "low": close - 0.2 * scale,
            "close": close,
            "volume": 1.0,
        }
    )


def read(payload: bytes) -> tuple[dict, np.ndarray, np.ndarray, np.ndarray]:
    (length,) = struct.unpack_from("<I", payload)
    header, at = json.loads(payload[4 : 4 + length]), 4 + length
    assert at % 4 == 0, "typed arrays must begin at a multiple of four"
    count, size = len(header["bands"]), header["size"]
    tops = np.frombuffer(payload, np.float32, count * size, at).reshape(count, size)
    prices = np.frombuffer(payload, np.float32, 4 * size, at + 4 * count * size).reshape(4, size)
    codes = np.frombuffer(payload, np.uint8, offset=at + 4 * (count + 4) * size)
    return header, tops, prices, codes.reshape(count, size * (size + 1) // 2)


@pytest.mark.parametrize("token", ["t", "token", "a longer one", "…"])
def test_the_payload_reads_back_as_weights_prices_and_names(token: str) -> None:
    weights, bars = maps(), window_bars()
    header, tops, prices, codes = read(pack_bands(weights, BANDS, bars, palette="lookback", token=token))
    np.testing.assert_array_equal(prices, bars[["open", "high", "low", "close"]].to_numpy(np.float32).T)
    assert header["token"] == token
    assert header["opens"][0] == "2020-01-01T05:00"
    assert header["labels"][-1] == "2020-01-01 11:00"
    assert [band["layer"] for band in header["bands"]] == [1, 0]
    for band in range(len(BANDS)):
        for query in range(T):
            start = query * (query + 1) // 2
            row = codes[band][start : start + query + 1]
            weight = np.where(row > 0, ((row - 1.0) / 254) ** 2 * tops[band, query], 0)
            np.testing.assert_allclose(
                weight, weights[band, query, : query + 1], atol=0.004 * tops[band, query]
            )


def test_codes_say_where_a_layer_may_not_look() -> None:
    *_, codes = read(pack_bands(maps(), BANDS, window_bars(), palette="lookback", token="t"))
    last = codes[0][-T:]
    assert (last[: T - 3] == 0).all()
    assert (last[T - 3 :] > 0).all()
    assert (codes[1] > 0).all()


def test_nothing_of_the_future_is_sent() -> None:
    payload = pack_bands(maps(), BANDS, window_bars(), palette="lookback", token="t")
    (length,) = struct.unpack_from("<I", payload)
    cells = len(BANDS) * T * (T + 1) // 2
    assert len(payload) == 4 + length + 4 * (len(BANDS) + 4) * T + cells


def test_colours_of_both_themes_and_of_the_chosen_palette_travel_along() -> None:
    for palette in ("lookback", "classic"):
        header, *_ = read(pack_bands(maps(), BANDS, window_bars(), palette=palette, token="t"))
        assert header["dark"]["up"] == CANDLES[palette, True].up
        assert header["light"]["down"] == CANDLES[palette, False].down
        assert len(header["light"]["stops"]) == len(header["dark"]["stops"]) >= 2


@pytest.mark.parametrize(("scale", "decimals"), [(1.0, 4), (100.0, 2), (0.01, 6)])
def test_prices_are_said_with_their_own_decimals(scale: float, decimals: int) -> None:
    header, *_ = read(pack_bands(maps(), BANDS, window_bars(scale), palette="lookback", token="t"))
    assert header["decimals"] == decimals


def test_maps_that_do_not_fit_the_window_are_refused() -> None:
    with pytest.raises(ValueError, match="expected weights of shape"):
        pack_bands(maps()[:1], BANDS, window_bars(), palette="lookback", token="t")


def test_the_state_carries_what_changes_without_the_maps() -> None:
    state = pack_state("t", 4, Relevance("For Up", "What counted for Up", np.array([0.25, 0.75])))
    assert json.loads(json.dumps(state)) == {
        "token": "t",
        "looks": 4,
        "relevance": {"name": "For Up", "about": "What counted for Up", "shares": [0.25, 0.75]},
    }
    assert pack_state("t", 0, None)["relevance"] is None
