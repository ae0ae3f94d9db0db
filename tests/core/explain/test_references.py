import numpy as np
import pytest

from core.errors import InputError, WindowError
from core.explain.references import (
    ORDINARY,
    RENAMED,
    check_name,
    rank_ordinary,
    rank_typical,
    real_windows,
)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("crowd", [0.3, 0.7])
def test_ordinary_candidates_stand_for_the_base_rate_also_where_the_model_is_sure_either_way(seed, crowd):
    rng = np.random.default_rng(seed)
    sure = np.where(rng.random(48) < crowd, rng.uniform(0.0, 0.15, 48), rng.uniform(0.7, 0.95, 48))
    for probabilities in (rng.beta(2, 4, 48), sure):
        order = rank_ordinary(probabilities)
        assert sorted(order) == list(range(48))
        assert probabilities[order[:16]].mean() == pytest.approx(probabilities.mean(), abs=0.05)


def test_the_most_ordinary_candidate_is_the_nearest_to_the_base_rate():
    probabilities = np.array([0.9, 0.1, 0.52, 0.3, 0.6])
    order = rank_ordinary(probabilities)
    assert order[0] == 2
    # .52 lies above the mean of .484: the nearest below it comes next.
    assert order[1] == 3


def test_candidates_the_model_sees_alike_keep_their_order():
    np.testing.assert_array_equal(rank_ordinary(np.full(6, 0.4)), np.arange(6))


def test_the_typical_window_has_the_least_distance_to_all_others():
    rng = np.random.default_rng(0)
    statistics = rng.normal(size=(20, 7)) * np.array([1, 100, 1e-3, 5, 1, 1, 0]) + 50
    scaled = statistics[:, :6] / statistics[:, :6].std(0)
    total = np.linalg.norm(scaled[:, None] - scaled[None], axis=2).sum(1)
    order = rank_typical(statistics)
    assert order[0] == total.argmin()
    np.testing.assert_array_equal(order, np.argsort(total, kind="stable"))
    np.testing.assert_array_equal(rank_typical(1000 * statistics), order)


def test_first_keeps_the_most_ordinary_windows():
    windows = np.arange(24, dtype=float).reshape(4, 3, 2)
    reference = real_windows(ORDINARY, windows, 0.8)
    np.testing.assert_array_equal(reference.first(2).windows, windows[:2])
    assert reference.first(2).distance == 0.8
    with pytest.raises(WindowError, match="finite"):
        real_windows(ORDINARY, np.full((1, 3, 2), np.nan))


def test_names_of_old_links_are_translated_and_others_refused():
    for old, now in RENAMED.items():
        assert check_name(old) == now
    with pytest.raises(InputError, match="a reference out of ordinary_windows, typical_window"):
        check_name("zeros")
