import pytest

from app.words.numbers import (
    count_word,
    decimal,
    listed,
    percent,
    signed,
    span,
    true_minus,
    unsigned_zero,
    with_interval,
)

MINUS = "\N{MINUS SIGN}"


@pytest.mark.parametrize(
    ("value", "text"), [(0.784, ".78"), (-0.05, f"{MINUS}.05"), (-0.001, ".00"), (0, ".00"), (1.0, "1.00")]
)
def test_a_score_loses_its_leading_zero_and_never_signs_a_zero(value, text):
    assert decimal(value) == text


@pytest.mark.parametrize(
    ("value", "form", "text"), [(0.314, ".2f", "+0.31"), (-2, ".1f", f"{MINUS}2.0"), (-7, "d", f"{MINUS}7")]
)
def test_signed_numbers_carry_a_plus_or_a_true_minus(value, form, text):
    assert signed(value, form) == text
    assert "-" not in signed(value, form)


def test_only_a_number_rounded_to_zero_loses_its_sign():
    assert [unsigned_zero(text) for text in ("+0.00", "-0.0", f"{MINUS}0", "+0.01")] == [
        "0.00",
        "0.0",
        "0",
        "+0.01",
    ]


def test_every_hyphen_of_a_number_becomes_a_minus():
    assert true_minus("-1 to -2") == f"{MINUS}1 to {MINUS}2"


def test_shares_and_their_intervals_are_in_percent():
    assert (percent(0.574), percent(0.574, 1), span(0.52, 0.611), span(0.52, 0.611, 1)) == (
        "57%",
        "57.4%",
        "[52, 61]",
        "[52.0, 61.1]",
    )


def test_an_interval_is_left_out_where_there_is_none_and_a_missing_value_is_a_dash():
    nan = float("nan")
    assert with_interval(0.5, 0.4, 0.6) == "50.0 [40.0, 60.0]"
    assert with_interval(0.5, nan, nan, scale=1, digits=4) == "0.5000"
    assert with_interval(nan, nan, nan) == "–"


@pytest.mark.parametrize(
    ("names", "text"), [(["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")]
)
def test_names_are_listed_as_a_sentence_has_them(names, text):
    assert listed(names) == text


def test_small_counts_are_words():
    assert [count_word(n) for n in (0, 4, 10, 11)] == ["no", "four", "ten", "11"]
