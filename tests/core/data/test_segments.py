"""Segment borders and the purged, embargoed assignment of labels to them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from core.config import SplitConfig
from core.data.segments import (
    CALIBRATE,
    STOP,
    TEST,
    TRAIN,
    SeenData,
    SegmentBorders,
    assign_segments,
    bars_in_train,
    choose_borders,
)
from core.errors import ConfigError
from core.timeframe import known_at
from tests.core.data.synthetic_bars import make_bars


def _times(count: int, timeframe: str = "1d", start: str = "2000-01-03") -> np.ndarray:
    return make_bars(count, timeframe=timeframe, start=start)["ts"].to_numpy(dtype="datetime64[us]")


def test_borders_are_quantiles_of_the_pooled_bars():
    times = [_times(1000), _times(200, "1w", "2001-01-01"), _times(300, start="2003-06-02")]
    borders = choose_borders(times, SplitConfig(train_share=0.6, calibrate_share=0.2))
    pooled = np.concatenate(times)
    for border, share in ((borders.train_end, 0.6), (borders.calibrate_end, 0.8)):
        before = (pooled < border.tz_convert(None).to_datetime64()).mean()
        assert before == pytest.approx(share, abs=3 / len(pooled))


@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
@pytest.mark.parametrize("dates", [{}, {"train_until": "2001-06-01", "calibrate_until": "2002-06-01"}])
def test_early_stopping_gets_its_share_of_the_bars_before_calibrate_s_end(share, dates):
    times = [_times(1000), _times(300, start="2001-06-04")]
    borders = choose_borders(times, SplitConfig(stop_share=share, **dates))
    pooled = np.sort(np.concatenate(times))
    edges = [t.tz_convert(None).to_datetime64() for t in (borders.train_end, borders.calibrate_end)]
    inside = pooled[(pooled >= edges[0]) & (pooled < edges[1])]
    stop = borders.bounds(STOP)[1]
    assert borders.stop_segment == STOP
    assert (inside < stop).mean() == pytest.approx(share, abs=2 / len(inside))
    assert borders.bounds(STOP) == (edges[0], stop)
    assert borders.bounds(CALIBRATE) == (stop, edges[1])


def test_without_a_share_of_its_own_early_stopping_sees_the_calibrate_segment():
    borders = choose_borders([_times(400)], SplitConfig(stop_share=0))
    assert borders.stop_segment == CALIBRATE
    assert borders.bounds(CALIBRATE)[0] == borders.bounds(TRAIN)[1]
    with pytest.raises(ConfigError, match="stop segment"):
        borders.bounds(STOP)


def test_a_calibrate_segment_of_one_bar_cannot_be_parted():
    with pytest.raises(ConfigError, match="stop_share"):
        choose_borders([_times(20)], SplitConfig(train_share=0.7, calibrate_share=0.05))


def test_configured_dates_override_the_shares():
    split = SplitConfig(train_until="2001-01-01", calibrate_until="2002-01-01", stop_share=0)
    borders = choose_borders([_times(1000)], split)
    assert borders == SegmentBorders(
        pd.Timestamp("2001-01-01", tz="UTC"), pd.Timestamp("2002-01-01", tz="UTC")
    )
    with pytest.raises(ConfigError, match=r"split\.train_until"):
        choose_borders([_times(9)], SplitConfig(train_until="soon", calibrate_until="2002-01-01"))


def test_borders_that_do_not_follow_each_other_are_refused():
    with pytest.raises(ConfigError, match="follow each other"):
        SegmentBorders(pd.Timestamp("2002-01-01"), pd.Timestamp("2001-01-01"))
    with pytest.raises(ConfigError, match="three bars"):
        choose_borders([_times(2)], SplitConfig())


@pytest.mark.parametrize("timeframe", ["1h", "1d", "1w"])
@pytest.mark.parametrize("embargo", [0, 5])
@pytest.mark.parametrize("parted", [False, True])
def test_segments_equal_those_of_a_loop_over_the_rule(timeframe, embargo, parted):
    ts = _times(300, timeframe)
    stamps = pd.DatetimeIndex(ts, tz="UTC")
    rng = np.random.default_rng(0)
    end = np.minimum(np.arange(300) + rng.integers(1, 9, 300), 299)
    end[rng.random(300) < 0.1] = -1
    middle = stamps[180] + pd.Timedelta(minutes=7)
    stop_end = stamps[140] if parted else None
    borders = SegmentBorders(stamps[100], middle, stamps[260], stamps[10], stop_end)
    segments = assign_segments(ts, timeframe, end, borders, embargo)

    named = {TRAIN: stamps[10], STOP: stamps[100], CALIBRATE: stamps[140], TEST: middle}
    if not parted:
        del named[STOP]
        named[CALIBRATE] = stamps[100]
    stops = [*named.values(), stamps[260]][1:]
    for t in range(300):
        expected = -1
        for (segment, start), stop in zip(named.items(), stops, strict=True):
            skipped = ((stamps >= start) & (stamps <= stamps[t])).sum() - 1
            opens_inside = start <= stamps[t] < stop and (segment == TRAIN or skipped >= embargo)
            if end[t] >= 0 and opens_inside and known_at(stamps[end[t]], timeframe) <= stop:
                expected = segment
        assert segments[t] == expected
    assert set(segments) == {-1, *named}


def test_an_open_test_segment_takes_every_later_label():
    ts = _times(100)
    stamps = pd.DatetimeIndex(ts, tz="UTC")
    segments = assign_segments(ts, "1d", np.arange(100), SegmentBorders(stamps[30], stamps[60]), 0)
    np.testing.assert_array_equal(segments, np.repeat([0, 1, 2], [30, 30, 40]))


def test_a_bar_is_in_train_only_when_complete_by_its_end():
    ts = _times(50, "1w")
    border = pd.Timestamp(ts[20], tz="UTC")
    later = border + pd.Timedelta(days=100)
    assert bars_in_train(ts, "1w", SegmentBorders(border, later)).sum() == 20
    assert bars_in_train(ts, "1w", SegmentBorders(border - pd.Timedelta(hours=1), later)).sum() == 19


def test_borders_survive_their_dictionary():
    borders = SegmentBorders(pd.Timestamp("2001-01-01"), pd.Timestamp("2002-01-01 05:00", tz="UTC"))
    parted = replace(borders, stop_end=pd.Timestamp("2001-07-01", tz="UTC"))
    for one in (borders, parted):
        assert SegmentBorders.from_dict(one.to_dict()) == one
    older = {name: value for name, value in borders.to_dict().items() if name != "stop_end"}
    assert SegmentBorders.from_dict(older).stop_segment == CALIBRATE


BORDERS = SegmentBorders(
    pd.Timestamp("2015-01-01", tz="UTC"), pd.Timestamp("2018-01-01", tz="UTC"),
    stop_end=pd.Timestamp("2016-07-01", tz="UTC"), train_start=pd.Timestamp("2000-01-01", tz="UTC"),
)  # fmt: skip
SPAN = {"first": "2001-01-01Z", "last": "2014-12-23Z", "rows": 9}
NONE = {"first": None, "last": None, "rows": 0}
AUDIT = {
    "scaler": {"AAA|1d": SPAN, "AAA|1w": SPAN, "NEW|1d": SPAN, "OLD|1d": SPAN},
    "model weights direction": {"AAA|1d": SPAN, "AAA|1w": NONE, "NEW|1d": NONE, "OLD|1d": NONE},
    "calibrators direction": {"AAA|1d": SPAN, "AAA|1w": NONE, "NEW|1d": SPAN, "OLD|1d": NONE},
}


@pytest.mark.parametrize(
    ("day", "use"),
    [
        ("2014-12-31", "train"),  # its outcome came in 2015: purged, and still of the earlier segment
        ("2015-01-01", "calibrate"),
        ("2016-07-01", "calibrate"),
        ("2017-12-31", "calibrate"),
        ("2018-01-01", "test"),
        ("2031-01-01", "test"),
        ("1999-12-31", "unknown"),
    ],
)
def test_a_bar_is_what_the_segment_it_opens_in_was_to_the_model(day: str, use: str) -> None:
    seen = SeenData.of(BORDERS, AUDIT, [])
    assert seen.use_of("AAA|1d", pd.Timestamp(day, tz="UTC")) == use


@pytest.mark.parametrize("day", ["2010-01-04", "2016-01-04", "2020-01-06"])
def test_no_bar_of_a_series_the_model_was_not_given_was_learned_from(day: str) -> None:
    seen = SeenData.of(BORDERS, AUDIT, [])
    opened = pd.Timestamp(day, tz="UTC")
    for series in ("ZZZ|1d", "AAA|1h", "AAA|1w", "OLD|1d"):
        assert seen.use_of(series, opened) == "unknown"


def test_a_series_that_only_chose_calibrators_is_given_but_not_known() -> None:
    seen = SeenData.of(BORDERS, AUDIT, [])
    assert seen.use_of("NEW|1d", pd.Timestamp("2016-01-04", tz="UTC")) == "calibrate"
    assert not seen.knows(instrument="NEW")


def test_known_means_trained_on_whatever_stands_in_a_vocabulary() -> None:
    seen = SeenData.of(BORDERS, AUDIT, ["AAA|1d", "AAA|1w", "NEW|1d"])
    assert seen.knows(instrument="AAA")
    assert seen.knows(timeframe="1d")
    assert not seen.knows(timeframe="1w")


def test_without_a_record_of_what_was_seen_the_vocabularies_are_believed() -> None:
    seen = SeenData.of(BORDERS, {}, ["AAA|1d"])
    assert seen.knows(instrument="AAA", timeframe="1d")
    assert seen.use_of("AAA|1d", pd.Timestamp("2010-01-04", tz="UTC")) == "train"
    assert seen.use_of("AAA|1w", pd.Timestamp("2010-01-04", tz="UTC")) == "unknown"
