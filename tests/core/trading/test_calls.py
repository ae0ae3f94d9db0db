import numpy as np
import pandas as pd
import pytest

from core.data.labels.assign import LABEL_CLASSES
from core.errors import InputError
from core.prediction import Prediction, StatedClass, TaskPrediction
from core.trading.calls import from_predictions, from_walk_forward
from core.trading.market import measure_bars
from core.trading.rules import Rules
from core.trading.stance import Thresholds, judge_calls
from tests.conftest import small_config
from tests.core.review.synthetic_review import write_synthetic
from tests.core.trading.synthetic_trading import daily_bars


@pytest.fixture(scope="module")
def past(tmp_path_factory):
    result = write_synthetic(tmp_path_factory.mktemp("trading") / "wf", bars=60)
    bars = {
        (name, "1d"): daily_bars(name, 2600, seed, "2009-06-01") for seed, name in enumerate(("AAA", "BBB"))
    }
    return result, bars


@pytest.mark.parametrize(("segment", "table"), [("test", "rows"), ("calibrate", "calibrate")])
def test_every_call_is_the_row_it_came_from(past, segment, table):
    result, bars = past
    calls = from_walk_forward(result, bars, "1d", segment=segment)
    rows = getattr(result, table)
    keys, shares = ["fold", "instrument", "ts"], ["p_0", "p_1", "p_2"]
    tasks = {name: part.set_index(keys) for name, part in rows.groupby("task", observed=True)}
    assert len(calls) == len(tasks["direction"])
    for i in (0, 7, len(calls) - 1):
        name = calls.instruments[calls.instrument[i]]
        key = (calls.fold[i], name, pd.Timestamp(calls.times[i], tz="UTC"))
        row = tasks["direction"].loc[key]
        said = {name: table.loc[key][shares].to_numpy(float) for name, table in tasks.items()}
        np.testing.assert_allclose(calls.probabilities[i], said["direction"], atol=1e-6)
        np.testing.assert_allclose(calls.volatility[i], said["volatility"], atol=1e-6)
        assert calls.regime[i] == np.argmax(said["regime"])
        assert calls.confidence[i] == pytest.approx(row["confidence"])
        frame = bars[name, "1d"]
        place = frame["ts"].searchsorted(key[2])
        upto = measure_bars(frame.iloc[: place + 1], result.config.labels)
        assert calls.sigma[i] == upto.sigma[-1]
        np.testing.assert_array_equal(calls.levels[i], upto.levels[-1])


def test_a_set_of_two_holds_both_directions_where_sideways_is_least_probable(past):
    result, bars = past
    calls = from_walk_forward(result, bars, "1d")
    size = result.rows.loc[result.rows["task"] == "direction"].sort_values(["ts", "instrument"])["set_size"]
    least = calls.probabilities.argmin(axis=1)
    expected = (size.to_numpy() == 3) | ((size.to_numpy() == 2) & (least == 2))
    np.testing.assert_array_equal(calls.both_directions, expected)


def test_a_baseline_states_probabilities_and_no_doubts(past):
    result, bars = past
    calls = from_walk_forward(result, bars, "1d", "logistic")
    assert calls.ranks == {}
    assert not calls.out_of_distribution.any()
    np.testing.assert_array_equal(calls.confidence, calls.probabilities.max(axis=1))
    with pytest.raises(InputError, match="nobody at 1d"):
        from_walk_forward(result, bars, "1d", "nobody")


def test_missing_bars_are_named(past):
    result, bars = past
    with pytest.raises(InputError, match="bars of BBB"):
        from_walk_forward(result, {key: bars[key] for key in bars if key[0] == "AAA"}, "1d")
    with pytest.raises(InputError, match="not stored"):
        from_walk_forward(result, {key: frame.iloc[:-2200] for key, frame in bars.items()}, "1d")


def _prediction(bars, members, probabilities):
    config = small_config()
    tasks = {}
    for task in config.tasks:
        p = np.array(probabilities if task.label == "direction" else [0.2, 0.3, 0.5])
        stated = StatedClass(0.61, 0.5, p, members, "temperature", "", {"ensemble": 0.4})
        tasks[task.name] = TaskPrediction(task.name, tuple(task.classes), np.log(p), p, 0.5, {}, 0.5, stated)
    ts = bars["ts"].iloc[-1]
    return Prediction("AAA", "1d", ts, ts, "m", "v", 1.0, False, 0.5, True, "f", tasks)


def test_a_live_prediction_is_judged_as_a_past_row_is():
    bars = daily_bars("AAA", 400)
    config = small_config()
    prediction = _prediction(bars, ("Bullish", "Sideways"), [0.6, 0.1, 0.3])
    calls = from_predictions([prediction], {("AAA", "1d"): bars}, config)
    assert calls.confidence[0] == 0.61
    assert calls.ranks["ensemble"][0] == 0.4
    assert calls.regime[0] == LABEL_CLASSES["regime"].index("Volatile")
    assert not calls.both_directions[0]
    assert calls.sigma[0] == measure_bars(bars, config.labels).sigma[-1]
    stances = judge_calls(calls, Rules(), Thresholds(0, 0.5, 0.5, 0.7))
    assert stances.side[0] == 1
    assert stances.size[0] > 0
    undecided = _prediction(bars, ("Bullish", "Bearish"), [0.6, 0.1, 0.3])
    assert from_predictions([undecided], {("AAA", "1d"): bars}, config).both_directions[0]


def test_predictions_of_two_timeframes_or_none_are_refused():
    with pytest.raises(InputError, match="one timeframe"):
        from_predictions([], {}, small_config())
