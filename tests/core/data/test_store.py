from __future__ import annotations

import threading

import duckdb
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.data.bars import adjust_prices, as_bars, resample_bars
from core.data.findings import findings_table, make_finding
from core.data.merging import UpsertCount
from core.data.store import BarStore
from core.errors import BarsError, InputError
from core.timeframe import Session


def bars_at(ts, instrument="AAPL", timeframe="1d", start=100.0, **columns) -> pd.DataFrame:
    ts = pd.DatetimeIndex(ts)
    ts = ts.tz_localize("UTC") if ts.tz is None else ts
    close = start + np.arange(len(ts), dtype=float)
    frame = {"instrument": instrument, "timeframe": timeframe, "ts": ts, "open": close - 0.5}
    frame |= {"high": close + 1, "low": close - 1, "close": close, "volume": 1000.0 + np.arange(len(ts))}
    return as_bars(pd.DataFrame(frame | columns))


def days(count, start="2019-11-01"):
    return pd.date_range(start, periods=count, freq="D")


@pytest.fixture
def store(tmp_path):
    return BarStore(tmp_path)


@pytest.mark.parametrize(
    ("timeframe", "ts"),
    [
        ("1h", pd.date_range("2019-01-30", periods=100, freq="h")),
        ("1d", days(900, "1969-06-01")),
        ("1w", pd.date_range("2008-01-07", periods=200, freq="7D")),
    ],
)
def test_what_is_stored_comes_back_as_it_was(store, timeframe, ts):
    bars = bars_at(ts, timeframe=timeframe, spread=np.nan)
    bars.loc[3, "volume"] = np.nan
    assert store.upsert(bars) == UpsertCount(len(bars), 0)
    pd.testing.assert_frame_equal(store.read_range("AAPL", timeframe), bars)


def test_partitions_are_months_of_hours_years_of_days_and_decades_of_weeks(store, tmp_path):
    store.upsert(bars_at(["2019-12-31 23:00", "2020-01-01 00:00"], timeframe="1h"))
    store.upsert(bars_at(["2019-12-31", "2020-01-01"], timeframe="1d"))
    store.upsert(bars_at(["2019-12-30", "2020-01-06"], timeframe="1w"))
    names = sorted(str(path.relative_to(tmp_path / "bars")) for path in tmp_path.rglob("*.parquet"))
    assert names == [
        "timeframe=1d/instrument=AAPL/2019.parquet",
        "timeframe=1d/instrument=AAPL/2020.parquet",
        "timeframe=1h/instrument=AAPL/2019-12.parquet",
        "timeframe=1h/instrument=AAPL/2020-01.parquet",
        "timeframe=1w/instrument=AAPL/2010s.parquet",
        "timeframe=1w/instrument=AAPL/2020s.parquet",
    ]


def test_the_files_are_a_hive_data_set_for_any_other_reader(store, tmp_path):
    store.upsert(bars_at(days(3), instrument="BTC/USDT"))
    pattern = str(tmp_path / "bars" / "**" / "*.parquet")
    found = duckdb.sql(
        "SELECT DISTINCT instrument, timeframe FROM read_parquet($1, hive_partitioning=true)",
        params=[pattern],
    )
    assert found.fetchall() == [("BTC/USDT", "1d")]


@settings(max_examples=15, deadline=None)
@given(
    batches=st.lists(
        st.dictionaries(st.integers(0, 800), st.floats(1, 1e6), min_size=1, max_size=20),
        min_size=1,
        max_size=4,
    )
)
def test_upsert_is_a_dictionary_update(tmp_path_factory, batches):
    store = BarStore(tmp_path_factory.mktemp("home"))
    expected: dict[int, float] = {}
    for batch in batches:
        ts = pd.Timestamp("2019-01-01", tz="UTC") + pd.to_timedelta(list(batch), unit="D")
        count = store.upsert(bars_at(ts).assign(close=pd.Series(batch).sort_index().to_numpy()))
        again = batch.keys() & expected.keys()
        assert count.changed <= len(again)
        assert (count.inserted, count.updated) == (len(batch) - len(again), len(again))
        expected |= batch
    stored = store.read_range("AAPL", "1d")
    assert stored["close"].tolist() == [expected[day] for day in sorted(expected)]
    assert stored["ts"].is_monotonic_increasing


