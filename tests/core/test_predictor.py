import numpy as np
import pandas as pd
import pytest
import torch

from core.data.store import BarStore
from core.data.windows import LastBarWindows
from core.errors import BarsError, WindowError
from core.predictor import Predictor, whole_windows
from core.timeframe import Session
from tests.conftest import random_walk, small_config, untrained_bundle

AT = pd.Timestamp("2009-06-01", tz="UTC")


@pytest.fixture
def predictor(walk_bundle, walk_store):
    return Predictor(walk_bundle, walk_store)


def numbers(prediction):
    return np.concatenate(
        [
            [
                *task.logits,
                *task.probabilities,
                task.head_confidence,
                *task.sources.values(),
                task.raw_confidence,
                task.stated.confidence,
                *task.stated.probabilities,
                task.intensity or 0.0,
            ]
            for task in prediction.tasks.values()
        ]
        + [[prediction.distance]]
    )


def test_changing_any_later_bar_changes_nothing_bit_for_bit(predictor, walk_bundle, walks, tmp_path):
    before = predictor.predict("AAA", "1d", AT)
    maps = predictor.attention("AAA", "1d", AT)
    store = BarStore(tmp_path / "changed")
    for bars in walks.values():
        later = bars["ts"] > AT
        changed = bars.copy()
        changed.loc[later, ["open", "high", "low", "close", "volume"]] *= 3.7
        store.upsert(changed)
    changed = Predictor(walk_bundle, store)
    after = changed.predict("AAA", "1d", AT)
    assert np.array_equal(numbers(before), numbers(after))
    assert before.data_fingerprint == after.data_fingerprint
    assert np.array_equal(maps.weights, changed.attention("AAA", "1d", AT).weights)


def test_live_history_and_training_windows_score_a_bar_alike(predictor, walk_data):
    live = predictor.predict("BBB", "1d", AT)
    history = predictor.predict_range("BBB", "1d", AT - pd.Timedelta(days=60), AT + pd.Timedelta(days=60))
    (same,) = [prediction for prediction in history if prediction.ts == live.ts]
    np.testing.assert_allclose(numbers(same), numbers(live), atol=2e-5)

    config = predictor.bundle.config
    for segment in (0, 1, 2):
        windows = LastBarWindows(walk_data, segment, config)
        for row, (which, bar) in enumerate(windows.rows):
            series = walk_data.series[which]
            if series.instrument == "BBB" and series.ts[bar] == live.ts.tz_localize(None).to_datetime64():
                item = windows[row]
                output = predictor.bundle.model(
                    item["x"][None], item["instrument"][None], item["timeframe"][None]
                )
                trained = output.tasks["regime"].logits[0, -1].detach().numpy()
                np.testing.assert_allclose(trained, live.tasks["regime"].logits, atol=2e-5)
                return
    pytest.fail("the bar is in no segment")


def test_the_time_names_the_last_bar_at_or_before_it(predictor):
    saturday = pd.Timestamp("2009-05-30 12:00", tz="UTC")
    prediction = predictor.predict("AAA", "1d", saturday)
    assert prediction.ts == pd.Timestamp("2009-05-29", tz="UTC")
    assert prediction.known_at == pd.Timestamp("2009-05-30", tz="UTC")


def test_without_a_time_the_newest_bar_is_predicted(predictor, walks):
    assert predictor.predict("AAA", "1d").ts == walks["AAA", "1d"]["ts"].iloc[-1]


def test_probabilities_are_the_softmax_of_the_logits(predictor):
    for task in predictor.predict("AAA", "1d", AT).tasks.values():
        shares = np.exp(task.logits - task.logits.max())
        np.testing.assert_allclose(task.probabilities, shares / shares.sum(), atol=1e-6)
        assert task.call == task.classes[int(np.argmax(task.logits))]
        assert (task.intensity is not None) == (task.task == "volatility")


def test_the_raw_confidence_is_the_specified_sum_of_its_sources(predictor):
    for task in predictor.predict("AAA", "1d", AT).tasks.values():
        assert list(task.sources) == ["attention", "ensemble", "similarity", "mc_dropout"]
        assert all(0 <= value <= 1 for value in task.sources.values())
        weighted = np.dot([0.3, 0.25, 0.25, 0.2], list(task.sources.values()))
        assert task.raw_confidence == pytest.approx(weighted, abs=1e-6)
        assert 0 < task.stated.confidence < 1
        assert task.call in task.stated.members


def test_the_same_bar_twice_gives_the_same_confidence(predictor):
    first, second = (numbers(predictor.predict("AAA", "1d", AT)) for _ in range(2))
    assert np.array_equal(first, second)


def test_attention_rows_sum_to_one_and_stay_inside_their_window(predictor):
    maps = predictor.attention("AAA", "1d", AT)
    assert maps.weights.shape == (4, 4, 300, 300)
    np.testing.assert_allclose(maps.weights.sum(-1), 1, atol=1e-5)
    age = np.arange(300)[:, None] - np.arange(300)[None]
    for layer, window in zip(maps.weights, maps.windows, strict=True):
        outside = (age < 0) | (age >= (window or 300))
        assert (layer[:, outside] == 0).all()


