from __future__ import annotations

import pandas as pd
import pytest

from core.data.ingest.cells.zones import in_repeated_hour, localize, word_offset, word_zone
from core.errors import BarsError

ZONE = "America/New_York"
TRUTH = pd.date_range("2023-11-05 03:00", periods=6 * 4, freq="15min", tz="UTC")
LOCAL = pd.Series(TRUTH.tz_convert(ZONE).tz_localize(None))
NOBODY = pd.Series("", index=LOCAL.index)


def test_both_passes_of_a_repeated_hour_come_back():
    utc, unplaced, ordered = localize(LOCAL, ZONE, NOBODY)
    assert utc.tolist() == list(TRUTH)
    assert (unplaced.sum(), ordered.sum()) == (0, 8)


def test_a_bar_missing_in_one_pass_costs_no_other_bar():
    first, second = (
        TRUTH.get_loc(pd.Timestamp(text, tz="UTC")) for text in ("2023-11-05 05:15", "2023-11-05 06:45")
    )
    for missing in (first, second):
        left = LOCAL.drop(index=missing)
        for rows in (left, left[::-1]):
            utc, unplaced, _ = localize(rows, ZONE, pd.Series("", index=rows.index))
            assert utc.sort_values().tolist() == list(TRUTH.delete(missing))
            assert not unplaced.any()


def test_passes_of_interleaved_instruments_are_told_apart_each_by_itself():
    rows = pd.DataFrame({"time": [*LOCAL, *LOCAL], "who": ["A"] * len(LOCAL) + ["B"] * len(LOCAL)})
    rows["utc"] = [*TRUTH, *TRUTH]
    rows = rows.sort_values(["utc", "who"], ignore_index=True)
    assert localize(rows["time"], ZONE, rows["who"])[0].tolist() == rows["utc"].tolist()


def test_one_pass_alone_cannot_be_placed():
    hours = pd.Series(pd.date_range("2023-11-05 00:00", periods=4, freq="h"))
    utc, unplaced, _ = localize(hours, ZONE, pd.Series("", index=hours.index))
    assert unplaced.tolist() == [False, True, False, False]
    assert utc.isna().sum() == 1


def test_only_the_repeated_hour_comes_twice():
    hours = pd.Series(pd.to_datetime(["2023-11-05 00:59", "2023-11-05 01:00", "2023-11-05 02:00", None]))
    assert in_repeated_hour(hours, ZONE).tolist() == [False, True, False, False]


def test_words_name_offsets_or_places():
    assert (word_offset("est"), word_offset("utc"), word_offset("ist")) == (-5, 0, None)
    assert (word_zone("us/eastern"), word_zone("et"), word_zone("mars")) == ("US/Eastern", ZONE, None)


def test_a_zone_that_is_not_known_is_refused():
    with pytest.raises(BarsError, match="IANA time zone"):
        localize(LOCAL, "Mars/Base", NOBODY)
