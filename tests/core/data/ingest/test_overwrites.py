from __future__ import annotations

import pandas as pd
import pytest

from core.data.ingest.overwrites import find_overwrites
from core.data.ingest.parse import parse_batches
from core.data.ingest.run import ingest_file
from core.data.ingest.tables import read_table
from core.data.store import BarStore
from core.errors import BarsError


@pytest.fixture
def store(tmp_path):
    return BarStore(tmp_path / "home")


def hours(first: int = 0, count: int = 30, scale: float = 1.0, last_close: float | None = None) -> str:
    rows = []
    for i in range(first, first + count):
        price = scale * (100 + i % 7)
        close = last_close if last_close and i == first + count - 1 else price + scale
        high = max(price + 2 * scale, close)
        ts = pd.Timestamp("2024-01-02", tz="UTC") + pd.Timedelta(hours=i)
        rows.append(f"{ts.isoformat()},{price},{high},{price - scale},{close},{5 + i}\n")
    return "time,open,high,low,close,volume\n" + "".join(rows)


def ingest(store: BarStore, text: str, name: str = "EURUSD_H1.csv", **options):
    return ingest_file(store, text.encode(), name=name, **options)


def test_a_guessed_name_writes_over_no_other_prices(store):
    ingest(store, hours())
    before = store.fingerprint("EURUSD", "1h")
    with pytest.raises(BarsError, match=r"30 of these bars \(close 202 instead of 101 .*--instrument NAME"):
        ingest(store, hours(scale=2.0), "EURUSD_2024.csv")
    assert store.fingerprint("EURUSD", "1h") == before


def test_nothing_of_a_refused_file_is_stored_though_it_begins_with_new_bars(store):
    ingest(store, hours(first=20, count=10))
    with pytest.raises(BarsError, match="10 of these bars"):
        ingest(store, hours(scale=2.0))
    assert store.series()[0].bars == 10


def test_a_name_that_is_said_writes_over_them(store):
    ingest(store, hours())
    report = ingest(store, hours(scale=2.0), instrument="EURUSD")
    assert (report.inserted, report.updated) == (0, 30)
    assert not any("file name" in sentence for sentence in report.mapping.guessed)


def test_the_same_bars_and_later_ones_come_in(store):
    ingest(store, hours())
    report = ingest(store, hours(first=10, count=40))
    assert (report.inserted, report.updated) == (20, 20)


def test_the_newest_bar_may_have_grown_since_it_was_stored(store):
    ingest(store, hours(last_close=102.5))
    assert ingest(store, hours(count=31)).inserted == 1
    assert ingest(store, hours(count=31, last_close=999.0)).updated == 31
    shrunk = hours(count=31, last_close=999.0).replace("999.0", "103.0")
    with pytest.raises(BarsError, match="1 of these bars"):
        ingest(store, shrunk)


def test_a_file_with_a_bar_twice_comes_in_again(store):
    rows = hours().splitlines(keepends=True)
    twice = "".join([*rows, rows[5].replace(",104,", ",104.5,")])
    ingest(store, twice)
    assert ingest(store, twice).inserted == 0


def test_a_column_that_names_instruments_is_no_guess(store):
    for scale in (1.0, 2.0):
        text = hours(scale=scale).replace("time,", "symbol,time,").replace("\n2024", "\nEURUSD,2024")
        report = ingest(store, text)
    assert report.updated == 30


def test_every_series_with_other_prices_is_told(store):
    ingest(store, hours())
    batches = list(parse_batches(read_table(hours(first=25, scale=3.0).encode(), "EURUSD.csv")))
    (found,) = find_overwrites(store, batches)
    assert (found.instrument, found.timeframe, found.bars) == ("EURUSD", "1h", 5)
    assert found.first == pd.Timestamp("2024-01-03 01:00", tz="UTC")
    assert find_overwrites(BarStore(store.home / "other"), batches) == []
