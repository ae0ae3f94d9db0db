from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from core.experiments.walk_forward.run import run_walk_forward
from core.review.disagreement import APART, measure_disagreement
from tests.core.experiments.har_market import har_bars
from tests.core.review.synthetic_review import write_synthetic
from tests.core.training.walk_forward_markets import THREE, tiny_config


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    return write_synthetic(tmp_path_factory.mktemp("review") / "one", bars=400)


def shares(table: pd.DataFrame) -> np.ndarray:
    return table[["p_0", "p_1", "p_2"]].to_numpy(float)


def test_the_record_is_of_the_rows_that_differ_and_its_losses_are_those_of_the_formula(result):
    rows = result.rows[result.rows["task"] == "regime"]
    theirs = result.baselines[
        (result.baselines["task"] == "regime") & (result.baselines["baseline"] == "logistic")
    ]
    ours, other, labels = shares(rows), shares(theirs), rows["label"].to_numpy()
    found = measure_disagreement(result, "regime", "logistic")
    assert found.whole.rows == len(rows)
    assert found.calls.rows == 0  # half the truth and half the prior keeps its order
    apart = np.abs(ours - other).max(axis=1) > APART
    assert found.apart.rows == apart.sum() > 30
    place = np.arange(len(rows))
    mine, his = (-np.log(p[place, labels] / p.sum(axis=1))[apart].mean() for p in (ours, other))
    assert found.apart.model == pytest.approx(mine, abs=1e-6)
    assert found.apart.challenger == pytest.approx(his, abs=1e-6)
    assert found.apart.difference.value == pytest.approx(mine - his, abs=1e-6)


def test_who_knows_the_truth_adds_to_who_halves_it(result):
    found = measure_disagreement(result, "regime", "logistic")
    assert found.apart.difference.high < 0


def test_of_two_that_say_the_same_nothing_is_apart(result):
    same = result.baselines.copy()
    order = result.rows.loc[result.rows["task"] == "regime", ["p_0", "p_1", "p_2"]].to_numpy()
    mine = (same["task"] == "regime").to_numpy() & (same["baseline"] == "logistic").to_numpy()
    same.loc[mine, ["p_0", "p_1", "p_2"]] = order
    found = measure_disagreement(replace(result, baselines=same), "regime", "logistic")
    assert (found.calls.rows, found.apart.rows) == (0, 0)
    assert found.whole.difference.value == 0
    assert np.isnan(found.apart.model)


def test_only_what_was_decided_by_then_counts(result):
    rows = result.rows[result.rows["task"] == "regime"]
    moment = rows["ts"].iloc[100]
    known = (rows["label_end"] + pd.Timedelta(days=1) <= moment).sum()
    assert measure_disagreement(result, "regime", "logistic", moment).whole.rows == known > 0
    assert measure_disagreement(result, "regime", "logistic", rows["ts"].iloc[0]) is None


def test_a_challenger_nobody_measured_has_no_record(result):
    assert measure_disagreement(result, "regime", "lightgbm") is None
    assert measure_disagreement(result, "coin", "logistic") is None


def test_on_a_market_that_har_made_the_model_adds_nothing(tmp_path):
    bars = {(name, "1d"): har_bars(name, 1800, seed) for seed, name in enumerate("ABC")}
    config = tiny_config([THREE[1]])
    run = run_walk_forward(
        bars, config, tmp_path / "har", folds=1, test_step=1, baselines=("prior", "har"), use_ray=False
    )
    found = measure_disagreement(run, "volatility", "har")
    for part in (found.whole, found.calls, found.apart):
        assert part.rows > 30
        assert part.difference.high > 0 or abs(part.difference.value) < 0.005
    prior = measure_disagreement(run, "volatility", "prior")
    assert prior.whole.difference.high < 0  # there was something to know
