import dataclasses
import json

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from core.config import ModelConfig
from core.errors import InputError
from core.explain.evidence.planted.markets import FIRST_LABEL, FLIPPED, GENERATORS
from core.explain.evidence.planted.references import draw_references
from core.explain.evidence.planted.run import TABLE, best_method, run_planted
from core.explain.evidence.planted.scores import mean_score, score_causes
from core.explain.evidence.planted.training import CLASSES, TASK, PlantedTraining, build_model, train_planted
from core.explain.evidence.planted.views import ATTENTION_VIEWS, explain_planted, randomised_correlation
from core.explain.evidence.routing import rank_correlation
from core.explain.margin import TaskMargin
from core.explain.methods.settings import Settings
from core.explain.references import ORDINARY, TYPICAL, real_windows, window_mean
from core.progress import Stopped

TINY = ModelConfig(
    sequence_length=120,
    d_model=16,
    num_attention_heads=2,
    ffn_dim=32,
    windows=[20, None],
    dropout=0.0,
    embedding_dropout=0.0,
)
SHORT = PlantedTraining(steps=4, batch=2)


def judge(data):
    """Answers from the masked cells of each window alone."""
    answers = []
    for window, mask, series in zip(data.windows.astype(float), data.mask, data.series, strict=True):
        cells = window[mask] - GENERATORS[data.name].scales[series][0]
        strength = cells.prod() if data.name == "interacting_pair" else cells.mean()
        answers.append(int(strength > 0))
    return np.array(answers)


@pytest.mark.parametrize("name", GENERATORS)
def test_a_judge_who_sees_only_the_causes_reaches_the_accuracy_promised(name):
    data = GENERATORS[name].draw(1500, seed=0, bars=160, features=10)
    answers = judge(data)
    np.testing.assert_array_equal(answers, data.rule[:, -1])
    accuracy = (answers == data.labels[:, -1]).mean()
    assert data.bayes_accuracy == 1 - FLIPPED
    assert accuracy == pytest.approx(data.bayes_accuracy, abs=4 * np.sqrt(FLIPPED * (1 - FLIPPED) / 1500))


@pytest.mark.parametrize("name", GENERATORS)
def test_labels_at_every_bar_follow_from_that_bars_past(name):
    data = GENERATORS[name].draw(40, seed=1, bars=160, features=10)
    assert (data.labels[:, :FIRST_LABEL] == -1).all()
    assert set(np.unique(data.labels[:, FIRST_LABEL:])) == {0, 1}
    assert data.rule[:, FIRST_LABEL:].mean() == pytest.approx(0.5, abs=0.15)
    assert 0 <= data.windows.min() <= data.windows.max() <= 100
    flips = (data.labels != data.rule)[:, FIRST_LABEL:].mean()
    assert flips == pytest.approx(FLIPPED, abs=0.02)


@pytest.mark.parametrize("name", GENERATORS)
def test_cells_outside_the_mask_do_not_decide(name):
    data = GENERATORS[name].draw(300, seed=2, bars=160, features=10)
    causes = data.mask.any((0, 1))
    others = data.windows[:, -40:, ~causes].mean(1)
    signs = 2 * data.rule[:, -1] - 1
    shared = [abs(np.corrcoef(column, signs)[0, 1]) for column in others.T]
    decoy = {"correlated_decoy": 1}.get(name, 0)
    assert sum(correlation > 0.25 for correlation in shared) == decoy


def test_the_latest_jump_is_the_cause_and_two_jumping_features_say_nothing_alone():
    data = GENERATORS["interacting_pair"].draw(2000, seed=3, bars=160, features=10)
    bars = data.mask.any(2).argmax(1)
    assert (data.mask.sum((1, 2)) == 2).all()
    for feature in np.flatnonzero(data.mask.any((0, 1))):
        high = data.windows[np.arange(2000), bars, feature] > 50
        assert abs(np.corrcoef(high, data.rule[:, -1])[0, 1]) < 0.1


