"""Work is counted, told as it goes, never beyond the plan, and ends where the caller stops it."""

import pytest

from core.progress import Meter, Stopped


@pytest.fixture
def told():
    return []


def test_every_piece_of_work_is_told_with_what_is_done_so_far(told):
    meter = Meter(lambda *so_far: told.append(so_far), planned=6)
    for count in (1, 2, 3):
        meter.check()
        meter.add(count)
    assert told == [(1, 6), (3, 6), (6, 6)]
    assert meter.done == 6


def test_a_plan_counts_from_what_is_done_and_more_than_it_is_never_told(told):
    meter = Meter(lambda *so_far: told.append(so_far))
    meter.plan(2)
    meter.add(2)
    meter.plan(3)
    meter.add(4)
    assert told == [(2, 2), (5, 5)]
    assert meter.done == 6


def test_work_that_took_less_than_planned_ends_at_the_plan(told):
    meter = Meter(lambda *so_far: told.append(so_far), planned=9)
    meter.add(4)
    meter.finish()
    assert told == [(4, 9), (9, 9)]


def test_work_stops_before_the_first_piece_after_the_caller_said_so(told):
    wanted = iter([False, False, True])
    meter = Meter(lambda *so_far: told.append(so_far), lambda: next(wanted), planned=9)

    def work() -> None:
        while True:
            meter.check()
            meter.add(1)

    with pytest.raises(Stopped):
        work()
    assert told == [(1, 9), (2, 9)]


def test_without_anybody_who_listens_work_is_counted_all_the_same():
    meter = Meter()
    meter.check()
    meter.add(3)
    assert meter.done == 3
