import numpy as np
import pytest

from core.errors import ConfigError
from core.training.ablation import ARMS, SEED, WHOLE, ArmScore, run_ablation
from tests.conftest import small_config

TINY = small_config(model={"sequence_length": 60}, training={"first_position": 30, "window_stride": 30})
TWO = {WHOLE: ARMS[WHOLE], "no windows": ARMS["no windows"], "same again": {}}


@pytest.fixture(scope="module")
def finished(walks, tmp_path_factory):
    folder = tmp_path_factory.mktemp("ablation")
    return folder, run_ablation(walks, TINY, folder, arms=TWO, test_step=4)


def test_an_arm_that_changes_nothing_differs_by_exactly_zero(finished):
    _, scores = finished
    same = [score for score in scores if score.arm == "same again"]
    assert len(same) == 3
    assert all(score.difference == score.low == score.high == 0 for score in same)
    assert {score.verdict for score in same} == {"no difference shown"}


def test_differences_are_of_the_mean_log_losses_on_the_same_rows(finished):
    _, scores = finished
    whole = {score.task: score for score in scores if score.arm == WHOLE}
    for score in scores:
        assert score.rows == whole[score.task].rows
        assert score.difference == pytest.approx(score.log_loss - whole[score.task].log_loss, abs=1e-9)
        assert score.low <= score.difference <= score.high
    assert any(score.difference != 0 for score in scores if score.arm == "no windows")


def test_a_finished_arm_is_not_trained_again(finished, walks, monkeypatch):
    folder, scores = finished
    monkeypatch.setattr("core.training.ablation.train", lambda *a, **k: pytest.fail("trained again"))
    assert run_ablation(walks, TINY, folder, arms=TWO, test_step=4) == scores


def test_another_ablations_folder_is_refused(finished, walks):
    folder, _ = finished
    with pytest.raises(ConfigError, match="another"):
        run_ablation(walks, TINY, folder, arms=TWO, test_step=5)


def test_nothing_is_called_better_unless_the_interval_excludes_zero():
    def score(low, high):
        return ArmScore("arm", "direction", 10, 1.0, (low + high) / 2, low, high).verdict

    assert [score(0.01, 0.02), score(-0.02, -0.01), score(-0.01, 0.01)] == [
        "helps",
        "hurts",
        "no difference shown",
    ]


def test_another_seed_is_a_yardstick_and_never_called_a_help():
    assert "seeds" in ArmScore(SEED, "direction", 10, 1.0, 0.02, 0.01, 0.03).verdict


def test_every_arm_changes_the_configuration_in_one_place_or_two():
    for name, settings in ARMS.items():
        assert sum(len(values) for values in settings.values()) <= 2, name
    assert np.all([arm == WHOLE or settings for arm, settings in ARMS.items()])
