import json
import zipfile
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from core.data.store import BarStore
from core.errors import InputError
from core.explain.evidence.store import EvidenceError, evidence_folder, evidence_path
from core.explain.similar import index as moment_index
from core.explain.similar.index import build_index, load_index, save_index
from core.explain.similar.reach import check_reach
from core.explain.similar.search import find_analogues
from core.predictor import Predictor
from core.progress import Stopped

STEP = 60
SHORT = 1000
"""Bars of each walk in the store: half the windows of the whole walk."""
FIRST = 396
"""The first bar scored: borders take 250 bars to know, and before that too much of a window is missing."""


@pytest.fixture(scope="module")
def home(tmp_path_factory, walks):
    folder = tmp_path_factory.mktemp("moments")
    store = BarStore(folder)
    for bars in walks.values():
        store.upsert(bars.iloc[:SHORT])
    return folder


@pytest.fixture(scope="module")
def predictor(home, walk_bundle):
    return Predictor(walk_bundle, BarStore(home))


@pytest.fixture(scope="module")
def index(predictor):
    return build_index(predictor, step=STEP)


@pytest.fixture
def growing(tmp_path, walks, walk_bundle):
    """A store of its own that a test may change."""
    store = BarStore(tmp_path / "own")
    for bars in walks.values():
        store.upsert(bars.iloc[:SHORT])
    return Predictor(walk_bundle, store)


def save(index, home, bundle):
    return save_index(index, evidence_path(evidence_folder(home, bundle), "moments"), bundle)


def count_scored(monkeypatch):
    scored = []
    plain = moment_index._score

    def counting(predictor, series, ends, meter):
        scored.append(len(ends))
        return plain(predictor, series, ends, meter)

    monkeypatch.setattr(moment_index, "_score", counting)
    return scored


def test_every_steps_window_of_every_known_series_is_there(index, predictor):
    expected = np.arange(FIRST, SHORT, STEP)
    for name in ("AAA|1d", "BBB|1d"):
        np.testing.assert_array_equal(index.bar[index.series == name], expected)
    assert index.length == predictor.length
    assert [source.bars for source in index.sources] == [SHORT, SHORT]


