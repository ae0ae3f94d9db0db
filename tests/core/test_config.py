import pytest
import yaml

from core.config import DEFAULT_PATH, Config, load_config, parse_config
from core.errors import ConfigError


def test_the_shipped_yaml_holds_every_hyperparameter_at_its_default():
    assert load_config() == Config()
    written = yaml.safe_load(DEFAULT_PATH.read_text())
    for section, model in Config.model_fields.items():
        assert section in written
        fields = getattr(model.annotation, "model_fields", None)
        if fields:
            assert set(written[section]) == set(fields)


def test_a_wrong_key_is_refused_with_the_allowed_and_the_nearest():
    with pytest.raises(ConfigError, match=r"epochs.*training\.epohcs.*did you mean 'epochs'"):
        parse_config({"training": {"epohcs": 3}})


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ({"training": {"epochs": 0}}, "training.epochs"),
        ({"training": {"precision": "int8"}}, "training.precision"),
        ({"model": {"d_model": 30}}, "multiple of num_attention_heads"),
        ({"split": {"train_share": 0.9, "calibrate_share": 0.2}}, "test segment"),
        ({"split": {"train_until": "2009-01-01"}}, "together"),
        ({"data": {"timeframes": ["7m"]}}, "7m"),
        ({"labels": {"regime_lead": 30}}, "regime_lead"),
        ({"training": {"first_position": 300}}, "first_position"),
        ({"tasks": [{"name": "a", "classes": ["x", "y"], "label": "direction"}] * 2}, "differ"),
    ],
)
def test_a_wrong_value_is_refused_by_name(raw, said):
    with pytest.raises(ConfigError, match=said) as refusal:
        parse_config(raw)
    assert "\n" not in str(refusal.value)


def test_overrides_are_yaml_values_at_dotted_keys():
    config = load_config(overrides=["training.epochs=5", "data.timeframes=[1h]", "model.windows=[10, null]"])
    assert config.training.epochs == 5
    assert config.data.timeframes == ["1h"]
    assert config.model.windows == [10, None]


def test_broken_yaml_is_refused_with_the_place(tmp_path):
    path = tmp_path / "broken.yaml"
    path.write_text("training:\n  epochs: [1,\n")
    with pytest.raises(ConfigError, match="line"):
        load_config(path)
    path.write_text("- 1\n")
    with pytest.raises(ConfigError, match="list"):
        load_config(path)


def test_the_file_spells_out_every_default():
    assert load_config() == Config()
    written = yaml.safe_load(DEFAULT_PATH.read_text(encoding="utf-8"))
    assert written == Config().model_dump(mode="json")


def test_every_value_has_a_comment():
    for line in DEFAULT_PATH.read_text(encoding="utf-8").splitlines():
        if line.startswith("  ") and not line.lstrip().startswith("-"):
            assert "  # " in line, line
