"""Labels against a loop that follows the definitions, closed forms, and what may change them."""

from __future__ import annotations

import json
import math

import numpy as np
import pandas as pd
import pytest

from core.config import LabelConfig, TaskConfig
from core.data.labels.assign import assign_labels, persistence_labels
from core.data.labels.borders import SeriesThresholds, fit_thresholds, training_rows
from core.data.labels.measure import measure_targets
from core.errors import BarsError, ConfigError
from tests.core.data.synthetic_bars import make_bars

TASKS = [
    TaskConfig(name="direction", classes=["Bullish", "Bearish", "Sideways"], label="direction"),
    TaskConfig(name="volatility", classes=["Low", "Medium", "High"], label="volatility"),
    TaskConfig(name="regime", classes=["Trending", "Ranging", "Volatile"], label="regime"),
]
CONFIGS = {
    "default": LabelConfig(),
    "costly": LabelConfig(horizon=3, round_trip_cost=0.02, regime_window=8, regime_lead=8),
    "triple_barrier": LabelConfig(direction="triple_barrier", volatility="close_to_close", regime_lead=3),
    "fixed_return": LabelConfig(direction="fixed_return", horizon=1, ewma_decay=0.9),
}
COUNT = 420


def _gappy_bars() -> pd.DataFrame:
    bars = make_bars(COUNT + 40, seed=11)
    # Three holidays in a row are no gap, two weeks without bars are.
    bars = bars.drop(index=[*range(100, 103), *range(250, 260)]).reset_index(drop=True).iloc[:COUNT]
    bars.loc[330, ["open", "high", "low", "close"]] = np.nan
    return bars


def _train(count: int) -> np.ndarray:
    return np.arange(count) < 300


class _Oracle:
    """The definitions of the labels, bar by bar, with plain loops."""

    def __init__(self, bars: pd.DataFrame, config: LabelConfig, gap_before: set[int]) -> None:
        self.o, self.h, self.l, self.c = (bars[n].tolist() for n in ("open", "high", "low", "close"))
        self.config, self.gap_before, self.count = config, gap_before, len(bars)
        self.r = [math.nan] + [math.log(self.c[i] / self.c[i - 1]) for i in range(1, self.count)]

    def sigma(self, t: int) -> float:
        known = [self.r[i] for i in range(t + 1) if not math.isnan(self.r[i])]
        if len(known) < 20:
            return math.nan
        weights = [self.config.ewma_decay ** (len(known) - 1 - k) for k in range(len(known))]
        return math.sqrt(sum(w * r * r for w, r in zip(weights, known, strict=True)) / sum(weights))

    def broken(self, first: int, last: int) -> bool:
        outside = first < 0 or last >= self.count
        return outside or any(i in self.gap_before for i in range(first + 1, last + 1))

    def direction(self, t: int) -> tuple[int, int]:
        h, config = self.config.horizon, self.config
        if self.broken(t, t + h):
            return -1, -1
        if config.direction == "fixed_return":
            simple = self.c[t + h] / self.c[t] - 1
            value = 0 if simple > config.up else 1 if simple < config.down else -1
            return value, t + h if value >= 0 else -1
        band = max(config.band * self.sigma(t) * math.sqrt(h), math.log1p(config.round_trip_cost))
        move = math.log(self.c[t + h] / self.o[t + 1])
        if math.isnan(self.sigma(t)) or math.isnan(move):
            return -1, -1
        if config.direction == "volatility_band":
            return (0 if move > band else 1 if move < -band else 2), t + h
        for i in range(t + 1, t + h + 1):
            if math.isnan(self.h[i]):
                return -1, -1
            if math.log(self.l[i] / self.o[t + 1]) <= -band:
                return 1, i
            if math.log(self.h[i] / self.o[t + 1]) >= band:
                return 0, i
        return 2, t + h

    def log_volatility(self, first: int, last: int) -> float:
        variances = []
        for i in range(first, last + 1):
            if self.config.volatility == "close_to_close":
                variances.append(self.r[i] ** 2)
            else:
                body, span = math.log(self.c[i] / self.o[i]), math.log(self.h[i] / self.l[i])
                variances.append(0.5 * span**2 - (2 * math.log(2) - 1) * body**2)
        mean = sum(variances) / len(variances)
        return math.nan if math.isnan(mean) else 0.5 * math.log(max(mean, 1e-12))

    def volatility(self, t: int) -> float:
        h = self.config.horizon
        return math.nan if self.broken(t, t + h) else self.log_volatility(t + 1, t + h)

    def volatility_past(self, t: int) -> float:
        h = self.config.horizon
        return math.nan if self.broken(t - h, t) else self.log_volatility(t - h + 1, t)

    def regime(self, t: int, lead: int) -> tuple[float, float]:
        window = self.config.regime_window
        if self.broken(t + lead - window, t + lead):
            return math.nan, math.nan
        returns = [self.r[i] for i in range(t + lead - window + 1, t + lead + 1)]
        ratio = math.sqrt(sum(r * r for r in returns) / window) / self.sigma(t)
        return ratio, abs(sum(returns)) / sum(abs(r) for r in returns)


