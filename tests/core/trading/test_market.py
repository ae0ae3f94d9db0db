import numpy as np
import pytest

from core.config import LabelConfig
from core.errors import InputError
from core.trading.market import gather_market, measure_bars
from tests.core.trading.synthetic_trading import daily_bars


def test_two_calendars_make_one_clock_and_holes_are_nan():
    first, second = daily_bars("AAA", 10), daily_bars("BBB", 10, 1).drop(index=[3, 4])
    times = first["ts"].dt.tz_localize(None).to_numpy("datetime64[us]")
    market = gather_market({"AAA": first, "BBB": second}, ["AAA", "BBB"], {0: (times[1], times[6])})
    np.testing.assert_array_equal(market.times, times[1:7])
    np.testing.assert_array_equal(np.isnan(market.close[:, 1]), [False, False, True, True, False, False])
    assert market.spans == {0: (0, 5)}
    np.testing.assert_array_equal(np.argwhere(market.closing), [[5, 0], [5, 1]])
    np.testing.assert_allclose(market.years[1:], 1 / 365)


def test_an_instrument_that_ends_earlier_closes_at_its_own_last_bar():
    first, second = daily_bars("AAA", 10), daily_bars("BBB", 6, 1)
    times = first["ts"].dt.tz_localize(None).to_numpy("datetime64[us]")
    market = gather_market(
        {"AAA": first, "BBB": second}, ["AAA", "BBB"], {0: (times[0], times[3]), 1: (times[4], times[9])}
    )
    np.testing.assert_array_equal(np.argwhere(market.closing), [[3, 0], [3, 1], [5, 1], [9, 0]])


def test_prices_are_the_adjusted_ones():
    bars = daily_bars("AAA", 10)
    halved = bars.assign(adj_close=bars["close"] / 2)
    times = bars["ts"].dt.tz_localize(None).to_numpy("datetime64[us]")
    market = gather_market({"AAA": halved}, ["AAA"], {0: (times[0], times[9])})
    np.testing.assert_allclose(market.open[:, 0], bars["open"] / 2)


def test_missing_bars_are_refused_by_name():
    times = daily_bars("AAA", 3)["ts"].dt.tz_localize(None).to_numpy("datetime64[us]")
    with pytest.raises(InputError, match="BBB"):
        gather_market({"AAA": daily_bars("AAA", 3)}, ["AAA", "BBB"], {0: (times[0], times[2])})
    late = np.datetime64("2030-01-01", "us")
    spans = {0: (times[0], times[2]), 1: (late, late)}
    with pytest.raises(InputError, match="fold 1"):
        gather_market({"AAA": daily_bars("AAA", 3)}, ["AAA"], spans)


def test_measures_of_a_bar_do_not_know_the_next():
    bars = daily_bars("AAA", 400)
    bars.loc[100, "volume"] = 0.0
    whole = measure_bars(bars, LabelConfig())
    part = measure_bars(bars.iloc[:350], LabelConfig())
    np.testing.assert_array_equal(whole.sigma[:350], part.sigma)
    np.testing.assert_array_equal(whole.levels[:350], part.levels)
    np.testing.assert_array_equal(np.flatnonzero(~whole.has_volume), [100])
    assert (np.diff(whole.levels[-1]) > 0).all()


def test_a_series_without_volume_has_none_missing():
    bars = daily_bars("AAA", 30).assign(volume=np.nan)
    assert measure_bars(bars, LabelConfig()).has_volume.all()