def test_probabilities_are_the_predictors_own_at_those_bars(index, predictor):
    rows = np.flatnonzero(index.series == "BBB|1d")
    for row in rows[[0, len(rows) // 2, -1]]:
        said = predictor.predict("BBB", "1d", pd.Timestamp(index.ts[row], tz="UTC"))
        for task, found in index.probabilities.items():
            np.testing.assert_allclose(found[row], said.tasks[task].probabilities, atol=2e-5)


def test_outcomes_are_the_labels_and_known_when_their_last_bar_closed(index, predictor):
    series = predictor.label_range("AAA", "1d")
    rows = index.series == "AAA|1d"
    bars = index.bar[rows]
    for task in index.outcome:
        np.testing.assert_array_equal(index.outcome[task][rows], series.labels[task][bars])
        known, end = index.outcome_known_at[task][rows], series.label_end[task][bars]
        closes = series.ts + np.timedelta64(1, "D")
        np.testing.assert_array_equal(known[end >= 0], closes[end[end >= 0]])
        assert np.isnat(known[end < 0]).all()
        np.testing.assert_array_equal(index.trained[task][rows], series.segments[task][bars] == 0)


def test_changing_later_bars_moves_nothing_that_a_query_can_find(index, growing, walks):
    row = int(np.flatnonzero(index.series == "AAA|1d")[7])
    close = index.ts[row] + np.timedelta64(1, "D")
    for bars in walks.values():
        later = bars[(bars["ts"].dt.tz_localize(None).to_numpy() >= close)].copy()
        for name in ("open", "high", "low", "close"):
            later[name] *= np.linspace(1.1, 3, len(later))
        growing.store.upsert(later.iloc[: SHORT - row])
    other = build_index(growing, step=STEP)
    assert not np.array_equal(other.representations, index.representations)
    for task in index.outcome:
        found, again = (
            find_analogues(
                one,
                one.representations[row],
                task=task,
                series="AAA|1d",
                bar=int(one.bar[row]),
                known_at=close,
                count=20,
            )
            for one in (index, other)
        )
        assert len(found.moments) > 0
        assert [(m.series, m.bar, m.similarity, m.outcome) for m in found.moments] == [
            (m.series, m.bar, m.similarity, m.outcome) for m in again.moments
        ]
        assert (found.candidates, found.base_accuracy) == (again.candidates, again.base_accuracy)


def test_what_is_saved_comes_back_bit_for_bit(index, home, walk_bundle):
    path = save(index, home, walk_bundle)
    loaded = load_index(home, walk_bundle)
    assert loaded is not None
    assert not list(path.parent.glob("*.part"))
    np.testing.assert_array_equal(loaded.representations, index.representations)
    for name in ("series", "bar", "ts"):
        np.testing.assert_array_equal(getattr(loaded, name), getattr(index, name))
    for name in ("outcome", "outcome_known_at", "probabilities", "trained"):
        for task, values in getattr(index, name).items():
            np.testing.assert_array_equal(getattr(loaded, name)[task], values)
    assert (loaded.sources, loaded.step, loaded.model) == (index.sources, index.step, index.model)


def test_no_index_is_none_and_so_is_that_of_another_model(tmp_path, index, walk_bundle):
    assert load_index(tmp_path, walk_bundle) is None
    path = save(index, tmp_path, walk_bundle)
    with np.load(path) as stored:
        arrays = {name: stored[name] for name in stored.files}
    header = json.loads(bytes(arrays["header"])) | {"model": "0" * 16}
    arrays["header"] = np.frombuffer(json.dumps(header).encode(), np.uint8)
    np.savez(path, **arrays)
    assert load_index(tmp_path, walk_bundle) is None


@pytest.mark.parametrize("damage", ["cut", "noise", "no rows", "no array", "empty"])
def test_a_damaged_index_is_one_sentence_with_the_command(tmp_path, index, walk_bundle, damage):
    path = save(index, tmp_path, walk_bundle)
    content = path.read_bytes()
    if damage == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif damage == "noise":
        path.write_bytes(bytes(1000))
    elif damage == "empty":
        path.write_bytes(b"")
    else:
        with np.load(path) as stored:
            arrays = {name: stored[name] for name in stored.files}
        if damage == "no rows":
            arrays["bar"] = arrays["bar"][:-1]
        else:
            del arrays["known_1"]
        np.savez(path, **arrays)
    with pytest.raises(
        EvidenceError, match=r"damaged file .*; build it again: .* --parts moments\.$"
    ) as said:
        load_index(tmp_path, walk_bundle)
    assert "\n" not in str(said.value)


def test_an_index_of_another_model_is_not_written(tmp_path, index, walk_bundle):
    with pytest.raises(InputError, match="another model's"):
        save(replace(index, model="0" * 16), tmp_path, walk_bundle)


def test_the_file_holds_half_floats_and_no_pickle(tmp_path, index, walk_bundle):
    path = save(index, tmp_path, walk_bundle)
    assert zipfile.is_zipfile(path)
    with np.load(path, allow_pickle=False) as stored:
        assert stored["representations"].dtype == np.float16
        assert all(not stored[name].dtype.hasobject for name in stored.files)


def test_longer_new_and_changed_series_are_told_apart(index, growing, walks):
    assert {reach.state for reach in check_reach(index, growing)} == {"current"}
    growing.store.upsert(walks["AAA", "1d"].iloc[SHORT : SHORT + 5])
    changed = walks["BBB", "1d"].iloc[[400]].assign(volume=1.0)
    growing.store.upsert(changed)
    reach = {reach.name: reach for reach in check_reach(index, growing)}
    assert reach["AAA|1d"].state == "longer"
    assert reach["AAA|1d"].reaches == walks["AAA", "1d"]["ts"].iloc[SHORT - 1].to_datetime64()
    assert reach["BBB|1d"].state == "changed"


def test_a_series_the_index_never_saw_is_new(index, tmp_path, walks, walk_bundle):
    store = BarStore(tmp_path / "two")
    for bars in walks.values():
        store.upsert(bars.iloc[:SHORT])
    only = replace(index, sources=index.sources[:1])
    states = {reach.name: reach.state for reach in check_reach(only, Predictor(walk_bundle, store))}
    assert states == {"AAA|1d": "current", "BBB|1d": "new"}


def test_brought_up_to_date_it_is_the_index_built_anew_and_scores_new_windows_only(
    index, growing, walks, monkeypatch
):
    for bars in walks.values():
        growing.store.upsert(bars.iloc[SHORT : SHORT + 130])
    anew = build_index(growing, step=STEP)
    scored = count_scored(monkeypatch)
    grown = build_index(growing, step=STEP, previous=index)
    assert sum(scored) == 2 * 2
    np.testing.assert_array_equal(grown.bar, anew.bar)
    np.testing.assert_allclose(
        grown.representations.astype(float), anew.representations.astype(float), atol=2e-2
    )
    for task in index.outcome:
        np.testing.assert_array_equal(grown.outcome[task], anew.outcome[task])
        np.testing.assert_allclose(grown.probabilities[task], anew.probabilities[task], atol=2e-5)
    assert grown.sources == anew.sources


def test_a_peer_that_grew_makes_only_later_moments_of_the_others_new(index, growing, walks, monkeypatch):
    growing.store.upsert(walks["AAA", "1d"].iloc[SHORT : SHORT + 130])
    scored = count_scored(monkeypatch)
    build_index(growing, step=STEP, previous=index)
    assert scored == [2, 0]


def test_changed_bars_make_all_of_their_timeframe_new(index, growing, walks, monkeypatch):
    growing.store.upsert(walks["BBB", "1d"].iloc[[400]].assign(volume=1.0))
    scored = count_scored(monkeypatch)
    build_index(growing, step=STEP, previous=index)
    assert scored == [11, 11]


def test_progress_is_told_and_cancelling_ends_it(predictor):
    told = []
    build_index(predictor, step=300, progress=lambda done, planned: told.append((done, planned)))
    assert told[0] == (0, 6)
    assert told[-1] == (6, 6)
    with pytest.raises(Stopped):
        build_index(predictor, step=300, cancelled=lambda: True)


def test_a_store_without_a_known_series_is_refused(tmp_path, walk_bundle, walks, predictor):
    store = BarStore(tmp_path / "strange")
    store.upsert(walks["AAA", "1d"].assign(instrument="ZZZ"))
    with pytest.raises(InputError, match="a series the model was trained on"):
        build_index(Predictor(walk_bundle, store))
    with pytest.raises(InputError, match="a step of at least one bar"):
        build_index(predictor, step=0)
