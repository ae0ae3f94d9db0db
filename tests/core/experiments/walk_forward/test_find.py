import core.bundle
from core.experiments.walk_forward.find import find_walk_forward
from core.experiments.walk_forward.results import SUMMARY


def _finish(folder):
    folder.mkdir(parents=True)
    (folder / SUMMARY).write_text("{}")
    return folder


def test_a_model_s_own_goes_before_the_one_of_its_name(tmp_path, monkeypatch):
    home, model, shipped = tmp_path / "home", tmp_path / "models" / "m", tmp_path / "assets" / "model"
    monkeypatch.setattr(core.bundle, "SHIPPED", shipped)
    assert find_walk_forward(home, model, "m") is None
    (home / "walk_forward" / "m").mkdir(parents=True)
    assert find_walk_forward(home, model, "m") is None, "an unfinished one is none"
    (home / "walk_forward" / "m").rmdir()
    named = _finish(home / "walk_forward" / "m")
    beside = _finish(shipped.parent / "walk_forward")
    assert find_walk_forward(home, model, "m") == named
    assert find_walk_forward(home, model, "other") is None
    assert find_walk_forward(home, shipped, "m") == beside
    own = _finish(model / "walk_forward")
    assert find_walk_forward(home, model, "m") == own
