"""Attention figures: what is masked stays masked, what is shown is the weight."""

from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from app.figures.attention import (
    MASKED,
    encode_maps,
    encode_rows,
    layer_label,
    map_figure,
    map_of,
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


def test_the_end_of_the_colour_scale_says_that_weights_lie_beyond_it() -> None:
    ts = pd.bdate_range("2020-01-01", periods=LENGTH)
    even = np.tril(np.ones((LENGTH, LENGTH))) / LENGTH
    peak = even.copy()
    peak[-1, 0] = 0.9
    ends = [
        map_figure(cells, None, ts, "1d", query=0, title="t").data[0].colorbar.ticktext[-1]
        for cells in (even, peak)
    ]
    assert [end[0] for end in ends] == ["8", "≥"]


def test_a_shared_scale_gives_equal_weights_equal_bytes_in_every_map() -> None:
    maps = np.zeros((1, 2, 4, 4), np.float32)
    maps[0, 0], maps[0, 1] = np.eye(4) * 0.8, np.eye(4) * 0.2
    own = encode_maps(maps, [None])[0].max((1, 2))
    shared = encode_maps(maps, [None], shared=True)[0].max((1, 2))
    assert own.tolist() == [255, 255]
    # Square root of the weight: a quarter of it is half as strong.
    assert shared.tolist() == [255, 128]


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


def test_rows_read_back_as_the_weights_to_within_a_two_hundredth_of_the_strongest() -> None:
    maps = weights()[:, 0]
    codes, tops = encode_rows(maps, WINDOWS)
    below = np.tril_indices(LENGTH)
    assert codes.shape == (len(WINDOWS), len(below[0]))
    np.testing.assert_array_equal(tops, maps.max(-1))
    for band, window in enumerate(WINDOWS):
        read = np.zeros((LENGTH, LENGTH))
        read[below] = ((codes[band] - 1.0) / 254) ** 2 * tops[band][below[0]]
        seen = visible_cells(LENGTH, window)
        assert np.array_equal(codes[band] == MASKED, ~seen[below])
        assert np.abs(read - maps[band])[seen].max() < 0.004 * maps[band].max()
        strongest = maps[band].argmax(-1)
        np.testing.assert_allclose(read[np.arange(LENGTH), strongest], tops[band], rtol=1e-6)


def test_a_row_of_zeros_is_visible_and_empty() -> None:
    codes, tops = encode_rows(np.zeros((1, 4, 4), np.float32), [None])
    assert set(codes[0]) == {1}
    assert not tops.any()


def test_layers_are_named_by_what_they_see() -> None:
    assert layer_label(1, 20, 300) == "Layer 1 - last 20 bars"
    assert layer_label(4, None, 300) == "Layer 4 - all 300"
