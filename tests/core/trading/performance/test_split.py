from dataclasses import replace

import numpy as np
import pytest

from core.trading.backtest import run_backtest
from core.trading.performance.split import split_trades
from core.trading.rules import load_rules
from tests.core.review.synthetic_review import write_synthetic
from tests.core.trading.synthetic_trading import daily_bars

SETS = ["entry.probability=0.5", "entry.confidence=0.3", "doubts.both_directions=false"]


@pytest.fixture(scope="module")
def traded(tmp_path_factory):
    result = write_synthetic(tmp_path_factory.mktemp("split") / "wf", bars=160)
    bars = {
        (name, "1d"): daily_bars(name, 2600, seed, "2009-06-01") for seed, name in enumerate(("AAA", "BBB"))
    }
    return result, run_backtest(result, bars, load_rules(sets=SETS), model="synthetic")


def split(traded, challenger):
    result, found = traded
    return split_trades(result, found.calls, found.strategy.account.trades, found.market.times, challenger)


def test_each_trade_stands_beside_what_was_said_of_its_side_at_its_own_bar(traded):
    found = split(traded, "logistic")
    # The synthetic logistic regression says half of the truth and half of a third.
    np.testing.assert_allclose(found.theirs, 0.5 * found.model + 0.5 / 3, atol=1e-6)
    assert len(found.model) == len(traded[1].strategy.account.trades) > 20
    # It never ranks the classes otherwise, so it would have made every one of these trades.
    assert found.alike.all()
    assert np.isnan(found.alone.value)
    assert found.both.value == pytest.approx(traded[1].strategy.account.trades.net_return.mean())


def test_a_challenger_that_said_nothing_of_them_has_no_split(traded):
    assert split(traded, "har") is None


def test_trades_a_challenger_would_not_have_made_are_counted_apart(traded):
    result, found = traded
    flipped = result.baselines.assign(p_0=result.baselines["p_1"], p_1=result.baselines["p_0"])
    other = split((replace(result, baselines=flipped), found), "logistic")
    assert not other.alike.any()
    assert other.alone.value == pytest.approx(found.strategy.account.trades.net_return.mean())
