from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest

from core.data.bars import adjust_prices
from core.data.ingest import intake
from core.data.ingest.containers import text
from core.data.ingest.run import ingest_file, resample_series
from core.data.store import BarStore
from core.errors import BarsError, InputError
from core.timeframe import Session


@pytest.fixture
def store(tmp_path):
    return BarStore(tmp_path / "home")


def minutes(count=6000, seed=1, instrument="X") -> pd.DataFrame:
    random = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(random.normal(0, 1e-3, count)))
    opens = np.concatenate([[100.0], close[:-1]])
    ts = pd.date_range("2021-03-01", periods=count, freq="min", tz="UTC")
    high, low = np.maximum(opens, close) * 1.001, np.minimum(opens, close) * 0.999
    return pd.DataFrame(
        {"instrument": instrument, "ts": ts, "open": opens, "high": high, "low": low, "close": close}
    ).assign(volume=random.integers(1, 99, count).astype(float))


def csv(frame: pd.DataFrame) -> bytes:
    return frame.to_csv(index=False).encode()


def test_a_file_arrives_whole_and_a_second_time_changes_nothing(store):
    frame = minutes()
    report = ingest_file(store, csv(frame), name="x.csv")
    assert (report.rows, report.inserted, report.updated, report.dropped) == (6000, 6000, 0, 0)
    stored = store.read_range("X", "1m")
    pd.testing.assert_frame_equal(stored[["open", "high", "low", "close", "volume"]], frame.iloc[:, 2:])
    before = store.fingerprint("X", "1m")
    again = ingest_file(store, csv(frame), name="x.csv")
    assert (again.inserted, again.updated) == (0, 6000)
    assert store.fingerprint("X", "1m") == before


def damaged() -> pd.DataFrame:
    frame = minutes()
    frame.loc[3000, "high"] = 1.0
    frame.loc[4100, "close"] = np.nan
    frame.loc[5000, ["high", "close"]] *= 2
    swapped = frame.iloc[[*range(2000), 2001, 2000, *range(2002, 6000)]].drop(index=[2500, 2501])
    early = frame.iloc[[100]].assign(volume=5.0)
    return pd.concat([swapped, frame.iloc[[699, 1500]], early], ignore_index=True)


def test_chunks_and_the_whole_give_the_same_bars_and_findings(tmp_path, monkeypatch):
    results = []
    for rows in (10**9, 700):
        monkeypatch.setattr(intake, "_CHUNK_ROWS", rows)
        monkeypatch.setattr(text, "_BLOCK_BYTES", 20_000 if rows == 700 else 1 << 24)
        store = BarStore(tmp_path / str(rows))
        report = ingest_file(store, csv(damaged()), name="x.csv")
        assert report.inserted == store.series()[0].bars == 5996
        results.append((store.read_range("X", "1m"), report))
    pd.testing.assert_frame_equal(results[0][0], results[1][0])
    whole, chunked = (report.findings.sort_values(["check", "verdict"]) for _, report in results)
    counts = [frame.set_index(["check", "verdict"])["rows"].to_dict() for frame in (whole, chunked)]
    assert counts[0] == counts[1]
    assert counts[0] == {
        ("duplicates", "dropped"): 2,
        ("duplicates", "flagged"): 1,
        ("high_low", "dropped"): 1,
        ("missing", "dropped"): 1,
        ("order", "repaired"): 4,
        ("outliers", "flagged"): 2,
    }
    assert results[1][0]["volume"].iloc[100] == 5.0


def test_progress_rises_to_the_end(tmp_path, store, monkeypatch):
    monkeypatch.setattr(text, "_BLOCK_BYTES", 20_000)
    frame = minutes()
    frame.to_parquet(tmp_path / "x.parquet")
    for source, size in ((csv(frame), len(csv(frame))), (tmp_path / "x.parquet", 6000)):
        calls: list[tuple[int, int]] = []
        ingest_file(
            store, source, name="x.csv", progress=lambda done, total, calls=calls: calls.append((done, total))
        )
        done = [call[0] for call in calls]
        assert done == sorted(done)
        assert {call[1] for call in calls} == {size}
        assert done[-1] == size
        assert max(done[:-1]) < size
    assert len(calls) >= 2


