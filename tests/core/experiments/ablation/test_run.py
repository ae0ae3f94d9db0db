from dataclasses import asdict

import numpy as np
import pytest

from core.baselines.simple import ClassPrior, baseline_rows
from core.data.dataset import prepare
from core.data.segments import CALIBRATE, TEST, TRAIN, SegmentBorders
from core.data.windows import LastBarWindows
from core.errors import ConfigError
from core.experiments.ablation.arms import ARMS, SEED, WHOLE
from core.experiments.ablation.run import arm_folder, run_ablation
from core.experiments.ablation.scores import mean_forecast
from core.scores.metrics import log_losses
from tests.conftest import small_config

TINY = small_config(model={"sequence_length": 60}, training={"first_position": 30, "window_stride": 30})
SOME = {
    WHOLE: ARMS[WHOLE],
    "no windows": ARMS["no windows"],
    "same again": {},
    "mean of the same": {"mean_of": [WHOLE, "same again"]},
    "mean": {"mean_of": [WHOLE, "no windows"]},
    "alone": {"per_series": True},
}
BESIDE = ("prior", "logistic")


@pytest.fixture(scope="module")
def finished(walks, tmp_path_factory):
    folder = tmp_path_factory.mktemp("ablation")
    return folder, run_ablation(walks, TINY, folder, arms=SOME, baselines=BESIDE, test_step=4)


def by_arm(scores, task="direction"):
    return {score.arm: score for score in scores if score.task == task}


@pytest.mark.parametrize("arm", ["same again", "mean of the same"])
def test_an_arm_that_changes_nothing_differs_by_nothing(finished, arm):
    _, scores = finished
    same = [score for score in scores if score.arm == arm]
    assert len(same) == 3
    for score in same:
        assert [score.difference, score.low, score.high] == pytest.approx([0, 0, 0], abs=1e-7)
    assert {score.verdict for score in same if score.difference == 0} <= {"no difference shown"}


def test_differences_are_of_the_mean_log_losses_on_the_same_rows(finished):
    _, scores = finished
    whole = {score.task: score for score in scores if score.arm == WHOLE}
    beside = {(score.arm, score.task): score for score in scores if score.baseline}
    for score in scores:
        assert score.rows == whole[score.task].rows
        assert score.difference == pytest.approx(score.log_loss - whole[score.task].log_loss, abs=1e-9)
        assert score.low <= score.difference <= score.high
        for name, found in score.beside.items():
            gap = score.log_loss - beside[name, score.task].log_loss
            assert found.value == pytest.approx(gap, abs=1e-9)
            assert found.low <= found.value <= found.high
    assert any(score.difference != 0 for score in scores if score.arm == "no windows")


def test_a_mean_of_arms_is_never_worse_than_the_mean_of_their_losses():
    rng = np.random.default_rng(0)
    one, other = ({"task/2": rng.normal(size=(50, 3)) * 3} for _ in range(2))
    labels = rng.integers(0, 3, 50)

    def losses(logits):
        odds = np.exp(logits["task/2"])
        return log_losses(odds / odds.sum(axis=1, keepdims=True), labels)

    both = mean_forecast([one, other])
    assert np.exp(both["task/2"]).sum(axis=1) == pytest.approx(np.ones(50))
    assert (losses(both) <= (losses(one) + losses(other)) / 2 + 1e-12).all()
    assert losses(mean_forecast([one, one])) == pytest.approx(losses(one))


def test_every_arm_is_scored_on_the_same_rows_even_when_each_series_has_its_own_model(finished):
    _, scores = finished
    alone = by_arm(scores)["alone"]
    assert alone.rows == by_arm(scores)[WHOLE].rows
    assert alone.difference != 0


def test_the_prior_beside_the_arms_is_the_one_fitted_on_the_training_rows(finished, walks):
    _, scores = finished
    data = prepare(walks, TINY)
    train, test = (
        baseline_rows(LastBarWindows(data, segment, TINY, step), "direction")
        for segment, step in ((TRAIN, 1), (TEST, 4))
    )
    known = test.labels >= 0
    shares = ClassPrior.fit(train, train, 3).predict(test)[known]
    prior = by_arm(scores)["prior"]
    assert prior.log_loss == pytest.approx(log_losses(shares, test.labels[known]).mean())
    assert prior.baseline
    assert prior.beside == {}


