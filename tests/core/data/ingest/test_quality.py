from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.data.bars import OHLCV, as_bars
from core.data.ingest.quality import check_bars, check_chunk
from core.errors import BarsError
from core.timeframe import Session, duration


def walk(count=400, seed=0, **columns) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(random.normal(0, 0.01, count)))
    opens = np.concatenate([[100.0], close[:-1]])
    frame = {
        "instrument": "AAPL",
        "timeframe": "1d",
        "ts": pd.bdate_range("2018-01-01", periods=count, tz="UTC"),
        "open": opens,
        "high": np.maximum(opens, close) * 1.004,
        "low": np.minimum(opens, close) * 0.996,
        "close": close,
        "volume": random.integers(1, 1000, count).astype(float),
    }
    return as_bars(pd.DataFrame(frame | columns))


def found(report) -> dict[tuple[str, str], int]:
    return {(row.check, row.verdict): row.rows for row in report.findings.itertuples()}


def test_clean_bars_pass_unchanged_and_without_findings():
    report = check_bars(walk())
    pd.testing.assert_frame_equal(report.clean, walk())
    assert report.findings.empty


FAULTS = {
    "nan price": (dict(high=np.nan), ("missing", "dropped")),
    "infinite price": (dict(close=np.inf), ("missing", "dropped")),
    "zero price": (dict(low=0.0), ("non_positive", "dropped")),
    "negative prices": (dict(open=-1.0, low=-2.0), ("non_positive", "dropped")),
    "high below low": (dict(high=1.0), ("high_low", "dropped")),
    "close above high": (dict(close=1e4), ("high_low", "dropped")),
    "open below low": (dict(open=1.0), ("high_low", "dropped")),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("row", [0, 200, 399])
def test_an_impossible_bar_is_dropped_alone_and_named(fault, row):
    change, expected = FAULTS[fault]
    bars = walk()
    for column, value in change.items():
        bars.loc[row, column] = value
    report = check_bars(bars)
    assert expected in found(report)
    assert found(report)[expected] == 1
    pd.testing.assert_frame_equal(report.clean, walk().drop(index=row).reset_index(drop=True))
    finding = report.findings.set_index("check").loc[expected[0]]
    assert finding["ts"] == finding["last_ts"] == bars["ts"][row]
    assert finding["row_ts"] == [bars["ts"][row]]


@settings(max_examples=25, deadline=None)
@given(
    rows=st.lists(st.integers(0, 119), max_size=60),
    columns=st.lists(st.sampled_from(OHLCV), min_size=60, max_size=60),
    values=st.lists(st.sampled_from([np.nan, np.inf, -1.0, 0.0, 1e9]), min_size=60, max_size=60),
    order=st.permutations(range(120)),
)
def test_whatever_comes_out_is_sorted_unique_and_possible_and_every_row_is_accounted_for(
    rows, columns, values, order
):
    bars = walk(120)
    for row, column, value in zip(rows, columns, values, strict=False):
        bars.loc[row, column] = value
    bars = pd.concat([bars.iloc[list(order)], bars.iloc[rows[:10]]], ignore_index=True)
    try:
        report = check_bars(bars)
    except BarsError:
        return
    clean = report.clean
    assert clean["ts"].is_monotonic_increasing
    assert clean["ts"].is_unique
    prices = clean[["open", "high", "low", "close"]]
    assert (prices > 0).all(axis=None)
    assert np.isfinite(prices).all(axis=None)
    assert (clean["high"] >= prices.max(axis=1) * (1 - 1e-9)).all()
    assert (clean["low"] <= prices.min(axis=1) * (1 + 1e-9)).all()
    assert not (clean["volume"] < 0).any()
    dropped = sum(rows for (_, verdict), rows in found(report).items() if verdict == "dropped")
    replaced = found(report).get(("duplicates", "flagged"), 0)
    assert len(clean) + dropped + replaced == len(bars)


def test_exact_repetitions_are_dropped_and_contradictions_keep_the_last():
    bars = walk(100)
    again = bars.iloc[[10, 50]].copy()
    again.loc[50, "volume"] = 77.0
    report = check_bars(pd.concat([bars, again], ignore_index=True))
    assert found(report) == {
        ("order", "repaired"): 2,
        ("duplicates", "dropped"): 1,
        ("duplicates", "flagged"): 1,
    }
    assert len(report.clean) == 100
    assert report.clean.loc[50, "volume"] == 77.0


def test_unordered_bars_are_sorted_and_said():
    report = check_bars(walk().iloc[::-1])
    pd.testing.assert_frame_equal(report.clean, walk())
    assert found(report) == {("order", "repaired"): 399}


def test_gaps_are_found_by_the_series_own_calendar():
    bars = walk().drop(index=[2, 100, 101, 300])
    report = check_bars(bars)
    assert found(report) == {("gaps", "flagged"): 3}
    detail = report.findings["detail"].iloc[0]
    assert "4 bars in all, at most 2" in detail
    assert len(report.clean) == 396


@pytest.mark.parametrize("volume", [0.0, np.nan])
def test_a_source_without_volume_is_one_finding(volume):
    report = check_bars(walk(volume=volume))
    assert found(report) == {("volume", "flagged"): 400}
    assert "The source gives no volume." in report.findings["detail"].iloc[0]


def test_negative_volume_becomes_none():
    bars = walk()
    bars.loc[7, "volume"] = -5.0
    report = check_bars(bars)
    assert np.isnan(report.clean.loc[7, "volume"])
    assert found(report) == {("volume", "repaired"): 1}


def test_a_jump_is_flagged_and_kept_and_a_split_is_no_jump():
    bars = walk()
    prices = ["open", "high", "low", "close"]
    bars.loc[200:, prices] /= 7
    bars.loc[200, ["open", "high"]] *= 1.0
    report = check_bars(bars)
    assert found(report) == {("outliers", "flagged"): 1}
    assert len(report.clean) == 400
    split = bars.assign(adj_close=walk()["close"])
    assert found(check_bars(split)) == {}


def test_outliers_do_not_depend_on_the_price_scale():
    bars = walk()
    bars.loc[150, ["high", "close"]] *= 1.5
    prices = ["open", "high", "low", "close"]
    scaled = bars.assign(**{name: bars[name] * 1e-3 for name in prices})
    assert found(check_bars(bars)) == found(check_bars(scaled)) == {("outliers", "flagged"): 2}


@pytest.mark.parametrize(
    ("repeats", "flagged"), [(8, {}), (9, {("frozen", "flagged"): 9}), (30, {("frozen", "flagged"): 30})]
)
def test_ten_equal_bars_are_flagged_as_frozen(repeats, flagged):
    bars = walk()
    prices = ["open", "high", "low", "close"]
    bars.loc[100 : 99 + repeats, prices] = bars.loc[99, prices].to_numpy(dtype=float)
    report = check_bars(bars)
    assert {key: rows for key, rows in found(report).items() if key[0] == "frozen"} == flagged


def test_several_series_are_judged_apart():
    other = walk(instrument="MSFT", seed=3)
    other.loc[5, "high"] = 1.0
    report = check_bars(pd.concat([walk(), other], ignore_index=True))
    assert report.findings["instrument"].unique().tolist() == ["MSFT"]
    assert report.clean.groupby("instrument").size().to_dict() == {"AAPL": 400, "MSFT": 399}


def test_a_finding_keeps_a_hundred_times_and_counts_all():
    report = check_bars(walk(volume=0.0))
    row = report.findings.iloc[0]
    assert row["rows"] == 400
    assert len(row["row_ts"]) == 100
    assert row["last_ts"] == walk()["ts"].iloc[-1]


def test_nothing_left_is_one_sentence():
    with pytest.raises(BarsError, match=r"at least one usable bar, got none .*outside low to high"):
        check_bars(walk(high=1.0))
    with pytest.raises(BarsError, match="no rows"):
        check_bars(walk().iloc[:0])


def test_bars_denser_than_their_timeframe_are_refused():
    with pytest.raises(BarsError, match="1w apart"):
        check_bars(walk(timeframe="1w"))


@settings(max_examples=15, deadline=None)
@given(cuts=st.sets(st.integers(1, 1199), max_size=4))
def test_chunks_judge_as_the_whole_does(cuts):
    bars = walk(1200, seed=5)
    bars.loc[700, "close"] = bars.loc[700, "high"] = 300.0
    bars.loc[900, "low"] = 1e6
    bars = pd.concat([bars.iloc[:1000], bars.iloc[[998, 999]], bars.iloc[1000:]], ignore_index=True)
    whole, expected = check_chunk(bars)
    pieces, tail, rows = [], None, {}
    borders = [0, *sorted(cuts), len(bars)]
    for start, stop in itertools.pairwise(borders):
        piece = bars.iloc[start:stop]
        clean, faults = check_chunk(piece, tail)
        pieces.append(clean)
        tail = pd.concat(pieces).drop_duplicates("ts", keep="last").sort_values("ts").tail(500)
        for fault in faults:
            key = (fault.check, fault.verdict)
            rows[key] = rows.get(key, 0) + fault.rows
    stored = pd.concat(pieces).drop_duplicates("ts", keep="last").sort_values("ts", ignore_index=True)
    pd.testing.assert_frame_equal(stored, whole)
    first = min(cuts, default=1200)
    if first > 250:  # before that the first returns have fewer to be compared with
        assert rows == {(fault.check, fault.verdict): fault.rows for fault in expected}


# Time: what is not closed, lies in the future, or beyond what can be told


def recent(count=60, timeframe="1h", ahead=0) -> pd.DataFrame:
    """Bars up to the running one and `ahead` beyond."""
    length = duration(timeframe)
    running = pd.Timestamp.now("UTC").floor("h" if timeframe == "1h" else "D")
    ts = pd.date_range(end=running + ahead * length, periods=count, freq=length)
    return walk(count, timeframe=timeframe, ts=ts)


@pytest.mark.parametrize("timeframe", ["1h", "1d"])
def test_a_bar_that_is_not_closed_is_left_out_and_said(timeframe):
    bars = recent(timeframe=timeframe)
    report = check_bars(bars)
    assert found(report) == {("open", "dropped"): 1}
    assert len(report.clean) == 59
    assert report.findings["row_ts"][0] == [bars["ts"].iloc[-1]]


def test_a_day_whose_session_has_closed_is_a_closed_bar():
    bars, now = recent(timeframe="1d"), pd.Timestamp.now("UTC")
    closed, later = (Session("UTC", f"{moment:%H:%M}") for moment in (now, now + pd.Timedelta(minutes=2)))
    clean, faults = check_chunk(bars, session=closed)
    assert (len(clean), faults) == (60, [])
    if now.normalize() == (now + pd.Timedelta(minutes=2)).normalize():
        assert [fault.check for fault in check_chunk(bars, session=later)[1]] == ["open"]


def test_bars_of_the_future_are_left_out_and_told_from_the_running_one():
    report = check_bars(recent(ahead=10))
    assert found(report) == {("open", "dropped"): 1, ("future", "dropped"): 10}
    with pytest.raises(BarsError, match="lie in the future"):
        check_bars(recent(ahead=100))


@pytest.mark.parametrize("year", [1500, 2262, 2900])
def test_a_time_nanoseconds_cannot_tell_is_left_out(year):
    bars = walk()
    bars["ts"] = bars["ts"].where(bars.index != 5, pd.Timestamp(f"{year}-01-01", tz="UTC").as_unit("us"))
    report = check_bars(bars)
    assert found(report)["far", "dropped"] == 1
    assert len(report.clean) == 399


# Spacing


@pytest.mark.parametrize(
    ("freq", "timeframe"), [("10min", "5m"), ("MS", "1w"), ("MS", "1d"), ("7D", "1d"), ("h", "1m")]
)
def test_bars_wider_apart_than_their_timeframe_are_refused(freq, timeframe):
    bars = walk(110, timeframe=timeframe, ts=pd.date_range("2015-01-01", periods=110, freq=freq, tz="UTC"))
    with pytest.raises(BarsError, match=f"bars of AAPL {timeframe} apart, got bars mostly"):
        check_bars(bars)


def test_minutes_without_trade_do_not_make_a_series_too_wide():
    random = np.random.default_rng(4)
    ts = pd.date_range("2024-01-01", periods=4000, freq="min", tz="UTC")[random.random(4000) < 0.25][:400]
    assert "gaps" not in {check for check, _ in found(check_bars(walk(len(ts), timeframe="1m", ts=ts)))}


def test_hours_that_open_at_half_past_are_said():
    ts = pd.date_range("2024-01-01 09:30", periods=400, freq="h", tz="UTC")
    assert found(check_bars(walk(timeframe="1h", ts=ts))) == {("grid", "flagged"): 400}


# What prices tell of their source


def test_an_impossible_adjusted_close_leaves_the_series_unadjusted():
    for wrong in (-1.0, 0.0, 1e-9, np.inf):
        bars = walk().assign(adj_close=walk()["close"])
        bars.loc[:50, "adj_close"] = wrong
        report = check_bars(bars)
        assert found(report) == {("adj_close", "repaired"): 51}
        assert report.clean["adj_close"].isna().all()


def test_an_adjusted_close_in_another_unit_for_some_bars_is_said():
    bars = walk().assign(adj_close=walk()["close"])
    bars.loc[300:, "adj_close"] /= 100
    assert found(check_bars(bars)) == {("outliers", "flagged"): 1, ("adj_close", "flagged"): 1}


def test_one_price_a_bar_throughout_is_said():
    close = walk()["close"]
    report = check_bars(walk(open=close, high=close, low=close, volume=0.0))
    assert found(report) == {("volume", "flagged"): 400, ("range", "flagged"): 400}


def test_prices_filled_in_while_a_market_was_closed_are_counted():
    bars = walk()
    for start in (100, 200):
        bars.loc[start : start + 29, ["open", "high", "low", "close"]] = bars["close"][start - 1]
        bars.loc[start : start + 29, "volume"] = 0.0
    counts = found(check_bars(bars))
    assert counts["filled", "flagged"] == 60
    assert ("frozen", "flagged") not in counts
