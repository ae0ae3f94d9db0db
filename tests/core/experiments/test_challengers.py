import json

import numpy as np
import pandas as pd
import pytest

from core.baselines.measures import measure_series
from core.data.segments import CALIBRATE, TEST, TRAIN
from core.data.store import BarStore
from core.data.windows import LastBarWindows
from core.errors import WindowError
from core.experiments import challengers
from core.experiments.challengers import (
    ChallengersError,
    challengers_path,
    find_challengers,
    fit_challengers,
    load_challengers,
    save_challengers,
    split_call,
)
from core.explain.evidence.sample import known_series
from core.predictor import Predictor
from core.training.evaluation import gather_series
from tests.conftest import random_walk

PLAIN = {"direction": ("logistic",), "volatility": ("har",), "regime": ("logistic",)}


@pytest.fixture(scope="module")
def home(walks, tmp_path_factory):
    folder = tmp_path_factory.mktemp("challenged")
    for bars in walks.values():
        BarStore(folder).upsert(bars)
    return folder


@pytest.fixture(scope="module")
def predictor(home, walk_bundle):
    return Predictor(walk_bundle, BarStore(home))


@pytest.fixture(scope="module")
def fitted(predictor):
    return fit_challengers(predictor)


def test_each_task_has_its_plain_challenger_first_and_trees(fitted):
    assert {task: list(named) for task, named in fitted.fitted.items()} == {
        "direction": ["logistic", "lightgbm"],
        "volatility": ["har", "lightgbm"],
        "regime": ["logistic", "lightgbm"],
    }


def test_what_is_said_of_a_bar_is_what_the_forecaster_says_of_the_whole_segment(fitted, predictor):
    data = gather_series(predictor.bundle, known_series(predictor))
    bars = {(one.instrument, one.timeframe): predictor.store.read_range(one.instrument, one.timeframe)
            for one in data.series}  # fmt: skip
    windows = LastBarWindows(data, TEST, predictor.bundle.config)
    measures = measure_series(bars, data, predictor.bundle.config)
    place = [3, len(windows) // 2, len(windows) - 1]
    for row in place:
        which, bar = windows.rows[row]
        series = data.series[which]
        at = pd.Timestamp(series.ts[bar], tz="UTC")
        said = fitted.ask(predictor, series.instrument, series.timeframe, at)
        for task, named in fitted.fitted.items():
            for name, one in named.items():
                whole = one.predict(windows, measures)[row]
                np.testing.assert_allclose(said[task][name], whole, atol=1e-5, err_msg=f"{task} {name}")
                assert said[task][name].sum() == pytest.approx(1)


def test_training_stops_where_the_models_does(fitted, predictor, home, monkeypatch):
    monkeypatch.setattr(challengers, "name_challengers", lambda task: PLAIN[task.name])
    windows = LastBarWindows(
        gather_series(predictor.bundle, known_series(predictor)), TRAIN, predictor.bundle.config
    )
    assert fitted.rows == len(windows)
    later = BarStore(home.parent / "later")
    for name in ("AAA", "BBB"):
        bars = BarStore(home).read_range(name, "1d")
        after = bars["ts"] >= predictor.bundle.borders.calibrate_end
        bars.loc[after, ["open", "high", "low", "close"]] *= 2
        later.upsert(bars)
    again = fit_challengers(Predictor(predictor.bundle, later))
    for task, (name,) in PLAIN.items():
        assert again.fitted[task][name].to_dict() == fitted.fitted[task][name].to_dict()


def test_later_bars_change_nothing_at_an_earlier_one(fitted, predictor, home):
    at = predictor.store.read_range("AAA", "1d")["ts"].iloc[1200]
    cut = BarStore(home.parent / "cut")
    for name in ("AAA", "BBB"):
        bars = BarStore(home).read_range(name, "1d")
        cut.upsert(bars[bars["ts"] <= at])
    whole = fitted.ask(predictor, "AAA", "1d", at)
    short = fitted.ask(Predictor(predictor.bundle, cut), "AAA", "1d", at)
    for task, named in whole.items():
        for name, shares in named.items():
            np.testing.assert_array_equal(shares, short[task][name])


def test_a_newest_bar_without_outcome_and_a_series_never_seen_are_answered(fitted, predictor, home):
    BarStore(home).upsert(random_walk("NEW", 500, 7))
    last = predictor.store.read_range("NEW", "1d")["ts"].iloc[-1]
    for named in fitted.ask(predictor, "NEW", "1d", last).values():
        for shares in named.values():
            assert (shares > 0).all()
            assert shares.sum() == pytest.approx(1)


def test_a_bar_without_a_whole_window_is_refused(fitted, predictor):
    early = predictor.store.read_range("AAA", "1d")["ts"].iloc[100]
    with pytest.raises(WindowError, match="299 before them"):
        fitted.ask(predictor, "AAA", "1d", early)


def test_the_files_come_back_alike_and_damage_is_refused(fitted, predictor, home):
    bundle = predictor.bundle
    assert find_challengers(home, bundle) is None
    path = save_challengers(fitted, home, bundle)
    assert find_challengers(home, bundle) == path == challengers_path(home, bundle)
    assert load_challengers(path, bundle).to_dict() == fitted.to_dict()
    raw = json.loads(path.read_text())
    for broken in (raw | {"version": "another"}, raw | {"tasks": {}}, raw | {"format_version": 99}):
        path.write_text(json.dumps(broken))
        with pytest.raises(ChallengersError, match="python -m core challengers"):
            load_challengers(path, bundle)
    path.write_text("{")
    with pytest.raises(ChallengersError):
        load_challengers(path, bundle)


def test_without_training_bars_there_is_nothing_to_fit(walk_bundle, tmp_path):
    with pytest.raises(WindowError, match="ingest the bars it was trained on"):
        fit_challengers(Predictor(walk_bundle, BarStore(tmp_path)))


def test_what_the_model_adds_is_its_own_probability_less_the_challengers(fitted, predictor):
    at = predictor.store.read_range("AAA", "1d")["ts"].iloc[-1]
    prediction = predictor.predict("AAA", "1d", at)
    asked = fitted.ask(predictor, "AAA", "1d", at)
    for task, said in prediction.tasks.items():
        for split in split_call(said, asked[task]):
            added = [split.added(name) for name in said.classes]
            assert sum(added) == pytest.approx(0, abs=1e-6)
            np.testing.assert_allclose(split.theirs + added, said.shares, atol=1e-6)
            assert split.apart == pytest.approx(max(map(abs, added)))
            assert split.calls_differ == (split.their_call != said.classes[said.shares.argmax()])


def test_the_temperature_is_the_one_that_suits_the_calibrate_segment_best(fitted, predictor):
    from scipy.special import log_softmax

    data = gather_series(predictor.bundle, known_series(predictor))
    windows = LastBarWindows(data, CALIBRATE, predictor.bundle.config)
    one = fitted.fitted["regime"]["logistic"]
    labels = windows.last_labels("regime")
    logits = one.log_probabilities(windows, [])[labels >= 0]
    labels = labels[labels >= 0]

    def loss(temperature: float) -> float:
        return -log_softmax(logits / temperature, axis=1)[np.arange(len(labels)), labels].mean()

    best = one.temperature.temperature
    assert 0.1 < best < 50
    assert loss(best) <= min(loss(0.9 * best), loss(1.1 * best)) + 1e-9
