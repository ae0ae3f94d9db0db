import numpy as np
import pytest

from core.training.block_error import choose_block, measure_block_error


def test_of_rows_apart_it_is_the_textbooks():
    values = np.random.default_rng(0).normal(size=2000)
    error = measure_block_error(values, np.arange(2000), 1)
    assert error == pytest.approx(values.std() / 2000**0.5, rel=0.15)


def test_rows_said_ten_times_count_once():
    once = np.random.default_rng(1).normal(size=300)
    often = measure_block_error(np.repeat(once, 10), np.arange(3000), 10)
    assert often == pytest.approx(once.std() / 300**0.5, rel=0.25)


def test_rows_of_one_time_are_drawn_together():
    by_time = np.random.default_rng(2).normal(size=500)
    one = measure_block_error(by_time, np.arange(500), 5)
    assert measure_block_error(np.tile(by_time, 4), np.tile(np.arange(500), 4), 5) == pytest.approx(one)


def test_a_constant_has_no_error_and_the_order_of_rows_no_say():
    assert measure_block_error(np.full(60, 0.3), np.arange(60), 5) == pytest.approx(0, abs=1e-12)
    rng = np.random.default_rng(3)
    values, order = rng.normal(size=400), rng.permutation(400)
    there = measure_block_error(values, np.arange(400), 5)
    assert measure_block_error(values[order], order, 5) == pytest.approx(there)


def test_a_block_holds_a_label_and_never_exceeds_the_times():
    values = np.random.default_rng(4).normal(size=400)
    assert choose_block(values, np.arange(400), 20) >= 20
    assert choose_block(values[:7], np.arange(7), 20) == 7
