import json

import numpy as np
import pytest

from core.errors import ConfigError, InputError
from core.experiments import left_out
from core.experiments.left_out import ALL, deal, leave_out
from core.training.members import train
from tests.conftest import random_walk, small_config

TINY = small_config(
    model={"sequence_length": 60, "instrument_embedding": False},
    training={"first_position": 30, "window_stride": 30},
)


@pytest.fixture(scope="module")
def markets():
    return {(name, "1d"): random_walk(name, 900, seed) for seed, name in enumerate(["AAA", "BBB", "CCC"])}


@pytest.fixture(scope="module")
def finished(markets, tmp_path_factory):
    folder = tmp_path_factory.mktemp("left_out")
    trained_on = {}

    def watch(data, config, place, **options):
        trained_on[place.name] = {*data.peers} | {series.instrument for series in data.series}
        return train(data, config, place, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(left_out, "train", watch)
        return folder, leave_out(markets, TINY, folder, groups=3, test_step=4), trained_on


def test_every_instrument_is_left_out_once():
    parts = deal(["D", "A", "C", "B"], 3)
    assert sorted(name for part in parts for name in part) == ["A", "B", "C", "D"]
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


@pytest.mark.parametrize("groups", [1, 4])
def test_groups_that_cannot_be_dealt_are_refused(groups):
    with pytest.raises(InputError, match="groups from 2 to the 3"):
        deal(["A", "B", "C"], groups)


def test_every_instrument_is_scored_by_both_models_on_the_same_rows(finished):
    _, scores, _ = finished
    for task in ("direction", "volatility", "regime"):
        mine = {score.instrument: score for score in scores if score.task == task}
        assert list(mine) == [ALL, "AAA", "BBB", "CCC"]
        assert mine[ALL].rows == sum(mine[name].rows for name in ("AAA", "BBB", "CCC")) > 50
        whole = sum(mine[name].rows * mine[name].unseen for name in ("AAA", "BBB", "CCC")) / mine[ALL].rows
        assert mine[ALL].unseen == pytest.approx(whole)
        for score in mine.values():
            assert score.difference.value == pytest.approx(score.unseen - score.seen)
    assert any(score.difference.value != 0 for score in scores)


def test_what_is_left_out_is_in_no_part_of_the_training(finished):
    folder, _, trained_on = finished
    assert trained_on == {
        "all": {"AAA", "BBB", "CCC"},
        "without-AAA": {"BBB", "CCC"},
        "without-BBB": {"AAA", "CCC"},
        "without-CCC": {"AAA", "BBB"},
    }
    with np.load(folder / "without-AAA" / "losses.npz") as stored:
        assert set(stored["direction/key"]) == {"AAA|1d"}


def test_a_finished_comparison_is_read_and_another_is_refused(finished, markets):
    folder, scores, _ = finished
    before = (folder / "all" / "losses.npz").stat().st_mtime_ns
    assert leave_out(markets, TINY, folder, groups=3, test_step=4) == scores
    assert (folder / "all" / "losses.npz").stat().st_mtime_ns == before
    assert len(json.loads((folder / "left_out.json").read_text())) == len(scores)
    with pytest.raises(ConfigError, match="this comparison or none"):
        leave_out(markets, TINY, folder, groups=2, test_step=4)