def test_csv_progress_follows_the_bytes_read(store, monkeypatch):
    monkeypatch.setattr(text, "_BLOCK_BYTES", 20_000)
    data = csv(minutes())
    calls: list[int] = []
    ingest_file(store, io.BytesIO(data), name="x.csv", progress=lambda done, total: calls.append(done))
    expected = np.minimum(20_000 * np.arange(1, len(calls)), len(data))
    np.testing.assert_allclose(calls[:-1], expected, rtol=0.05, atol=600)


def test_several_series_in_one_file_are_kept_apart(store):
    frame = pd.concat([minutes(instrument="A"), minutes(seed=2, instrument="B")]).sort_values(
        "ts", kind="stable"
    )
    report = ingest_file(store, csv(frame), name="all.csv")
    assert [(s.instrument, s.timeframe, s.inserted) for s in report.series] == [
        ("A", "1m", 6000),
        ("B", "1m", 6000),
    ]
    assert {s.instrument: s.bars for s in store.series()} == {"A": 6000, "B": 6000}


def test_findings_are_stored_with_their_file(store):
    frame = minutes(500)
    frame.loc[7, "low"] = -1.0
    report = ingest_file(store, csv(frame), name="bad.csv")
    stored = store.findings("X")
    assert set(stored["source"]) == {"bad.csv"}
    dropped = stored[stored["verdict"] == "dropped"]
    assert dropped["check"].tolist() == ["non_positive"]
    assert dropped["ts"].tolist() == [frame["ts"][7]]
    assert report.dropped == 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda frame: frame.assign(high=frame["low"] / 2), "outside low to high"),
        (lambda frame: frame.assign(close=np.nan), "four finite prices"),
        (lambda frame: frame.assign(open=-1.0), "zero or below"),
        (lambda frame: frame.assign(open="abc"), "mostly text"),
        (lambda frame: frame.drop(columns="open"), "none for open"),
    ],
)
def test_a_file_without_a_usable_bar_is_refused_and_leaves_the_store_empty(store, change, said):
    with pytest.raises(BarsError, match=said):
        ingest_file(store, csv(change(minutes(200))), name="x.csv")
    assert store.series() == []


def test_unordered_and_repeated_times_end_sorted_and_unique(store):
    frame = pd.concat([minutes(300).iloc[::-1], minutes(300).iloc[:50]])
    report = ingest_file(store, csv(frame), name="x.csv")
    stored = store.read_range("X", "1m")
    assert stored["ts"].is_monotonic_increasing
    assert len(stored) == 300
    checks = set(zip(report.findings["check"], report.findings["verdict"], strict=True))
    assert checks == {("order", "repaired"), ("duplicates", "dropped")}


def test_a_resampled_series_is_stored(store):
    ingest_file(store, csv(minutes()), name="x.csv")
    count = resample_series(store, "X", "1m", "1h")
    assert (count.inserted, count.updated) == (100, 0)
    pd.testing.assert_frame_equal(store.read_range("X", "1h"), store.resample("X", "1m", "1h"))
    assert resample_series(store, "X", "1m", "1w").inserted == 0


def days(count=200, seed=1, start="2020-01-01", first=300.0, **columns) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    close = first * np.exp(np.cumsum(random.normal(0, 0.015, count)))
    ts = pd.bdate_range(start, periods=count)
    prices = {"open": close, "high": close * 1.01, "low": close * 0.99, "close": close}
    return pd.DataFrame({"instrument": "X", "ts": ts, **prices, "volume": 5.0} | columns)


def checks(report) -> dict[tuple[str, str], int]:
    return {(row.check, row.verdict): row.rows for row in report.findings.itertuples()}


SPLIT = {"open": 0.25, "high": 0.25, "low": 0.25, "close": 0.25}


@pytest.mark.parametrize("first", ["older", "newer"])
@pytest.mark.parametrize("overlap", [0, 20])
def test_a_split_between_two_downloads_is_found_whichever_comes_first(store, first, overlap):
    whole = days()
    older, newer = (
        whole.iloc[: 100 + overlap],
        whole.iloc[100:].assign(**{name: whole[name].iloc[100:] / 4 for name in SPLIT}),
    )
    files = [older, newer] if first == "older" else [newer, whole.iloc[:100]]
    ingest_file(store, csv(files[0]), name="one.csv")
    report = ingest_file(store, csv(files[1]), name="two.csv")
    assert checks(report) == {("join", "flagged"): 1}
    detail = report.findings["detail"].iloc[0]
    assert f"between {whole['ts'][99]:%Y-%m-%d} 00:00 and {whole['ts'][100]:%Y-%m-%d} 00:00" in detail
    assert "split of 4 to 1" in detail
    assert report.changed == (overlap if first == "older" else 0)