def test_the_same_seed_draws_the_same_market_and_small_ones_are_refused():
    generator = GENERATORS["rare_bars"]
    np.testing.assert_array_equal(generator.draw(3, 5).windows, generator.draw(3, 5).windows)
    assert generator.draw(3, 5).windows.shape == (3, 300, 30)
    with pytest.raises(InputError, match="120 bars"):
        generator.draw(3, 5, bars=50)


def test_a_perfect_explanation_scores_one_and_a_constant_the_prior():
    mask = np.zeros((20, 5), dtype=bool)
    mask[3:6, 2] = True
    perfect = score_causes(-mask.astype(float), mask)
    assert (perfect.auprc, perfect.auprc_bars, perfect.rank) == (1, 1, 1)
    assert perfect.aur == pytest.approx(1)
    constant = score_causes(np.ones(mask.shape), mask)
    assert constant.auprc == pytest.approx(mask.mean())
    assert (constant.aup, constant.aur, constant.rank) == (0, 0, 0)


def test_scores_of_graded_values_agree_with_thresholding_by_hand():
    rng = np.random.default_rng(0)
    mask = rng.random((15, 4)) < 0.3
    values = rng.random((15, 4)) + 0.5 * mask
    score = score_causes(values, mask)
    scaled = (values - values.min()) / np.ptp(values)
    thresholds = np.linspace(0, 1, 4001)
    chosen = scaled.ravel()[None] >= thresholds[:, None]
    hits = (chosen & mask.ravel()).sum(1)
    assert score.aup == pytest.approx(np.trapezoid(hits / np.maximum(chosen.sum(1), 1), thresholds), abs=0.02)
    assert score.aur == pytest.approx(np.trapezoid(hits / mask.sum(), thresholds), abs=0.02)
    assert score.auprc == pytest.approx(average_precision_score(mask.ravel(), values.ravel()))
    assert mean_score([score, score])["auprc_error"] == 0


def test_the_run_is_stored_resumes_and_adds_only_what_is_new(tmp_path):
    options = {
        "training": SHORT,
        "settings": Settings(
            first_steps=2, max_steps=2, samples=2, player_block=60, rounds=1, rescaling_block=60
        ),
        "generators": ["rare_bars", "rare_feature"],
        "methods": ["ig", "feature_ablation"],
        "features": 8,
    }
    calls = []

    def stop_in_the_second(what, done, planned):
        calls.append((what, done, planned))

    with pytest.raises(Stopped):
        run_planted(
            TINY,
            tmp_path,
            2,
            stop_in_the_second,
            cancelled=lambda: ("explaining rare_feature", 1, 2) in calls,
            **options,
        )
    assert not (tmp_path / TABLE).exists()
    before = len(calls)
    table = run_planted(TINY, tmp_path, 2, stop_in_the_second, **options)
    assert calls[before:] == [("explaining rare_feature", 2, 2)]
    assert json.loads((tmp_path / TABLE).read_text()) == table
    result = table["generators"]["rare_feature"]
    assert set(result["scores"]) == {
        "ig",
        "feature_ablation",
        "layer_conductance_0",
        "layer_conductance_1",
        *ATTENTION_VIEWS,
    }
    assert set(result["scores"]["ig"]) == {"ordinary_windows", "typical_window", "window_mean"}
    assert set(result["randomised"]) == {"ig", "feature_ablation"}
    calls.clear()
    assert run_planted(TINY, tmp_path, 2, stop_in_the_second, **options) == table
    assert calls == []
    one = options | {"generators": ["rare_bars"]}
    more = run_planted(TINY, tmp_path, 3, stop_in_the_second, **(one | {"methods": ["ig", "occlusion"]}))
    assert ("explaining rare_bars", 3, 3) in calls
    assert not any(what.startswith("training") for what, _, _ in calls)
    fewer = run_planted(TINY, tmp_path, 2, **(one | {"methods": ["ig", "feature_ablation"]}))
    assert fewer["generators"]["rare_bars"]["scores"] == table["generators"]["rare_bars"]["scores"]
    assert set(more["generators"]["rare_bars"]["scores"]["occlusion"]) == {"ordinary_windows"}
    calls.clear()
    longer = dataclasses.replace(SHORT, steps=SHORT.steps + 1)
    run_planted(TINY, tmp_path, 1, stop_in_the_second, **(one | {"training": longer}))
    assert ("training rare_bars", 5, 5) in calls
    with pytest.raises(InputError, match="known generators"):
        run_planted(TINY, tmp_path, 1, generators=["weather"])


