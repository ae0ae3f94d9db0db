import numpy as np
import pytest

from app.similar import words as similar_words
from core.explain.similar.reach import SeriesReach
from core.explain.similar.search import Analogue, Analogues, MomentIndex

CLASSES = ("Bullish", "Bearish", "Sideways")
START = np.datetime64("2012-01-02", "us")


def analogues(outcomes: list[int], base: float = 0.38, trained: int = 0, independent: int = 10) -> Analogues:
    moments = tuple(
        Analogue(row, "AAPL|1d", row, START, 0.9, outcome, np.array([0.5, 0.3, 0.2]), row < trained)
        for row, outcome in enumerate(outcomes)
    )
    shares = np.bincount(outcomes, minlength=3) / len(outcomes)
    return Analogues(
        "direction", moments, shares, shares[0], np.array([base, 0.3, 0.7 - base]), 0.43, 5204, independent
    )


def test_the_sum_names_count_interval_candidates_and_chance():
    assert similar_words.went_sentence(analogues([0] * 6 + [1] * 4), 0, CLASSES) == (
        "Of the **10** nearest moments, **6** went ▲ **Bullish** [31%, 83%]; over all 5,204 candidates 38% "
        "did: the difference is **within chance**."
    )
    assert similar_words.right_sentence(analogues([0] * 5 + [1] * 5)) == (
        "The model was right on **5** of these 10 [24%, 76%], on all candidates 43% of the time: "
        "the difference is **within chance**."
    )


def test_more_and_fewer_than_chance_are_told_apart():
    assert "**more** than chance" in similar_words.went_sentence(analogues([0] * 10), 0, CLASSES)
    assert "**fewer** than chance" in similar_words.went_sentence(analogues([1] * 10), 0, CLASSES)


def test_shared_futures_widen_what_counts_as_chance():
    found = analogues([0] * 10, base=0.55, independent=10)
    shared = analogues([0] * 10, base=0.55, independent=3)
    assert "**more**" in similar_words.went_sentence(found, 0, CLASSES)
    assert "within chance" in similar_words.went_sentence(shared, 0, CLASSES)


def test_training_years_and_shared_futures_are_doubts():
    assert similar_words.doubts(analogues([0] * 10), False) == []
    said = " ".join(similar_words.doubts(analogues([0] * 10, trained=7, independent=8), True))
    assert "trained on the outcomes of 7 of these 10" in said
    assert "lies in the training years" in said
    assert "10 moments, 8 independent pieces" in said


@pytest.fixture
def index() -> MomentIndex:
    ts = np.array([START, START + np.timedelta64(30, "D")])
    return MomentIndex(
        np.ones((2, 3), np.float16),
        np.array(["AAPL|1d"] * 2),
        np.array([0, 30]),
        ts,
        {"direction": np.array([1, 2])},
        {"direction": ts + np.timedelta64(7, "D")},
        {"direction": np.array([[0.5, 0.3, 0.2], [0.2, 0.2, 0.6]])},
        10,
    )


def test_an_outcome_stands_beside_what_was_said_and_only_once_it_was_known(index):
    said = index.probabilities["direction"]
    late = START + np.timedelta64(60, "D")
    line = similar_words.outcome_line(index, 0, "direction", CLASSES, late, said[0])
    assert line == "▼ **Bearish**, said ▲ Bullish 50% ✗ wrong"
    assert similar_words.outcome_line(index, 1, "direction", CLASSES, late, said[1]).endswith("✓ right")
    early = START + np.timedelta64(31, "D")
    line = similar_words.outcome_line(index, 1, "direction", CLASSES, early, said[1])
    assert line == "not decided by then, said ▬ Sideways 60%"


def test_what_the_index_does_not_know_is_said_in_a_sentence_each():
    march = np.datetime64("2013-03-01", "us")
    said = similar_words.reach_sentences(
        [
            SeriesReach("AAPL|1d", "longer", march),
            SeriesReach("IBM|1d", "longer", march),
            SeriesReach("EURUSD|1h", "longer", np.datetime64("2018-06-01T14:00", "us")),
            SeriesReach("GOOG|1d", "new", np.datetime64("NaT")),
            SeriesReach("MSFT|1d", "changed", march),
            SeriesReach("FB|1d", "current", march),
        ]
    )
    assert said == [
        "The index reaches to 2013-03-01 for AAPL 1d and IBM 1d; newer bars are not in it.",
        "The index reaches to 2018-06-01 14:00 UTC for EURUSD 1h; newer bars are not in it.",
        "Not in the index at all: GOOG 1d.",
        "Stored bars of MSFT 1d were changed since the index was built; its moments there are left out.",
    ]
