import yaml

from core.config import DEFAULT_PATH, Config, load_config


def test_the_file_spells_out_every_default():
    assert load_config() == Config()
    written = yaml.safe_load(DEFAULT_PATH.read_text(encoding="utf-8"))
    assert written == Config().model_dump(mode="json")


def test_every_value_has_a_comment():
    for line in DEFAULT_PATH.read_text(encoding="utf-8").splitlines():
        if line.startswith("  ") and not line.lstrip().startswith("-"):
            assert "  # " in line, line