def test_downloads_that_join_and_a_second_half_with_adjusted_prices_are_no_break(store):
    whole = days()
    ingest_file(store, csv(whole.iloc[:100]), name="one.csv")
    ingest_file(store, csv(whole.iloc[100:150]), name="two.csv")
    adjusted = whole.iloc[150:].assign(**{"Adj Close": whole["close"].iloc[150:] * 0.3})
    assert checks(ingest_file(store, csv(adjusted), name="three.csv")) == {}


def test_months_between_two_downloads_are_a_gap_and_no_break(store):
    whole = days(600)
    ingest_file(store, csv(whole.iloc[:150]), name="one.csv")
    report = ingest_file(store, csv(whole.iloc[500:]), name="two.csv")
    assert checks(report) == {("gaps", "flagged"): 1}
    assert "350 bars in all" in report.findings["detail"].iloc[0]


def test_a_rehearsal_says_what_an_ingest_would_do_and_writes_nothing(store):
    whole = days()
    ingest_file(store, csv(whole.iloc[:150]), name="one.csv")
    before = store.fingerprint("X", "1d"), len(store.findings())
    new = whole.iloc[100:].copy()
    new.loc[110, "high"] = 1.0
    new.loc[120, "volume"] = 99.0
    told = ingest_file(store, csv(new), name="two.csv", rehearse=True)
    assert (store.fingerprint("X", "1d"), len(store.findings())) == before
    assert (told.inserted, told.updated, told.changed, told.dropped) == (50, 49, 1, 1)
    done = ingest_file(store, csv(new), name="two.csv")
    assert done.series == told.series
    assert done.findings["detail"].tolist() == told.findings["detail"].tolist()


def test_a_rehearsal_in_chunks_counts_as_one_whole(store, monkeypatch):
    expected = ingest_file(store, csv(minutes()), name="x.csv", rehearse=True)
    monkeypatch.setattr(intake, "_CHUNK_ROWS", 700)
    monkeypatch.setattr(text, "_BLOCK_BYTES", 20_000)
    twice = pd.concat([minutes(), minutes().iloc[:50]])
    assert ingest_file(store, csv(twice), name="x.csv", rehearse=True).inserted == expected.inserted == 6000
    assert store.series() == []


def test_an_impossible_adjusted_close_takes_the_adjustment_from_the_stored_bars_too(store):
    whole = days(**{"Adj Close": days()["close"] * 0.5})
    ingest_file(store, csv(whole.iloc[:100]), name="one.csv")
    whole.loc[150, "Adj Close"] = -0.5
    ingest_file(store, csv(whole.iloc[100:]), name="two.csv")
    stored = store.read_range("X", "1d")
    assert stored["adj_close"].isna().all()
    np.testing.assert_allclose(adjust_prices(stored)["close"], whole["close"])


def test_a_sessions_close_is_kept_with_the_series_it_was_given_for(store):
    report = ingest_file(store, csv(days()), name="x.csv", timezone="America/New_York", close="16:00")
    assert report.inserted == 200
    assert store.session("X", "1d") == Session("America/New_York", "16:00")
    for timezone, close in ((None, "16:00"), ("America/New_York", "four")):
        with pytest.raises(InputError):
            ingest_file(store, csv(days()), name="x.csv", timezone=timezone, close=close)


def test_a_daily_file_with_and_one_without_a_zone_give_the_same_bars(store):
    frame = days()
    ingest_file(store, csv(frame), name="plain.csv")
    before = store.fingerprint("X", "1d")
    zoned = frame.assign(ts=frame["ts"].dt.tz_localize("America/New_York"))
    report = ingest_file(store, csv(zoned), name="zoned.csv")
    assert (report.inserted, report.updated, report.changed) == (0, 200, 0)
    assert store.fingerprint("X", "1d") == before
