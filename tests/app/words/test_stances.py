import pandas as pd

from app.words.stances import (
    NOTHING_PAID,
    VETO_WORDS,
    hindsight_sentence,
    reasons,
    stance_sentence,
    stance_text,
)
from core.operations.stances import Stance
from core.trading.stance import VETOES, Thresholds, no_trade

LIMITS = Thresholds(2, 0.5, 0.55, 0.7)


def stance(*vetoes: str, side: int = 0, lean: int = 1, thresholds: Thresholds = LIMITS) -> Stance:
    return Stance(side, 0.12 if side else 0.0, lean, vetoes, 0.44, 0.41, thresholds)


def test_every_veto_of_the_strategy_has_its_words():
    assert list(VETO_WORDS) == list(VETOES)
    for name in VETOES:
        assert reasons(stance(name))


def test_staying_out_says_the_number_and_its_threshold_first_and_every_reason():
    out = stance("no_call", "confidence", "out_of_distribution")
    assert stance_text(out) == "no trade: sure 41%, threshold 55%"
    assert stance_sentence(out) == (
        "Direction: sure 41%, threshold 55%; no call of a direction; unlike training."
    )
    assert reasons(stance("probability", lean=-1)) == ["P(Bearish) 44%, threshold 50%"]


def test_where_nothing_paid_no_threshold_is_named_and_it_is_said_once():
    assert reasons(stance("probability", "confidence", thresholds=no_trade(2))) == [NOTHING_PAID]


def test_a_position_says_its_side_and_size():
    assert stance_text(stance(side=1)) == "long, 12% of equity"
    assert stance_text(stance(side=-1, lean=-1)) == "short, 12% of equity"
    assert stance_sentence(stance(side=-1, lean=-1)).startswith(
        "Short at the next open with 12% of the equity"
    )


def test_hindsight_names_the_day():
    assert "up to 2020-01-02, later than this one" in hindsight_sentence(pd.Timestamp("2020-01-02", tz="UTC"))