def test_the_best_method_is_the_one_with_the_highest_mean_over_generators():
    scores = {
        "first": {
            "scores": {"ig": {"a": {"auprc": 0.9}, "b": {"auprc": 0.2}}, "occlusion": {"a": {"auprc": 0.5}}}
        },
        "second": {
            "scores": {"ig": {"a": {"auprc": 0.1}, "b": {"auprc": 0.2}}, "occlusion": {"a": {"auprc": 0.7}}}
        },
    }
    assert best_method(scores) == {"method": "occlusion", "reference": "a", "auprc": pytest.approx(0.6)}


def test_rounding_to_bfloat16_moves_scores_little():
    data = GENERATORS["rare_bars"].draw(2, 0, bars=120, features=8)
    model = build_model(TINY, 8, seed=1).eval()
    given = real_windows("given", data.windows[1:])
    exact, rounded = (
        explain_planted(model, data.windows[0], {"given": given}, wanted=[("ig", "given")], bfloat16=flag)
        for flag in (False, True)
    )
    pair = exact["ig", "given"][0], rounded["ig", "given"][0]
    assert rank_correlation(np.abs(pair[0]), np.abs(pair[1])) > 0.95
    assert not np.array_equal(*pair)


def test_a_model_compared_with_itself_fails_the_randomisation_check_and_another_one_does_not():
    windows = GENERATORS["rare_bars"].draw(2, 0, bars=120, features=8).windows
    model = build_model(TINY, 8, seed=1).eval()
    against = [window_mean(window) for window in windows]
    same, other = (
        randomised_correlation(model, windows, against, "gradient_times_input", seed=seed) for seed in (1, 2)
    )
    assert same == pytest.approx(1)
    assert other < 0.9


@pytest.mark.parametrize("name", ["rare_feature", "own_scale"])
def test_planted_windows_are_compared_with_ordinary_ones_of_their_own_series(name):
    generator = GENERATORS[name]
    model = build_model(TINY, 8, seed=1).eval()
    margin = TaskMargin(model, TASK.name, CLASSES[-1], CLASSES)
    found = draw_references(generator, margin, 120, 8)
    assert set(found) == set(range(len(generator.scales)))
    for series, (level, spread) in enumerate(generator.scales):
        ordinary, typical = (found[series][name].windows for name in (ORDINARY, TYPICAL))
        assert (len(ordinary), len(typical)) == (16, 1)
        others = np.concatenate([ordinary, typical])[:, :, [0, 1, 7]]
        assert others.mean() == pytest.approx(level, abs=spread / 10)
        assert others.std() == pytest.approx(spread, rel=0.1)
    again = draw_references(generator, margin, 120, 8)
    np.testing.assert_array_equal(found[0][ORDINARY].windows, again[0][ORDINARY].windows)


def test_a_market_of_several_series_shows_every_one_of_them():
    data = GENERATORS["own_scale"].draw(400, seed=3, bars=160, features=10)
    for series, (level, spread) in enumerate(GENERATORS["own_scale"].scales):
        mine = data.windows[data.series == series][:, :, 0]
        assert len(mine) > 60
        assert mine.mean() == pytest.approx(level, abs=spread / 10)
        assert mine.std() == pytest.approx(spread, rel=0.05)
        # The label speaks of the own scale: no series is mostly high.
        assert data.rule[data.series == series, -1].mean() == pytest.approx(0.5, abs=0.2)


def test_training_learns_a_single_informative_feature():
    config = TINY.model_copy(update={"windows": [50], "d_model": 16})
    training = PlantedTraining(steps=150, batch=8, learning_rate=1e-2, enough=0.85)
    trained = train_planted(config, GENERATORS["rare_feature"], training, features=8)
    assert trained.training_accuracy > 0.7
    assert not trained.model.training
    with pytest.raises(Stopped):
        train_planted(config, GENERATORS["rare_feature"], training, features=8, cancelled=lambda: True)