def test_fewer_bars_than_a_window_are_refused_with_the_count(predictor):
    with pytest.raises(WindowError, match=r"300 bars of AAA 1d.*got 5; .*ingest 295 more"):
        predictor.predict("AAA", "1d", pd.Timestamp("2005-01-07", tz="UTC"))


def test_an_unknown_instrument_is_refused_and_a_new_one_is_predicted_and_labelled(predictor, walk_store):
    with pytest.raises(BarsError):
        predictor.predict("AAB", "1d")
    walk_store.upsert(random_walk("NEW", 900, 9))
    prediction = predictor.predict("NEW", "1d")
    assert not prediction.known_instrument
    labelled = predictor.label_range("NEW", "1d")
    for task in ("direction", "volatility", "regime"):
        assert (labelled.labels[task][300:-20] >= 0).all(), "labels come from the series' own borders"


def test_every_logit_is_what_the_bar_itself_says_and_what_the_transformer_adds(predictor):
    prediction = predictor.predict("AAA", "1d", AT)
    columns = {
        task.name: task.direct_columns(predictor.bundle.feature_names) for task in small_config().tasks
    }
    window = predictor.window("AAA", "1d", AT)
    for name, task in prediction.tasks.items():
        assert columns[name]
        path = predictor.bundle.model.heads[name].direct
        np.testing.assert_allclose(task.direct, path(torch.from_numpy(window.features[-1])), atol=1e-6)
        np.testing.assert_allclose(task.direct + task.transformer, task.logits, atol=1e-6)
        assert task.to_dict()["direct_logits"] == pytest.approx(task.direct.tolist())


def test_a_bundle_from_other_seeds_says_something_else(walk_data, walk_store, predictor, tmp_path):
    other = untrained_bundle(walk_data, small_config(), tmp_path / "other", seed=1)
    there = Predictor(other, walk_store).predict("AAA", "1d", AT)
    assert there.model_version != predictor.bundle.version
    assert not np.allclose(numbers(there), numbers(predictor.predict("AAA", "1d", AT)))


def test_whole_windows_equal_a_loop():
    rng = np.random.default_rng(0)
    missing = rng.random(60) * (rng.random(60) < 0.4)
    expected = [i for i in range(9, 60) if missing[i - 9 : i + 1].mean() <= 0.2]
    assert whole_windows(missing, 10, 0.2).tolist() == expected


def test_a_window_over_a_hole_says_so_alone_and_in_a_range_and_no_other_does(predictor, walks, tmp_path):
    store = BarStore(tmp_path / "hole")
    bars = walks["AAA", "1d"]
    store.upsert(pd.concat([bars.iloc[:700], bars.iloc[1000:]]))
    holed = Predictor(predictor.bundle, store)
    ts = bars["ts"]
    (said,) = holed.predict("AAA", "1d", ts[1100]).caveats
    assert f"no bars between {ts[699]:%Y-%m-%d} and {ts[1000]:%Y-%m-%d} (14 months)" in said
    assert holed.predict("AAA", "1d", ts[1100]).to_dict()["caveats"] == [said]
    told = {p.ts: p.caveats for p in holed.predict_range("AAA", "1d", ts[600], ts[1399])}
    assert [bool(told[ts[row]]) for row in (650, 699, 1000, 1100, 1298, 1299, 1399)] == [
        False, False, True, True, True, False, False,
    ]  # fmt: skip
    assert predictor.predict("AAA", "1d", ts[1100]).caveats == ()


def test_a_bar_that_is_not_closed_is_predicted_on_by_nothing(walk_bundle, tmp_path):
    days = pd.date_range(end=pd.Timestamp.now("UTC").normalize() + pd.Timedelta(days=3), periods=900)
    store = BarStore(tmp_path / "open")
    for seed, name in enumerate(["AAA", "BBB"]):
        store.upsert(random_walk(name, 900, seed).assign(ts=days.as_unit("us")))
    predictor = Predictor(walk_bundle, store)
    yesterday = days[-5]
    assert predictor.predict("AAA", "1d").ts == yesterday
    assert predictor.predict("AAA", "1d", days[-1]).ts == yesterday
    assert predictor.predict_range("AAA", "1d", days[-9], days[-1])[-1].ts == yesterday
    assert predictor.label_range("AAA", "1d").ts[-1] == yesterday.tz_localize(None).to_datetime64()


def test_a_daily_bar_is_known_when_its_session_closes(predictor, walk_store):
    walk_store.set_session("AAA", "1d", Session("America/New_York", "16:00"))
    assert predictor.predict("AAA", "1d", AT).known_at == AT + pd.Timedelta(hours=20)
    assert predictor.predict("BBB", "1d", AT).known_at == AT + pd.Timedelta(hours=24)