def test_upsert_keeps_columns_the_new_bars_lack_and_unites_columns_over_partitions(store):
    store.upsert(bars_at(days(3, "2019-12-30"), sentiment=[1.0, 2.0, 3.0]))
    store.upsert(bars_at(days(2, "2019-12-31"), start=500.0, funding=7.0))
    stored = store.read_range("AAPL", "1d")
    assert stored["sentiment"].tolist() == [1.0, 2.0, 3.0]
    assert stored["close"].tolist() == [100.0, 500.0, 501.0]
    np.testing.assert_array_equal(stored["funding"], [np.nan, 7.0, 7.0])


@settings(max_examples=30, deadline=None)
@given(end=st.integers(-3, 1000), length=st.integers(1, 500))
def test_a_window_is_the_tail_of_the_range_up_to_its_end(window_store, end, length):
    store, whole = window_store
    moment = pd.Timestamp("2018-06-01", tz="UTC") + pd.Timedelta(hours=end * 12)
    expected = whole[whole["ts"] <= moment].tail(length).reset_index(drop=True)
    found = store.read_window("EURUSD", "1h", moment, length)
    assert found["ts"].tolist() == expected["ts"].tolist()
    assert found["close"].tolist() == expected["close"].tolist()


@pytest.fixture(scope="module")
def window_store(tmp_path_factory):
    store = BarStore(tmp_path_factory.mktemp("home"))
    ts = pd.date_range("2018-06-01", periods=12_000, freq="h")
    whole = bars_at(ts[(ts.dayofweek < 5) & ~((ts.month == 8) & (ts.year == 2018))], "EURUSD", "1h")
    store.upsert(whole)
    return store, whole


def test_range_borders_are_inclusive_in_any_zone(store):
    store.upsert(bars_at(days(10)))
    start = pd.Timestamp("2019-11-02 09:00", tz="Asia/Tokyo")
    found = store.read_range("AAPL", "1d", start, pd.Timestamp("2019-11-05", tz="UTC"))
    assert found["ts"].dt.day.tolist() == [2, 3, 4, 5]
    assert str(found["ts"].dtype) == "datetime64[us, UTC]"


def test_series_are_listed_with_span_and_count_and_see_later_writes(store):
    assert store.series() == []
    store.upsert(pd.concat([bars_at(days(3)), bars_at(days(400), "^GSPC")]))
    listed = {(s.instrument, s.timeframe): s for s in store.series()}
    assert listed["^GSPC", "1d"].bars == 400
    assert listed["^GSPC", "1d"].first == pd.Timestamp("2019-11-01", tz="UTC")
    assert listed["^GSPC", "1d"].last == pd.Timestamp("2020-12-04", tz="UTC")
    other = BarStore(store.home)
    other.upsert(bars_at(days(2, "2019-11-04")))
    assert {s.instrument: s.bars for s in store.series()} == {"AAPL": 5, "^GSPC": 400}


@pytest.mark.parametrize("name", ["BTC/USDT", "..", "a=b&c d%20", "*[x]?", "株式", "=F"])
def test_any_instrument_name_is_safe(store, name):
    store.upsert(bars_at(days(2), instrument=name))
    assert [s.instrument for s in store.series()] == [name]
    assert store.read_window(name, "1d")["instrument"].unique().tolist() == [name]
    assert all(store.home in path.resolve().parents for path in store.home.rglob("*"))


def test_a_home_with_pattern_characters_works(tmp_path):
    store = BarStore(tmp_path / "a[1]*?")
    store.upsert(bars_at(days(2)))
    assert len(store.read_window("AAPL", "1d")) == 2


def test_an_unknown_series_names_its_nearest_neighbours(store):
    with pytest.raises(BarsError, match="ingest bars first"):
        store.read_window("AAPL", "1d")
    store.upsert(pd.concat([bars_at(days(2)), bars_at(days(2), "MSFT")]))
    with pytest.raises(BarsError, match="got APPL 1d; choose for example AAPL 1d"):
        store.read_window("APPL", "1d")
    with pytest.raises(InputError, match="timeframe out of"):
        store.read_window("AAPL", "7h")


def test_naive_ends_and_empty_windows_are_refused(store):
    store.upsert(bars_at(days(2)))
    with pytest.raises(BarsError, match="time zone"):
        store.read_window("AAPL", "1d", pd.Timestamp("2020-01-01"))
    with pytest.raises(BarsError, match="at least one bar"):
        store.read_window("AAPL", "1d", length=0)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda bars: bars.drop(columns="low"), "no low"),
        (lambda bars: bars.assign(ts=bars["ts"].dt.tz_localize(None)), "time zone"),
        (lambda bars: bars.assign(mood=[["calm"]] * len(bars)), "numbers in column 'mood'"),
        (lambda bars: bars.assign(timeframe="7m"), "'7m'"),
        (lambda bars: bars.assign(instrument=""), "instrument name"),
    ],
)
def test_frames_that_are_no_bars_are_refused_in_a_sentence(store, change, said):
    with pytest.raises(InputError, match=said):
        store.upsert(change(bars_at(days(2))))
    assert store.series() == []


