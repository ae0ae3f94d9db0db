from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from core.confidence.similarity import window_statistics
from core.data.segments import TRAIN
from core.data.store import BarStore
from core.errors import WindowError
from core.explain.cache import open_cache
from core.explain.moment import Moment
from core.explain.past_windows import POOL, PastWindows, find_reach, judge_past
from core.explain.references import COUNT, ORDINARY, TYPICAL, rank_typical
from core.predictor import Predictor
from tests.conftest import random_walk

LATE = pd.Timestamp("2010-03-05", tz="UTC")


@pytest.fixture
def predictor(walk_bundle, walk_store):
    return Predictor(walk_bundle, walk_store)


def judge(predictor, instrument="AAA", at=LATE, seed=0, cache=None):
    window = predictor.window(instrument, "1d", at)
    return window, judge_past(predictor, window, find_reach(predictor, window), seed, cache)


def test_candidates_are_training_windows_that_ended_before_the_explained_one_began(predictor):
    window, past = judge(predictor)
    series = predictor.label_range("AAA", "1d", end=predictor.bundle.borders.train_end)
    assert len(past.ts) == POOL
    assert (past.ts < window.ts[0]).all()
    for ts, cells in zip(past.ts, past.windows, strict=True):
        end = int(np.searchsorted(series.ts, ts))
        np.testing.assert_array_equal(series.features[end - 299 : end + 1], cells)
        assert any(segment[end] == TRAIN for segment in series.segments.values())


@pytest.mark.parametrize("bars_back", [0, 40, 90])
def test_candidates_of_a_series_never_trained_on_ended_before_the_window_began(
    predictor, walk_store, bars_back
):
    bars = random_walk("ZZZ", 1000, 7)
    walk_store.upsert(bars)
    at = bars["ts"].iloc[-1 - bars_back]
    window, past = judge(predictor, "ZZZ", at)
    assert len(past.ts) == POOL
    assert (past.ts < window.ts[0]).all()


def test_neighbouring_bars_are_compared_with_the_same_windows(predictor, walk_store):
    walk_store.upsert(random_walk("ZZZ", 1000, 7))
    ends = {
        find_reach(predictor, predictor.window("ZZZ", "1d", LATE - pd.Timedelta(days=d))).end
        for d in range(28)
    }
    assert len(ends) <= 2


def test_a_window_with_too_little_before_it_is_compared_with_ones_that_overlap_but_not_with_itself(
    predictor, walk_store
):
    bars = random_walk("ZZZ", 420, 7)
    walk_store.upsert(bars)
    window, past = judge(predictor, "ZZZ", bars["ts"].iloc[-1])
    assert 0 < len(past.ts) <= POOL
    assert (past.ts < window.ts[-1]).all()
    assert not any(np.array_equal(cells, window.features) for cells in past.windows)


def test_the_first_window_of_a_series_has_nothing_before_it_and_is_compared_with_its_own_mean(predictor):
    first = (
        predictor.store.read_range("AAA", "1d")["ts"].dt.tz_localize(None).to_numpy("datetime64[us]")[:300]
    )
    window = replace(predictor.window("AAA", "1d", LATE), ts=first)
    past = judge_past(predictor, window, find_reach(predictor, window))
    assert len(past.ts) == 0
    with pytest.raises(WindowError, match="an earlier window"):
        past.choose(ORDINARY, "direction", 0)
    assert Moment(predictor, window).reference(ORDINARY, "direction").name == "window_mean"


def test_a_seed_gives_the_same_windows_and_another_one_others(predictor):
    (_, first), (_, again), (_, other) = (judge(predictor, seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.ts, again.ts)
    assert (first.ts != other.ts).any()


def test_what_is_kept_is_what_was_judged_and_bars_corrected_since_are_judged_anew(
    predictor, walk_store, tmp_path, monkeypatch
):
    cache = open_cache(tmp_path)
    _, judged = judge(predictor, cache=cache)
    monkeypatch.setattr(predictor, "predict_windows", None)
    _, kept = judge(predictor, cache=cache)
    for name in ("ts", "windows", "distances"):
        np.testing.assert_array_equal(getattr(kept, name), getattr(judged, name))
    for task, said in judged.probabilities.items():
        np.testing.assert_array_equal(kept.probabilities[task], said)
    monkeypatch.undo()
    before = find_reach(predictor, predictor.window("AAA", "1d", LATE)).fingerprint
    bars = walk_store.read_range("AAA", "1d")
    walk_store.upsert(bars.iloc[400:401].assign(volume=1.0))
    assert find_reach(predictor, predictor.window("AAA", "1d", LATE)).fingerprint != before


def test_judgements_are_the_models_own(predictor):
    window, past = judge(predictor)
    said = predictor.predict_window(replace(window, ts=past.ts[3:4], features=past.windows[3]))
    assert past.distances[3] == pytest.approx(said.distance, rel=1e-4)
    np.testing.assert_allclose(past.probabilities["regime"][3], said.tasks["regime"].probabilities, atol=1e-5)


@pytest.fixture
def candidates():
    rng = np.random.default_rng(2)
    said = rng.dirichlet([2.0, 3.0, 5.0], size=40)
    distances = np.where(np.arange(40) % 3 == 0, 1.3, 0.6) + np.arange(40) / 1000
    windows = rng.uniform(0, 100, (40, 12, 4)).astype(np.float32)
    return PastWindows(np.arange(40).astype("datetime64[us]"), windows, distances, {"mood": said})


@pytest.mark.parametrize("index", [0, 1, 2])
def test_ordinary_windows_are_not_strange_and_say_the_base_rate_on_average(candidates, index):
    reference = candidates.choose(ORDINARY, "mood", index)
    rows = [int(np.flatnonzero((candidates.windows == cells).all((1, 2)))[0]) for cells in reference.windows]
    assert len(set(rows)) == COUNT
    assert (candidates.distances[rows] <= 1).all()
    assert reference.distance == candidates.distances[rows].max()
    usual = candidates.probabilities["mood"][candidates.distances <= 1, index]
    said = candidates.probabilities["mood"][rows, index]
    assert said.mean() == pytest.approx(usual.mean(), abs=0.02)
    assert abs(said[0] - usual.mean()) == np.abs(usual - usual.mean()).min()


def test_the_typical_window_is_the_medoid_of_those_that_are_not_strange(candidates):
    reference = candidates.choose(TYPICAL, "mood", 0)
    usual = np.flatnonzero(candidates.distances <= 1)
    medoid = usual[rank_typical(window_statistics(candidates.windows[usual]))[0]]
    np.testing.assert_array_equal(reference.windows, candidates.windows[[medoid]])
    assert reference.distance == candidates.distances[medoid]


def test_where_every_window_is_strange_the_reference_says_how_strange(candidates):
    strange = replace(candidates, distances=candidates.distances + 1)
    reference = strange.choose(ORDINARY, "mood", 0)
    assert len(reference.windows) == COUNT
    assert reference.distance > 1


def test_a_store_without_training_bars_offers_later_ones(walks, walk_bundle, tmp_path):
    store = BarStore(tmp_path)
    for bars in walks.values():
        store.upsert(bars[bars["ts"] > walk_bundle.borders.train_end])
    later = store.read_range("AAA", "1d")["ts"]
    predictor = Predictor(walk_bundle, store)
    window, past = judge(predictor, "AAA", later.iloc[-1])
    assert len(past.ts)
    assert (past.ts < window.ts[-1]).all()
