"""What a backtest says of itself, on a synthetic walk-forward."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from app.backtest import words
from app.backtest.choices import Setting, read_changes
from app.figures.backtest import equity_figure, fan_figure, months_figure, slices_figure, trades_figure
from core.data.bars import adjust_prices
from core.errors import ConfigError
from core.trading.backtest import run_backtest
from core.trading.performance.rivals import Comparison
from core.trading.performance.split import split_trades
from core.trading.rules import load_rules
from tests.core.review.synthetic_review import write_synthetic
from tests.core.trading.synthetic_trading import daily_bars

SETS = ("entry.probability=0.5", "entry.confidence=0.3", "doubts.both_directions=false")
NAMES = ("AAA", "BBB")


@pytest.fixture(scope="module")
def bars():
    return {(name, "1d"): daily_bars(name, 2600, seed, "2009-06-01") for seed, name in enumerate(NAMES)}


@pytest.fixture(scope="module")
def past(tmp_path_factory):
    return write_synthetic(tmp_path_factory.mktemp("words") / "wf", bars=160)


@pytest.fixture(scope="module")
def found(past, bars):
    return run_backtest(past, bars, load_rules(sets=SETS), model="synthetic", trials=7)


def test_the_first_sentence_claims_only_what_holds_against_nothing_holding_and_random_entries(found):
    def judged(*holds: bool):
        kept = [
            replace(one, holds=hold, difference=replace(one.difference, value=0.5))
            for one, hold in zip(found.shown, holds, strict=True)
        ]
        return words.headline(replace(found, comparisons=tuple(kept)))

    assert judged(True, True, True).startswith("**Something is shown")
    assert "not shown to beat doing nothing, holding or random entries" in judged(False, False, False)
    assert judged(True, False, True).endswith("not shown to beat holding.**")
    worse = [replace(one, holds=True, difference=replace(one.difference, value=-0.5)) for one in found.shown]
    assert "Nothing is shown" in words.headline(replace(found, comparisons=tuple[Comparison, ...](worse)))


def test_without_a_trade_the_reason_stands_first(past, bars):
    strict = load_rules(sets=["entry.probability=1.0", "entry.confidence=0.0"])
    none = run_backtest(past, bars, strict, model="synthetic")
    assert words.headline(none).startswith("**No trade was made:")
    assert "probability below the threshold" in words.headline(none)
    assert words.random_sentence(none) == "No entries at random times could be compared."
    assert {words.target_words(one)[2].split(":")[0] for one in none.targets} == {"not measured"}
    equity_figure(none, dark=False)


def test_the_scope_counts_trials_calls_and_folds(found):
    said = words.scope_sentence(found)
    assert "2 instruments, 1d bars" in said
    assert "2 folds, a call at every bar" in said
    assert "7 settings and trainings were looked at so far" in said


def test_tables_hold_every_account_doubt_and_trade(found):
    table = words.measures_table(found)
    assert list(table["account"])[:2] == ["the model's calls", "buy and hold"]
    assert len(table) == 1 + len(found.rivals)
    doubts = words.vetoes_table(found.vetoes)
    assert list(doubts["calls"]) == [one.calls for one in found.vetoes if one.calls]
    assert list(words.costs_table(found).columns) == [
        "measure", "costs x0", "costs x1", "costs x2", "costs x4",
    ]  # fmt: skip
    trades = found.strategy.account.trades
    opens = [str(found.calls.times[place])[:10] for place in trades.call]
    shown = words.trades_table(trades, found.market, "1d", opens)
    assert len(shown) == len(trades)
    newest = len(trades) - 1
    instrument = found.market.instruments[trades.instrument[newest]]
    assert shown["live"][0] == f"/?instrument={instrument}&timeframe=1d&bar={opens[newest]}"
    assert shown["earned, %"][0] == pytest.approx(100 * trades.net_return[newest])


def test_a_trade_stands_beside_what_a_simpler_model_said(found, past):
    trades = found.strategy.account.trades
    split = split_trades(past, found.calls, trades, found.market.times, "logistic")
    said = words.split_sentence(split)
    assert said.startswith(f"logistic regression called the same at {len(trades)} of {len(trades)} trades: ")
    assert "the others" not in said
    table = words.trades_table(trades, found.market, "1d", ["2015-01-01"] * len(trades), [split])
    np.testing.assert_allclose(table["logistic regression said, %"][::-1], 100 * split.theirs)


def test_figures_draw_what_was_measured(found, bars):
    equity = equity_figure(found, dark=True)
    assert len(equity.data) == 1 + len(found.rivals) + 1
    own = next(trace for trace in equity.data if trace.name == "the model's calls")
    assert own.y[-1] == pytest.approx(found.strategy.account.equity[-1])
    months = months_figure(found.months, dark=False).data[0]
    assert np.nansum(np.isfinite(np.array(months.z, float))) == len(found.months)
    kind = [one for one in found.slices if one.kind == "side"]
    assert list(slices_figure(kind, "t", dark=False).data[0].x) == [one.mean.value for one in kind]
    if found.fan.draws:
        assert list(fan_figure(found.fan, dark=False).data[-1].y) == list(found.fan.equity[2])


def test_trades_stand_on_the_candles_where_they_were_filled(found, bars):
    trades, market = found.strategy.account.trades, found.market
    mine = trades.take(trades.instrument == 0)
    frame = adjust_prices(bars[market.instruments[0], "1d"])
    inside = frame["ts"].dt.tz_localize(None).between(market.times[0], market.times[-1])
    figure = trades_figure(
        frame[inside], mine, market.times, title="t", palette="lookback", dark=False
    )  # fmt: skip
    ways = [trace for trace in figure.data if trace.type == "scatter"]
    assert len(ways) == len(mine)
    assert ways[0].x[0] == str(market.times[mine.entry[0]])[:10]
    assert tuple(ways[0].y) == (mine.entry_price[0], mine.exit_price[0])


def test_changes_of_rules_are_read_from_links_and_lines_alike():
    assert read_changes("a=1; b=2;;a=1") == read_changes("a=1\n\n b=2 ") == ("a=1", "b=2")
    assert Setting("1d", ("exits.stop=2.5",)).rules().exits.stop == 2.5
    with pytest.raises(ConfigError, match="exits"):
        Setting("1d", ("exits.stopp=2.5",)).rules()
