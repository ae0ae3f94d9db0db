from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from core.experiments.walk_forward.records import WalkForwardResult
from core.validation.defects import folds, forecasts, series
from core.validation.defects.check import Check
from core.validation.defects.costs import check_costs
from tests.core.validation import planted_defects as planted
from tests.core.validation.planted_defects import sound


def check_all(result: WalkForwardResult) -> dict[str, Check]:
    """Every check that looks at a walk-forward alone, by the defect it is for."""
    tasks = forecasts.read_tasks(result)
    checks = [
        forecasts.check_leak(result, tasks),
        forecasts.check_shuffled(tasks),
        forecasts.check_miscalibration(tasks),
        forecasts.check_calibrator(tasks),
        forecasts.check_swapped(tasks),
        folds.check_in_sample(result),
        folds.check_overfit(result),
        series.check_duplicated(result),
    ]
    return {check.defect: check for check in checks}


PLANTED = [
    ("leak", planted.leaked),
    ("leak", planted.suspicious),
    ("shuffled labels", planted.shuffled),
    ("miscalibration", planted.miscalibrated),
    ("broken calibrator", planted.broken),
    ("swapped class", planted.swapped),
    ("overfit fold", planted.overfitted),
    ("overfit fold", planted.useless),
    ("in-sample rows", planted.in_sample),
    ("in-sample rows", planted.seen),
    ("duplicated series", planted.duplicated),
]


@pytest.mark.parametrize(("defect", "plant"), PLANTED, ids=[plant.__name__ for _, plant in PLANTED])
@pytest.mark.parametrize("seed", [0, 1])
def test_a_planted_defect_is_flagged_by_its_own_check(
    defect: str, plant: Callable[[WalkForwardResult], WalkForwardResult], seed: int
) -> None:
    check = check_all(plant(sound(seed=seed)))[defect]
    assert check.flagged is True, check.said
    assert any(digit in check.said for digit in "0123456789")


def test_sound_results_are_flagged_no_more_often_than_stated() -> None:
    checks = [check for seed in range(15) for check in check_all(sound(seed=seed)).values()]
    assert all(check.flagged is not None for check in checks)
    # Five of the eight checks are tests at 5%, 75 in all: four alarms are expected, ten are not.
    assert sum(bool(check.flagged) for check in checks) <= 8
    exact = {"leak", "in-sample rows", "duplicated series"}
    assert not [check.said for check in checks if check.defect in exact and check.flagged]


def moving(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Four features of 600 bars: three that move, one that takes two values; the last 200 are test."""
    rng = np.random.default_rng(seed)
    values = rng.uniform(1, 99, (600, 4))
    values[:, 3] = 40 + 20 * (np.arange(600) // 150 % 2)
    return values, np.arange(600) >= 400


def test_a_feature_that_stops_moving_is_flagged_and_named() -> None:
    values, test = moving()
    names = ["a", "b", "c", "flag"]
    assert series.check_stale({"AAA|1d": values}, {"AAA|1d": test}, names).flagged is False
    values[450:490, 1] = values[450, 1]
    check = series.check_stale({"AAA|1d": values}, {"AAA|1d": test}, names)
    assert check.flagged is True
    assert "b of AAA|1d: 40 bars" in check.said


def test_a_feature_at_the_end_of_its_scale_does_not_stand_still() -> None:
    values, test = moving()
    values[450:550, 1] = 100.0
    assert series.check_stale({"AAA|1d": values}, {"AAA|1d": test}, list("abcd")).flagged is False


def test_costs_that_are_not_charged_are_flagged() -> None:
    rng = np.random.default_rng(0)
    traded, gross = rng.uniform(1e3, 2e3, 50), rng.normal(0, 20, 50)
    costs = 0.0005 * traded + rng.uniform(0, 1, 50)
    assert check_costs(gross, costs, gross - costs, traded, 0.0005).flagged is False
    assert check_costs(gross, costs, gross, traded, 0.0005).flagged is True
    assert check_costs(gross, costs / 2, gross - costs / 2, traded, 0.0005).flagged is True
    assert check_costs(gross, -costs, gross + costs, traded, 0.0005).flagged is True
    assert check_costs(gross, 0 * costs, gross, traded, 0.0).flagged is True
    none = np.empty(0)
    assert check_costs(none, none, none, none, 0.0005).flagged is None
