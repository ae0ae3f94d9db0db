"""Every feature has words, and the words write its numbers rightly."""

from __future__ import annotations

import numpy as np
import pytest

from app.words.features import FEATURE_WORDS, GROUP_TITLES, feature_words, group_title
from core.data.features.table import MISSING_SHARE, feature_groups, feature_table
from tests.conftest import random_walk


@pytest.fixture(scope="module")
def built_in() -> list[str]:
    """What the feature table makes of bars and other instruments, and the mask."""
    bars, other = random_walk("AAA", 120, 0), random_walk("BBB", 120, 1)
    return [*feature_table(bars, {"BBB": other}).columns, MISSING_SHARE]


def test_every_built_in_feature_has_words_and_no_words_are_left_over(built_in: list[str]) -> None:
    assert set(FEATURE_WORDS) == set(built_in)
    for words in FEATURE_WORDS.values():
        assert words.title
        assert words.unit
        assert words.meaning.endswith(".")
        assert len(words.label) <= 45


def test_rows_of_a_chart_can_be_told_apart(built_in: list[str]) -> None:
    labels = [feature_words(name).label for name in built_in]
    assert len(set(labels)) == len(labels)


def test_every_group_has_a_title(built_in: list[str]) -> None:
    groups = {*feature_groups(built_in).values(), *feature_groups(["spread"]).values()}
    assert groups == set(GROUP_TITLES)
    assert group_title("elsewhere") == "elsewhere"


def test_a_users_column_keeps_its_name_and_says_its_unit() -> None:
    words = feature_words("sentiment")
    assert words.title == "sentiment"
    assert words.state(1.26) == "+1.3 robust standard deviations"


def test_a_users_column_cannot_be_read_as_markdown() -> None:
    assert feature_words("a*b_[c]:$").in_markdown == r"a\*b\_\[c\]\:\$"
    assert feature_words("return_5").in_markdown == "return over 5 bars"


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("return_5", 1.8, "+1.8 sigma"),
        ("return_5", -0.04, "0.0 sigma"),
        ("return_1", -1.25, "−1.2 sigma"),
        ("range", 2.1, "2.1 sigma"),
        ("position_20", 0.873, "87%"),
        ("body", -0.5, "−50%"),
        ("log_volatility", np.log(0.018), "1.80% a bar"),
        ("volatility_ratio_5_60", np.log(0.5), "0.50 times"),
        ("volume_surprise", np.log(2.0), "2.00 times"),
        ("rsi_14", 70.4, "70 of 100"),
        ("day_of_week_sin", 0.433, "+0.43"),
        ("missing_share", 0.05, "5%"),
        ("return_5", np.nan, "unknown"),
    ],
)
def test_values_are_written_as_a_person_would(name: str, value: float, sentence: str) -> None:
    assert feature_words(name).state(value) == sentence


def test_numbers_keep_their_shape() -> None:
    values = np.log([[0.01, 0.02]])
    assert feature_words("log_garman_klass_5").numbers(values) == pytest.approx(np.array([[1.0, 2.0]]))
