import numpy as np

from core.data.segments import CALIBRATE, TEST
from core.data.windows import LastBarWindows
from core.experiments.ablation.arms import SEED, WHOLE
from core.experiments.ablation.scores import compare_forecasts
from tests.core.training.synthetic_series import planted_config, planted_data


def scores_of(arms: int, gain: float):
    """Scores of arms that know nothing, one of which also knows a little of every label."""
    rng = np.random.default_rng(1)
    data, config = planted_data(bars=900), planted_config()
    judged = {part: LastBarWindows(data, part, config) for part in (CALIBRATE, TEST)}
    task = config.tasks[0].name
    sharp = {part: np.eye(3)[np.maximum(w.last_labels(task), 0)] for part, w in judged.items()}
    noise = {
        name: {f"{task}/{part}": rng.normal(0, 0.1, know.shape) for part, know in sharp.items()}
        for name in [WHOLE, SEED, *[f"arm {k}" for k in range(arms)]]
    }
    for part, know in sharp.items():
        noise["arm 0"][f"{task}/{part}"] += gain * know
    prior = {f"{task}/prior": np.full((int((judged[TEST].last_labels(task) >= 0).sum()), 3), 1 / 3)}
    only = config.model_copy(update={"tasks": config.tasks[:1]})
    return {score.arm: score for score in compare_forecasts(noise, prior, judged, only)}


def test_what_is_plainly_better_holds_among_many_arms_and_what_is_not_does_not():
    found = scores_of(arms=12, gain=1.0)
    assert found["arm 0"].verdict == "better than the whole model"
    assert {found[f"arm {k}"].verdict for k in range(1, 12)} == {"no difference shown"}
    assert not found[SEED].held


def test_a_small_gain_counts_alone_and_not_among_forty():
    gains = np.linspace(0.005, 0.06, 12)
    alone = [scores_of(1, gain)["arm 0"].held for gain in gains]
    among = [scores_of(40, gain)["arm 0"].held for gain in gains]
    assert sum(among) < sum(alone)
