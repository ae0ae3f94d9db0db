from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm

from core.errors import InputError, WindowError
from core.explain.similar.search import SAME_TIME, MomentIndex, find_analogues

DAY = np.timedelta64(1, "D")
START = np.datetime64("2020-01-01", "us")
LENGTH = 10
HORIZON = 5
WEEK = 7


@pytest.fixture
def index():
    rng = np.random.default_rng(0)
    per_series, series = 120, ("AAPL|1d", "IBM|1d")
    bar = np.tile(np.arange(per_series), len(series))
    ts = START + bar * DAY
    return MomentIndex(
        representations=rng.normal(size=(len(bar), 6)),
        series=np.repeat(series, per_series),
        bar=bar,
        ts=ts,
        outcome={"direction": rng.integers(0, 3, len(bar))},
        outcome_known_at={"direction": ts + (HORIZON + 1) * DAY},
        probabilities={"direction": rng.dirichlet(np.ones(3), len(bar))},
        length=LENGTH,
    )


def search(index, row=100, count=5, **options):
    query = {
        "task": "direction",
        "series": str(index.series[row]),
        "bar": int(index.bar[row]),
        "known_at": index.ts[row] + DAY,
        "count": count,
    }
    return find_analogues(index, index.representations[row], **(query | options))


def test_neither_the_query_nor_its_overlapping_neighbours_are_found(index):
    for moment in search(index, count=50).moments:
        assert moment.series != "AAPL|1d" or abs(moment.bar - 100) >= LENGTH


def test_moments_found_do_not_overlap_each_other(index):
    moments = search(index, count=50).moments
    for i, first in enumerate(moments):
        for second in moments[:i]:
            apart = LENGTH * DAY if first.series == second.series else SAME_TIME
            assert abs(first.ts - second.ts) >= apart


def test_every_outcome_was_known_when_the_query_was_made(index):
    result = search(index, row=60, count=50)
    known = index.outcome_known_at["direction"]
    assert all(known[moment.row] <= index.ts[60] + DAY for moment in result.moments)
    assert result.candidates == (62 - WEEK) + (61 - max(HORIZON, LENGTH))
    others = [moment.ts for moment in result.moments if moment.series == "IBM|1d"]
    assert max(others) <= index.ts[60] + DAY - SAME_TIME


def test_changing_the_future_changes_nothing(index):
    later = index.ts > index.ts[60]
    changed = replace(
        index,
        representations=np.where(later[:, None], index.representations[60], index.representations),
        outcome={"direction": np.where(later, 0, index.outcome["direction"])},
    )
    before, after = search(index, row=60), search(changed, row=60)
    assert [m.row for m in before.moments] == [m.row for m in after.moments]
    np.testing.assert_array_equal(before.outcome_shares, after.outcome_shares)
    assert before.base_accuracy == after.base_accuracy


def test_the_nearest_by_cosine_comes_first_whatever_its_length(index):
    planted = index.representations.copy()
    planted[10] = 7 * planted[100]
    moment = search(replace(index, representations=planted)).moments[0]
    assert (moment.row, moment.bar) == (10, 10)
    assert moment.similarity == pytest.approx(1)
    assert moment.correct == (moment.probabilities.argmax() == index.outcome["direction"][10])


def test_similarities_fall_and_shares_and_accuracy_are_those_of_the_moments(index):
    result = search(index, count=8)
    similarity = [moment.similarity for moment in result.moments]
    assert similarity == sorted(similarity, reverse=True)
    outcomes = [moment.outcome for moment in result.moments]
    np.testing.assert_allclose(result.outcome_shares, np.bincount(outcomes, minlength=3) / 8)
    assert result.accuracy == np.mean([moment.correct for moment in result.moments])


def test_moments_without_outcome_are_left_out_and_none_left_is_said_by_nan(index):
    none = replace(index, outcome={"direction": np.full(len(index.bar), -1)})
    result = search(none)
    assert result.moments == ()
    assert result.candidates == 0
    assert np.isnan(result.accuracy)


def test_unusable_queries_are_refused(index):
    with pytest.raises(InputError, match="a task out of"):
        search(index, task="mood")
    with pytest.raises(WindowError, match="representation"):
        find_analogues(
            index, np.zeros(6), task="direction", series="AAPL|1d", bar=100, known_at=index.ts[100]
        )
    with pytest.raises(InputError, match="one row per moment"):
        replace(index, bar=index.bar[:-1])


def test_only_the_series_asked_for_are_searched(index):
    found = search(index, count=30, among=["IBM|1d"])
    assert {moment.series for moment in found.moments} == {"IBM|1d"}
    assert search(index, among=[]).moments == ()


def test_the_same_week_in_another_series_is_one_moment(index):
    ahead = index.representations.copy()
    twins = {30: 1.0, 150: 0.9, 154: 0.8, 157: 0.7}
    noise = np.random.default_rng(1).normal(size=6)
    for row, share in twins.items():
        ahead[row] = share * index.representations[100] + (1 - share) * noise
    found = search(replace(index, representations=ahead), count=2)
    assert [moment.row for moment in found.moments] == [30, 157]


def test_futures_that_share_days_widen_the_interval_not_the_count(index):
    index = replace(index, outcome_known_at={"direction": index.ts + 15 * DAY})
    ahead = index.representations.copy()
    ahead[[30, 158, 60, 188]] = index.representations[100] * [[1.0], [1.1], [1.2], [1.3]]
    found = search(replace(index, representations=ahead), count=4)
    assert sorted(moment.bar for moment in found.moments) == [30, 38, 60, 68]
    assert found.independent == 2
    right = found.right()
    assert right.count == sum(moment.correct for moment in found.moments)
    assert_wilson(right, trials=2)


def assert_wilson(share, *, trials):
    """The borders are the two chances from which the share lies 1.96 of their own standard errors away."""
    for border in (share.low, share.high):
        error = np.sqrt(border * (1 - border) / trials)
        assert abs(share.count / share.total - border) == pytest.approx(norm.ppf(0.975) * error, abs=1e-9)
    assert 0 <= share.low <= share.count / share.total <= share.high + 1e-12 <= 1 + 1e-12
    assert share.high - share.low > 0.1


def test_what_came_is_counted_by_class_beside_all_candidates(index):
    found = search(index, count=8)
    for outcome in range(3):
        share = found.went(outcome)
        assert share.count == sum(moment.outcome == outcome for moment in found.moments)
        assert share.total == 8
        assert share.base == found.base_shares[outcome]
        assert_wilson(share, trials=found.independent)


def test_moments_the_model_was_trained_on_are_marked(index):
    trained = np.arange(len(index.bar)) % 2 == 0
    moments = search(replace(index, trained={"direction": trained}), count=20).moments
    assert [moment.trained for moment in moments] == [bool(trained[moment.row]) for moment in moments]
    assert any(moment.trained for moment in moments)