@pytest.fixture(scope="module", params=CONFIGS, name="case")
def _case(request):
    config = CONFIGS[request.param]
    bars = _gappy_bars()
    return bars, config, measure_targets(bars, config), _Oracle(bars, config, {247})


def test_quantities_equal_those_of_a_loop_over_the_definitions(case):
    bars, config, quantities, oracle = case
    steps = range(len(bars))
    directions = [oracle.direction(t) for t in steps]
    np.testing.assert_array_equal(quantities.direction, [value for value, _ in directions])
    np.testing.assert_array_equal(quantities.direction_end, [end for _, end in directions])
    np.testing.assert_allclose(quantities.volatility, [oracle.volatility(t) for t in steps], rtol=1e-9)
    h = config.horizon
    past = [oracle.volatility_past(t) for t in steps[h:]]
    np.testing.assert_allclose(quantities.volatility_past[h:], past, rtol=1e-9)
    regimes = np.array([oracle.regime(t, config.regime_lead) for t in steps])
    sigma_known = ~np.isnan(quantities.sigma)
    np.testing.assert_allclose(quantities.regime_ratio, regimes[:, 0], rtol=1e-9)
    np.testing.assert_allclose(quantities.regime_efficiency[sigma_known], regimes[sigma_known, 1], rtol=1e-9)
    np.testing.assert_allclose(quantities.past_ratio, [oracle.regime(t, 0)[0] for t in steps], rtol=1e-9)


def test_classes_follow_from_training_quantiles_and_every_class_occurs(case):
    bars, config, quantities, oracle = case
    train = _train(len(bars))
    thresholds = fit_thresholds(quantities, train, config)
    frozen = thresholds.borders(len(quantities.sigma))
    tasks = TASKS if config.direction != "fixed_return" else TASKS[1:]
    labels, intensity = assign_labels(quantities, frozen, config, tasks)

    ahead = np.array([oracle.volatility(t) for t in range(len(bars))])
    rows = [t for t in range(300 - config.horizon) if not math.isnan(ahead[t])]
    low, high = np.quantile(ahead[rows], [1 / 3, 2 / 3])
    regimes = np.array([oracle.regime(t, config.regime_lead) for t in range(len(bars))])
    rows = [t for t in range(300 - config.regime_lead) if not math.isnan(regimes[t, 0])]
    loud, straight = np.quantile(regimes[rows, 0], 0.67), np.median(regimes[rows, 1])
    for t in range(len(bars)):
        value = labels["volatility"].values[t]
        assert value == (
            -1 if math.isnan(ahead[t]) else 0 if ahead[t] <= low else 1 if ahead[t] <= high else 2
        )
        ratio, efficiency = regimes[t]
        expected = -1 if math.isnan(ratio) else 2 if ratio > loud else 0 if efficiency >= straight else 1
        assert labels["regime"].values[t] == expected
        assert labels["regime"].end[t] == (t + config.regime_lead if expected >= 0 else -1)
    for task in labels:
        assert set(labels[task].values) == {-1, 0, 1, 2}
    fitted = training_rows(quantities.volatility_end, train)
    assert intensity[fitted].mean() == pytest.approx(0, abs=1e-5)
    assert intensity[fitted].std() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("name", CONFIGS)
