"""The Backtest page as a visitor opens it, without a browser."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.data.store import BarStore
from tests.app.workbench import assert_accepted, assert_no_fault, open_page, said, wait_for
from tests.core.review.synthetic_review import write_synthetic
from tests.core.trading.synthetic_trading import daily_bars

ANSWER = ("Something is shown", "Nothing is shown", "No trade was made")


@pytest.fixture
def traded(home: Path) -> Path:
    """A walk-forward of the home's own model, and bars that reach far enough before and after it."""
    write_synthetic(home / "walk_forward" / "small", bars=160)
    store = BarStore(home)
    for seed, name in enumerate(("AAA", "BBB")):
        store.upsert(daily_bars(name, 2600, seed, "2009-06-01"))
    return home


@pytest.mark.usefixtures("home")
def test_a_model_without_a_walk_forward_is_refused_with_the_command_that_makes_one() -> None:
    app = open_page("backtest")
    text = wait_for(app, "This cannot be used as it is")
    assert_no_fault(app)
    assert "python -m core walk-forward" in text


@pytest.mark.usefixtures("traded")
def test_the_answer_comes_first_and_a_link_carries_changed_rules() -> None:
    rules = "entry.probability=0.5;entry.confidence=0.3;doubts.both_directions=false"
    app = open_page("backtest", backtest_rules=rules)
    text = wait_for(app, *ANSWER)
    assert_accepted(app)
    assert "1 setting or training was looked at so far" in text
    assert "Did the doubts pay?" in text
    assert "Every trade, on the candles" in text
    assert app.query_params["backtest_rules"] == rules
    assert len(app.metric) == 4
    assert all("asks for" in str(metric.delta) for metric in app.metric)
    assert open_and_count("exits.stop=2.0") == 2


def open_and_count(rules: str) -> int:
    """Settings looked at after trading by other rules."""
    text = wait_for(open_page("backtest", backtest_rules=rules), *ANSWER)
    return int(text.split(" settings and trainings were looked at so far")[0].split()[-1])


@pytest.mark.usefixtures("traded")
def test_a_rule_that_does_not_exist_is_refused_in_a_sentence() -> None:
    app = open_page("backtest", backtest_rules="exits.stopp=2")
    wait_for(app, "This cannot be used as it is")
    assert_no_fault(app)
    assert "stopp" in said(app)
