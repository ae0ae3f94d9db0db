import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from core.errors import InputError
from core.trading import backtest
from core.trading.backtest import choose_timeframe, run_backtest
from core.trading.kept import Kept
from core.trading.performance.rivals import HOLDING
from core.trading.rules import load_rules
from tests.core.review.synthetic_review import write_synthetic
from tests.core.trading.synthetic_trading import daily_bars

SETS = ["entry.probability=0.5", "entry.confidence=0.3", "doubts.both_directions=false"]


@pytest.fixture(scope="module")
def past(tmp_path_factory):
    result = write_synthetic(tmp_path_factory.mktemp("backtest") / "wf", bars=160)
    names = ("AAA", "BBB")
    return result, {
        (name, "1d"): daily_bars(name, 2600, seed, "2009-06-01") for seed, name in enumerate(names)
    }


@pytest.fixture(scope="module")
def found(past):
    return run_backtest(*past, load_rules(sets=SETS), model="synthetic", trials=7)


def test_a_backtest_holds_every_rival_and_counts_every_comparison(found):
    assert [run.name for run in found.rivals] == [HOLDING, "prior", "logistic"]
    assert [one.against for one in found.comparisons] == [
        "nothing", HOLDING, "prior", "logistic", "random entries",
    ]  # fmt: skip
    assert found.strategy.measures.trials == 7
    assert [one.name for one in found.targets] == ["sharpe", "max_drawdown", "win_rate", "profit_factor"]
    np.testing.assert_array_equal(found.costs[1.0].account.equity, found.strategy.account.equity)
    cheap, dear = (found.costs[multiple].account.cost.sum() for multiple in (1.0, 2.0))
    assert 0 < cheap < dear


def test_every_trade_comes_of_a_call_that_was_acted_on_and_lies_in_its_fold(found):
    trades, calls = found.strategy.account.trades, found.calls
    assert len(trades)
    assert (found.stances.side[trades.call] == trades.side).all()
    for call, entry, exit_ in zip(trades.call, trades.entry, trades.exit, strict=True):
        first, last = found.market.spans[int(calls.fold[call])]
        assert first <= entry <= exit_ <= last
        assert found.market.times[entry] > calls.times[call]


def test_a_backtest_is_plain_json(found):
    plain = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert plain["measures"]["model"]["trades"] == len(plain["trades"]) == len(found.strategy.account.trades)
    assert len(plain["equity"]["model"]) == len(plain["times"])
    assert plain["anything_shown"] is False


def test_calls_known_by_heart_are_shown_to_earn(past):
    result, bars = past
    rows = result.rows.copy()
    mask = (rows["task"] == "direction").to_numpy()
    for name in ("AAA", "BBB"):
        frame = bars[name, "1d"].set_index("ts")
        coming = (frame["close"].shift(-5) / frame["open"].shift(-1) - 1).rename("coming")
        mine = mask & (rows["instrument"] == name).to_numpy()
        up = coming.reindex(rows.loc[mine, "ts"]).to_numpy() > 0
        said = np.where(up[:, None], [0.8, 0.1, 0.1], [0.1, 0.8, 0.1]).astype(np.float32)
        rows.loc[mine, ["p_0", "p_1", "p_2"]] = said
        rows.loc[mine, "confidence"] = np.float32(0.8)
    given = ["entry.probability=0.5", "entry.confidence=0.5", "doubts.least_ranks={}"]
    found = run_backtest(replace(result, rows=rows), bars, load_rules(sets=given), model="x")
    assert found.anything_shown
    assert found.strategy.measures.values["win_rate"].value > 0.8


def test_dates_bound_the_calls_and_the_clock(past, found):
    start, end = (pd.Timestamp(f"{found.market.times[step]}", tz="UTC") for step in (40, 120))
    part = run_backtest(*past, load_rules(sets=SETS), model="x", start=start, end=end)
    assert (part.market.times[0], part.market.times[-1]) == (found.market.times[40], found.market.times[120])
    assert repr(part.thresholds) == repr(found.thresholds)
    with pytest.raises(InputError, match="dates between"):
        run_backtest(*past, load_rules(), model="x", start=pd.Timestamp("2030-01-01", tz="UTC"))


def test_a_walk_forward_without_calibrate_rows_is_refused_with_the_command(past):
    result, bars = past
    old = replace(result, calibrate=None, calibrate_baselines=None)
    with pytest.raises(InputError, match="python -m core walk-forward") as refusal:
        run_backtest(old, bars, load_rules(), model="x")
    assert "\n" not in str(refusal.value)


def test_an_unknown_timeframe_is_refused(past):
    assert choose_timeframe(past[0], None) == "1d"
    with pytest.raises(InputError, match="1h"):
        choose_timeframe(past[0], "1h")


def test_a_stopped_backtest_goes_on_where_it_was_to_the_same_numbers(past, found, tmp_path, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(backtest, "enter_at_random", stop)
        with pytest.raises(KeyboardInterrupt):
            run_backtest(*past, load_rules(sets=SETS), model="synthetic", kept=Kept(tmp_path))
    kept = {path.stem for path in tmp_path.iterdir()}
    assert kept == {"thresholds_model", "thresholds_prior", "thresholds_logistic"}
    with monkeypatch.context() as patched:
        patched.setattr(backtest, "choose_by_fold", stop)
        again = run_backtest(*past, load_rules(sets=SETS), model="synthetic", trials=7, kept=Kept(tmp_path))
    assert again.to_dict() == found.to_dict()
