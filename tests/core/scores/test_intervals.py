import math

import numpy as np
import pytest
import scipy.stats
from statsmodels.stats.multitest import multipletests

from core.errors import InputError
from core.scores.intervals import (
    TOO_ALIKE,
    Interval,
    Share,
    count_apart,
    hold_claims,
    interval,
    mean_interval,
    mirrored_interval,
    paired_difference,
    share_bounds,
    share_interval,
)
from core.scores.stretches import Stretches
from tests.core.scores.test_stretches import autoregression

DAY = np.timedelta64(1, "D")
START = np.datetime64("2020-01-01", "us")


@pytest.mark.parametrize(("persistence", "steps"), [(0.0, 400), (0.9, 1000), (0.95, 1000), (0.98, 4000)])
def test_a_95_percent_interval_holds_the_mean_of_an_autoregression_that_often(persistence, steps):
    series = autoregression(np.random.default_rng(3), steps, 300, persistence)
    stretches = Stretches.over(np.arange(steps))
    found = [mean_interval(column, stretches) for column in series.T]
    shown = [one for one in found if not one.blank]
    assert len(shown) > 270
    inside = np.mean([one.low <= 0 <= one.high for one in shown])
    # Two standard errors of 300 trials either side of 93% to 97%.
    assert 0.90 <= inside <= 0.99


def test_a_trend_has_no_interval_and_says_why():
    found = mean_interval(np.linspace(0, 1, 300), Stretches.over(np.arange(300)))
    assert found.value == pytest.approx(0.5)
    assert math.isnan(found.low)
    assert found.blank == TOO_ALIKE
    assert not found.excludes_zero
    assert math.isnan(found.p)
    assert found.to_dict() == {"value": pytest.approx(0.5), "low": None, "high": None, "blank": TOO_ALIKE}


def test_a_few_rows_have_no_interval():
    assert mean_interval(np.array([0.0, 1.0, 2.0]), Stretches.over(np.arange(3))).blank == TOO_ALIKE


def test_interval_and_p_are_those_of_students_t():
    values = np.random.default_rng(0).normal(0.1, 1, 900)
    found = mean_interval(values, Stretches.over(np.arange(900)))
    assert found.high - found.value == pytest.approx(found.value - found.low)
    reach = found.error * scipy.stats.t.ppf(0.975, found.freedom)
    assert found.high - found.value == pytest.approx(reach)
    assert found.p == pytest.approx(2 * scipy.stats.t.sf(abs(found.value) / found.error, found.freedom))
    assert (found.p < 0.05) == found.excludes_zero
    edge = mean_interval(values - found.low, Stretches.over(np.arange(900)))
    assert edge.p == pytest.approx(0.05)


def test_an_interval_stays_on_the_scale_of_its_statistic():
    swings = np.random.default_rng(1).normal(size=200) / 50
    stretches = Stretches.over(np.arange(200))
    free = interval(0.02, swings, stretches)
    bound = interval(0.02, swings, stretches, least=0.0, most=0.1)
    assert free.low < 0
    assert free.high > 0.1
    assert (bound.low, bound.high) == (0.0, 0.1)


def test_paired_difference_cancels_what_both_share():
    rng = np.random.default_rng(4)
    shared, stretches = rng.normal(size=2000) * 10, Stretches.over(np.arange(2000), 5)
    better = paired_difference(shared - 0.1 + rng.normal(size=2000) * 0.1, shared, stretches)
    assert better.value == pytest.approx(-0.1, abs=0.01)
    assert better.low < -0.1 < better.high
    assert better.excludes_zero
    same = paired_difference(shared + rng.normal(size=2000) * 0.1, shared, stretches)
    assert same.low < 0 < same.high
    assert not same.excludes_zero
    itself = paired_difference(shared, shared, stretches)
    assert (itself.value, itself.p) == (0, 1)


def test_paired_difference_refuses_other_rows():
    with pytest.raises(InputError, match="the same"):
        paired_difference(np.zeros(3), np.zeros(4), Stretches.over(np.arange(4)))


