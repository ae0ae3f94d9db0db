from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.bundle import save_bundle
from core.data.store import BarStore
from core.trading.results import BacktestResult
from core.validation.material import Material, gather_material
from core.validation.sections.backtest import check_backtest, measure_backtest
from tests.core.review.synthetic_review import write_synthetic
from tests.core.trading.synthetic_trading import daily_bars


@pytest.fixture(scope="module")
def traded(tmp_path_factory: pytest.TempPathFactory, pair_bundle) -> Material:
    """A walk-forward whose every bar is stored."""
    store = BarStore(tmp_path_factory.mktemp("home"))
    for seed, name in enumerate(("AAA", "BBB")):
        store.upsert(daily_bars(name, 1300, seed=seed, start="2013-06-01"))
    save_bundle(pair_bundle, store.home / "models" / "pair")
    (store.home / "walk_forward").mkdir()
    write_synthetic(store.home / "walk_forward" / "pair")
    return gather_material(store, "pair")


def test_what_the_backtest_shows_is_what_the_pack_says(traded: Material) -> None:
    found = traded.backtest
    assert isinstance(found, BacktestResult)
    section = measure_backtest(traded)
    said = {finding.what: finding.status for finding in section.findings}
    for target in found.targets:
        status = "not tested" if target.verdict == "not measured" else target.verdict
        assert status in [said[what] for what in said if target.name.replace("_", " ") in what]
    assert (list(said.values())[: len(found.shown)].count("met") == len(found.shown)) == found.anything_shown
    assert {line["costs_times"] for line in section.tables["costs"]} == set(found.costs)


def test_a_backtest_that_charges_too_little_or_does_not_add_up_is_flagged(traded: Material) -> None:
    found = traded.backtest
    assert isinstance(found, BacktestResult)
    run, trades = found.strategy, found.strategy.account.trades
    if not len(trades):
        run = found.rivals[-1]
        found = replace(found, strategy=run)
        trades = run.account.trades
    assert len(trades)
    assert check_backtest(found).flagged is False, check_backtest(found).said

    def with_account(**changes: object) -> BacktestResult:
        return replace(found, strategy=replace(run, account=replace(run.account, **changes)))  # type: ignore[arg-type]

    assert check_backtest(with_account(trades=replace(trades, cost=trades.cost / 2))).flagged is True
    assert check_backtest(with_account(trades=replace(trades, cost=np.zeros(len(trades))))).flagged is True
    assert check_backtest(with_account(equity=run.account.equity + 0.01)).flagged is True
    free = found.rules.model_copy(
        update={"costs": found.rules.costs.model_copy(update={"commission_bp": 0.0, "slippage_bp": 0.0})}
    )
    assert check_backtest(replace(found, rules=free)).flagged is True


def test_without_bars_or_calibrate_rows_the_backtest_says_why(traded: Material, tmp_path: Path) -> None:
    bare = gather_material(BarStore(tmp_path), None)
    finding = measure_backtest(bare).findings[0]
    assert finding.status == "not tested"
    assert finding.said.startswith("Expected")