@pytest.mark.parametrize("content", [b"", b"not parquet at all", b"PAR1" + b"x" * 100 + b"PAR1"])
def test_a_corrupt_partition_is_named(store, content):
    store.upsert(bars_at(days(100)))
    broken = store.home / "bars/timeframe=1d/instrument=AAPL/2019.parquet"
    broken.write_bytes(content)
    for read in (
        store.series,
        lambda: store.read_window("AAPL", "1d"),
        lambda: store.read_range("AAPL", "1d"),
        lambda: store.upsert(bars_at(days(1))),
    ):
        with pytest.raises(BarsError, match=r"2019\.parquet|instrument=AAPL"):
            read()


def test_damage_inside_a_partition_is_a_sentence(store):
    store.upsert(bars_at(days(60)))
    path = store.home / "bars/timeframe=1d/instrument=AAPL/2019.parquet"
    content = bytearray(path.read_bytes())
    content[8:400] = b"\xff" * 392
    path.write_bytes(content)
    with pytest.raises(BarsError, match=r"2019\.parquet"):
        store.read_range("AAPL", "1d")


def test_readers_ignore_a_killed_writers_file_and_the_next_writer_removes_it(store):
    store.upsert(bars_at(days(3)))
    folder = store.home / "bars/timeframe=1d/instrument=AAPL"
    leftover = folder / ".2019.deadbeef.tmp"
    leftover.write_bytes(b"PAR1 half a file")
    assert len(store.read_window("AAPL", "1d")) == 3
    store.upsert(bars_at(days(1)))
    assert not leftover.exists()


