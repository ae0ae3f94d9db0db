from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from core.data.bars import adjust_prices
from core.data.ingest.run import BUNDLED, STOCKS, STOCKS_PATH, ingest_bundled, load_bundled
from core.data.store import BarStore


@pytest.fixture(scope="module")
def bars():
    return load_bundled()


def test_all_bundled_instruments_are_there_with_the_stated_spans(bars):
    spans = bars.groupby("instrument")["ts"].agg(["min", "max", "size"])
    assert set(spans.index) == set(BUNDLED)
    assert spans.loc["AAPL"].tolist() == [
        pd.Timestamp("2000-03-01", tz="UTC"),
        pd.Timestamp("2013-03-01", tz="UTC"),
        3270,
    ]
    assert spans.loc["SP500", "size"] == 5031
    assert spans.loc["NASDAQ", "max"] == pd.Timestamp("2018-12-31", tz="UTC")


def test_known_closes_are_found(bars):
    closes = bars.set_index(["instrument", "ts"])["close"]
    assert closes["AAPL", pd.Timestamp("2012-09-19", tz="UTC")] == pytest.approx(702.10)
    assert closes["SP500", pd.Timestamp("2008-09-29", tz="UTC")] == pytest.approx(1106.42, abs=0.05)


def test_adjusting_removes_the_apple_split_of_2005(bars):
    apple = bars[bars["instrument"] == "AAPL"].set_index("ts")
    adjusted = adjust_prices(apple.reset_index()).set_index("ts")
    day = pd.Timestamp("2005-02-28", tz="UTC")
    assert np.log(apple["close"]).diff()[day] < -0.6
    assert abs(np.log(adjusted["close"]).diff()[day]) < 0.02


def test_the_asset_is_small_and_holds_the_stocks_alone():
    assert STOCKS_PATH.stat().st_size < 1_000_000
    assert set(pd.read_parquet(STOCKS_PATH)["instrument"]) == set(STOCKS)
    assert STOCKS_PATH.with_name("README.md").exists()


def test_ingesting_twice_changes_nothing_and_weeks_are_mondays(tmp_path):
    store = BarStore(tmp_path)
    calls = []
    report = ingest_bundled(store, lambda done, total: calls.append((done, total)))
    assert calls == [(i, 7) for i in range(1, 8)]
    assert (report.inserted, report.updated) == (sum(s.bars for s in store.series()), 0)
    prints = [store.fingerprint(name, timeframe) for name in BUNDLED for timeframe in ("1d", "1w")]
    again = ingest_bundled(store)
    assert (again.inserted, again.updated) == (0, report.inserted)
    assert [store.fingerprint(name, timeframe) for name in BUNDLED for timeframe in ("1d", "1w")] == prints
    weeks = store.read_range("MSFT", "1w")
    assert (weeks["ts"].dt.dayofweek == 0).all()
    assert "adj_close" not in weeks
    findings = store.findings("AAPL")
    assert set(findings["source"]) == {"bundled"}
    assert "gaps" in set(findings["check"])