def test_bars_after_t1_change_no_label_and_t1_itself_may(name):
    config = CONFIGS[name]
    bars = make_bars(260, seed=5)
    tasks = TASKS if config.direction != "fixed_return" else [
        TaskConfig(name="direction", classes=["Bullish", "Bearish"], label="direction"), *TASKS[1:]
    ]  # fmt: skip
    thresholds = fit_thresholds(measure_targets(bars, config), np.ones(260, dtype=bool), config)
    frozen = thresholds.borders(len(bars))
    before, _ = assign_labels(measure_targets(bars, config), frozen, config, tasks)
    changed_at_t1 = dict.fromkeys(before, 0)
    rng = np.random.default_rng(0)
    for first in range(60, 240, 9):
        shaken = bars.copy()
        tail = shaken.index >= first
        factor = np.exp(0.1 * rng.standard_normal(int(tail.sum())))
        shaken.loc[tail, "close"] *= factor
        shaken["high"] = shaken[["open", "high", "close"]].max(axis=1)
        shaken["low"] = shaken[["open", "low", "close"]].min(axis=1)
        after, _ = assign_labels(measure_targets(shaken, config), frozen, config, tasks)
        for task, labels in before.items():
            settled = (labels.end >= 0) & (labels.end < first)
            np.testing.assert_array_equal(after[task].values[settled], labels.values[settled])
            np.testing.assert_array_equal(after[task].end[settled], labels.end[settled])
            due = labels.end == first
            changed_at_t1[task] += int((after[task].values[due] != labels.values[due]).sum())
    assert min(changed_at_t1.values()) > 0


def test_labels_at_a_bar_depend_on_sigma_known_there_alone():
    bars = make_bars(200, seed=2)
    whole = measure_targets(bars, LabelConfig()).sigma
    part = measure_targets(bars.iloc[:120], LabelConfig()).sigma
    np.testing.assert_array_equal(whole[:120], part)


def _calm_then(moves: list[float]) -> pd.DataFrame:
    """Sixty alternating returns of one percent, then the given ones; each bar opens at the close before."""
    returns = np.array([0.01 * (-1) ** i for i in range(60)] + moves)
    close = 100 * np.exp(np.cumsum(returns))
    open_ = np.r_[100.0, close[:-1]]
    bars = make_bars(len(close))
    return bars.assign(open=open_, close=close, high=np.maximum(open_, close), low=np.minimum(open_, close))


def test_direction_band_stands_at_k_sigma_root_h_from_the_next_open():
    # sigma is exactly 0.01 at bar 59, so the band is 0.45 * 0.01 * sqrt(5) = 0.010062.
    config = LabelConfig()
    for total, expected in ((0.0101, 0), (0.0100, 2), (-0.0100, 2), (-0.0101, 1)):
        quantities = measure_targets(_calm_then([total / 5] * 5), config)
        assert quantities.sigma[59] == pytest.approx(0.01, rel=1e-9)
        assert quantities.direction[59] == expected
        assert quantities.direction_score[59] == pytest.approx(total / (0.01 * math.sqrt(5)), rel=1e-9)


def test_the_gap_to_the_next_open_is_not_earned():
    bars = _calm_then([0.05, 0, 0, 0, 0])
    bars.loc[60, ["open", "high", "low", "close"]] = bars.loc[60, "close"]
    assert measure_targets(bars, LabelConfig()).direction[59] == 2


def test_the_band_is_never_below_the_round_trip_cost():
    config = LabelConfig(round_trip_cost=0.03)
    assert measure_targets(_calm_then([0.029 / 5] * 5), config).direction[59] == 2
    assert measure_targets(_calm_then([0.0301 / 5] * 5), config).direction[59] == 0


def test_a_bar_touching_both_barriers_counts_as_the_lower():
    config = LabelConfig(direction="triple_barrier")
    bars = _calm_then([0.0] * 5)
    entry = bars.loc[60, "open"]
    bars.loc[62, ["high", "low"]] = entry * 1.02, entry * 0.98
    quantities = measure_targets(bars, config)
    assert (quantities.direction[59], quantities.direction_end[59]) == (1, 62)
    bars.loc[61, "high"] = entry * 1.02
    quantities = measure_targets(bars, config)
    assert (quantities.direction[59], quantities.direction_end[59]) == (0, 61)


