"""What the browser sends as steps is a whole number of bars, or nothing."""

from __future__ import annotations

import math

import pytest

from app.components.bar_keys import MOST_STEPS, read_steps


@pytest.mark.parametrize(
    ("sent", "bars"), [(1, 1), (-20, -20), (3.0, 3), (10**9, MOST_STEPS), (-1e9, -MOST_STEPS)]
)
def test_whole_numbers_are_steps_within_bounds(sent: float, bars: int) -> None:
    assert read_steps(sent) == bars


@pytest.mark.parametrize("sent", [None, True, "1", 0.5, math.nan, math.inf, [1], {"by": 1}])
def test_anything_else_steps_nowhere(sent: object) -> None:
    assert read_steps(sent) == 0
