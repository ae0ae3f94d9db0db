"""Whether the whole road from bars to scores deceives itself."""

import warnings

import numpy as np
import pandas as pd
import pytest

from core.data.features.table import feature_table
from core.data.labels.measure import measure_targets
from core.experiments.walk_forward.audit import suspicious_features
from core.experiments.walk_forward.run import run_walk_forward
from core.review.rows import list_stated
from tests.core.training.walk_forward_markets import THREE, market, plain_walk, tiny_config

SHUFFLED = {"name": "shuffled", "classes": ["Bullish", "Bearish", "Sideways"], "label": "column:shuffled"}


@pytest.fixture(scope="module")
def chance(tmp_path_factory):
    """Random walks; their direction labels, permuted over all bars, are a task of their own."""
    config = tiny_config(
        [THREE[0], SHUFFLED], training={"epochs": 3, "learning_rate": 1e-3}, data={"instruments": "all"}
    )
    bars = {(name, "1d"): plain_walk(name, 1500, seed) for seed, name in enumerate(("AAA", "BBB"))}
    rng = np.random.default_rng(0)
    for key, frame in bars.items():
        labels = measure_targets(frame, config.labels).direction.astype(float)
        known = labels >= 0
        labels[known] = rng.permutation(labels[known])
        bars[key] = frame.assign(shuffled=np.where(known, labels, np.nan))
    folder = tmp_path_factory.mktemp("chance")
    return run_walk_forward(
        bars, config, folder, folds=2, baselines=["prior", "logistic", "lightgbm"], use_ray=False
    )


@pytest.mark.parametrize("task", ["direction", "shuffled"])
def test_on_random_walks_and_shuffled_labels_nobody_beats_the_prior(chance, task):
    pooled = chance.summary[task]["pooled"]
    assert pooled["rows"] > 1000
    prior = pooled["baselines"]["prior"]
    assert prior["model_minus_baseline"]["high"] > 0
    assert abs(prior["model_minus_baseline"]["value"]) < 0.02
    for name in ("logistic", "lightgbm"):
        assert abs(pooled["baselines"][name]["log_loss"]["value"] - prior["log_loss"]["value"]) < 0.03
    for scores in (pooled["model"], *pooled["baselines"].values()):
        assert scores["mcc"]["low"] <= 0.02
        assert abs(scores["mcc"]["value"]) < 0.06


def test_scores_before_a_bar_are_bit_identical_when_later_bars_change(tmp_path):
    bars = market(1300)
    config = tiny_config(training={"epochs": 1})
    cut = pd.Timestamp(bars["AAA", "1d"]["ts"].iloc[1000])
    rng = np.random.default_rng(5)
    changed = {}
    for key, frame in bars.items():
        later = (frame["ts"] > cut).to_numpy()
        factor = np.where(later, np.exp(np.cumsum(rng.normal(0, 0.03, len(frame)))), 1.0)
        prices = {name: frame[name] * factor for name in ("open", "high", "low", "close")}
        changed[key] = frame.assign(**prices, volume=frame["volume"] * np.where(later, 3.0, 1.0))
    runs = [
        run_walk_forward(
            series, config, tmp_path / name, folds=1, test_step=2, baselines=["prior", "logistic", "har"]
        )
        for name, series in (("before", bars), ("after", changed))
    ]
    stated = [c for c in runs[0].rows if c[:2] in ("p_", "u_") or c.startswith("logit_")]
    stated += [
        *(name for name in list_stated() if name != "uncalibrated"),
        "set_size",
        "distance",
        "regime_now",
    ]
    for table, columns in (("rows", stated), ("baselines", ["p_0", "p_1", "p_2"])):
        first, second = (getattr(run, table) for run in runs)
        past = [frame.loc[frame["ts"] <= cut].reset_index(drop=True) for frame in (first, second)]
        assert len(past[0]) > 400
        pd.testing.assert_frame_equal(past[0][columns], past[1][columns], check_exact=True)
        future = [frame.loc[frame["ts"] > cut, columns[0]].to_numpy() for frame in (first, second)]
        assert not np.array_equal(*future)


def leaking_features(feature_function, bars):
    """Names of the columns whose past values change when later bars are taken away."""
    whole = feature_function(bars)
    leaking = set()
    for cut in (len(bars) * part // 8 for part in (4, 6, 7)):
        past = feature_function(bars.iloc[:cut])
        leaking |= {name for name in whole if not past[name].equals(whole[name].iloc[:cut])}
    return sorted(leaking)


def _planted(bars):
    """The shipped features and one that looks three bars ahead."""
    return feature_table(bars).assign(tip=np.log(bars["close"].shift(-3) / bars["close"]))


def test_a_feature_computed_from_later_bars_is_caught_and_no_other():
    bars = market(900)["AAA", "1d"]
    assert leaking_features(_planted, bars) == ["tip"]
    assert leaking_features(feature_table, bars) == []


def test_a_feature_scaled_by_statistics_of_all_bars_is_caught():
    bars = market(900)["AAA", "1d"]

    def scaled(frame):
        table = feature_table(frame)[["rsi_14"]]
        return table.assign(score=(frame["close"] - frame["close"].mean()) / frame["close"].std())

    assert leaking_features(scaled, bars) == ["score"]


def test_a_column_that_came_with_the_future_in_it_is_caught_by_the_walk_forward(tmp_path):
    bars = {
        key: frame.assign(tip=np.log(frame["close"].shift(-5) / frame["close"]))
        for key, frame in market(1100).items()
    }
    config = tiny_config([THREE[0]], training={"epochs": 1})
    with pytest.warns(UserWarning, match=r"may know the future.*tip"):
        result = run_walk_forward(
            bars, config, tmp_path, folds=1, test_step=4, baselines=["prior", "lightgbm"]
        )
    assert list(result.folds[0].suspicious) == ["tip"]
    trees = result.summary["direction"]["pooled"]["baselines"]["lightgbm"]
    prior = result.summary["direction"]["pooled"]["baselines"]["prior"]
    assert trees["log_loss"]["high"] < prior["log_loss"]["low"] - 0.2


def test_honest_features_raise_no_suspicion(chance):
    assert all(fold.suspicious == {} for fold in chance.folds)


def test_suspicion_needs_rows_and_a_correlation_that_markets_do_not_show():
    rng = np.random.default_rng(0)
    move = rng.standard_normal(5000)
    features = np.column_stack(
        [rng.standard_normal(5000), move + 0.5 * rng.standard_normal(5000), np.ones(5000)]
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = suspicious_features(["noise", "tip", "flat"], features, move)
    assert list(found) == ["tip"]
    # Rank correlation of a bivariate normal with correlation 1 / sqrt(1.25).
    assert found["tip"] == pytest.approx(6 / np.pi * np.arcsin(0.5 / np.sqrt(1.25)), abs=0.02)
    assert suspicious_features(["tip"], move[:50, None], move[:50]) == {}
