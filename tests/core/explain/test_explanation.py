import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import core.explain.cache as cache_module
import core.explain.explanation as explanation
from core.data.store import BarStore
from core.errors import InputError
from core.explain.cache import ExplanationCache
from core.explain.explanation import (
    Explanation,
    Question,
    check_explanation,
    explain_moment,
    pose_question,
    recall_attribution,
    recall_check,
)
from core.explain.margin import evaluate, probability
from core.explain.methods.settings import Settings
from core.explain.moment import Moment
from core.explain.references import SAME
from core.predictor import Predictor
from core.progress import Stopped

QUICK = Settings(first_steps=4, max_steps=8, tolerance=1.0)


@pytest.fixture(scope="module")
def moment(walks, walk_bundle, tmp_path_factory):
    store = BarStore(tmp_path_factory.mktemp("explained"))
    for bars in walks.values():
        store.upsert(bars)
    return Moment.at(Predictor(walk_bundle, store), "AAA", "1d", pd.Timestamp("2009-06-05", tz="UTC"))


def explain(moment, question, cache=None, cancelled=None):
    """Attribution and its check, as whoever asks for both gets them."""
    found = explain_moment(moment, question, cache, cancelled=cancelled)
    return Explanation(moment, question, found, check_explanation(moment, question, found, cache))


@pytest.fixture
def question():
    return Question("direction", "Bullish", "gradient_times_input", "window_mean", QUICK)


@pytest.fixture
def cache(tmp_path):
    return ExplanationCache(tmp_path)


@pytest.fixture
def unasked(monkeypatch):
    """The model may no longer be asked."""

    def refuse(*arguments, **named):
        raise AssertionError("computed again")

    for name in ("attribute", "measure_faithfulness", "remove_top", "find_causes"):
        monkeypatch.setattr(explanation, name, refuse)


def test_what_is_read_from_disk_equals_what_was_computed(moment, question, cache, request):
    computed = explain(moment, question, cache)
    request.getfixturevalue("unasked")
    read = explain(moment, question, cache)
    assert json.dumps(read.to_dict()) == json.dumps(computed.to_dict())
    np.testing.assert_array_equal(read.attribution.values, computed.attribution.values)
    assert read.check.removal == computed.check.removal
    for name in ("deletion", "random_insertions", "attention_deletion"):
        one, other = (getattr(found.check.faithfulness, name) for found in (read, computed))
        np.testing.assert_array_equal(one.margins, other.margins)
        np.testing.assert_array_equal(one.shares, other.shares)
    assert [cause.features for cause in read.check.causes] == [c.features for c in computed.check.causes]


def test_causes_without_a_feature_survive_the_disk(moment, question, cache):
    by_bar = replace(question, method="occlusion", settings=Settings(occlusion_block=50))
    computed, read = explain(moment, by_bar, cache), explain(moment, by_bar, cache)
    assert all(np.isnan(cause.market) for cause in read.check.causes)
    assert [c.value for c in read.check.causes] == [c.value for c in computed.check.causes]


def test_a_damaged_entry_is_computed_again(moment, question, cache):
    before = explain(moment, question, cache).to_dict()
    for path in cache.folder.iterdir():
        path.write_bytes(path.read_bytes()[:200])
    after = explain(moment, question, cache).to_dict()
    assert {**after, "seconds": 0} == {**before, "seconds": 0}


@pytest.mark.parametrize("what", ["model", "bars", "class", "settings"])
def test_another_model_bar_or_question_is_another_entry(moment, question, cache, what):
    explain(moment, question, cache)
    kept = len(list(cache.folder.iterdir()))
    if what == "model":
        bundle = replace(moment.bundle, version="0123456789ab")
        moment = Moment(Predictor(bundle, moment.predictor.store), moment.window)
    elif what == "bars":
        features = moment.window.features.copy()
        features[5, 0] += 1
        moment = Moment(moment.predictor, replace(moment.window, features=features))
    elif what == "class":
        question = replace(question, target="Bearish")
    else:
        question = replace(question, settings=replace(QUICK, seed=1))
    explain(moment, question, cache)
    assert len(list(cache.folder.iterdir())) == 2 * kept


def test_a_cancelled_explanation_keeps_nothing(moment, question, cache):
    with pytest.raises(Stopped):
        explain(moment, question, cache, cancelled=lambda: True)
    assert not cache.folder.exists() or not list(cache.folder.iterdir())


