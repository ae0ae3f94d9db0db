import json

from core.trading.kept import FOLDER, TRIALS, Kept, count_trial, result_key, setting_key
from core.trading.rules import load_rules
from tests.core.trading.synthetic_trading import daily_bars


def test_a_part_is_made_once_and_again_where_its_file_is_damaged(tmp_path):
    made = []
    kept = Kept(tmp_path)

    def make():
        made.append(1)
        return {"a": [1.0, float("nan")]}

    assert kept.recall("part", make) == kept.recall("part", make) == {"a": [1.0, None]}
    assert len(made) == 1
    (tmp_path / "part.json").write_text('{"a": [1.')
    assert kept.recall("part", make) == {"a": [1.0, None]}
    assert len(made) == 2
    assert Kept(None).recall("part", make) == {"a": [1.0, None]}


def test_a_setting_counts_once_however_often_it_is_tried_and_no_line_is_lost(tmp_path):
    assert [count_trial(tmp_path, setting) for setting in ("a", "b", "a", "c", "b")] == [1, 2, 2, 3, 3]
    lines = (tmp_path / FOLDER / TRIALS).read_text().splitlines()
    assert [json.loads(line)["setting"] for line in lines] == ["a", "b", "c"]


def test_every_choice_makes_another_setting_and_other_bars_another_result():
    rules = load_rules()
    settings = {
        setting_key("wf", rules, "1d", None, None),
        setting_key("other", rules, "1d", None, None),
        setting_key("wf", load_rules(sets=["exits.stop=2.0"]), "1d", None, None),
        setting_key("wf", rules, "1w", None, None),
        setting_key("wf", rules, "1d", "2015-01-01", None),
    }
    assert len(settings) == 5
    bars = {("AAA", "1d"): daily_bars("AAA", 30)}
    key = result_key("a", bars)
    assert key == result_key("a", {("AAA", "1d"): daily_bars("AAA", 30)})
    assert key != result_key("a", {("AAA", "1d"): daily_bars("AAA", 31)})
    assert key != result_key("b", bars)
