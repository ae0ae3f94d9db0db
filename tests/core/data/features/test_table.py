"""Causality, scale freedom and forgetting of every feature; closed forms of some."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from core.config import LabelConfig
from core.data.features.table import CAUSAL_WARMUP, OPTIONAL, feature_groups, feature_table, warm_up
from core.data.volatility import efficiency_ratio, ewma_volatility, garman_klass_variance, trailing_mean
from core.errors import BarsError
from tests.core.data.synthetic_bars import make_bars, scale_bars

COUNT = 2700
WARM_UP = warm_up(LabelConfig())


def _with_user_columns(bars: pd.DataFrame) -> pd.DataFrame:
    rng = np.random.default_rng(7)
    sentiment = rng.standard_normal(len(bars)).cumsum() + 50
    sentiment[rng.random(len(bars)) < 0.05] = np.nan
    return bars.assign(sentiment=sentiment, event=(rng.random(len(bars)) < 0.1).astype(float))


def _hourly(seed: int, count: int = COUNT) -> pd.DataFrame:
    return make_bars(count, f"I{seed}", "1h", seed=seed, start="2020-01-01 00:00")


OWN = _with_user_columns(_hourly(1))
OTHERS = {
    # Not every bar of the others has a partner.
    "I2": _hourly(2).drop(index=range(300, 900, 7)).reset_index(drop=True),
    "I3": _hourly(3).iloc[150:].reset_index(drop=True),
}
TABLE = feature_table(OWN, OTHERS)
COLUMNS = list(TABLE.columns)


def _until(bars: pd.DataFrame, ts: pd.Timestamp) -> pd.DataFrame:
    return bars[bars["ts"] <= ts].reset_index(drop=True)


CUTS = (70, 333, 1100, 2300)
TRUNCATED = {
    cut: feature_table(
        OWN.iloc[: cut + 1], {name: _until(bars, OWN["ts"].iloc[cut]) for name, bars in OTHERS.items()}
    )
    for cut in CUTS
}
SCALED = feature_table(scale_bars(OWN, 7, 7), {name: scale_bars(bars, 7, 7) for name, bars in OTHERS.items()})
LATE_START = 1000
LATE = feature_table(OWN.iloc[LATE_START:].reset_index(drop=True), OTHERS)


@pytest.mark.parametrize("column", COLUMNS)
def test_truncating_the_data_leaves_earlier_values_unchanged(column):
    for cut in CUTS:
        before, after = TABLE[column].to_numpy()[: cut + 1], TRUNCATED[cut][column].to_numpy()
        assert before.tobytes() == after.tobytes()


@pytest.mark.parametrize("column", COLUMNS)
def test_scaling_prices_and_volume_changes_nothing(column):
    np.testing.assert_allclose(SCALED[column], TABLE[column], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("column", COLUMNS)
def test_a_series_that_starts_later_has_the_same_values_after_warm_up(column):
    later = LATE[column].to_numpy()[WARM_UP:]
    known = TABLE[column].to_numpy()[LATE_START + WARM_UP :]
    assert len(later) > 300
    np.testing.assert_allclose(later, known, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("column", COLUMNS)
def test_values_are_finite_or_unknown_and_mostly_known(column):
    values = TABLE[column].to_numpy()
    assert not np.isinf(values).any()
    assert np.isfinite(values[320:]).mean() > 0.9
    assert np.nanstd(values) > 1e-3


def test_there_are_about_seventy_features_in_eight_groups():
    groups = feature_groups(COLUMNS)
    assert 60 <= len(COLUMNS) - 2 - len(OPTIONAL) <= 75
    assert set(groups.values()) == {
        "price", "range", "volume", "volatility", "regime", "calendar", "cross-asset", "user"
    }  # fmt: skip
    assert [name for name, group in groups.items() if group == "user"] == ["sentiment", "event"]


BOUNDS = {
    "body": (-1, 1), "upper_wick": (0, 1), "lower_wick": (0, 1), "position_20": (0, 1),
    "position_50": (0, 1), "position_200": (0, 1), "efficiency_10": (0, 1), "efficiency_20": (0, 1),
    "rsi_14": (0, 100), "mfi_14": (0, 100), "adx_14": (0, 100), "stochastic_14": (0, 100),
    "ultimate_oscillator": (0, 100), "aroon_25": (-100, 100), "cci_20": (-1, 1),
    "market_correlation_60": (-1, 1), "drawdown_60": (-100, 0), "range": (0, 100),
}  # fmt: skip


@pytest.mark.parametrize(("column", "low", "high"), [(name, *bounds) for name, bounds in BOUNDS.items()])
def test_bounded_features_stay_in_their_bounds(column, low, high):
    values = TABLE[column].dropna()
    assert values.between(low - 1e-9, high + 1e-9).all()


def test_prices_far_below_one_have_the_same_features():
    bars = _hourly(5, 900)
    tiny = scale_bars(bars, 1e-9, 1e-9)
    np.testing.assert_allclose(feature_table(tiny), feature_table(bars), rtol=1e-7, atol=1e-7)


def test_return_is_the_log_change_over_the_volatility_known_before():
    close = OWN["close"].to_numpy()
    returns = np.diff(np.log(close), prepend=np.nan)
    sigma = ewma_volatility(returns, 0.94)
    for bars in (1, 5, 60):
        expected = np.log(close[1000] / close[1000 - bars]) / (sigma[999] * np.sqrt(bars))
        assert TABLE[f"return_{bars}"].iloc[1000] == pytest.approx(expected, rel=1e-12)


def test_ewma_volatility_is_the_normalised_weighted_mean_square():
    returns = np.random.default_rng(3).standard_normal(80) * 0.01
    returns[[0, 30]] = np.nan
    known = returns[:61][np.isfinite(returns[:61])]
    weights = 0.9 ** np.arange(len(known))[::-1]
    volatility = ewma_volatility(returns, 0.9)
    assert volatility[60] == pytest.approx(np.sqrt((weights * known**2).sum() / weights.sum()), rel=1e-12)
    assert np.isnan(volatility[:20]).all()


def test_ewma_volatility_forgets_its_start_within_the_warm_up():
    returns = np.full(CAUSAL_WARMUP + 100, 0.001)
    shocked = returns.copy()
    shocked[0] = 0.1
    relative = ewma_volatility(shocked, 0.94) / ewma_volatility(returns, 0.94) - 1
    assert 0 <= relative[CAUSAL_WARMUP] < 1e-9


def test_garman_klass_agrees_with_its_formula_and_recovers_the_volatility_of_a_random_walk():
    assert garman_klass_variance(*np.array([[2.0], [np.e * 2], [2.0], [2.0]])) == pytest.approx(0.5)
    rng = np.random.default_rng(0)
    path = np.cumsum(rng.standard_normal((3000, 2000)) * 0.01 / np.sqrt(2000), axis=1)
    path = np.exp(np.concatenate([np.zeros((3000, 1)), path], axis=1))
    variance = garman_klass_variance(path[:, 0], path.max(1), path.min(1), path[:, -1])
    assert np.sqrt(variance.mean()) == pytest.approx(0.01, rel=0.03)


def test_efficiency_is_one_on_a_line_zero_when_still_and_a_third_on_two_steps_up_one_down():
    assert efficiency_ratio(np.full(9, 0.01), 5)[-1] == pytest.approx(1)
    assert efficiency_ratio(np.zeros(9), 5)[-1] == 0
    assert efficiency_ratio(np.array([0.1, -0.1, 0.1]), 3)[-1] == pytest.approx(1 / 3)


def test_trailing_mean_is_unknown_where_its_window_holds_an_unknown():
    means = trailing_mean(np.array([1.0, np.nan, 3.0, 5.0, 7.0]), 2)
    np.testing.assert_array_equal(means, [np.nan, np.nan, np.nan, 4.0, 6.0])


def test_cross_asset_means_are_over_the_instruments_that_have_a_bar_at_that_time():
    singles = {name: feature_table(bars)["return_5"] for name, bars in OTHERS.items()}
    singles = {
        name: pd.Series(values.to_numpy(), index=OTHERS[name]["ts"]) for name, values in singles.items()
    }
    expected = pd.concat(singles, axis=1).reindex(OWN["ts"]).mean(axis=1)
    np.testing.assert_allclose(TABLE["market_return_5"], expected, rtol=1e-12)
    assert expected.isna().sum() > 0


def test_correlation_to_an_identical_instrument_is_one_and_relative_strength_zero():
    table = feature_table(OWN, {"twin": OWN})
    np.testing.assert_allclose(table["market_correlation_60"].dropna(), 1, atol=1e-9)
    np.testing.assert_allclose(table["relative_strength_20"].dropna(), 0, atol=1e-9)


def test_without_other_instruments_cross_asset_features_are_unknown():
    table = feature_table(OWN)
    cross = [name for name, group in feature_groups(COLUMNS).items() if group == "cross-asset"]
    assert len(cross) == 4
    assert table[cross].isna().all(axis=None)


@pytest.mark.parametrize("volume", [0.0, np.nan])
def test_unknown_volume_leaves_volume_features_unknown_and_the_others_as_they_were(volume):
    table = feature_table(OWN.assign(volume=volume), OTHERS)
    volume_columns = [name for name, group in feature_groups(COLUMNS).items() if group == "volume"]
    assert table[volume_columns].isna().all(axis=None)
    rest = [name for name in COLUMNS if name not in volume_columns]
    pd.testing.assert_frame_equal(table[rest], TABLE[rest])


def test_a_bar_without_prices_is_unknown_and_poisons_nothing_after_it():
    holed = OWN.copy()
    holed.loc[700, ["open", "high", "low", "close"]] = np.nan
    table = feature_table(holed, OTHERS)
    own = [name for name in COLUMNS if feature_groups([name])[name] != "user"]
    assert table.loc[700, own].isna().all()
    skipped = feature_table(OWN.drop(index=700).reset_index(drop=True), OTHERS)
    np.testing.assert_array_equal(table.drop(index=700)[own], skipped[own])


def test_a_price_that_stands_still_gives_no_infinities():
    bars = make_bars(700, seed=4)
    bars.loc[200:500, ["open", "high", "low", "close"]] = 50.0
    values = feature_table(bars).to_numpy()
    assert not np.isinf(values).any()
    assert np.abs(values[np.isfinite(values)]).max() <= 100


@pytest.mark.parametrize("count", [0, 1, 2, 30])
def test_short_series_have_one_row_per_bar(count):
    assert len(feature_table(make_bars(count), {"B": make_bars(count, "B", seed=1)})) == count


def test_time_of_day_and_day_of_week_are_points_on_a_circle():
    monday_six = TABLE[OWN["ts"] == pd.Timestamp("2020-01-06 06:00", tz="UTC")]
    assert monday_six["time_of_day_sin"].item() == pytest.approx(1)
    assert monday_six["day_of_week_cos"].item() == pytest.approx(1)
    for name in ("time_of_day", "day_of_week"):
        np.testing.assert_allclose(TABLE[f"{name}_sin"] ** 2 + TABLE[f"{name}_cos"] ** 2, 1)


def test_a_users_column_is_a_robust_z_score_over_250_bars():
    row = 1000 + int(np.flatnonzero(OWN["sentiment"].iloc[1000:].notna())[0])
    window = OWN["sentiment"].iloc[row - 249 : row + 1]
    spread = (window.quantile(0.75) - window.quantile(0.25)) / 1.349
    expected = (OWN["sentiment"].iloc[row] - window.median()) / spread
    assert TABLE["sentiment"].iloc[row] == pytest.approx(expected, rel=1e-9)


def test_a_rare_flag_is_measured_in_standard_deviations_and_a_constant_column_is_zero():
    flags = OWN["event"].iloc[1000 - 249 : 1001]
    row = 1000 - 249 + int(np.flatnonzero(flags)[-1])
    window = OWN["event"].iloc[row - 249 : row + 1]
    assert TABLE["event"].iloc[row] == pytest.approx(1 / window.std(), rel=1e-9)
    constant = feature_table(OWN.assign(event=3.0))["event"]
    assert (constant.iloc[60:] == 0).all()


def test_a_users_column_under_the_name_of_a_feature_is_refused():
    with pytest.raises(BarsError, match="rsi_14"):
        feature_table(OWN.assign(rsi_14=1.0))


def test_the_last_ten_bars_are_measured_against_the_average_the_regime_label_divides_by():
    close = OWN["close"].to_numpy(float)
    returns = np.diff(np.log(close), prepend=np.nan)
    ratio = TABLE["volatility_ratio_10_ewma"].to_numpy()
    for t in (200, 555, len(close) - 1):
        realised = np.sqrt(np.mean(returns[t - 9 : t + 1] ** 2))
        assert ratio[t] == pytest.approx(np.log(realised) - TABLE["log_volatility"][t], rel=1e-9)


def test_a_column_taken_as_it_is_is_itself_and_the_others_stay_as_they_were():
    mood = pd.Series(np.random.default_rng(0).normal(size=len(OWN)), index=OWN.index).where(OWN.index % 9 > 0)
    bars = OWN.assign(mood=mood, flow=mood * 2, word="calm")
    usual, as_is = feature_table(bars), feature_table(bars, as_is=["mood", "elsewhere"])
    assert "word" not in usual
    pd.testing.assert_series_equal(as_is["mood"], mood, check_names=False)
    pd.testing.assert_frame_equal(as_is.drop(columns="mood"), usual.drop(columns="mood"))
    assert not np.allclose(usual["mood"], mood, equal_nan=True)
