"""Training without some features: the same bars, an honest verdict, refusals that name the mistake."""

import json

import numpy as np
import pytest

from core.errors import InputError
from core.experiments.ablation.arms import WHOLE
from core.experiments.ablation.scores import ArmScore
from core.experiments.ablation.without_features import RESULT, WITHOUT, compare_without, removable_by_evidence
from core.explain.evidence.store import evidence_folder, write_evidence
from tests.conftest import small_config

TINY = small_config(model={"sequence_length": 60}, training={"first_position": 30, "window_stride": 30})
REMOVED = ["adx_14", "mfi_14"]


@pytest.fixture(scope="module")
def compared(walks, tmp_path_factory) -> tuple:
    from core.data.store import BarStore

    folder = tmp_path_factory.mktemp("selection")
    store = BarStore(folder / "home")
    for bars in walks.values():
        store.upsert(bars)
    seen = []
    scores = compare_without(
        store, TINY, REMOVED, folder, test_step=4, progress=lambda *pair: seen.append(pair)
    )
    return store, folder, scores, seen


def test_both_are_scored_on_the_same_bars_and_judged_by_the_interval(compared):
    _, folder, scores, seen = compared
    assert {score.arm for score in scores} == {WHOLE, WITHOUT, "prior"}
    assert {score.task for score in scores} == {"direction", "volatility", "regime"}
    whole = {score.task: score for score in scores if score.arm == WHOLE}
    for score in scores:
        assert score.rows == whole[score.task].rows > 30
        assert score.difference == pytest.approx(score.log_loss - whole[score.task].log_loss, abs=1e-9)
        if score.arm == WITHOUT:
            assert np.isfinite(score.log_loss)
            assert score.difference != 0
            decided = score.low > 0 or score.high < 0
            assert (score.verdict != "no difference shown") == decided
    assert seen == [(0, 2), (1, 2), (2, 2)]
    stored = json.loads((folder / RESULT).read_text())
    assert stored["removed"] == REMOVED
    assert not set(REMOVED) & set(stored["kept"])
    assert "missing_share" not in stored["kept"]


def test_a_finished_comparison_is_only_read_again(compared):
    store, folder, scores, _ = compared
    trained = {path: path.stat().st_mtime_ns for path in folder.rglob("best.ckpt")}
    assert len(trained) == 2
    again = compare_without(store, TINY, REMOVED, folder, test_step=4)
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("best.ckpt")} == trained
    assert [(s.arm, s.log_loss) for s in again] == [(s.arm, s.log_loss) for s in scores]


@pytest.mark.parametrize(
    ("removed", "message"),
    [
        (["adx_41"], "did you mean 'adx_14'"),
        (["missing_share"], "features of the model, got 'missing_share'"),
        ([], "some features to go"),
    ],
)
def test_what_cannot_be_removed_is_refused_before_training(compared, tmp_path, removed, message):
    with pytest.raises(InputError, match=message):
        compare_without(compared[0], TINY, removed, tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("difference", "held", "said"),
    [
        (-0.1, False, "no difference shown"),
        (-0.1, True, "better than the whole model"),
        (0.1, True, "worse than the whole model"),
    ],
)
def test_a_verdict_needs_a_difference_that_holds(difference, held, said):
    fields = dict.fromkeys(("accuracy", "mcc"), None)
    ends = difference - 0.05, difference + 0.05
    score = ArmScore(WITHOUT, "t", 9, 1.0, 1.0, difference, *ends, **fields, beside={}, held=held)  # type: ignore[arg-type]
    assert score.verdict == said


def test_the_measured_importance_says_what_may_go(tmp_path, walk_bundle):
    with pytest.raises(InputError, match="python -m core evidence --parts importance"):
        removable_by_evidence(tmp_path, walk_bundle)
    shares = {name: [0.02, 0.01, 0.03] for name in walk_bundle.feature_names}
    other = {**shares, "adx_14": [0.001, 0.0, 0.004], "missing_share": [0.0, 0.0, 0.0]}
    content = {
        "removable": ["mfi_14"],
        "tasks": {
            "a": {"attribution": {"features": {"all": other}}},
            "b": {"attribution": {"features": {"all": {**other, "mfi_14": [0.001, 0.0, 0.003]}}}},
        },
    }
    write_evidence(evidence_folder(tmp_path, walk_bundle), walk_bundle, "importance", content)
    assert removable_by_evidence(tmp_path, walk_bundle) == ["mfi_14"]
    assert removable_by_evidence(tmp_path, walk_bundle, 0.005) == ["adx_14"]
    assert removable_by_evidence(tmp_path, walk_bundle, 0.001) == []
