from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from core.data.bars import adjust_prices, as_bars
from core.data.ingest.splice import LEAST_OVERLAP, TOLERANCE, splice_bars
from core.errors import BarsError

FIRST = pd.Timestamp("2012-01-02", tz="UTC")


def series(closes, first=0, adjusted=None, volume=1000.0):
    closes = np.asarray(closes, dtype=float)
    days = FIRST + pd.to_timedelta(np.arange(first, first + len(closes)), "D")
    frame = pd.DataFrame({"instrument": "X", "timeframe": "1d", "ts": days, "volume": volume})
    columns = {"open": closes, "high": closes * 1.02, "low": closes * 0.98, "close": closes}
    adjusted = closes if adjusted is None else np.asarray(adjusted, dtype=float)
    return as_bars(frame.assign(**columns, adj_close=adjusted))


@pytest.fixture
def walk():
    return 100 * np.exp(np.cumsum(np.random.default_rng(0).normal(0, 0.02, 120)))


@pytest.fixture
def older(walk):
    # Split two for one after bar 30; a later dividend of 10% is not known to this source.
    quoted = np.where(np.arange(80) < 30, 2.0, 1.0) * walk[:80]
    return series(quoted, adjusted=walk[:80])


@pytest.fixture
def newer(walk):
    # A split of four for one after its last bar is undone, and the dividend taken off.
    return series(walk[50:] / 4, first=50, adjusted=walk[50:] / 4 * 0.9, volume=4000.0)


def test_a_series_split_in_two_comes_back_whole_on_the_scale_of_the_newer_source(older, newer, walk):
    joined = splice_bars(older, newer)
    assert len(joined) == 120
    assert joined["ts"].is_monotonic_increasing
    assert joined["ts"].is_unique
    np.testing.assert_allclose(joined["adj_close"], walk / 4 * 0.9, rtol=1e-12)
    quoted = np.where(np.arange(120) < 30, 2, np.where(np.arange(120) < 50, 1, 0.25)) * walk
    np.testing.assert_allclose(joined["close"], quoted, rtol=1e-12)
    np.testing.assert_allclose(joined["volume"], 4000.0, rtol=1e-12)
    np.testing.assert_allclose(adjust_prices(joined)["open"], walk / 4 * 0.9, rtol=1e-12)


def test_bars_that_both_hold_are_those_of_the_newer_source_to_the_bit(older, newer):
    joined = splice_bars(older, newer)
    pd.testing.assert_frame_equal(joined.iloc[50:].reset_index(drop=True), newer)


def test_no_return_is_made_at_the_seam(older, newer, walk):
    seam = np.log(splice_bars(older, newer)["adj_close"]).diff()
    np.testing.assert_allclose(seam[1:], np.diff(np.log(walk)), atol=1e-12)


def test_series_without_adjusted_closes_are_brought_to_one_scale_of_prices(older, newer, walk):
    plain = splice_bars(older[30:].drop(columns="adj_close"), newer.drop(columns="adj_close"))
    assert "adj_close" not in plain
    np.testing.assert_allclose(plain["close"], walk[30:] / 4, rtol=1e-12)
    np.testing.assert_allclose(plain["high"], walk[30:] / 4 * 1.02, rtol=1e-12)


def test_rounding_passes_and_another_market_is_refused(older, newer):
    moved = newer.copy()
    moved.loc[10, "adj_close"] *= np.exp(0.9 * TOLERANCE)
    splice_bars(older, moved)
    moved.loc[10, "adj_close"] *= np.exp(0.2 * TOLERANCE)
    with pytest.raises(BarsError, match=r"returns of adj_close within 0.001 .* X 1d.*0.0011 on 2012-03-02"):
        splice_bars(older, moved)


def test_a_split_that_one_source_does_not_adjust_for_is_refused(older, newer):
    split = newer.copy()
    split.loc[15:, ["close", "adj_close"]] /= 2
    for columns in ([], ["adj_close"]):
        with pytest.raises(BarsError, match=r"0\.693 on 2012-03-07"):
            splice_bars(older[30:].drop(columns=columns), split.drop(columns=columns))


def test_a_missing_price_is_not_taken_for_agreement(older, newer):
    holed = newer.copy()
    holed.loc[5, "adj_close"] = np.nan
    with pytest.raises(BarsError, match="nan on 2012-02-26"):
        splice_bars(older, holed)


def test_too_short_an_overlap_and_days_of_one_source_alone_are_refused(older, newer):
    with pytest.raises(BarsError, match=f"with {LEAST_OVERLAP} bars in common, got 19;"):
        splice_bars(older[:69], newer)
    splice_bars(older[:70], newer)
    with pytest.raises(BarsError, match="1 that only one holds, the first on 2012-02-28"):
        splice_bars(older, newer.drop(index=7))