def test_mirrored_interval_undoes_the_rise_and_keeps_the_value():
    draws = np.linspace(0.1, 0.3, 1001)
    mirrored = mirrored_interval(0.25, draws)
    assert mirrored.low == pytest.approx(0.5 - 0.295)
    assert mirrored.high == pytest.approx(0.5 - 0.105)
    biased = mirrored_interval(0.08, draws)
    assert (biased.low, biased.high) == (0.0, 0.08)
    assert mirrored_interval(0.95, draws, most=1.0).high == 1.0
    assert mirrored_interval(0.1, np.empty(0)).blank == TOO_ALIKE


def test_shares_of_independent_rows_have_the_intervals_of_the_binomial():
    rng = np.random.default_rng(5)
    acted, stretches = rng.random(3000) < 0.3, Stretches.over(np.arange(3000))
    found = share_interval(rng.random(3000) < 0.7, acted, stretches)
    width = 2 * 1.96 * np.sqrt(0.7 * 0.3 / acted.sum())
    assert found.high - found.low == pytest.approx(width, rel=0.3)
    assert found.low < 0.7 < found.high


def test_three_right_of_three_are_no_certainty():
    acted = np.zeros(500, bool)
    acted[[40, 200, 410]] = True
    found = share_interval(np.ones(500, bool), acted, Stretches.over(np.arange(500)))
    assert (found.value, found.high) == (1, 1)
    assert found.low < 0.6


def test_shares_without_a_row_have_no_interval():
    found = share_interval(np.ones(50, bool), np.zeros(50, bool), Stretches.over(np.arange(50)))
    assert np.isnan([found.value, found.low, found.high]).all()
    assert found.blank == ""


def test_shares_by_cell_are_those_taken_one_by_one():
    rng = np.random.default_rng(6)
    stretches, cell, right = Stretches.over(np.arange(800)), rng.integers(3, size=800), rng.random(800) < 0.6
    tables = (stretches.total_by_cell(cell, 3, values) for values in (right.astype(float), None))
    low, high = share_bounds(*tables, stretches)
    for k in range(3):
        one = share_interval(right, cell == k, stretches)
        assert (low[k], high[k]) == (pytest.approx(one.low), pytest.approx(one.high))


def test_claims_of_one_table_are_counted_together():
    assert hold_claims([0.001, 0.02, 0.04]).tolist() == [True, True, True]
    assert hold_claims([0.001, 0.03, 0.04]).tolist() == [True, False, False]
    assert hold_claims([0.04, 0.04]).tolist() == [False, False]
    assert hold_claims([math.nan, 0.04]).tolist() == [False, True]
    assert hold_claims([]).tolist() == []
    rng = np.random.default_rng(7)
    for _ in range(4):
        p = rng.random(6) ** 4
        assert (hold_claims(p) == multipletests(p, method="holm")[0]).all()


def test_no_level_beyond_certainty():
    for level in (0.0, 1.0, 95):
        with pytest.raises(InputError, match="level"):
            mean_interval(np.arange(50.0), Stretches.over(np.arange(50)), level)


def test_an_interval_of_nothing_excludes_nothing():
    assert not Interval(1.0, math.nan, math.nan).excludes_zero
    assert Interval(1.0, 0.5, 1.5).excludes_zero
    assert Interval(-1.0, -1.5, -0.5).excludes_zero


def test_what_moments_picked_blindly_would_give_is_within_chance():
    assert Share(6, 10, 0.31, 0.83, base=0.38).within_chance
    assert not Share(6, 10, 0.31, 0.83, base=0.2).within_chance


def test_futures_that_overlap_count_once():
    start = START + np.array([0, 3, 5, 20, 40, 41]) * DAY
    end = start + np.array([5, 5, 5, 5, 5, 1]) * DAY
    assert count_apart(start, end) == 3
    assert count_apart(start[::-1], end[::-1]) == 3
    assert count_apart(start[:0], end[:0]) == 0
