from pathlib import Path

import pytest
import yaml

from core.config import load_config
from core.errors import ConfigError
from core.experiments.ablation.arms import ARMS, WHOLE, change_config, check_arms, read_arms
from tests.conftest import small_config

SMALL = small_config()
ASSETS = Path(__file__).resolve().parents[4] / "assets"


def test_every_built_in_arm_changes_the_configuration_in_one_place_or_two():
    check_arms(ARMS, SMALL)
    for name, settings in ARMS.items():
        assert sum(len(values) for values in settings.values()) <= 2, name
        assert name == WHOLE or change_config(SMALL, settings) != SMALL


def test_arms_of_a_file_stand_after_the_whole_model(tmp_path):
    arms = {
        "wide": {"model": {"d_model": 32}},
        "regime first": {"tasks": {"regime": {"weight": 2.0}}},
        "both": {"mean_of": [WHOLE, "wide"]},
        "alone": {"per_series": True},
    }
    (tmp_path / "arms.yaml").write_text(yaml.safe_dump(arms, sort_keys=False))
    found = read_arms(tmp_path / "arms.yaml")
    assert list(found) == [WHOLE, *arms]
    check_arms(found, SMALL)
    assert change_config(SMALL, found["wide"]).model.d_model == 32
    weights = {task.name: task.weight for task in change_config(SMALL, found["regime first"]).tasks}
    assert weights == {"direction": 1.0, "volatility": 1.0, "regime": 2.0}
    assert change_config(SMALL, found["alone"]) == SMALL


@pytest.mark.parametrize(
    "arm",
    [
        {"labels": {"band": 0.9}},
        {"split": {"train_share": 0.5}},
        {"tasks": {"regime": {"classes": ["a", "b"]}}},
        {"tasks": {"nothing": {"weight": 1.0}}},
        {"tasks": [1]},
        {"model": {"d_modell": 32}},
        {"training": 3},
        {"mean_of": ["nobody"]},
        {"mean_of": []},
        {"mean_of": [WHOLE], "model": {"d_model": 32}},
    ],
)
def test_an_arm_that_asks_another_question_or_cannot_be_read_is_refused_before_training(arm):
    with pytest.raises(ConfigError):
        check_arms({WHOLE: {}, "arm": arm}, SMALL)


def test_the_arms_that_ship_can_be_trained_with_the_configuration_they_are_for():
    check_arms(read_arms(ASSETS / "fx_arms.yaml"), load_config(ASSETS / "fx.yaml"))
    load_config(ASSETS / "acl18.yaml")


def test_a_mean_of_means_is_refused():
    arms = {WHOLE: {}, "mean": {"mean_of": [WHOLE]}, "again": {"mean_of": ["mean"]}}
    with pytest.raises(ConfigError, match="trained"):
        check_arms(arms, SMALL)


def test_arms_without_a_whole_model_are_refused():
    with pytest.raises(ConfigError, match=WHOLE):
        check_arms({"arm": {}}, SMALL)


@pytest.mark.parametrize("text", ["[1, 2]", "a: 3", "a: {b", ""])
def test_a_file_that_holds_no_arms_is_refused(tmp_path, text):
    (tmp_path / "arms.yaml").write_text(text)
    with pytest.raises(ConfigError):
        read_arms(tmp_path / "arms.yaml")


def test_a_missing_file_of_arms_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="readable"):
        read_arms(tmp_path / "none.yaml")
