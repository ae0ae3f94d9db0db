import json

import numpy as np
import pandas as pd
import pytest

from core.data.freshness import judge_feed
from core.data.store import BarStore
from core.operations.latest import (
    CHUNK,
    Latest,
    LatestError,
    find_stale,
    latest_path,
    read_latest,
    update_latest,
)
from core.prediction import Prediction
from core.predictor import Predictor
from core.progress import Stopped
from tests.conftest import random_walk


@pytest.fixture
def predictor(walk_bundle, walk_store):
    return Predictor(walk_bundle, walk_store)


def update(predictor: Predictor, **settings):
    stored = read_latest(predictor.store.home, predictor.bundle.version)
    return update_latest(predictor, find_stale(stored, predictor.store.series()), **settings)


def assert_same(one: Prediction, other: Prediction) -> None:
    assert (one.ts, one.known_at, one.segment) == (other.ts, other.known_at, other.segment)
    assert one.data_fingerprint == other.data_fingerprint
    for name, task in one.tasks.items():
        np.testing.assert_allclose(task.shares, other.tasks[name].shares, atol=1e-5)
        assert task.no_call == other.tasks[name].no_call
        assert task.stated.ranks == pytest.approx(other.tasks[name].stated.ranks, abs=1e-4)


def test_what_is_stored_is_what_the_model_says_at_the_newest_bar_and_the_one_before(predictor):
    found = update(predictor)
    assert sorted(found) == [("AAA", "1d"), ("BBB", "1d")]
    read = read_latest(predictor.store.home, predictor.bundle.version)
    for (instrument, timeframe), one in read.items():
        ts = predictor.store.read_range(instrument, timeframe)["ts"]
        assert (one.last, one.bars) == (ts.iloc[-1], len(ts))
        assert_same(one.now, predictor.predict(instrument, timeframe))
        assert_same(one.before, predictor.predict(instrument, timeframe, ts.iloc[-2]))
        assert one.refused == ""


def test_a_prediction_comes_back_from_its_plain_values(predictor):
    said = predictor.predict("AAA", "1d")
    plain = json.loads(json.dumps(said.to_dict()))
    assert Prediction.from_dict(plain).to_dict() == plain
    assert Prediction.from_dict(plain).tasks["direction"].call == said.tasks["direction"].call


def test_only_series_whose_bars_are_new_are_stale(predictor):
    assert len(find_stale({}, predictor.store.series())) == 2
    stored = update(predictor)
    assert find_stale(stored, predictor.store.series()) == []
    bars = predictor.store.read_range("AAA", "1d").tail(1)
    predictor.store.upsert(bars.assign(ts=bars["ts"] + pd.offsets.BDay(1)))
    assert [one.instrument for one in find_stale(stored, predictor.store.series())] == ["AAA"]
    again = update(predictor)
    assert again["AAA", "1d"].last > stored["AAA", "1d"].last
    assert_same(again["BBB", "1d"].now, stored["BBB", "1d"].now)
    assert_same(again["AAA", "1d"].before, stored["AAA", "1d"].now)


def test_a_series_that_cannot_be_asked_about_says_why_and_stops_no_other(predictor):
    store = predictor.store
    store.upsert(random_walk("SHORT", 120, 1))
    store.upsert(random_walk("GAPPY", 300, 2))
    store.upsert(random_walk("BAD", 700, 3))
    broken = max(store.home.glob("bars/timeframe=1d/instrument=BAD/*.parquet"))
    content = bytearray(broken.read_bytes())
    content[40:2000] = b"\0" * len(content[40:2000])
    broken.write_bytes(content)
    found = update(predictor)
    assert found["SHORT", "1d"].refused.startswith("180 bars short: the model reads 300 at once")
    assert found["SHORT", "1d"].due is not None
    assert found["GAPPY", "1d"].now is None
    assert "fill the gaps" in found["GAPPY", "1d"].refused
    assert found["BAD", "1d"].now is None
    assert "BAD" in found["BAD", "1d"].refused
    assert found["AAA", "1d"].now is not None
    assert read_latest(store.home, predictor.bundle.version)["BAD", "1d"] == found["BAD", "1d"]
    assert find_stale(found, store.series()) == []


def test_a_cancelled_run_keeps_what_was_done_and_goes_on(predictor):
    for index in range(CHUNK):
        predictor.store.upsert(random_walk(f"S{index}", 80, index))
    seen = []
    with pytest.raises(Stopped):
        update(predictor, progress=lambda *now: seen.append(now), cancelled=lambda: len(seen) > CHUNK)
    kept = read_latest(predictor.store.home, predictor.bundle.version)
    assert len(kept) == CHUNK
    assert seen[-1] == (CHUNK + 1, CHUNK + 2)
    assert len(update(predictor)) == CHUNK + 2


def test_a_series_no_longer_stored_is_forgotten(predictor):
    update(predictor)
    predictor.store.delete("BBB", "1d")
    assert sorted(update(predictor)) == [("AAA", "1d")]


def test_another_version_is_not_read_and_damage_is_said_and_mended(predictor):
    update(predictor)
    home, version = predictor.store.home, predictor.bundle.version
    assert read_latest(home, "0" * 12) == {}
    for broken in ("{", '{"format_version": 9, "rows": []}', '{"format_version": 1, "rows": [{}]}'):
        latest_path(home, version).write_text(broken)
        with pytest.raises(LatestError, match="python -m core predict-all"):
            read_latest(home, version)
    update_latest(predictor, predictor.store.series())
    assert len(read_latest(home, version)) == 2


def test_the_feed_is_judged_by_the_bar_due_next(predictor):
    one = update(predictor)["AAA", "1d"]
    assert one.due == one.last + pd.offsets.BDay(1)
    for late in (pd.Timedelta(0), pd.Timedelta(days=4), pd.Timedelta(days=90)):
        assert one.feed(one.due + late) == judge_feed(one.due, "1d", one.due + late)
    unknown = Latest("AAA", "1d", one.last, 3, refused="none")
    assert unknown.feed(one.last) is None


def test_an_empty_store_leaves_nothing(walk_bundle, tmp_path):
    assert update(Predictor(walk_bundle, BarStore(tmp_path))) == {}
