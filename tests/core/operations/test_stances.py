import json
from dataclasses import fields, replace

import numpy as np
import pytest

from core.errors import InputError
from core.operations.latest import predict_newest
from core.operations.stances import (
    call_of,
    choose_newest,
    judge_each,
    pack_call,
    read_thresholds,
    stack_calls,
    thresholds_path,
)
from core.predictor import Predictor
from core.trading.calls import from_predictions
from core.trading.rules import parse_rules
from core.trading.stance import VETOES, Thresholds, judge_calls, no_trade
from tests.core.review.synthetic_review import write_synthetic

OPEN = Thresholds(0, 0.0, 0.0, 1.0)
EVERYTHING = parse_rules(
    {"doubts": {"no_call": False, "out_of_distribution": False, "both_directions": False}}
)


@pytest.fixture(scope="module")
def predictor(walk_bundle, walks, tmp_path_factory):
    from core.data.store import BarStore

    store = BarStore(tmp_path_factory.mktemp("stances"))
    for bars in walks.values():
        store.upsert(bars)
    return Predictor(walk_bundle, store)


@pytest.fixture(scope="module")
def predictions(predictor):
    return [predictor.predict(name, "1d") for name in ("BBB", "AAA")]


def test_packed_calls_stack_to_what_all_predictions_together_are(predictor, predictions):
    packed = [json.loads(json.dumps(pack_call(call_of(predictor, one)))) for one in predictions]
    stacked = stack_calls(packed)
    bars = {(one.instrument, "1d"): predictor.store.read_range(one.instrument, "1d") for one in predictions}
    whole = from_predictions(predictions, bars, predictor.bundle.config)
    order = [whole.instruments.index(one.instrument) for one in predictions]
    for field in fields(whole):
        there, here = getattr(whole, field.name), getattr(stacked, field.name)
        if isinstance(there, np.ndarray):
            np.testing.assert_allclose(here.astype(float), there[order].astype(float), rtol=1e-6)
            assert here.dtype.kind == there.dtype.kind
        elif isinstance(there, dict):
            for name, values in there.items():
                np.testing.assert_allclose(here[name], values[order], rtol=1e-6)
        else:
            assert here == there


def test_each_stance_is_that_of_all_together(predictor, predictions):
    calls = stack_calls([pack_call(call_of(predictor, one)) for one in predictions])
    strict = Thresholds(0, 0.9, 0.9, 1.0)
    for thresholds in (OPEN, strict, no_trade(0)):
        whole = judge_calls(calls, EVERYTHING, thresholds)
        for row, one in enumerate(judge_each(calls, EVERYTHING, thresholds)):
            assert (one.side, one.size) == (whole.side[row], whole.size[row])
            assert one.vetoes == tuple(name for name in VETOES if whole.vetoes[name][row])
            assert bool(one.side) == (not one.vetoes)
    sure = judge_each(calls, EVERYTHING, strict)[0]
    assert {"probability", "confidence"} <= set(sure.vetoes)
    assert sure.confidence == pytest.approx(predictions[0].tasks["direction"].stated.confidence)


def test_what_is_predicted_carries_its_call(predictor, predictions):
    entry = next(one for one in predictor.store.series() if one.instrument == "BBB")
    call = predict_newest(predictor, entry).call
    assert call is not None
    assert call["confidence"] == pytest.approx(pack_call(call_of(predictor, predictions[0]))["confidence"])


def test_thresholds_are_kept_by_all_they_depend_on(predictor, tmp_path, monkeypatch):
    folder = tmp_path / "walk_forward"
    write_synthetic(folder, bars=60)
    path = thresholds_path(tmp_path, folder, EVERYTHING, "1d")
    assert path != thresholds_path(tmp_path, folder, parse_rules({}), "1d")
    assert path != thresholds_path(tmp_path, folder, EVERYTHING, "1h")
    assert read_thresholds(path) is None
    chosen = []
    found = Thresholds(1, 0.5, 0.6, 0.7, 40, 90, 0.3)
    monkeypatch.setattr("core.operations.stances.latest", lambda *asked: (chosen.append(asked), found)[1])
    store = predictor.store
    assert choose_newest(store, folder, EVERYTHING, "1d") == found
    assert choose_newest(store, folder, EVERYTHING, "1d") == found
    assert len(chosen) == 1
    kept = thresholds_path(store.home, folder, EVERYTHING, "1d")
    kept.write_text("{")
    assert choose_newest(store, folder, EVERYTHING, "1d") == found
    assert len(chosen) == 2
    none = replace(no_trade(1, 5), utility=0.0)
    monkeypatch.setattr("core.operations.stances.latest", lambda *asked: none)
    kept.unlink()
    assert choose_newest(store, folder, EVERYTHING, "1d") == none
    assert read_thresholds(kept) == none


def test_a_timeframe_the_walk_forward_has_not_is_refused(predictor, tmp_path):
    write_synthetic(tmp_path / "one", bars=60)
    with pytest.raises(InputError, match="4h bars"):
        choose_newest(predictor.store, tmp_path / "one", EVERYTHING, "4h")
