import numpy as np

from core.scores.bootstrap import Share, count_apart

DAY = np.timedelta64(1, "D")
START = np.datetime64("2020-01-01", "us")


def test_what_moments_picked_blindly_would_give_is_within_chance():
    assert Share(6, 10, 0.31, 0.83, base=0.38).within_chance
    assert not Share(6, 10, 0.31, 0.83, base=0.2).within_chance


def test_futures_that_overlap_count_once():
    start = START + np.array([0, 3, 5, 20, 40, 41]) * DAY
    end = start + np.array([5, 5, 5, 5, 5, 1]) * DAY
    assert count_apart(start, end) == 3
    assert count_apart(start[::-1], end[::-1]) == 3
    assert count_apart(start[:0], end[:0]) == 0