def test_threads_sharing_a_store_get_their_own_rows(store):
    names = [f"S{i}" for i in range(6)]
    for position, name in enumerate(names):
        store.upsert(bars_at(days(50), name, start=1000.0 * (position + 1)))
    wrong = []

    def read(position: int) -> None:
        for _ in range(15):
            bars = store.read_window(names[position], "1d")
            if bars["close"].iloc[0] != 1000.0 * (position + 1) or len(bars) != 50:
                wrong.append(bars)

    threads = [threading.Thread(target=read, args=(position,)) for position in range(len(names))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


# Resampling


def test_resampled_bars_agree_with_pandas(store):
    random = np.random.default_rng(3)
    ts = pd.date_range("2021-03-01", periods=6000, freq="min")
    close = 100 * np.exp(np.cumsum(random.normal(0, 1e-3, len(ts))))
    store.upsert(bars_at(ts, timeframe="1m", close=close, high=close * 1.01, low=close * 0.99, open=close))
    expected = (
        store.read_range("AAPL", "1m")
        .set_index("ts")
        .resample("1h")
        .agg({"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum"})
    )
    found = store.resample("AAPL", "1m", "1h").set_index("ts")[expected.columns]
    pd.testing.assert_frame_equal(found, expected, check_freq=False, check_names=False)


@pytest.mark.parametrize("path", [["1h", "4h", "1d", "1w"], ["1h", "1d", "1w"], ["4h", "1w"]])
def test_resampling_in_steps_equals_resampling_at_once(store, path):
    store.upsert(bars_at(pd.date_range("2021-03-03 07:00", periods=70_000, freq="min"), timeframe="1m"))
    direct = store.resample("AAPL", "1m", path[-1])
    source = "1m"
    for target in path:
        store.upsert(store.resample("AAPL", source, target))
        source = target
    pd.testing.assert_frame_equal(store.read_range("AAPL", path[-1]), direct)


@pytest.mark.parametrize(("bars", "complete"), [(59, 0), (60, 1), (61, 1), (119, 1), (120, 2)])
def test_an_hour_is_shown_once_its_last_minute_is_complete(store, bars, complete):
    store.upsert(bars_at(pd.date_range("2021-03-01", periods=bars, freq="min"), timeframe="1m"))
    assert len(store.resample("AAPL", "1m", "1h")) == complete


def test_a_week_of_stocks_is_complete_when_the_next_week_opens(store):
    store.upsert(bars_at(pd.bdate_range("2021-03-01", "2021-03-12")))
    assert store.resample("AAPL", "1d", "1w")["ts"].tolist() == [pd.Timestamp("2021-03-01", tz="UTC")]
    store.upsert(bars_at(["2021-03-15"]))
    weeks = store.resample("AAPL", "1d", "1w")["ts"]
    assert weeks.dt.day_name().tolist() == ["Monday", "Monday"]
    assert weeks.iloc[-1] == pd.Timestamp("2021-03-08", tz="UTC")


def test_resampling_adjusts_first_and_drops_the_adjusted_close(store):
    bars = bars_at(days(14, "2021-03-01"))
    bars["adj_close"] = bars["close"] / np.where(np.arange(14) < 4, 2.0, 1.0)
    store.upsert(bars)
    week = store.resample("AAPL", "1d", "1w").iloc[0]
    assert "adj_close" not in week
    assert week["open"] == pytest.approx(99.5 / 2)
    assert week["low"] == pytest.approx(99.0 / 2)
    assert week["high"] == pytest.approx(107.0)
    assert week["volume"] == bars["volume"].iloc[:7].sum()


def test_resampling_down_is_refused(store):
    store.upsert(bars_at(days(3)))
    for target in ("1h", "1d"):
        with pytest.raises(BarsError, match="longer than 1d"):
            store.resample("AAPL", "1d", target)


def test_a_missing_adjusted_close_takes_the_neighbouring_factor():
    bars = bars_at(days(4), adj_close=[np.nan, 50.5, np.nan, 51.5])
    adjusted = adjust_prices(bars)
    np.testing.assert_allclose(adjusted["close"], [50, 50.5, 51, 51.5])
    assert (adjusted["low"] <= adjusted["close"]).all()
    np.testing.assert_allclose(adjusted["open"] / bars["open"], 0.5)


def test_bars_without_adjusted_close_are_left_alone():
    bars = bars_at(days(4))
    assert adjust_prices(bars) is bars


# Fingerprints and findings


def test_the_fingerprint_depends_on_content_up_to_its_end_alone(tmp_path):
    one, other = BarStore(tmp_path / "one"), BarStore(tmp_path / "other")
    bars = bars_at(days(90))
    one.upsert(bars)
    for piece in (bars.iloc[50:], bars.iloc[:50]):
        other.upsert(piece)
    assert one.fingerprint("AAPL", "1d") == other.fingerprint("AAPL", "1d")
    end = bars["ts"].iloc[-2]
    before = one.fingerprint("AAPL", "1d", end)
    other.upsert(bars.iloc[[-1]].assign(close=1.0, mood=2.0))
    assert other.fingerprint("AAPL", "1d", end) == before
    assert other.fingerprint("AAPL", "1d") != one.fingerprint("AAPL", "1d")
    other.upsert(bars.iloc[[5]].assign(close=np.nextafter(105.0, 200)))
    assert other.fingerprint("AAPL", "1d", end) != before


def test_findings_come_back_and_a_repeated_ingest_does_not_double_them(store):
    times = pd.date_range("2020-01-01", periods=150, freq="D").to_numpy()
    found = [
        make_finding(("AAPL", "1d"), "gaps", "flagged", times, "Seen."),
        make_finding(("BTC/USDT", "1h"), "time", "dropped", times[:0], rows=4),
    ]
    table = findings_table(found, "a.csv")
    assert store.findings().empty
    store.write_findings(table)
    store.write_findings(table)
    stored = store.findings()
    assert stored["rows"].tolist() == [150, 4]
    assert stored["instrument"].tolist() == ["AAPL", "BTC/USDT"]
    assert stored["ts"].iloc[0] == pd.Timestamp("2020-01-01", tz="UTC")
    assert pd.isna(stored["ts"].iloc[1])
    assert len(stored["row_ts"].iloc[0]) == 100
    assert stored["detail"].iloc[0].endswith("150. Seen.")
    assert store.findings("AAPL")["check"].tolist() == ["gaps"]
    store.write_findings(table.assign(source="b.csv"))
    assert len(store.findings()) == 4


def test_labels_are_kept_as_text_over_partitions_and_count_in_the_fingerprint(store, tmp_path):
    moods = pd.Series(np.where(np.arange(100) % 3, "calm", None), dtype="str")
    bars = bars_at(days(100), mood=moods)
    store.upsert(bars)
    read = store.read_range("AAPL", "1d")
    pd.testing.assert_frame_equal(read, bars)
    assert store.read_window("AAPL", "1d", length=5)["mood"].tolist()[-2:] == moods.tolist()[-2:]
    before = store.fingerprint("AAPL", "1d")
    store.upsert(bars.assign(mood=moods.fillna("wild")))
    assert store.fingerprint("AAPL", "1d") != before
    weekly = resample_bars(bars, "1w")
    assert set(weekly["mood"].dropna()) == {"calm"}


def test_a_column_of_labels_does_not_become_numbers_nor_the_other_way_round(store):
    store.upsert(bars_at(days(100), mood="calm", spread=1.0))
    with pytest.raises(BarsError, match="texts in column 'mood', as stored, got numbers"):
        store.upsert(bars_at(days(100), mood=1.0))
    with pytest.raises(BarsError, match="numbers in column 'spread', as stored, got texts"):
        store.upsert(bars_at(days(9, "2030-01-01"), spread="wide"))
    assert store.read_range("AAPL", "1d")["mood"].eq("calm").all()


def test_a_bar_is_not_there_before_it_is_closed(store):
    hour = pd.Timestamp.now("UTC").floor("h")
    ts = pd.date_range(hour - pd.Timedelta(hours=5), periods=9, freq="h")
    store.upsert(bars_at(ts, timeframe="1h"))
    assert store.read_range("AAPL", "1h")["ts"].tolist() == ts[:5].tolist()
    assert store.read_range("AAPL", "1h", end=ts[-1])["ts"].iloc[-1] == ts[4]
    assert store.read_window("AAPL", "1h", length=3)["ts"].tolist() == ts[2:5].tolist()
    (listed,) = store.series()
    assert (listed.last, listed.bars) == (ts[4], 5)
    store.upsert(bars_at(ts[6:], "LATER", "1h"))
    assert store.read_range("LATER", "1h").empty
    assert len(store.series()) == 1


def test_a_daily_bar_closes_with_its_session(store):
    now = pd.Timestamp.now("UTC")
    today = now.normalize()
    store.upsert(bars_at([today - pd.Timedelta(days=1), today]))
    assert store.read_range("AAPL", "1d")["ts"].iloc[-1] == today - pd.Timedelta(days=1)
    store.set_session("AAPL", "1d", Session("UTC", f"{now:%H:%M}"))
    assert store.session("AAPL", "1d") == Session("UTC", f"{now:%H:%M}")
    assert store.read_range("AAPL", "1d")["ts"].iloc[-1] == today
    assert store.session("AAPL", "1w") is None


def test_a_deleted_series_is_gone_with_its_findings_and_session_and_others_stay(store):
    store.upsert(pd.concat([bars_at(days(400)), bars_at(days(3), "MSFT")]))
    store.set_session("AAPL", "1d", Session("UTC", "16:00"))
    for name in ("AAPL", "MSFT"):
        store.write_findings(findings_table([make_finding((name, "1d"), "gaps", "flagged", np.array([]))]))
    assert store.delete("AAPL", "1d") == 400
    assert [entry.instrument for entry in store.series()] == ["MSFT"]
    assert store.findings()["instrument"].tolist() == ["MSFT"]
    assert store.session("AAPL", "1d") is None
    with pytest.raises(BarsError, match="choose for example MSFT 1d"):
        store.delete("AAPL", "1d")
    assert store.upsert(bars_at(days(2))).inserted == 2
    assert len(store.read_range("AAPL", "1d")) == 2


def test_what_an_upsert_would_change_is_told_before_and_after(store):
    bars = bars_at(days(10), volume=np.nan)
    store.upsert(bars)
    new = bars_at(days(12, "2019-11-05"), start=104.0)
    new.loc[[1, 3], "close"] += 0.25
    expected = UpsertCount(6, 6, 2)
    assert store.compare(new) == expected
    pd.testing.assert_frame_equal(store.read_range("AAPL", "1d"), bars)
    assert store.upsert(new) == expected
    assert store.compare(new) == UpsertCount(0, 12, 0)


@pytest.mark.parametrize("year", [1601, 2262, 9000])
def test_times_that_nanoseconds_cannot_tell_are_refused_and_nothing_is_stored(store, year):
    near = bars_at(days(2))
    far = near.assign(ts=pd.Series([near["ts"][0], near["ts"][1].replace(year=year)]).dt.as_unit("us"))
    with pytest.raises(BarsError, match=f"years 1678 to 2261, got one of {year}"):
        store.upsert(far)
    assert store.series() == []