def test_a_choice_between_arms_sees_the_calibrate_segment_alone(finished, walks):
    folder, scores = finished
    data = prepare(walks, TINY)
    labels = LastBarWindows(data, CALIBRATE, TINY, 4).last_labels("direction")
    with np.load(folder / arm_folder(WHOLE, SOME[WHOLE]) / "outputs.npz") as stored:
        logits = stored[f"direction/{CALIBRATE}"][labels >= 0]
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    raw = log_losses(odds / odds.sum(axis=1, keepdims=True), labels[labels >= 0]).mean()
    # One temperature, fitted on these very rows, can only lower their loss.
    assert 0 < by_arm(scores)[WHOLE].calibrate_log_loss <= raw + 1e-9


def test_a_finished_arm_is_not_trained_again(finished, walks, monkeypatch):
    folder, scores = finished
    monkeypatch.setattr("core.experiments.ablation.run.train", lambda *a, **k: pytest.fail("trained again"))
    again = run_ablation(walks, TINY, folder, arms=SOME, baselines=BESIDE, test_step=4)
    assert [str(asdict(score)) for score in again] == [str(asdict(score)) for score in scores]


def test_an_arm_whose_settings_changed_is_not_taken_for_the_finished_one(finished, walks, monkeypatch):
    folder, _ = finished
    changed = {**SOME, "no windows": {"model": {"windows": [5, 5, None, None]}}}
    trained = []

    def train(data, config, *arguments, **options):
        trained.append(config.model.windows)
        raise KeyboardInterrupt

    monkeypatch.setattr("core.experiments.ablation.run.train", train)
    with pytest.raises(KeyboardInterrupt):
        run_ablation(walks, TINY, folder, arms=changed, baselines=BESIDE, test_step=4)
    assert trained == [[5, 5, None, None]]


def test_no_bar_from_the_end_on_is_looked_at(walks, tmp_path):
    starts = [walks["AAA", "1d"]["ts"].iloc[place] for place in (800, 1000, 1150)]
    borders = SegmentBorders(*starts)
    spoilt = {key: frame.copy() for key, frame in walks.items()}
    for frame in spoilt.values():
        frame.loc[frame["ts"] >= starts[2], ["open", "high", "low", "close"]] = 1e6
    found = [
        run_ablation(
            bars, TINY, tmp_path / name, arms={WHOLE: {}}, borders=borders, baselines=("prior",), test_step=4
        )
        for name, bars in (("as_they_are", walks), ("spoilt", spoilt))
    ]
    assert str(found[0]) == str(found[1])
    assert max(score.rows for score in found[0]) <= 2 * 150 / 4 + 2


def test_another_ablations_folder_is_refused(finished, walks):
    folder, _ = finished
    with pytest.raises(ConfigError, match="another"):
        run_ablation(walks, TINY, folder, arms=SOME, baselines=BESIDE, test_step=5)


def test_an_arm_whose_data_settings_change_the_rows_is_refused(finished, walks):
    folder, _ = finished
    narrower = {**SOME, "fewer": {"data": {"instruments": [next(iter(walks))[0]]}}}
    with pytest.raises(ConfigError, match="same bars"):
        run_ablation(walks, TINY, folder, arms=narrower, baselines=BESIDE, test_step=4)


def test_nothing_is_called_better_unless_it_holds_with_all_arms_counted(finished):
    from dataclasses import replace

    _, scores = finished
    arm = by_arm(scores)["no windows"]

    def verdict(difference, held, name="arm"):
        return replace(arm, arm=name, difference=difference, held=held).verdict

    assert [verdict(0.01, True), verdict(-0.01, True), verdict(-0.01, False)] == [
        "worse than the whole model",
        "better than the whole model",
        "no difference shown",
    ]
    assert "seeds" in verdict(0.01, True, SEED)
