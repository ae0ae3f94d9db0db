import numpy as np
import pandas as pd

from core.baselines.measures import measure_series
from core.data.dataset import prepare
from core.data.segments import CALIBRATE, TEST, TRAIN
from core.data.windows import LastBarWindows
from core.experiments.fitted_baselines import FoldBaselines
from core.scores.metrics import log_losses
from tests.conftest import random_walk, small_config

CONFIG = small_config(model={"sequence_length": 60}, training={"first_position": 30})


def clustered(bars: int, persistence: float, seed: int) -> pd.DataFrame:
    """A walk whose log volatility is an AR(1) of standard deviation one half."""
    rng = np.random.default_rng(seed)
    shocks = rng.normal(0, 0.5 * np.sqrt(1 - persistence**2), bars)
    log_sigma = np.zeros(bars)
    for bar in range(1, bars):
        log_sigma[bar] = persistence * log_sigma[bar - 1] + shocks[bar]
    sigma = 0.01 * np.exp(log_sigma)
    close = 100 * np.exp(np.cumsum(sigma * rng.standard_normal(bars)))
    before = np.concatenate([[100.0], close[:-1]])
    frame = random_walk("AAA", bars, seed)
    frame["open"], frame["close"] = before, close
    frame["high"] = np.maximum(before, close) * np.exp(0.3 * sigma)
    frame["low"] = np.minimum(before, close) * np.exp(-0.3 * sigma)
    return frame


def losses(bars: pd.DataFrame) -> dict[str, float]:
    """Mean log-loss of each baseline on the volatility labels of the test segment."""
    series = {("AAA", "1d"): bars}
    data = prepare(series, CONFIG)
    segments = (TRAIN, data.borders.stop_segment, CALIBRATE, TEST)
    windows = {segment: LastBarWindows(data, segment, CONFIG) for segment in segments}
    names = ("prior", "har", "lightgbm", "logistic")
    fitted = FoldBaselines(names, data, CONFIG, windows, measure_series(series, data, CONFIG), None)
    labels = windows[TEST].last_labels("volatility")
    labels = labels[labels >= 0]
    return {name: log_losses(p, labels).mean() for name, p in fitted.probabilities["volatility"].items()}


def test_har_and_trees_beat_the_prior_where_volatility_clusters():
    found = losses(clustered(5000, 0.97, seed=0))
    assert max(found[name] for name in ("har", "lightgbm", "logistic")) < found["prior"] - 0.05


def test_where_nothing_clusters_no_baseline_finds_anything():
    found = losses(clustered(5000, 0.0, seed=1))
    assert min(found.values()) > found["prior"] - 0.02