def test_fixed_returns_between_the_thresholds_are_dropped():
    config = LabelConfig(direction="fixed_return", horizon=1)
    for simple, expected in ((0.0056, 0), (0.0054, -1), (-0.0049, -1), (-0.0051, 1)):
        quantities = measure_targets(_calm_then([math.log1p(simple)]), config)
        assert quantities.direction[59] == expected
        assert quantities.direction_score[59] == pytest.approx(simple, rel=1e-9)


def test_a_straight_path_trends_a_zigzag_ranges_and_a_burst_is_volatile():
    config = LabelConfig(regime_window=10, regime_lead=5)
    cuts = {
        "volatility_low": None, "volatility_high": None, "volatility_mean": None, "volatility_std": None,
        "regime_ratio": 1.5, "regime_efficiency": 0.5, "volatility_rows": 0, "regime_rows": 99,
    }  # fmt: skip
    thresholds = SeriesThresholds.from_dict(cuts)
    frozen = thresholds.borders(70)
    zigzag = [0.01 * (-1) ** i for i in range(10)]
    # At bar 64 the ten returns are those of bars 60..69.
    for moves, expected in (([0.01] * 10, 0), (zigzag, 1), ([0.0] * 5 + [0.04] * 5, 2)):
        labels, _ = assign_labels(measure_targets(_calm_then(moves), config), frozen, config, TASKS)
        assert (labels["regime"].values[64], labels["regime"].end[64]) == (expected, 69)


def test_volatility_of_equal_returns_is_their_size():
    config = LabelConfig(volatility="close_to_close")
    quantities = measure_targets(_calm_then([0.02, -0.02, 0.02, -0.02, 0.02]), config)
    assert quantities.volatility[59] == pytest.approx(math.log(0.02))
    assert quantities.volatility_past[59] == pytest.approx(math.log(0.01))
    assert quantities.volatility_end[59] == 64


def test_a_frozen_price_gives_finite_volatility_and_no_direction():
    bars = make_bars(200)
    bars[["open", "high", "low", "close"]] = 10.0
    quantities = measure_targets(bars, LabelConfig())
    assert np.isfinite(quantities.volatility[5:150]).all()
    assert (quantities.direction == -1).all()
    assert np.isnan(quantities.regime_ratio).all()


def test_no_label_reaches_across_a_gap():
    bars = make_bars(300).drop(index=range(150, 160)).reset_index(drop=True)
    config = LabelConfig()
    quantities = measure_targets(bars, config)
    last = 149
    for values, first_lost, first_back in (
        (quantities.volatility, last - config.horizon + 1, last + 1),
        (quantities.regime_ratio, last - config.regime_lead + 1, last + 1 + 10),
        (quantities.volatility_past, last + 1, last + 1 + config.horizon),
        (quantities.past_ratio, last + 1, last + 1 + config.regime_window),
    ):
        lost = np.flatnonzero(np.isnan(values[100:200])) + 100
        np.testing.assert_array_equal(lost, np.arange(first_lost, first_back))
    lost = np.flatnonzero(quantities.direction[100:200] == -1) + 100
    np.testing.assert_array_equal(lost, np.arange(last - config.horizon + 1, last + 1))


def test_thresholds_need_both_the_bar_and_its_t1_in_train():
    bars = make_bars(400, seed=9)
    config = LabelConfig()
    train = np.arange(400) < 250
    before = fit_thresholds(measure_targets(bars, config), train, config)
    assert before.volatility_rows == 245
    shaken = bars.copy()
    for price in ("open", "high", "low", "close"):
        shaken.loc[250:, price] *= np.linspace(1, 3, 150)
    assert fit_thresholds(measure_targets(shaken, config), train, config) == before


def test_too_few_training_rows_leave_volatility_and_regime_unlabelled():
    bars, config = make_bars(120), LabelConfig()
    quantities = measure_targets(bars, config)
    thresholds = fit_thresholds(quantities, np.arange(120) < 54, config)
    frozen = thresholds.borders(len(quantities.sigma))
    assert thresholds.volatility_low is None
    labels, intensity = assign_labels(quantities, frozen, config, TASKS)
    assert (labels["volatility"].values == -1).all()
    assert (labels["regime"].end == -1).all()
    assert (labels["direction"].values >= 0).any()
    assert np.isnan(intensity).all()