def test_the_dictionary_is_json_and_says_what_machines_need(moment, question):
    found = explain(moment, question)
    plain = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    bars, features = moment.features.shape
    assert np.shape(plain["attribution"]) == (bars, features)
    assert len(plain["feature_names"]) == len(plain["groups"]) == features
    assert len(plain["bar_times"]) == bars
    assert plain["bar_times"][-1] == "2009-06-05T00:00:00Z"
    assert plain["known_at"] == "2009-06-06T00:00:00+00:00"
    assert (plain["class"], plain["method"]) == ("Bullish", "gradient_times_input")
    reference = moment.reference("window_mean", "direction", "Bullish")
    said = probability(evaluate(moment.margin("direction", "Bullish"), reference.windows))[0]
    assert plain["reference"] == {
        "name": "window_mean",
        "windows": 1,
        "probability": pytest.approx(said),
        "out_of_distribution": reference.distance > 1,
        "distance": reference.distance,
        "says_the_same": abs(plain["probability"] - said) <= SAME,
    }
    assert plain["probability"] == pytest.approx(
        moment.prediction.tasks["direction"].probabilities[0], abs=1e-5
    )
    faithful = found.check.faithfulness
    assert plain["random_orders"] == 20
    assert plain["deletion_rank"] == (faithful.random_deletions.areas > faithful.deletion.area).sum()
    assert plain["insertion_rank"] == (faithful.random_insertions.areas < faithful.insertion.area).sum()
    assert plain["better_than_random"] == (min(plain["deletion_rank"], plain["insertion_rank"]) >= 19)
    assert plain["completeness_error"] is None
    assert plain["deletion_area"] == pytest.approx(found.check.faithfulness.deletion.area)
    assert plain["removal"]["sentence"] == found.check.removal.sentence


def test_an_explanation_against_ordinary_windows_reads_them_and_itself_from_disk(
    moment, question, cache, request
):
    asked = replace(question, reference="ordinary_windows")
    computed = explain(moment, asked, cache)
    assert computed.to_dict()["reference"]["windows"] == 16
    assert computed.to_dict()["reference"]["name"] == "ordinary_windows"
    request.getfixturevalue("unasked")
    again = Moment(moment.predictor, moment.window)
    assert json.dumps(explain(again, asked, cache).to_dict()) == json.dumps(computed.to_dict())


def test_corrected_earlier_bars_make_another_entry(moment, question, cache, walks, tmp_path):
    asked = replace(question, reference="ordinary_windows")
    explain(moment, asked, cache)
    store = BarStore(tmp_path / "corrected")
    for bars in walks.values():
        store.upsert(bars.assign(volume=bars["volume"].where(bars.index != 400, 1.0)))
    corrected = Moment(Predictor(moment.bundle, store), moment.window)
    assert recall_attribution(moment, asked, cache) is not None
    assert recall_attribution(corrected, asked, cache) is None
    assert recall_attribution(corrected, replace(asked, reference="window_mean"), cache) is None


def test_a_check_of_the_older_form_is_made_anew(moment, question, cache, monkeypatch):
    monkeypatch.setattr(cache_module, "FORMAT", 1)
    explain(moment, question, cache)
    monkeypatch.undo()
    assert recall_check(moment, question, cache) is None


@pytest.mark.parametrize(
    ("old", "now"), [("multi_reference", "ordinary_windows"), ("training_median", "ordinary_windows")]
)
def test_references_of_old_scripts_are_understood(moment, old, now):
    assert pose_question(moment, None, task="direction", reference=old).reference == now


def test_integrated_gradients_report_how_far_they_add_up(moment, question):
    found = explain(moment, replace(question, method="ig", settings=Settings()))
    plain = found.to_dict()
    total = np.sum(plain["attribution"])
    change = plain["output"] - plain["reference_output"]
    assert total == pytest.approx(change, abs=0.02 * max(abs(change), 0.01))
    assert plain["completeness_error"] <= 0.02


def test_a_question_is_filled_in_with_the_call_and_the_unmeasured_defaults(moment):
    posed = pose_question(moment, None, task="regime")
    assert posed == Question("regime", moment.prediction.tasks["regime"].call, "ig", "ordinary_windows")


@pytest.mark.parametrize("name", ["bullish", "BULLISH", " Bullish "])
def test_a_class_is_found_in_any_case(moment, name):
    assert pose_question(moment, None, task="direction", target=name).target == "Bullish"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"task": "weather"}, "a task out of direction, volatility, regime"),
        ({"target": "High"}, "a class out of Bullish, Bearish, Sideways"),
        ({"method": "deeplift"}, "a method out of ig"),
        ({"reference": "zero"}, "a reference out of ordinary_windows"),
    ],
)
def test_what_does_not_exist_is_refused_before_anything_is_computed(moment, wrong, said):
    with pytest.raises(InputError, match=said):
        pose_question(moment, None, **({"task": "direction"} | wrong))
