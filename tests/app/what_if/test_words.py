from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from app.what_if import words as what_if_words
from core.data.scaling import FeatureScaler
from core.explain.counterfactual import Flip
from core.prediction import StatedClass, TaskPrediction

CLASSES = ("Bullish", "Bearish", "Sideways")


def said(
    *probabilities: float,
    confidence: float = 0.5,
    rank: float | None = None,
    members: tuple[str, ...] = CLASSES[:2],
) -> TaskPrediction:
    shares, ranks = np.array(probabilities), {} if rank is None else {"attention": rank}
    stated = StatedClass(confidence, 0.5, shares, members, "temperature", "the probability alone", ranks)
    return TaskPrediction("direction", CLASSES, np.log(shares), shares, 0.5, {"attention": 0.2}, 0.4, stated)


def test_a_flipped_call_is_said_and_one_that_stays_too():
    before, after = said(0.41, 0.3, 0.29), said(0.3, 0.39, 0.31)
    assert what_if_words.call_sentence(before, after) == (
        "Direction: ▲ Bullish 41% → **▼ Bearish 39%: the call flips**"
    )
    assert what_if_words.call_sentence(before, said(0.44, 0.3, 0.26)) == (
        "Direction: stays ▲ Bullish, 41% → 44%"
    )


def test_what_is_no_call_is_not_said_to_be_one():
    open_, other = said(0.41, 0.3, 0.29, members=CLASSES), said(0.3, 0.39, 0.31)
    assert what_if_words.call_sentence(open_, open_) == "Direction: ▲ Bullish 41% (no call)"
    assert what_if_words.call_sentence(open_, other) == (
        "Direction: ▲ Bullish 41% (no call) → **▼ Bearish 39%: the most probable flips**"
    )


def test_sources_stand_by_their_rank_where_both_are_ranked_and_by_value_else():
    def table(*tasks: TaskPrediction):
        both = [cast(Any, SimpleNamespace(tasks={"direction": task})) for task in tasks]
        return what_if_words.confidence_table(*both)

    ranked = table(said(0.5, 0.3, 0.2, rank=0.4), said(0.5, 0.3, 0.2, rank=0.9))
    row = ranked.loc["looks sharper than that share of past bars", "Direction"]
    assert "40%" in row
    assert "90%" in row
    mixed = table(said(0.5, 0.3, 0.2), said(0.5, 0.3, 0.2, rank=0.9))
    assert "20%" in mixed.loc["where it looks", "Direction"]


@pytest.fixture
def scaler() -> FeatureScaler:
    return FeatureScaler(
        ("rsi_14", "log_volatility"),
        np.array([20.0, np.log(0.01)]),
        np.array([80.0, np.log(0.04)]),
        np.zeros(2),
    )


def test_changes_are_told_in_the_features_own_unit(scaler):
    assert what_if_words.unscale("rsi_14", 50.0, scaler) == 50.0
    assert what_if_words.change_sentence("rsi_14", 1, 75.0, scaler) == (
        "RSI, 14 bars = 65 of 100 in the last bar (75 on the model's scale of 100)"
    )
    assert "= 2.00% a bar in the last 5 bars" in what_if_words.change_sentence(
        "log_volatility", 5, 50.0, scaler
    )


def test_a_flip_is_told_in_market_units_and_the_rest_is_counted(scaler):
    changes = (
        (4, "log_volatility", 0.0, 100.0),
        *((bar % 5, "rsi_14", 50.0, 49.0) for bar in range(what_if_words.TABLE_ROWS + 5)),
    )
    flip = Flip(np.zeros((5, 2), np.float32), changes, 1.0, 1.0, -0.1)
    table = what_if_words.flip_table(flip, [f"bar {i}" for i in range(5)], scaler)
    assert table.iloc[0].tolist() == ["bar 4", "volatility (EWMA)", "1.00% a bar", "4.00% a bar", "+100.0"]
    assert table.iloc[1]["points of 100"] == "−1.0"
    assert len(table) == what_if_words.TABLE_ROWS
    sentence = what_if_words.flip_sentence(flip)
    assert sentence.startswith("**The call flips** with 31 cells changed (2 features in 5 bars).")
    assert "The 25 largest:" in sentence