def test_thresholds_survive_json():
    bars, config = make_bars(200), LabelConfig()
    thresholds = fit_thresholds(measure_targets(bars, config), np.ones(200, dtype=bool), config)
    assert SeriesThresholds.from_dict(json.loads(json.dumps(thresholds.to_dict()))) == thresholds


def test_persistence_is_the_rule_on_bars_up_to_t():
    bars, config = make_bars(300, seed=3), LabelConfig()
    quantities = measure_targets(bars, config)
    thresholds = fit_thresholds(quantities, _train(300), config)
    frozen = thresholds.borders(len(quantities.sigma))
    labels, _ = assign_labels(quantities, frozen, config, TASKS)
    past = persistence_labels(quantities, frozen, config, TASKS)
    h = config.horizon
    np.testing.assert_array_equal(past["volatility"][50:], labels["volatility"].values[50 - h : -h])
    part = persistence_labels(
        measure_targets(bars.iloc[:220], config), frozen.at(np.arange(220)), config, TASKS
    )
    for task, values in part.items():
        np.testing.assert_array_equal(values, past[task][:220])
        assert set(values[40:]) == {0, 1, 2}
    sigma = quantities.sigma[200]
    move = math.log(bars.loc[200, "close"] / bars.loc[195, "close"]) / (sigma * math.sqrt(5))
    assert past["direction"][200] == (0 if move > 0.45 else 1 if move < -0.45 else 2)


def test_class_indices_follow_the_tasks_own_order():
    bars, config = make_bars(200), LabelConfig()
    quantities = measure_targets(bars, config)
    thresholds = fit_thresholds(quantities, np.ones(200, dtype=bool), config)
    frozen = thresholds.borders(len(quantities.sigma))
    turned = TaskConfig(name="turned", classes=["Sideways", "Bullish", "Bearish"], label="direction")
    labels, _ = assign_labels(quantities, frozen, config, [TASKS[0], turned])
    usual, other = labels["direction"].values, labels["turned"].values
    known = usual >= 0
    np.testing.assert_array_equal(
        np.array(TASKS[0].classes)[usual[known]], np.array(turned.classes)[other[known]]
    )
    np.testing.assert_array_equal(other[~known], -1)


def test_a_column_of_the_users_data_becomes_a_task():
    bars, config = make_bars(120), LabelConfig()
    task = TaskConfig(name="mood", classes=["calm", "wild"], label="column:mood")
    wanted = np.tile([0, 1, 1, -1], 30)
    names = np.array(["calm", "wild", None], dtype=object)[wanted]
    words = pd.Series(np.array(["0", "1", None], dtype=object)[wanted], dtype="str")
    for column in (np.where(wanted < 0, np.nan, wanted), names, words):
        quantities = measure_targets(bars.assign(mood=column), config, ["mood"])
        thresholds = fit_thresholds(quantities, np.ones(120, dtype=bool), config)
        frozen = thresholds.borders(len(quantities.sigma))
        labels, _ = assign_labels(quantities, frozen, config, [task])
        np.testing.assert_array_equal(labels["mood"].values, wanted)
        assert labels["mood"].end[0] == config.horizon
        past = persistence_labels(quantities, frozen, config, [task])["mood"]
        np.testing.assert_array_equal(past[5:], wanted[:-5])
    quantities = measure_targets(bars.assign(mood=2.0), config, ["mood"])
    with pytest.raises(BarsError, match="calm, wild"):
        assign_labels(quantities, frozen, config, [task])


@pytest.mark.parametrize(
    "task",
    [
        TaskConfig(name="x", classes=["Up", "Down", "Flat"], label="direction"),
        TaskConfig(name="x", classes=["Low", "High"], label="volatility"),
        TaskConfig(name="x", classes=["a", "b"], label="momentum"),
    ],
)
def test_a_task_with_foreign_classes_or_label_is_refused(task):
    bars, config = make_bars(100), LabelConfig()
    quantities = measure_targets(bars, config)
    thresholds = fit_thresholds(quantities, np.ones(100, dtype=bool), config)
    frozen = thresholds.borders(len(quantities.sigma))
    with pytest.raises(ConfigError):
        assign_labels(quantities, frozen, config, [task])
