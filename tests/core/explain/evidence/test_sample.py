from dataclasses import replace

import numpy as np
import pytest

from core.data.segments import CALIBRATE, TEST, TRAIN
from core.data.store import BarStore
from core.errors import InputError
from core.explain.evidence.sample import draw_sample
from core.predictor import Predictor


@pytest.fixture(scope="module")
def predictor(walks, walk_bundle, tmp_path_factory):
    store = BarStore(tmp_path_factory.mktemp("sampled"))
    for bars in walks.values():
        store.upsert(bars)
    return Predictor(walk_bundle, store)


def test_windows_come_in_time_order_and_from_every_series(predictor):
    sample = draw_sample(predictor, 40)
    assert len(sample) == 40
    assert sample.windows.shape == (40, 300, len(predictor.bundle.feature_names))
    assert (np.diff(sample.ts) >= np.timedelta64(0)).all()
    assert set(sample.instrument) == {"AAA", "BBB"}


@pytest.mark.parametrize("segment", [TRAIN, CALIBRATE, TEST])
def test_every_label_lies_in_the_segment_asked_for(predictor, segment):
    sample = draw_sample(predictor, 30, segment)
    for row in range(len(sample)):
        series = predictor.label_range(sample.instrument[row], sample.timeframe[row])
        bar = int(np.searchsorted(series.ts, sample.ts[row]))
        assert series.ts[bar] == sample.ts[row]
        np.testing.assert_array_equal(sample.windows[row], series.features[bar - 299 : bar + 1])
        for task, labels in sample.labels.items():
            assert series.segments[task][bar] == segment
            assert series.labels[task][bar] == labels[row]


def test_the_same_store_gives_the_same_sample(predictor):
    first, second = draw_sample(predictor, 25), draw_sample(predictor, 25)
    np.testing.assert_array_equal(first.windows, second.windows)
    np.testing.assert_array_equal(first.ts, second.ts)


def test_more_than_there_is_gives_all_there_is_once(predictor):
    sample = draw_sample(predictor, 10**6)
    pairs = set(zip(sample.instrument, sample.ts.tolist(), strict=True))
    assert len(pairs) == len(sample) < 10**6


def test_inputs_are_what_the_model_takes(predictor):
    sample = draw_sample(predictor, 12)
    x, instrument, timeframe = sample.inputs(predictor.bundle, slice(3, 6))
    np.testing.assert_array_equal(x.numpy(), sample.windows[3:6])
    known = predictor.bundle.instruments
    assert [known[index - 1] for index in instrument.tolist()] == list(sample.instrument[3:6])
    assert timeframe.tolist() == [1, 1, 1]


def test_no_window_is_an_answer_in_words(predictor):
    with pytest.raises(InputError, match="at least one window"):
        draw_sample(predictor, 0)
    strangers = Predictor(replace(predictor.bundle, instruments=("ZZZ",)), predictor.store)
    with pytest.raises(InputError, match="the model was trained on"):
        draw_sample(strangers, 5)
