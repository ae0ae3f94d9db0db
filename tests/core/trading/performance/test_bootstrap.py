import numpy as np
import pytest

from core.trading.performance.bootstrap import CELLS, Blocks, drawn_interval, drawn_p


def test_sums_of_a_draw_are_the_sums_of_its_cells():
    rng = np.random.default_rng(0)
    values = rng.standard_normal((300, 2))
    blocks = Blocks.over(values[:, 0], 3, draws=20)
    cells = blocks.total(values)
    np.testing.assert_allclose(blocks.draw_sums(cells), blocks.draw(cells).sum(axis=1), atol=1e-10)


def test_many_steps_are_joined_into_cells_that_keep_their_sums():
    values = np.random.default_rng(0).standard_normal(3 * CELLS + 7)
    blocks = Blocks.over(values, 5, draws=5)
    assert blocks.count == CELLS
    assert blocks.total(values).sum() == pytest.approx(values.sum())


def test_blocks_are_at_least_two_holding_periods_and_longer_where_returns_hang_together():
    rng = np.random.default_rng(0)
    noise = rng.standard_normal(2000)
    assert Blocks.over(noise, 10).length >= 20
    slow = np.convolve(noise, np.ones(6) / 6, mode="same")
    assert Blocks.over(slow, 1).length > Blocks.over(noise, 1).length


@pytest.mark.parametrize("returns", [np.zeros(500), np.ones(1), np.arange(12.0)])
def test_without_enough_that_varies_there_are_no_draws(returns):
    blocks = Blocks.over(returns, 1 if len(returns) < 5 else 5)
    assert len(blocks) == 0
    interval = drawn_interval(1.0, np.zeros(0))
    assert interval.blank
    assert np.isnan(drawn_p(np.zeros(0)))


def test_an_interval_of_the_mean_covers_it_in_about_nineteen_of_twenty_trials():
    rng = np.random.default_rng(0)
    held = 0
    for seed in range(150):
        returns = 0.5 * rng.standard_normal(801)
        returns = returns[1:] + 0.5 * returns[:-1]
        blocks = Blocks.over(returns, 2, draws=300, seed=seed)
        drawn = blocks.draw_sums(blocks.total(returns)[:, None])[:, 0] / 800
        interval = drawn_interval(returns.mean(), drawn)
        held += interval.low <= 0 <= interval.high
    assert 0.87 <= held / 150 <= 0.99


def test_the_probability_and_the_interval_agree_on_zero():
    rng = np.random.default_rng(0)
    for centre in (0.5, 1.5, 1.9, 2.1, 3.0):
        draws = centre + rng.standard_normal(4000)
        interval = drawn_interval(centre, draws)
        assert interval.excludes_zero == (drawn_p(draws) < 0.05)
