"""Attention figures: what is masked stays masked, what is shown is the weight."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.figures.attention import (
    MASKED,
    attended_figure,
    encode_maps,
    layer_label,
    map_figure,
    map_of,
    share_within,
    strongest_bars,
    visible_cells,
)

LENGTH = 12
WINDOWS = (3, 5, None)


def weights(seed: int = 0, heads: int = 2) -> np.ndarray:
    scores = np.random.default_rng(seed).normal(size=(len(WINDOWS), heads, LENGTH, LENGTH))
    for layer, window in enumerate(WINDOWS):
        scores[layer, :, ~visible_cells(LENGTH, window)] = -np.inf
    raised = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return (raised / raised.sum(axis=-1, keepdims=True)).astype(np.float32)


def window_bars() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "instrument": "X",
            "timeframe": "1d",
            "ts": pd.bdate_range("2020-01-01", periods=LENGTH, tz="UTC"),
            "open": 1.0,
            "high": 2.0,
            "low": 0.5,
            "close": 1.5,
            "volume": 1.0,
        }
    )


@given(length=st.integers(1, 30), window=st.none() | st.integers(1, 40))
@settings(max_examples=60, deadline=None)
def test_a_bar_sees_itself_and_at_most_its_window_of_bars_before(length: int, window: int | None) -> None:
    visible = visible_cells(length, window)
    for row in range(length):
        first = 0 if window is None else max(row - window + 1, 0)
        assert np.flatnonzero(visible[row]).tolist() == list(range(first, row + 1))


def test_bytes_mark_exactly_the_masked_cells() -> None:
    codes = encode_maps(weights(), WINDOWS)
    assert codes.dtype == np.uint8
    for layer, window in enumerate(WINDOWS):
        masked = ~visible_cells(LENGTH, window)
        assert np.array_equal(codes[layer] == MASKED, np.broadcast_to(masked, codes[layer].shape))


def test_bytes_grow_with_the_weight_within_a_map() -> None:
    maps = weights()
    codes = encode_maps(maps, WINDOWS)
    visible = visible_cells(LENGTH, None)
    order = np.argsort(maps[2, 1][visible])
    assert np.all(np.diff(codes[2, 1][visible][order].astype(int)) >= 0)
    assert codes[2, 1].max() == 255


def test_a_map_of_zeros_is_visible_and_empty() -> None:
    codes = encode_maps(np.zeros((1, 1, 4, 4), np.float32), [None])
    assert set(codes[0, 0][visible_cells(4, None)]) == {1}


def test_the_mean_map_is_the_mean_of_its_heads() -> None:
    maps = weights()
    np.testing.assert_allclose(
        map_of(maps, 2, None), (map_of(maps, 2, 1) + map_of(maps, 2, 2)) / 2, rtol=1e-6
    )


def test_the_detail_shows_the_weights_and_leaves_masked_cells_empty() -> None:
    single = map_of(weights(), 1, 2)
    figure = map_figure(single, WINDOWS[0], window_bars()["ts"], "1d", query=5, title="t")
    shown = np.asarray(figure.data[0].z)
    visible = visible_cells(LENGTH, WINDOWS[0])
    assert shown.dtype == np.float32
    np.testing.assert_array_equal(shown[visible], single[visible])
    assert np.isnan(shown[~visible]).all()


def test_attended_bars_stand_under_their_candles() -> None:
    rows = np.stack([map_of(weights(), layer, None)[8] for layer in (1, 2, 3)])
    figure = attended_figure(window_bars(), rows, WINDOWS, query=8, layer=2, title="t", head_label="mean")
    candle, chosen, bands = figure.data
    assert list(candle.x) == list(chosen.x) == list(bands.x)
    np.testing.assert_array_equal(chosen.y, rows[1])
    assert {figure.layout[axis].matches for axis in ("xaxis", "xaxis2")} == {"x3"}
    for layer, window in enumerate(WINDOWS):
        empty = np.isnan(np.asarray(bands.z)[layer])
        assert np.array_equal(empty, ~visible_cells(LENGTH, window)[8])


def test_the_window_of_the_chosen_layer_is_marked() -> None:
    rows = np.stack([map_of(weights(), layer, None)[8] for layer in (1, 2, 3)])
    marks = {}
    for layer in (1, 2, 3):
        figure = attended_figure(
            window_bars(), rows, WINDOWS, query=8, layer=layer, title="t", head_label="mean"
        )
        marked = next(shape for shape in figure.layout.shapes if shape.type == "rect")
        marks[layer] = (marked.x0, marked.x1)
    assert marks == {1: (5.5, 8.5), 2: (3.5, 8.5), 3: (-0.5, 8.5)}


def test_rows_that_do_not_fit_the_window_are_refused() -> None:
    with pytest.raises(ValueError, match="expected rows of shape"):
        attended_figure(
            window_bars(), np.zeros((2, LENGTH)), WINDOWS, query=0, layer=1, title="t", head_label="mean"
        )


def test_strongest_bars_come_first_and_unseen_bars_never() -> None:
    row = np.array([0.0, 0.1, 0.6, 0.3, 0.0])
    assert [(bar.position, bar.weight) for bar in strongest_bars(row, 4)] == [(2, 0.6), (3, 0.3), (1, 0.1)]


def test_shares_count_back_from_the_bar_that_looks() -> None:
    row = np.array([0.1, 0.2, 0.3, 0.4, 0.0])
    assert share_within(row, 3, 1) == pytest.approx(0.4)
    assert share_within(row, 3, 2) == pytest.approx(0.7)
    assert share_within(row, 3, 50) == pytest.approx(1.0)
    assert share_within(np.zeros(5), 3, 2) == 0.0


def test_layers_are_named_by_what_they_see() -> None:
    assert layer_label(1, 20, 300) == "Layer 1 - last 20 bars"
    assert layer_label(4, None, 300) == "Layer 4 - all 300"
