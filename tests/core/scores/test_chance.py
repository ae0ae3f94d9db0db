import numpy as np
import pytest
from statsmodels.stats.proportion import proportion_confint

from core.scores.bootstrap import Share, count_apart, wilson_interval

DAY = np.timedelta64(1, "D")
START = np.datetime64("2020-01-01", "us")


@pytest.mark.parametrize(("count", "total"), [(0, 5), (6, 10), (10, 10), (43, 97)])
def test_the_interval_is_wilsons(count, total):
    assert wilson_interval(count / total, total) == pytest.approx(
        proportion_confint(count, total, method="wilson"), abs=1e-12
    )


def test_the_interval_covers_at_its_level():
    rng = np.random.default_rng(0)
    drawn = rng.binomial(30, 0.3, 4000)
    covered = [low <= 0.3 <= high for low, high in (wilson_interval(count / 30, 30) for count in drawn)]
    assert 0.92 < np.mean(covered) < 0.97


def test_what_moments_picked_blindly_would_give_is_within_chance():
    interval = wilson_interval(0.6, 10)
    assert Share(6, 10, *interval, base=0.38).within_chance
    assert not Share(6, 10, *interval, base=0.2).within_chance


def test_futures_that_overlap_count_once():
    start = START + np.array([0, 3, 5, 20, 40, 41]) * DAY
    end = start + np.array([5, 5, 5, 5, 5, 1]) * DAY
    assert count_apart(start, end) == 3
    assert count_apart(start[::-1], end[::-1]) == 3
    assert count_apart(start[:0], end[:0]) == 0
