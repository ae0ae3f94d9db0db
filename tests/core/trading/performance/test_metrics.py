import empyrical
import numpy as np
import pandas as pd
import pytest

from core.trading.account import Account, Trades
from core.trading.performance.bootstrap import Blocks
from core.trading.performance.metrics import (
    deflate_sharpe,
    expected_best,
    find_drawdown,
    measure_account,
    steps_per_year,
)


def account_of(returns, nets=(), exits=(), start="2015-01-01"):
    """An account with these returns (T,), and trades of value 1 with these profits."""
    returns, nets = np.asarray(returns, float), np.asarray(nets, float)
    times = pd.date_range(start, periods=len(returns)).to_numpy("datetime64[us]")
    steps, count = len(returns), len(nets)
    nothing, zero = np.zeros(steps), np.zeros(count)
    trades = Trades(
        zero.astype(int), zero.astype(int), np.ones(count, int), zero.astype(int), np.asarray(exits, int),
        np.ones(count), 1 + nets, np.ones(count), zero, zero, zero.astype(int),
    )  # fmt: skip
    return Account(
        times, np.cumprod(1 + returns), nothing, nothing, nothing, nothing, nothing, nothing > 0, trades,
        zero.astype(int),
    )  # fmt: skip


@pytest.fixture(scope="module")
def measured():
    rng = np.random.default_rng(0)
    returns = 0.0006 + 0.01 * rng.standard_t(4, 900)
    account = account_of(returns)
    return account, measure_account(account, Blocks.over(returns, 5))


def test_ratios_are_those_of_empyrical(measured):
    account, found = measured
    returns, year = account.returns, found.per_year
    expected = {
        "sharpe": empyrical.sharpe_ratio(returns, annualization=year),
        "sortino": empyrical.sortino_ratio(returns, annualization=year),
        "calmar": empyrical.calmar_ratio(returns, annualization=year),
        "max_drawdown": -empyrical.max_drawdown(returns),
        "annual_return": empyrical.annual_return(returns, annualization=year),
        "annual_volatility": empyrical.annual_volatility(returns, annualization=year),
    }
    for name, value in expected.items():
        assert found.values[name].value == pytest.approx(value, rel=1e-9), name


def test_every_interval_holds_its_value(measured):
    for name in ("sharpe", "sortino", "calmar", "max_drawdown", "annual_return"):
        interval = measured[1].values[name]
        assert interval.low < interval.value < interval.high, name


def test_trade_measures_are_counts_and_sums_of_the_trades():
    nets = np.array([0.02, -0.01, 0.04, -0.01, 0.03, -0.02, 0.01, 0.02, -0.03, 0.01, 0.02])
    account = account_of(np.full(40, 0.001) * np.resize([1, -1, 2], 40), nets, np.arange(11) * 3)
    values = measure_account(account, Blocks.over(account.returns, 1)).values
    assert values["win_rate"].value == pytest.approx(7 / 11)
    assert values["profit_factor"].value == pytest.approx(0.15 / 0.07)
    assert values["payoff"].value == pytest.approx((0.15 / 7) / (0.07 / 4))


def test_few_trades_and_little_time_leave_intervals_blank():
    account = account_of([0.01, -0.01, 0.02, 0.0, 0.01, -0.02], [0.01, -0.01], [1, 3])
    values = measure_account(account, Blocks.over(account.returns, 5)).values
    assert np.isnan(values["sharpe"].low)
    assert values["sharpe"].blank
    assert np.isnan(values["win_rate"].low)


def test_an_account_that_did_nothing_has_no_ratios_and_no_drawdown():
    account = account_of(np.zeros(200))
    found = measure_account(account, Blocks.over(account.returns, 5))
    assert np.isnan(found.values["sharpe"].value)
    assert np.isnan(found.deflated_sharpe)
    assert found.drawdown.depth == 0
    assert found.drawdown.trough is None


def test_the_drawdown_names_its_peak_its_trough_and_when_it_was_over():
    account = account_of([0.1, -0.2, 0.1, -0.3, 0.9, 0.1])
    found = find_drawdown(account)
    days = [str(time)[:10] for time in (found.peak, found.trough, found.recovered)]
    assert days == ["2015-01-01", "2015-01-04", "2015-01-05"]
    assert found.depth == pytest.approx(1 - 0.8 * 1.1 * 0.7)
    lasting = find_drawdown(account_of([-0.1, 0.05]))
    assert lasting.peak is None
    assert lasting.recovered is None


def test_a_daily_clock_has_the_days_of_a_year():
    times = pd.date_range("2000-01-01", "2004-01-01").to_numpy("datetime64[us]")
    assert steps_per_year(times) == pytest.approx(365.25)


def test_the_best_of_many_worthless_trials_is_expected_where_simulation_finds_it():
    rng = np.random.default_rng(0)
    for trials in (5, 50):
        best = rng.standard_normal((20_000, trials)).max(axis=1).mean()
        assert expected_best(trials) == pytest.approx(best, rel=0.03)
    assert expected_best(1) == 0


def test_the_deflated_sharpe_is_the_published_formula_and_falls_with_trials():
    returns = 0.001 + 0.01 * np.random.default_rng(1).standard_normal(1000)
    ratio = returns.mean() / returns.std(ddof=1)
    centred = returns - returns.mean()
    skew = (centred**3).mean() / (centred**2).mean() ** 1.5
    kurtosis = (centred**4).mean() / (centred**2).mean() ** 2
    error = np.sqrt((1 - skew * ratio + (kurtosis - 1) / 4 * ratio**2) / 999)
    from scipy.stats import norm

    assert deflate_sharpe(returns, 1) == pytest.approx(norm.cdf(ratio / error))
    falling = [deflate_sharpe(returns, trials) for trials in (1, 10, 100, 1000)]
    assert (np.diff(falling) < 0).all()
