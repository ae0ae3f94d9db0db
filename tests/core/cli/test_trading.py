import json

import pytest

from core.__main__ import main
from core.cli.trading import show_backtest
from core.data.store import BarStore
from core.trading.kept import FOLDER, TRIALS
from tests.core.command_line import refuse, run
from tests.core.review.synthetic_review import write_synthetic
from tests.core.trading.synthetic_trading import daily_bars

COMMAND = ["backtest", "--model", "small"]
FIXED = [
    "--set",
    "entry.probability=0.5",
    "--set",
    "entry.confidence=0.3",
    "--set",
    "doubts.both_directions=false",
]


@pytest.fixture
def traded(home):
    """The model has a walk-forward of its own and the bars it was made on."""
    write_synthetic(home / "walk_forward" / "small", bars=60)
    store = BarStore()
    for seed, name in enumerate(("AAA", "BBB")):
        store.upsert(daily_bars(name, 2600, seed, "2009-06-01"))
    return home


def test_a_model_without_a_walk_forward_is_refused_with_the_command(home, capsys):
    assert "python -m core walk-forward --name small" in refuse(capsys, *COMMAND)


def test_a_wrong_rule_is_refused_before_anything_is_read(home, capsys):
    assert "did you mean 'stop'" in refuse(capsys, *COMMAND, "--set", "exits.stopp=2")


def test_a_backtest_says_first_whether_anything_is_shown_and_counts_its_settings(traded, capsys):
    first = run(capsys, *COMMAND, *FIXED)
    assert first["trials"] == 1
    assert run(capsys, *COMMAND, *FIXED) == first
    assert run(capsys, *COMMAND, *FIXED, "--set", "exits.stop=2.5")["trials"] == 2
    assert len((traded / FOLDER / TRIALS).read_text().splitlines()) == 2
    assert main([*COMMAND, *FIXED]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("Nothing is shown: the Sharpe ratio after costs is ")
    for part in (
        "buy and hold",
        "logistic",
        "Target maximum drawdown below 15%",
        "x4",
        "out of distribution",
    ):
        assert part in shown


def test_a_strategy_that_never_traded_claims_nothing(traded, capsys):
    idle = run(capsys, *COMMAND, "--set", "entry.probability=1.0", "--set", "entry.confidence=1.0")
    assert show_backtest(idle).startswith("Nothing is shown: no trade was made. No call passed")
    assert {one["verdict"] for one in idle["targets"]} == {"not measured"}
    json.dumps(idle, allow_nan=False)
